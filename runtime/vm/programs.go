package vm

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// superuser is where programs are that are not in an ordinary user's PATH.
const superuser = "/usr/local/sbin:/usr/sbin:/sbin"

// Program finds a program of this machine's by its name, also those for the superuser.
func Program(name string) (string, error) {
	found, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(found)
	}
	if strings.Contains(name, "/") {
		return "", err
	}
	for _, dir := range filepath.SplitList(superuser) {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("there is no program %s here", name)
}

// program puts a program there under a name, with the libraries that it is linked with, or what interprets it.
func (a *archive) program(name, from string) error {
	if a.have[name] {
		return nil
	}
	if err := a.file(name, from); err != nil {
		return err
	}
	interpreter, libraries, err := linked(from)
	if err != nil {
		return err
	}
	if interpreter != "" {
		if err := a.program(interpreter, interpreter); err != nil {
			return err
		}
	}
	for _, l := range libraries {
		if err := a.program(l, l); err != nil {
			return err
		}
	}
	return nil
}

// linked tells which file interprets a program, and where the libraries are that it names itself. A file that is
// neither an ELF file nor begins with #! has none of these.
func linked(name string) (interpreter string, libraries []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	first, err := bufio.NewReaderSize(f, 256).Peek(256)
	if line, script := bytes.CutPrefix(first, []byte("#!")); script {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		words := strings.Fields(string(line))
		if len(words) > 1 && filepath.Base(words[0]) == "env" {
			next, err := Program(words[1])
			return words[0], []string{next}, err
		} else if len(words) > 0 {
			return words[0], nil, nil
		}
	}
	if !bytes.HasPrefix(first, []byte(elf.ELFMAG)) {
		return "", nil, nil // also when the file is shorter than that, which err tells
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return "", nil, fmt.Errorf("read %s: %w", name, err)
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			path := make([]byte, p.Filesz)
			if _, err := p.ReadAt(path, 0); err != nil {
				return "", nil, fmt.Errorf("read %s: %w", name, err)
			}
			interpreter = string(bytes.TrimRight(path, "\x00"))
		}
	}
	names, err := e.ImportedLibraries()
	if err != nil {
		return "", nil, fmt.Errorf("read %s: %w", name, err)
	}
	dirs, err := libraryPath(e, name)
	if err != nil {
		return "", nil, err
	}
	for _, l := range names {
		i := slices.IndexFunc(dirs, func(dir string) bool { return machineOf(filepath.Join(dir, l)) == e.Machine })
		if i < 0 {
			return "", nil, &Error{Op: "bring " + name + " into the machine",
				Err: fmt.Errorf("it needs %s, which is not in %s", l, strings.Join(dirs, ", "))}
		}
		libraries = append(libraries, filepath.Join(dirs[i], l))
	}
	return interpreter, libraries, nil
}

// libraryPath is where the dynamic loader looks for a program's libraries (ld.so(8)), without its cache.
func libraryPath(e *elf.File, name string) (dirs []string, err error) {
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		paths, err := e.DynString(tag)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, p := range paths {
			own := strings.NewReplacer("$ORIGIN", filepath.Dir(name), "${ORIGIN}", filepath.Dir(name))
			dirs = append(dirs, filepath.SplitList(own.Replace(p))...)
		}
	}
	triplet := map[elf.Machine]string{elf.EM_X86_64: "x86_64-linux-gnu", elf.EM_386: "i386-linux-gnu"}[e.Machine]
	for _, dir := range []string{"/lib", "/usr/lib", "/lib64", "/usr/lib64"} {
		dirs = append(dirs, filepath.Join(dir, triplet), dir)
	}
	return dirs, nil
}

// machineOf is what kind of processor a library is for; EM_NONE when there is no library of that name.
func machineOf(library string) elf.Machine {
	e, err := elf.Open(library)
	if err != nil {
		return elf.EM_NONE
	}
	defer e.Close()
	return e.Machine
}
