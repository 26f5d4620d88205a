package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func open(t *testing.T) *Machine {
	t.Helper()
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// TestOpenSysctl reaches for keys by way of names that lead elsewhere.
func TestOpenSysctl(t *testing.T) {
	const key = "net/ipv4/ip_default_ttl"
	was, err := readSysctl(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"net/ipv4/conf/../ip_default_ttl", "net/ipv4/../../net/ipv4/ip_default_ttl",
		"/" + key, "net/ipv4//ip_default_ttl", "../sys/" + key, "kernel/core_pattern", "net", ""} {
		if v, err := readSysctl(path); err == nil {
			t.Errorf("read %q: %q", path, v)
		}
		if err := writeSysctl(path, "7"); err == nil {
			t.Errorf("wrote %q", path)
		}
	}
	if now, err := readSysctl(key); err != nil || now != was {
		t.Errorf("%s is %s, was %s, %v", key, now, was, err)
	}
	if all := sysctlsBelow(".."); len(all) > 0 {
		t.Errorf("read %v", all)
	}
	if all := sysctlsBelow("lo"); len(all) < 50 {
		t.Errorf("read only %v of lo", all)
	}
}

// TestLongAttribute sends attributes that are longer than their length can say, and would be read as others.
func TestLongAttribute(t *testing.T) {
	m := open(t)
	n, err := m.Make("long", false)
	if err != nil {
		t.Fatal(err)
	}
	lo := LinkRef{NS: n.Ref(), Index: loopback, Name: "lo"}
	for _, size := range []int{1<<16 - 4, 1 << 16, 1<<16 + 4, 1 << 20} {
		if err := m.SetLink(lo, "alias", strings.Repeat("x", size)); !errors.Is(err, unix.E2BIG) {
			t.Errorf("an alias of %d bytes: %v", size, err)
		}
	}
	nest := nl.NewRtAttr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, nil)
	for range 3 {
		nest.AddRtAttr(nl.IFLA_INFO_DATA, make([]byte, 30000))
	}
	if _, err := n.get(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC), nest); !errors.Is(err, unix.E2BIG) {
		t.Errorf("a nest: %v", err)
	}
}

// TestOpenPath opens what is no namespace: nobody notices.
func TestOpenPath(t *testing.T) {
	m := open(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, fifo, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for _, path := range []string{fifo, dir, "/etc/passwd", "/dev/null", "/proc/self/ns/mnt", "/proc/self/ns/user",
		dir + "/none", "", "\x00"} {
		if n, err := m.OpenPath(path); err == nil {
			t.Errorf("%q is %v", path, n.Ref())
		}
	}
	if n, err := unix.Read(watch, buf); err != unix.EAGAIN {
		t.Errorf("the FIFO was opened: %d bytes, %v", n, err)
	}
	// The watch itself works, and so does a path that is not written in full.
	f, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := unix.Read(watch, buf); err != nil {
		t.Error(err)
	}
	n, err := m.Make("relative", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.GiveName(n); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.TakeName(n.Ref()); err != nil {
			t.Error(err)
		}
	}()
	t.Chdir("/run")
	other := open(t)
	if n, err := other.OpenPath("netns/../netns//relative"); err != nil || n.Ref().Path != "/run/netns/relative" {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestRestoreName gives a deleted namespace its name back only where nothing of somebody else's stands.
func TestRestoreName(t *testing.T) {
	m := open(t)
	for file, ours := range map[string]bool{"": true, "nsscript tok\n": true, "nsscript other\n": false,
		"somebody's": false} {
		n, err := m.Make("back", false)
		if err != nil {
			t.Fatal(err)
		}
		n.ref.Token = "tok"
		ref := n.Ref()
		if err := errors.Join(m.netnsFolder(), m.Pin(ref), os.WriteFile(ref.Path, []byte(file), 0o444)); err != nil {
			t.Fatal(err)
		}
		if err := m.RestoreName(ref, false); ours != (err == nil) || !ours && !errors.Is(err, ErrDiverged) {
			t.Errorf("over %q: %v", file, err)
		}
		if ours {
			err = m.TakeName(ref)
		} else {
			_, err = m.Unpin(ref)
			err = errors.Join(err, os.Remove(ref.Path))
		}
		if err != nil {
			t.Errorf("over %q: %v", file, err)
		}
		n.Forget()
	}
}
