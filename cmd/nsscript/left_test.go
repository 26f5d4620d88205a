package main

import (
	"os"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestLeft has the undoing of a change fail whose older neighbours on the same link, or in the same namespace, can be
// undone: it is named, with an exit code of its own, and kept in mind until it is undone.
func TestLeft(t *testing.T) {
	readOnly := func() {
		t.Helper()
		if err := syscall.Mount("/proc/sys", "/proc/sys", "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("", "/proc/sys", "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY,
			""); err != nil {
			t.Fatal(err)
		}
	}
	writable := func() {
		t.Helper()
		if err := syscall.Unmount("/proc/sys", 0); err != nil {
			t.Fatal(err)
		}
	}
	ip := func(args ...string) func() { return func() { t.Helper(); nstest.IP(t, args...) } }
	for _, c := range []struct {
		name, script string
		blocks       func()
		says         string
		unblocks     func()
	}{
		{"a name that is another link's", `h = host.link("left0"); h.set(alias = "x"); h.set(name = "left9")`,
			ip("link", "add", "left0", "type", "bridge"), "ip link set left0 name left9: restore link left0 in host: " +
				"set name of link left0 in host: file exists (EEXIST)",
			ip("link", "del", "left0")},
		{"settings of a link that cannot be written",
			`sysctl(host, "net.ipv4.conf.left0.rp_filter", 1); sysctl(host, "net.ipv4.conf.left0.rp_filter", 2)`,
			readOnly, "net.ipv4.conf.left0.rp_filter=2: set sysctl net/ipv4/conf/left0/rp_filter in host: " +
				"read-only file system (EROFS)\n" +
				"  <command>:1:7 sysctl -w net.ipv4.conf.left0.rp_filter=1: a newer change of it is not undone",
			writable},
		{"a link whose settings cannot be written",
			`h = host.link("left0"); h.set(alias = "x"); addr(h, "10.1.0.1/24"); h.set(mtu = 1000)`,
			readOnly, "ip link set left0 mtu 1000: restore link left0 in host: ", writable},
	} {
		t.Run(c.name, func(t *testing.T) {
			nstest.IP(t, "link", "add", "left0", "type", "veth", "peer", "name", "left1")
			nstest.IP(t, "link", "set", "left0", "up")
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/left0/hop_limit", []byte("33"), 0); err != nil {
				t.Fatal(err)
			}
			before := nstest.Dump(t)
			expect(t, 0, "is up", "-c", c.script)
			c.blocks()
			expect(t, exitLeftover, c.says, "down", "command")
			expect(t, exitLeftover, c.says, "recover")
			c.unblocks()
			expect(t, 0, "nothing left behind", "recover")
			nstest.Same(t, before)
			nstest.IP(t, "link", "del", "left0")
		})
	}
	t.Run("an mtu that is somebody else's by now", func(t *testing.T) {
		nstest.IP(t, "link", "add", "left0", "type", "veth", "peer", "name", "left1")
		expect(t, 0, "is up", "-c", `host.link("left0").set(mac = "02:00:00:00:00:42", mtu = 1400)`)
		nstest.IP(t, "link", "set", "left0", "mtu", "1300")
		expect(t, exitLeftover,
			"it is 1300, was 1500, was set to 1400: changed by somebody else meanwhile, left as it is",
			"down", "command")
		nstest.IP(t, "link", "del", "left0")
	})
}
