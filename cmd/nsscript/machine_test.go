package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// remount changes the sandbox's /run.
func remount(t *testing.T, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatalf("remount /run: %v", err)
	}
}

// refused runs nsscript where the machine cannot: the exit code says so, and the error what is missing and what to do.
func refused(t *testing.T, cmd *exec.Cmd, wants ...string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitMachine {
		t.Errorf("%v: %v, want exit code %d", cmd.Args, err, exitMachine)
	}
	for _, want := range wants {
		if !strings.Contains(string(out), want) {
			t.Errorf("%v: want %q:\n%s", cmd.Args, want, out)
		}
	}
}

// TestUnprivileged runs nsscript without the privileges that it needs.
func TestUnprivileged(t *testing.T) {
	// Somebody without privileges must be able to get at the program.
	dir, err := os.MkdirTemp("", "nsscript")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "nsscript.test")
	program, err := os.ReadFile("/proc/self/exe")
	if err := errors.Join(err, os.Chmod(dir, 0o755), os.WriteFile(exe, program, 0o755)); err != nil {
		t.Fatal(err)
	}
	nobody := func(args ...string) *exec.Cmd {
		cmd := exec.Command(exe, args...)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), asCommand+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if ids, err := os.ReadFile("/proc/self/uid_map"); err != nil {
			t.Fatal(err)
		} else if !strings.Contains(string(ids), "4294967295") {
			// The tests' own user is all that there is in here; a user namespace has no say over what is outside of it.
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 65534, HostID: 0, Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 65534, HostID: 0, Size: 1}}}
		}
		return cmd
	}
	before := nstest.Dump(t)
	for _, args := range [][]string{{"version"}, {"doc", "netns"}, {"ls"}, {"recover"}} {
		if out, err := nobody(args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	nstest.Same(t, before)
}

// TestNoRoom runs nsscript where it can write down nothing, and where it can do so no more.
func TestNoRoom(t *testing.T) {
	before := nstest.Dump(t)
	remount(t, syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV, "")
	refused(t, nsscript("-c", `netns("n1")`), "/run/nsscript: read-only file system (EROFS)",
		"hint: the journals' file system cannot be written to")
	remount(t, syscall.MS_NOSUID|syscall.MS_NODEV, "size=128k")
	// It fills the disk and goes on: what was done until then is undone, though the journal cannot be told.
	refused(t, nsscript("-c", `
netns("n1")
run(host, ["sh", "-c", "cat /dev/zero >/run/full || true"])
for i in range(1000):
    netns("x%d" % i)
`), "<command>:5:10: ", "no space left on device (ENOSPC)", "nothing left behind")
	if err := os.Remove("/run/full"); err != nil {
		t.Fatal(err)
	}
	remount(t, syscall.MS_NOSUID|syscall.MS_NODEV, "size=50%")
	nstest.Same(t, before)
}
