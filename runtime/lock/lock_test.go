package lock

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// holding has another process hold a lock on a folder until the test ends.
func holding(t *testing.T, path string) *os.Process {
	t.Helper()
	cmd := exec.Command("flock", path, "sh", "-c", "echo; exec cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return cmd.Process
}

// TestHeld wants a lock that is held for longer than the patience: the process that holds it is named.
func TestHeld(t *testing.T) {
	dir := t.TempDir()
	p := holding(t, dir)
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var held *HeldError
	if err := File(f, syscall.LOCK_EX, time.Millisecond); !errors.As(err, &held) || held.PID != p.Pid || held.Stopped ||
		held.Path != dir {
		t.Errorf("%+v", err)
	}
}

// TestStopped wants a lock whose holder is stopped: it is not waited for, and can be had when that goes on and ends.
func TestStopped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := holding(t, dir)
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err := Folder(dir, false)
	var held *HeldError
	if !errors.As(err, &held) || held.PID != p.Pid || !held.Stopped || !strings.Contains(held.Hint(), "kill -CONT") {
		t.Fatalf("%+v", err)
	}
	if err := syscall.Kill(-p.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	unlock, err := Folder(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// TestPrivate refuses a folder that is open to others, without asking for a lock that they may have.
func TestPrivate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	holding(t, dir)
	var owner *OwnerError
	if _, err := Folder(dir, false); !errors.As(err, &owner) || owner.Hint() != "chmod 700 "+dir {
		t.Errorf("%+v", err)
	}
	if _, err := Folder(dir+"/none", false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
