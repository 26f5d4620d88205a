package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// every calls fn with each namespace of the machine that this process can find, once: those that it has open, those
// that are mounted somewhere, as `ip netns` and container engines do it, and those that processes are in. One that was
// not open and that fn does not keep is released. Those that this process may not look into are left out. An error of
// fn's ends it.
func (m *Machine) every(fn func(*Namespace) (keep bool, err error)) error {
	seen := map[string]bool{}
	for _, n := range m.open {
		tag, err := n.tag()
		if err == nil {
			seen[tag] = true
			_, err = fn(n)
		}
		if err != nil {
			return err
		}
	}
	visit := func(path, tag string) error {
		if seen[tag] {
			return nil
		}
		fd, err := openNS(path)
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			return err
		} else if err != nil {
			return nil // it has gone, or another mount covers it, or it is not for us
		}
		n := &Namespace{m: m, fd: fd, ref: NSRef{Name: nsName(path), Path: path}}
		keep := false
		if tag, err = n.tag(); err == nil && !seen[tag] {
			seen[tag] = true
			keep, err = fn(n)
		}
		if !keep {
			n.release()
		}
		if errors.Is(err, unix.EPERM) {
			return nil // setns(2) refuses
		}
		return err
	}
	mounts, err := mountedNamespaces()
	if err != nil {
		return err
	}
	for path, tag := range mounts {
		if err := visit(path, tag); err != nil {
			return err
		}
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer proc.Close()
	files, err := proc.Readdirnames(-1)
	if err != nil {
		return err
	}
	var tag [64]byte
	for _, pid := range files {
		if pid[0] < '0' || pid[0] > '9' {
			continue
		}
		size, err := unix.Readlinkat(int(proc.Fd()), pid+"/ns/net", tag[:])
		if err != nil {
			continue // the process has ended, or may not be looked into
		}
		if err := visit("/proc/"+pid+"/ns/net", string(tag[:size])); err != nil {
			return err
		}
	}
	return nil
}

// tag is what /proc calls the namespace: net:[4026532281].
func (n *Namespace) tag() (string, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(n.fd), &st)
	return "net:[" + strconv.FormatUint(st.Ino, 10) + "]", err
}

// mountedNamespaces are the network namespaces that are mounted somewhere, as /proc shows them, by their paths.
func mountedNamespaces() (map[string]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		// 36 35 0:4 net:[4026532281] /run/netns/n1 rw shared:1 - nsfs nsfs rw (proc_pid_mountinfo(5))
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[3], "net:[") {
			found[filepath.Clean(escaped.ReplaceAllStringFunc(f[4], func(s string) string {
				c, _ := strconv.ParseUint(s[1:], 8, 8) // the pattern has three digits
				return string([]byte{byte(c)})
			}))] = f[3]
		}
	}
	return found, err
}

// errFound ends a search.
var errFound = errors.New("found")

var escaped = regexp.MustCompile(`\\[0-3][0-7]{2}`)

// nsName is what a namespace is called that was opened by its path.
func nsName(path string) string {
	if pid, ok := strings.CutPrefix(strings.TrimSuffix(path, "/ns/net"), "/proc/"); ok {
		return "pid-" + pid
	}
	return filepath.Base(path)
}
