package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// smallRun lays a tmpfs over /run that has a number of pages, or any number with 0.
func smallRun(t *testing.T, pages int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, fmt.Sprintf("size=%d", pages*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount("/run", syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// readOnly makes /run read-only, or not any more.
func readOnly(t *testing.T, yes bool) {
	t.Helper()
	flags := uintptr(syscall.MS_REMOUNT | syscall.MS_BIND)
	if yes {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("", "/run", "", flags, ""); err != nil {
		t.Fatal(err)
	}
}

// wants runs nsscript and fails unless it ends with a code and says something.
func wants(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	out, err := nsscript(args...).CombinedOutput()
	got := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if got != code || !strings.Contains(string(out), says) {
		t.Errorf("%v: exit code %d, want %d and %q:\n%s", args, got, code, says, out)
	}
}

const oneLink = `veth(host, netns("n1"), name = "full0", up = False, addrs = ("10.1.0.1/24", "10.1.0.2/24"))`

// TestFullRun runs on a /run that has room for less and less: it is refused before anything is changed.
func TestFullRun(t *testing.T) {
	for _, pages := range []int{1, 8, 15, 16, 17, 64} {
		t.Run(fmt.Sprintf("%d pages", pages), func(t *testing.T) {
			smallRun(t, pages)
			before := nstest.Dump(t)
			if pages > 16 { // the journal's, and one for the name of the namespace
				wants(t, 0, "nothing left behind", "--rm", "-c", oneLink)
			} else {
				wants(t, exitMachine, "(ENOSPC)", "--rm", "-c", oneLink)
			}
			nstest.Same(t, before)
		})
	}
}

// TestFullLater fills /run while a lab is up: there is room left for what takes it down again.
func TestFullLater(t *testing.T) {
	smallRun(t, 64)
	fill := func() {
		t.Helper()
		f, err := os.Create("/run/filler")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 512))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	before := nstest.Dump(t)
	wants(t, 0, "is up", "--lab", "full", "-c", oneLink)
	fill()
	wants(t, exitMachine, "(ENOSPC)", "--lab", "other", "-c", oneLink)
	wants(t, 0, "nothing left behind", "down", "full")
	if err := os.Remove("/run/filler"); err != nil {
		t.Fatal(err)
	}
	nstest.Same(t, before)
	cmd := start(t)
	fill()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	orphans(t)     // its watcher undoes it
	if err := os.Remove("/run/filler"); err != nil {
		t.Fatal(err)
	}
	nstest.Same(t, before)
}

// TestReadOnlyRun runs on a /run that cannot be written to: nothing new is changed. What a lab changed is
// undone all the same, and its journal goes when it can be removed.
func TestReadOnlyRun(t *testing.T) {
	smallRun(t, 0)
	before := nstest.Dump(t)
	readOnly(t, true)
	wants(t, exitMachine, "read-only file system (EROFS)", "-c", oneLink)
	readOnly(t, false)
	nstest.Same(t, before)
	wants(t, 0, "is up", "--lab", "kept", "-c", oneLink)
	readOnly(t, true)
	up := nstest.Dump(t)
	wants(t, exitMachine, "(EROFS)", "--lab", "other", "-c", oneLink)
	wants(t, 0, "kept", "ls")
	nstest.Same(t, up)
	wants(t, exitLeftover, "the changes are undone without it", "down", "kept")
	if err := exec.Command("ip", "link", "show", "full0").Run(); err == nil {
		t.Error("the link in the host's namespace is still there")
	}
	readOnly(t, false)
	wants(t, 0, "nothing left behind", "down", "kept")
	nstest.Same(t, before)
}
