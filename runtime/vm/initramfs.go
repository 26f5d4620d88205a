package vm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// An archive is an initramfs that is being made: what a machine has instead of a disk. Everybody may read all of it, as
// sandboxes need. It is not compressed: an emulated machine would take longer to unpack it than to boot.
type archive struct {
	w    *cpio.Writer
	have map[string]bool
}

func newArchive(w io.Writer) *archive {
	return &archive{w: cpio.NewWriter(w), have: map[string]bool{"/": true}}
}

// add writes one entry, after the folders that it is in. What is there already stays.
func (a *archive) add(name string, mode cpio.FileMode, content []byte) error {
	if a.have[name] {
		return nil
	}
	if err := a.folder(path.Dir(name)); err != nil {
		return err
	}
	a.have[name] = true
	h := &cpio.Header{Name: name[1:], Mode: mode, Links: 1, Size: int64(len(content))}
	if err := a.w.WriteHeader(h); err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	if _, err := a.w.Write(content); err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	return nil
}

func (a *archive) folder(name string) error {
	if a.have[name] {
		return nil
	}
	mode := cpio.FileMode(0o755)
	if name == "/tmp" || name == "/dev/shm" {
		mode = 0o777 | cpio.ModeSticky
	}
	return a.add(name, cpio.TypeDir|mode, nil)
}

func (a *archive) text(name, content string) error {
	return a.add(name, cpio.TypeReg|0o644, []byte(content))
}

// file puts a file of this machine's there under a name.
func (a *archive) file(name, from string) error {
	if a.have[name] {
		return nil
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	return a.add(name, cpio.TypeReg|cpio.FileMode(st.Mode().Perm()|0o444), content)
}

// maxFolder bounds what of this machine's is brought into one that has it all in memory.
const maxFolder = 64 << 20

// tree puts a file or a folder of this machine's there, under its own name. What is hidden is left out, as are
// sockets, devices and the like.
func (a *archive) tree(root string, left *int64) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist) && name != root:
			return nil // nobody's script can read it here, either, or it has gone meanwhile
		case err != nil:
			return err
		case name != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return a.folder(name)
		case d.Type() == fs.ModeSymlink && name != root:
			to, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return a.add(name, cpio.TypeSymlink|0o777, []byte(to))
		}
		st, err := os.Stat(name)
		if err != nil || !st.Mode().IsRegular() {
			return err
		}
		if *left -= st.Size(); *left < 0 {
			return &Error{Op: "bring " + root + " into the machine",
				Err:  fmt.Errorf("its files are more than %d MiB together", maxFolder>>20),
				Hint: "put the script into a folder with what belongs to it; --root names a folder that it loads from"}
		}
		if err := a.file(name, name); !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	})
}

func (a *archive) close() error { return a.w.Close() }
