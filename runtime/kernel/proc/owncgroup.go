package proc

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNoCgroups means that this process has no cgroup of version 2 that it may make others in.
var ErrNoCgroups = errors.New("no writable cgroup of version 2 for this process")

// FreeCgroup chooses the path of a cgroup that is not there yet, inside the process's own. Its name is random, so that
// it tells the cgroup from any other. ErrNoCgroups: there can be none.
func (r *Runner) FreeCgroup() (string, error) {
	if r.cgroup == nil {
		home := ownCgroup()
		r.cgroup = &home
	}
	if *r.cgroup == "" {
		return "", ErrNoCgroups
	}
	return *r.cgroup + "/" + cgroupPrefix + randomName(), nil
}

// Cgroups is ErrNoCgroups when this process can make none.
func Cgroups() error {
	if ownCgroup() == "" {
		return ErrNoCgroups
	}
	return nil
}

// ownCgroup is the path of the process's own cgroup when others may be made and filled in it.
func ownCgroup() string {
	for _, dir := range ownCgroups() {
		fd, err := openCgroup(dir)
		if err != nil {
			continue // another mount hides it
		}
		// A new process may enter a cgroup when it may be moved there from its parent's (cgroups(7)).
		ok := unix.Faccessat(fd, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS) == nil &&
			unix.Faccessat(fd, "cgroup.procs", unix.W_OK, unix.AT_EACCESS) == nil
		// Only cgroups inside a domain can hold whole processes; the root has no type and is one.
		kind, err := readAt(fd, "cgroup.type")
		unix.Close(fd)
		if ok && (err != nil || kind == "domain") {
			return dir
		}
	}
	return ""
}

// ownCgroups lists where this process's own cgroup may be seen; a machine without /proc or cgroups has none.
func ownCgroups() []string {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	self, _ := os.ReadFile("/proc/self/cgroup")
	return cgroupDirs(string(mounts), string(self))
}

// cgroupDirs lists where the process's own cgroup of version 2 may be seen, by /proc/self/mountinfo and
// /proc/self/cgroup; the newest mount first, for it may hide others.
func cgroupDirs(mounts, self string) (dirs []string) {
	own, found := "", false
	for _, line := range strings.Split(self, "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			own, found = path, true
		}
	}
	if !found || !filepath.IsAbs(own) || filepath.Clean(own) != own {
		return nil // none, or one outside the process's cgroup namespace
	}
	for _, line := range strings.Split(mounts, "\n") {
		where, what, ok := strings.Cut(line, " - ")
		f := strings.Fields(where)
		if !ok || len(f) < 6 || !strings.HasPrefix(what, "cgroup2 ") {
			continue
		}
		root, point := unescape(f[3]), unescape(f[4])
		if rel, err := filepath.Rel(root, own); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			dirs = append(dirs, filepath.Join(point, rel))
		}
	}
	slices.Reverse(dirs)
	return dirs
}

// unescape decodes the octal escapes of /proc/self/mountinfo: blank, tab, newline, backslash, number sign.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
