package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// maxFileText bounds what is read of a file.
const maxFileText = 16 << 20

// ReadFile reads a file; of a folder, the file of that name in it.
func (m *Machine) ReadFile(f File, name string) (string, error) {
	text, err := m.readFile(f, name)
	op := "read"
	if name != "" {
		op = "read " + name + " in"
	}
	return text, f.fail(err, op)
}

func (m *Machine) readFile(f File, name string) (string, error) {
	root, err := m.filesRoot(f)
	if err != nil {
		return "", err
	}
	defer root.Close()
	// A FIFO that nobody writes to is not waited for.
	file, err := root.OpenFile(filepath.Join(f.At, name), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
		return "", errors.Join(err, errors.New("it is no regular file"))
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFileText+1))
	if len(text) > maxFileText {
		err = fmt.Errorf("it has more than %d MiB", maxFileText>>20)
	}
	return string(text), err
}

// WriteFile replaces what is in a file. Programs that see it, see that at once.
func (m *Machine) WriteFile(f File, text string) error {
	return f.fail(failpoint.Call(func() error { return m.writeFile(f, text) }), "write")
}

func (m *Machine) writeFile(f File, text string) error {
	root, err := m.filesRoot(f)
	if err != nil {
		return err
	}
	defer root.Close()
	file, err := root.OpenFile(f.At, os.O_WRONLY|os.O_TRUNC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// ListFiles lists what is in a folder, in the order of their names.
func (m *Machine) ListFiles(f File) (names []string, err error) {
	root, err := m.filesRoot(f)
	if err == nil {
		defer root.Close()
		var entries []os.DirEntry
		var dir *os.File
		if dir, err = root.Open(f.At); err == nil {
			defer dir.Close()
			entries, err = dir.ReadDir(-1)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	return names, f.fail(err, "list")
}
