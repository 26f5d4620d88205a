package nstest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// cgroupMount is where a sandbox has its cgroups.
const cgroupMount = "/sys/fs/cgroup"

// A cgroup is the sandbox's own, in which all its processes are. Its paths are empty where none can be made.
type cgroup struct {
	path   string // outside
	within string // below the root of cgroups of version 2
	dir    *os.File
}

// newCgroup makes a cgroup inside the process's own, if it may.
func newCgroup() (c cgroup, err error) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return c, nil // a kernel without cgroups
	}
	own := ""
	for _, line := range strings.Split(string(self), "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			own = path
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || own == "" {
		return c, err
	}
	for _, line := range strings.Split(string(mounts), "\n") {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != "cgroup2" {
			continue
		}
		c.path, err = os.MkdirTemp(filepath.Join(f[1], own), "nstest-")
		if err != nil {
			continue // read only, or not this user's
		}
		c.within = filepath.Join(own, filepath.Base(c.path))
		c.dir, err = os.Open(c.path)
		return c, err
	}
	return cgroup{}, nil
}

// remove removes the cgroup. Those inside it are a test's failure to clean up, and go too.
func (c cgroup) remove() error {
	if c.dir == nil {
		return nil
	}
	err := c.dir.Close()
	for _, dir := range slices.Backward(below(c.path)) {
		err = errors.Join(err, os.Remove(dir))
	}
	return errors.Join(err, os.Remove(c.path))
}

// mountCgroup mounts the cgroups with the sandbox's own as their root.
func mountCgroup(within string) error {
	if err := syscall.Mount("cgroup2", cgroupMount, "cgroup2", 0, ""); err != nil {
		return fmt.Errorf("mount cgroups: %w", err)
	}
	if err := syscall.Mount(filepath.Join(cgroupMount, within), cgroupMount, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount cgroup %s: %w", within, err)
	}
	return nil
}

// Cgroups reports whether the sandbox has cgroups, in which a lab can have one of its own.
func Cgroups() bool {
	_, err := os.Stat(cgroupMount + "/cgroup.procs")
	return err == nil
}

// NoCgroups hides the sandbox's cgroups until the test's end, so that it is like a machine without them.
func NoCgroups(t testing.TB) {
	t.Helper()
	if !Cgroups() {
		return
	}
	if err := syscall.Mount("tmpfs", cgroupMount, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(cgroupMount, 0); err != nil {
			t.Error(err)
		}
	})
}

// below lists the cgroups below one.
func below(root string) (dirs []string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root {
			dirs = append(dirs, path)
		}
		return nil // what went away meanwhile is none
	})
	return dirs
}

// Running counts the processes of the sandbox with a name, those aside that have ended and were not reaped yet.
func Running(name string) (n int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		_, state, ok := strings.Cut(string(stat), " ("+name+") ")
		if err == nil && ok && !strings.HasPrefix(state, "Z") {
			n++
		}
	}
	return n
}
