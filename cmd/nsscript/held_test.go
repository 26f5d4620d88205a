package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestNamespaceHeld has namespaces that live on when their names have gone: they are named as long as they do.
func TestNamespaceHeld(t *testing.T) {
	nstest.Unraced(t)
	expect(t, 0, "nothing left behind", "--rm", "-c", `netns("held")`) // makes /run/netns, which stays
	before := nstest.Dump(t)
	t.Run("by a process", func(t *testing.T) {
		expect(t, 0, "is up", "-c", `netns("held")`)
		let := holder(t)
		expect(t, exitLeftover, "namespace held, held by process", "down", "command")
		expect(t, exitLeftover, "namespace held, held by process", "recover")
		expect(t, 0, "namespace held, held by process", "ls")
		expect(t, 0, "nothing left behind", "--lab", "other", "--rm", "-c", `netns("held")`) // its name is free
		let()
		expect(t, 0, "nothing left behind", "recover")
		nstest.Same(t, before)
	})
	t.Run("in an attempt", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "go")
		cmd := started(t, "-c", fmt.Sprintf(`
def act():
    netns("held")
    print("ready")
    run(host, ["sh", "-c", "until [ -e %s ]; do sleep 0.01; done"])
    fail("x")
attempt(act)`, file))
		let := holder(t)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it fails
		if said := fmt.Sprint(cmd.Stderr); cmd.ProcessState.ExitCode() != exitLeftover ||
			!strings.Contains(said, "namespace held, held by process") {
			t.Errorf("exit code %d: %s", cmd.ProcessState.ExitCode(), said)
		}
		let()
		expect(t, 0, "nothing left behind", "recover")
		nstest.Same(t, before)
	})
	t.Run("by a socket", func(t *testing.T) {
		expect(t, 0, "is up", "-c", `netns("held")`)
		m, err := kernel.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		n, err := m.OpenName("held")
		if err != nil {
			t.Fatal(err)
		}
		socket := -1
		err = n.Do(func() (err error) {
			socket, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		n.Forget()
		const says = "namespace held, held by a mount or a socket that /proc does not show"
		expect(t, exitLeftover, says, "down", "command")
		expect(t, exitLeftover, says, "recover")
		if err := syscall.Close(socket); err != nil {
			t.Fatal(err)
		}
		expect(t, 0, "nothing left behind", "recover")
		nstest.Same(t, before)
	})
	for _, c := range []struct{ hides, says string }{
		{"a mount", "another mount hides its name, see `findmnt /run/netns`"},
		{"a mount with a file of its name", "its name is another one's"},
	} {
		t.Run("below "+c.hides, func(t *testing.T) {
			expect(t, 0, "is up", "-c", `netns("held")`)
			if err := syscall.Mount("tmpfs", "/run/netns", "tmpfs", 0, ""); err != nil {
				t.Fatal(err)
			}
			if c.hides != "a mount" {
				if err := os.WriteFile("/run/netns/held", nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			expect(t, exitLeftover, c.says, "down", "command")
			expect(t, exitLeftover, c.says, "recover")
			if err := syscall.Unmount("/run/netns", 0); err != nil {
				t.Fatal(err)
			}
			expect(t, 0, "nothing left behind", "recover")
			nstest.Same(t, before)
		})
	}
}

// holder starts a process in the namespace "held", and returns what ends it.
func holder(t *testing.T) (let func()) {
	t.Helper()
	cmd := exec.Command("ip", "netns", "exec", "held", "sh", "-c", "echo; exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
