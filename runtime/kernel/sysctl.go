package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

const sysctlRoot = "/proc/sys/"

// SysctlPath turns a key into its file's path below /proc/sys, as sysctl(8) does: separated by dots, or by slashes
// when the first separator is one, and then a dot belongs to a name ("net/ipv4/conf/eth0.100/forwarding"). Only keys
// below net are taken: the others belong to the whole machine.
func SysctlPath(key string) (string, error) {
	path := key
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		path = strings.NewReplacer(".", "/", "/", ".").Replace(key)
	}
	parts := strings.Split(path, "/")
	if len(parts) < 3 || parts[0] != "net" {
		return "",
			fmt.Errorf("sysctl %q is not below net: only keys such as net.ipv4.ip_forward belong to a namespace", key)
	}
	for _, p := range parts {
		if p == "" || p == "." || p == ".." ||
			strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != "" {
			return "",
				fmt.Errorf("sysctl %q has %q in it: a key is made of letters, digits, '_' and '-' between dots", key, p)
		}
	}
	return path, nil
}

// Sysctl reads a key in the namespace, without the newline at its end.
func (n *Namespace) Sysctl(key string) (value string, err error) {
	path, err := SysctlPath(key)
	if err != nil {
		return "", err
	}
	err = n.Do(func() (err error) {
		value, err = readSysctl(path)
		return err
	})
	return value, n.sysctlError(err, "read sysctl", key)
}

// Unreadable reports whether the error of reading a sysctl says that it is there and has no value to read: it can only
// be written, or was never set.
func Unreadable(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EIO) }

// SetSysctl writes a key in the namespace.
func (n *Namespace) SetSysctl(key, value string) error {
	path, err := SysctlPath(key)
	if err != nil {
		return err
	}
	if !n.alone {
		n.m.renew()
	}
	return n.sysctlError(n.Do(func() error { return writeSysctl(path, value) }), "set sysctl", key)
}

// SysctlBecomes is what the kernel makes of a value: it rounds some, and writes others in its own way. It is what a
// second key says when the value was written to the first, tried in a namespace of its own, with lo in place of a link.
func (m *Machine) SysctlBecomes(key, value, says string) (string, error) {
	for _, k := range []*string{&key, &says} {
		path, err := SysctlPath(*k)
		if err != nil {
			return "", err
		}
		// Only the first namespace of a machine has defaults for neighbours.
		if parts := strings.Split(path, "/"); len(parts) == 5 &&
			(parts[2] == "neigh" || parts[3] != "all" && parts[3] != "default") {
			parts[3] = "lo"
			path = strings.Join(parts, "/")
		}
		*k = path
	}
	n, err := m.Make("sysctl", false)
	if err != nil {
		return "", err
	}
	defer n.Forget()
	if err := n.SetSysctl(key, value); err != nil {
		return "", err
	}
	return n.Sysctl(says)
}

func (n *Namespace) sysctlError(err error, op, key string) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		err = errno
	}
	err = fail(err, op, key, n)
	if errors.Is(err, unix.ENOENT) {
		err.(*Error).Hint = "there is no such key in this namespace; `sysctl -a -r net` lists those of the host"
		if dotted := n.dottedLink(key); dotted != "" {
			err.(*Error).Hint = "a link with a dot in its name stands between slashes: " + dotted
		}
	}
	return err
}

// dottedLink is a key in which a link of this namespace has its name taken apart at a dot, written as it must be.
func (n *Namespace) dottedLink(key string) string {
	links, err := n.Links()
	if err != nil || strings.Contains(key, "/") {
		return ""
	}
	for _, l := range links {
		if before, after, ok := strings.Cut(key, "."+l.Name+"."); ok && strings.Contains(l.Name, ".") {
			return strings.ReplaceAll(before, ".", "/") + "/" + l.Name + "/" + strings.ReplaceAll(after, ".", "/")
		}
	}
	return ""
}

// openSysctl opens a key's file and no other, wherever the names of the link and the key in its path come from.
func openSysctl(path string, flags int) (int, error) {
	if filepath.Clean(path) != path || !strings.HasPrefix(path, "net/") {
		return -1, fmt.Errorf("%q is no sysctl below net", path)
	}
	return unix.Open(sysctlRoot+path, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
}

func readSysctl(path string) (string, error) {
	fd, err := openSysctl(path, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	return strings.TrimRight(string(buf[:max(n, 0)]), "\n"), err
}

func writeSysctl(path, value string) error {
	failpoint.Hit("sysctl: before it is written")
	err := failpoint.Call(func() error { return putSysctl(path, value) })
	failpoint.Hit("sysctl: after it was written")
	return err
}

// putSysctl is writeSysctl without its failpoints, for namespaces that nobody else can see: nothing of them is left to
// undo.
func putSysctl(path, value string) error {
	fd, err := openSysctl(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value+"\n"))
	return err
}

// SysctlShadow reads what writing a key changes besides itself: ip_forward and conf/all rewrite the same setting of
// every link and of conf/default, and conf/default that of the links that were never told otherwise
// (Documentation/networking/ip-sysctl.rst). The values are by key, in slashes.
func (n *Namespace) SysctlShadow(key string) (map[string]string, error) {
	path, err := SysctlPath(key)
	if err != nil {
		return nil, err
	}
	var patterns []string
	parts := strings.Split(path, "/")
	switch {
	case path == "net/ipv4/ip_forward", path == "net/ipv4/conf/all/forwarding":
		patterns = []string{"net/ipv4/conf/*/forwarding", "net/ipv4/conf/all/accept_redirects"}
	case len(parts) == 5 && (parts[3] == "all" || parts[3] == "default"):
		patterns = []string{strings.Join([]string{"net", parts[1], parts[2], "*", parts[4]}, "/")}
	}
	if patterns == nil {
		return nil, nil
	}
	shadow := map[string]string{}
	err = n.Do(func() error {
		for _, p := range patterns {
			files, err := filepath.Glob(sysctlRoot + p)
			if err != nil {
				return err
			}
			for _, f := range files {
				f = strings.TrimPrefix(f, sysctlRoot)
				if v, err := readSysctl(f); err == nil { // stable_secret cannot be read before it is set
					shadow[f] = v
				}
			}
		}
		return nil
	})
	return shadow, n.sysctlError(err, "read sysctls", path)
}

// SysctlLink is the name of the link that a key is a setting of. ok is false for keys of other things, and of all
// links.
func SysctlLink(key string) (name string, ok bool) {
	path, err := SysctlPath(key)
	parts := strings.Split(path, "/")
	if err != nil || len(parts) != 5 || !slices.Contains(linkDirs, strings.Join(parts[:3], "/")) || parts[3] == "all" ||
		parts[3] == "default" {
		return "", false
	}
	return parts[3], true
}

// SysctlOf is the key of the same setting of another link.
func SysctlOf(key, link string) (string, error) {
	path, err := SysctlPath(key)
	parts := strings.Split(path, "/")
	if err != nil || len(parts) != 5 {
		return "", fmt.Errorf("sysctl %q is no setting of a link", key)
	}
	parts[3] = link
	return strings.Join(parts, "/"), nil
}

// SysctlStrips names the links that lose addresses or routes when a key is written: all of them, one, or none.
func (n *Namespace) SysctlStrips(key string) ([]LinkRef, error) {
	path, err := SysctlPath(key)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(path, "/")
	if len(parts) != 5 || parts[1] != "ipv6" || parts[2] != "conf" ||
		!slices.Contains([]string{"disable_ipv6", "addr_gen_mode", "stable_secret"}, parts[4]) {
		return nil, nil
	}
	links, err := n.Links()
	var refs []LinkRef
	for _, l := range links {
		if parts[3] == "all" || parts[3] == l.Name {
			refs = append(refs, l.LinkRef)
		}
	}
	return refs, err
}

// linkDirs are the folders of settings that have a folder for each link.
var linkDirs = []string{"net/ipv4/conf", "net/ipv6/conf", "net/ipv4/neigh", "net/ipv6/neigh"}

// sysctlsBelow reads the settings of one link in all four of its folders, but for what the kernel alone writes there;
// must run inside the namespace.
func sysctlsBelow(link string) map[string]string {
	all := map[string]string{}
	for _, dir := range linkDirs {
		entries, err := os.ReadDir(filepath.Join(sysctlRoot, dir, link))
		if err != nil {
			continue // the family is off, or the mtu too small for IPv6
		}
		for _, e := range entries {
			if e.Name() == "mc_forwarding" { // whether multicast is routed over the link
				continue
			}
			// A key that cannot be read (stable_secret before it is set) cannot be put back either.
			if v, err := readSysctl(dir + "/" + link + "/" + e.Name()); err == nil {
				all[dir+"//"+e.Name()] = v
			}
		}
	}
	return all
}
