package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestMounts does to the mounts of a lab's namespaces what other programs do.
func TestMounts(t *testing.T) {
	if out, code := outcome(t, nsscript("--rm", "-c", `netns("n1")`)); code != 0 { // makes /run/netns, which stays
		t.Fatal(out)
	}
	before := nstest.Dump(t)
	const path = "/run/netns/n1"
	up := func() { // two namespaces, which lose their names together
		t.Helper()
		if out, code := outcome(t,
			nsscript("--lab", "m", "-c", "netns('n0')\nveth(host, netns('n1'), name = 'm0')")); code != 0 {
			t.Fatal(out)
		}
	}
	down := func(code int, want string) {
		t.Helper()
		if out, got := outcome(t, nsscript("down", "m")); got != code || !strings.Contains(out, want) {
			t.Errorf("down: exit code %d, want %d and %q: %s", got, code, want, out)
		}
	}
	mount := func(from string) {
		t.Helper()
		if err := syscall.Mount(from, path, "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("stacked", func(t *testing.T) {
		up()
		for range 3 {
			mount(path)
		}
		down(0, "nothing left behind")
		nstest.Same(t, before)
	})
	t.Run("another namespace on top", func(t *testing.T) {
		up()
		mount("/proc/self/ns/net")
		down(exitLeftover, "changed by somebody else")
		if err := syscall.Unmount(path, 0); err != nil {
			t.Fatal(err)
		}
		down(0, "nothing left behind")
		nstest.Same(t, before)
	})
	t.Run("copied to another mount namespace", func(t *testing.T) {
		up()
		cat := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec cat")
		in, err := cat.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cat.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cat.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		down(0, "nothing left behind")
		in.Close()
		if err := cat.Wait(); err != nil {
			t.Error(err)
		}
		nstest.Same(t, before)
	})
	t.Run("somebody else's file", func(t *testing.T) {
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		with := nstest.Dump(t)
		if out, code := outcome(t,
			nsscript("--lab", "m", "-c", "veth(host, netns('n0'), name = 'm0')\nnetns('n1')")); code != exitMachine ||
			!strings.Contains(out, path+" is there already") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if text, err := os.ReadFile(path); string(text) != "mine" || err != nil {
			t.Errorf("the file says %q, %v", text, err)
		}
		nstest.Same(t, with)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	})
	nstest.Same(t, before)
}
