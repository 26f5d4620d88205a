package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// A step is what is typed once a text is shown.
type step struct{ after, typed string }

// terminal runs nsscript on a terminal, and returns what was shown and the exit code.
func terminal(t *testing.T, steps []step, args ...string) (shown string, code int) {
	t.Helper()
	// Who runs the tests in the background may have them ignore interrupts, and what they start with them.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	cmd := nsscript(args...)
	cmd.Env = append(cmd.Env, "SHELL=/bin/sh", "PS1=$ ", "ENV=")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	watchdog := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	var text []byte
	seen, part := 0, make([]byte, 4096)
	for {
		for len(steps) > 0 {
			i := bytes.Index(text[seen:], []byte(steps[0].after))
			if i < 0 {
				break
			}
			seen += i + len(steps[0].after)
			if _, err := io.WriteString(tty, steps[0].typed); err != nil {
				t.Fatal(err)
			}
			steps = steps[1:]
		}
		n, err := tty.Read(part)
		text = append(text, part[:n]...)
		if err != nil {
			break // the other side has closed it
		}
	}
	_ = cmd.Wait() // its exit code is the answer
	return string(text), cmd.ProcessState.ExitCode()
}

// TestShell has a shell in namespaces of labs on the machine and in a sandbox: with a terminal of its own there, of the
// same size, whose Ctrl-C is for what runs in it.
func TestShell(t *testing.T) {
	before := nstest.Dump(t)
	for _, args := range [][]string{{"--lab", "here", "-c", `veth(netns("n1"), netns("n2"))`},
		{"--sandbox", "--lab", "boxed", "-c", `veth(netns("n1"), netns("n2"))`}} {
		if out, code := outcome(t, nsscript(args...)); code != 0 {
			t.Fatalf("%v: %d, %s", args, code, out)
		}
	}
	for _, lab := range []string{"here", "boxed"} {
		// The interrupt ends cat, and the shell goes on.
		// tr has shown something: so it is what the interrupt is for.
		shown, code := terminal(t,
			[]step{{"", "stty size; ip -br link; tr a-z A-Z\nready\n"}, {"READY\r\n", "\x03"}, {"^C", ""},
				{"$ ", "exit 7\n"}}, "shell", lab, "n1")
		for _, want := range []string{"24 80", "eth0@"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: %q is not in\n%s", lab, want, shown)
			}
		}
		if code != 7 {
			t.Errorf("%s: exit code %d, want 7:\n%s", lab, code, shown)
		}
		if out, code := outcome(t, nsscript("down", lab)); code != 0 {
			t.Errorf("down: %d, %s", code, out)
		}
	}
	orphans(t)
	nstest.Same(t, before)
}

// TestSubordinateIds has a daemon in an ordinary user's sandbox drop its privileges, to an id of the user's.
func TestSubordinateIds(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{"subuid", "subgid"} {
		if err := os.WriteFile(dir+"/"+file, []byte("daemon:1:1\n65534:200000:65536\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat("/etc/" + file); err != nil {
			t.Skip(err)
		}
		if _, err := exec.LookPath("newuidmap"); err != nil {
			t.Skip(err)
		}
		if err := syscall.Mount(dir+"/"+file, "/etc/"+file, "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		defer syscall.Unmount("/etc/"+file, 0)
	}
	out, code := asNobody(t, "--rm", "-c",
		`print(run(host, ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "id", "-u"]).stdout)`)
	if code != 0 || !strings.HasPrefix(out, "1000\n") {
		t.Errorf("exit code %d: %s", code, out)
	}
	orphans(t)
}
