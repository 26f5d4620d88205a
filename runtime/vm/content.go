package vm

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
	"golang.org/x/sys/unix"
)

// A job is what the first process of a machine is told.
type job struct {
	Args  []string `json:"args"`
	Env   []string `json:"env"`
	Dir   string   `json:"dir"`
	Stdin []byte   `json:"stdin,omitempty"`
}

// jobFile is where the first process finds it.
const jobFile = "/job.json"

// etc is what programs look for below /etc.
var etc = map[string]string{
	"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
	"/etc/group":  "root:x:0:\nnogroup:x:65534:\n",
	"/etc/hosts":  "127.0.0.1 localhost\n::1 localhost\n",
	// Some modules make links of their kind that nobody asked for.
	"/etc/modprobe.d/nsscript.conf": "options bonding max_bonds=0\noptions dummy numdummies=0\noptions ifb numifbs=0\n",
}

// shell is that of system(3).
const shell = "/bin/sh"

// folders are those that a machine has, also where nothing is in them.
var folders = []string{"/dev/pts", "/dev/shm", "/etc", "/proc", "/root", "/run", "/sys", "/tmp", "/usr/bin",
	"/usr/sbin", "/bin", "/sbin", "/var/tmp"}

// initramfs makes what a machine has instead of a disk, in memory.
func (s *Spec) initramfs() (f *os.File, size int64, err error) {
	fd, err := unix.MemfdCreate("initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, 0, fmt.Errorf("make initramfs: %w", err)
	}
	f = os.NewFile(uintptr(fd), "initramfs")
	w := bufio.NewWriterSize(f, 1<<20)
	if err = s.fill(newArchive(w)); err == nil {
		err = w.Flush()
	}
	if err == nil {
		size, err = f.Seek(0, 1)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

func (s *Spec) fill(a *archive) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	for _, name := range append(slices.Clone(folders), dir) {
		if err := a.folder(name); err != nil {
			return err
		}
	}
	told, err := json.Marshal(job{Args: s.Args, Env: environment(), Dir: dir, Stdin: s.Stdin})
	if err != nil {
		return err
	}
	if err := a.text(jobFile, string(told)); err != nil {
		return err
	}
	for name, content := range etc {
		if err := a.text(name, content); err != nil {
			return err
		}
	}
	if err := a.program("/init", "/proc/self/exe"); err != nil {
		return err
	}
	if err := a.add("/usr/bin/nsscript", cpio.TypeSymlink|0o777, []byte("/init")); err != nil {
		return err
	}
	left := int64(maxFolder)
	// What iproute2 calls tables, protocols and scopes.
	if err := a.tree("/etc/iproute2", &left); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, p := range s.Programs {
		if err := a.program(p, p); err != nil {
			return err
		}
	}
	// What programs start by system(3) and popen(3) is started by the shell of this name.
	if _, err := os.Stat(shell); err == nil && len(s.Programs) > 0 {
		if err := a.program(shell, shell); err != nil {
			return err
		}
	}
	for _, dir := range s.Folders {
		if dir, err = filepath.Abs(dir); err != nil {
			return err
		}
		if err := a.tree(dir, &left); err != nil {
			return err
		}
	}
	if s.Kernel.Modules != "" {
		if err := addModules(a, s.Kernel.Modules); err != nil {
			return err
		}
	}
	return a.close()
}

// environment is this process's, with programs also for the superuser, as whom a machine's commands run.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PATH=") || strings.HasPrefix(v, "HOME=") || strings.HasPrefix(v, "XDG_")
	})
	return append(env, "HOME=/root", "PATH="+strings.TrimPrefix(os.Getenv("PATH")+":"+superuser, ":"))
}
