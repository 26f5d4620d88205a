package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/lock"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// holderOf finds the first process of a lab's sandbox.
func holderOf(t *testing.T, lab string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, _ := os.ReadFile(f) // it may have ended
		if strings.Contains(string(text), "\x00inside\x00") && strings.Contains(string(text), "\x00"+lab+"\x00") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("lab %s has no process", lab)
	return 0
}

// stop stops a process, and returns when none of its threads goes on.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for going := true; going; {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("process %d: %v", pid, err)
		}
		going = slices.ContainsFunc(threads, func(thread string) bool {
			id, err := strconv.Atoi(filepath.Base(thread))
			return err != nil || !lock.Stopped(id)
		})
	}
}

// TestSilentLab has one lab not answer: the others are listed and worked with, and what is asked of that one ends with
// an error which names its process.
func TestSilentLab(t *testing.T) {
	before := nstest.Dump(t)
	for _, lab := range []string{"one", "two"} {
		expect(t, 0, "is up", "--sandbox", "--lab", lab, "-c", `netns("a")`)
	}
	pid := holderOf(t, "one")
	stop(t, pid)
	says := fmt.Sprintf("reach lab one: process %d, which has it, is stopped: it does not answer\n  hint: "+
		"`kill -CONT %d` lets it go on", pid, pid)
	expect(t, 0, "one  no answer  0           0        sandbox", "ls")
	expect(t, 0, "two  up         1           1        sandbox", "ls")
	expect(t, exitMachine, says, "show", "one")
	expect(t, exitMachine, says, "exec", "one", "a", "true")
	expect(t, exitMachine, says, "shell", "one", "a")
	expect(t, exitMachine, says, "down", "one")
	expect(t, exitMachine, says, "--sandbox", "--replace", "--lab", "one", "-c", "print(1)")
	expect(t, exitMachine, "lab two: rolled back 1 change; nothing left behind", "down", "--all")
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	expect(t, 0, "rolled back 1 change; nothing left behind", "down", "one")
	orphans(t)
	nstest.Same(t, before)
}

// TestSquatter is an ordinary user who has the addresses of root's labs, answers nobody and lets no connection through:
// root is not kept from anything, and sees nothing of it.
func TestSquatter(t *testing.T) {
	nobody(t, nsscript(), 65534) // skips the test where there are no other users
	before := nstest.Dump(t)
	for _, lab := range []string{"x", "y"} {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "squatter")
		defer f.Close()
		at := "@nsscript/0/" + lab
		if err := errors.Join(syscall.Fchown(fd, 65534, 65534), syscall.Bind(fd, &syscall.SockaddrUnix{Name: at}),
			syscall.Listen(fd, 0)); err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("unix", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	expect(t, 0, "is up", "--lab", "x", "-c", `netns("a")`)
	expect(t, 0, "LAB  STATE  NAMESPACES  CHANGES  WHERE    SINCE", "ls")
	expect(t, 0, "ip netns add a", "show", "--commands", "x")
	expect(t, 0, "LOOPBACK", "exec", "x", "a", "ip", "link")
	expect(t, 0, "nothing left behind", "down", "x")
	expect(t, exitFailed, "there is no lab y", "down", "y")
	expect(t, 0, "lab x is up", "--sandbox", "--lab", "x", "-c", `netns("a")`)
	expect(t, exitMachine, "lab x is up or running", "--sandbox", "--lab", "x", "-c", `netns("a")`)
	expect(t, 0, "x    up     1           1        sandbox", "ls")
	expect(t, 0, "LOOPBACK", "exec", "x", "a", "ip", "link")
	expect(t, 0, "nothing left behind", "down", "x")
	orphans(t)
	nstest.Same(t, before)
}

// locked has another process hold the lock of a folder until it is let go.
func locked(t *testing.T, path string) (pid int, letGo func()) {
	t.Helper()
	cmd := exec.Command("flock", "--no-fork", path, "sh", "-c", "echo; exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, func() {
		_ = syscall.Kill(cmd.Process.Pid, syscall.SIGCONT)
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// TestStoppedCommand has a command be stopped while it works on the journals: others do not wait for it for ever.
func TestStoppedCommand(t *testing.T) {
	before := nstest.Dump(t)
	expect(t, 0, "is up", "--lab", "x", "-c", `netns("a")`)
	expect(t, 0, "is up", "--sandbox", "--lab", "y", "-c", `netns("a")`)
	pid, letGo := locked(t, journal.DefaultDir)
	stop(t, pid)
	says := fmt.Sprintf("open the labs: %s is locked by process %d, which is stopped\n  hint: "+
		"`kill -CONT %d` lets it go on", journal.DefaultDir, pid, pid)
	expect(t, exitMachine, says, "ls")
	expect(t, exitMachine, "y    up     1           1        sandbox", "ls")
	expect(t, exitMachine, says, "down", "x")
	expect(t, exitMachine, says, "-c", `netns("b")`)
	letGo()
	expect(t, 0, "", "down", "--all")
	orphans(t)
	nstest.Same(t, before)
}

// TestStoppedUndoing has a command be stopped while it undoes a lab: the others are listed, and that one is said to
// wait for it.
func TestStoppedUndoing(t *testing.T) {
	before := nstest.Dump(t)
	expect(t, 0, "is up", "--lab", "x", "-c", `netns("a")`)
	expect(t, 0, "is up", "--lab", "y", "-c", `netns("b")`)
	log, _, err := journal.OpenDir(journal.DefaultDir).Claim("x")
	if err == nil {
		err = errors.Join(log.Drop(), log.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	pid, letGo := locked(t, journal.DefaultDir+"/x/journal")
	stop(t, pid)
	says := fmt.Sprintf("lab x cannot be recovered: open the labs: /run/nsscript/x/journal is locked by process %d, "+
		"which is stopped\n  hint: `kill -CONT %d`", pid, pid)
	expect(t, 0, says, "ls")
	expect(t, 0, "y    up ", "ls")
	expect(t, exitLeftover, says, "recover")
	letGo()
	expect(t, 0, "the run of lab x had died: rolled back 1 change", "down", "--all")
	nstest.Same(t, before)
}

// TestLockedNetns has another user hold the lock of /run/netns, which any user can take: namespaces are made all the
// same, also the first.
func TestLockedNetns(t *testing.T) {
	if err := os.Mkdir("/run/netns", 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	for syscall.Unmount("/run/netns", 0) == nil {
	}
	_, letGo := locked(t, "/run/netns")
	expect(t, 0, "nothing left behind", "--rm", "-c", `netns("a")`)
	expect(t, 0, "nothing left behind", "--rm", "-c", `netns("a")`)
	letGo()
	if err := syscall.Unmount("/run/netns", 0); err != nil {
		t.Error("the folder of names is not mounted:", err)
	}
	if syscall.Unmount("/run/netns", 0) == nil {
		t.Error("the folder of names is mounted twice")
	}
}

// TestDownRunning takes all labs down while two are running: these are named and go on, the others are taken down.
func TestDownRunning(t *testing.T) {
	before := nstest.Dump(t)
	expect(t, 0, "is up", "--lab", "up", "-c", `netns("a")`)
	run, boxed := start(t), started(t, "--sandbox", "--lab", "boxed", "-c", busy)
	out, code := outcome(t, nsscript("down", "--all"))
	for _, want := range []string{"take down lab busy: its process is running\n",
		"take down lab boxed: its process is running\n", "lab up: rolled back 1 change; nothing left behind\n"} {
		if code != exitMachine || !strings.Contains(out, want) {
			t.Errorf("exit code %d, want %d and %q: %s", code, exitMachine, want, out)
		}
	}
	for _, cmd := range []*exec.Cmd{run, boxed} {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
			t.Errorf("%s: %s", cmd.ProcessState, cmd.Stderr)
		}
	}
	orphans(t)
	nstest.Same(t, before)
}
