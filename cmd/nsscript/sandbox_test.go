package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// nobody makes a command an ordinary user's. An ordinary user who runs the tests is the only one in their sandbox.
func nobody(t *testing.T, cmd *exec.Cmd, id uint32) *exec.Cmd {
	t.Helper()
	if ids, err := os.ReadFile("/proc/self/uid_map"); err != nil || !strings.Contains(string(ids), "4294967295") {
		t.Skip("there are no other users in this user namespace")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	cmd.Dir = "/"
	return cmd
}

// asNobody runs nsscript as an ordinary user.
func asNobody(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	return outcome(t, nobody(t, nsscript(args...), 65534))
}

func outcome(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// readable copies scripts to where everybody may read them.
func readable(t *testing.T, pattern string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "scripts")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts %s: %v", pattern, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(f)), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOrdinaryUser goes through the life of a lab without privileges: nothing of it is ever seen outside.
func TestOrdinaryUser(t *testing.T) {
	nstest.Unraced(t)
	dir := readable(t, "../../scripts/*.star")
	before := nstest.Dump(t)
	expect := func(code int, want string, args ...string) {
		t.Helper()
		out, got := asNobody(t, args...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, want %d and %q:\n%s", args, got, code, want, out)
		}
		nstest.Same(t, before)
	}
	two := dir + "/two_ns.star"
	expect(0, "lab two_ns is up, with 9 changes", two)
	expect(0, "two_ns  up     2           9", "ls")
	expect(0, "172.16.0.1/16", "show", "two_ns")
	expect(0, "ip netns add ns1", "show", "two_ns", "--commands")
	expect(0, "172.16.0.2/16", "exec", "two_ns", "ns2", "--", "ip", "addr", "show", "veth-ns2")
	expect(7, "", "exec", "two_ns", "ns2", "--", "sh", "-c", "exit 7")
	expect(0, "/tmp\n", "exec", "two_ns", "ns2", "--", "sh", "-c", "cd /tmp && pwd")
	expect(0, "/\n", "exec", "two_ns", "ns2", "--", "pwd")
	expect(exitMachine, "--replace takes it down first", two)
	expect(0, "lab two_ns is up", "--replace", two)
	if out, code := outcome(t, nobody(t, nsscript("down", "two_ns"), 65533)); code != exitFailed ||
		strings.Contains(out, "nothing left") {
		t.Errorf("another user took it down: %d, %s", code, out)
	}
	if out, code := outcome(t, nobody(t, nsscript("ls"), 65533)); code != 0 || strings.Contains(out, "two_ns") {
		t.Errorf("another user sees it: %d, %s", code, out)
	}
	expect(0, "lab two_ns: rolled back 9 changes; nothing left behind", "down", "two_ns")
	expect(exitFailed, "there is no lab two_ns", "down", "two_ns")
	expect(0, "nothing left behind", "--rm", two)
	expect(exitFailed, "nothing left behind", dir+"/failing.star")
	expect(exitUsage, "got end of file", "-c", "print(")
	expect(0, "passed, 0 failed, ", "test", dir)
	orphans(t)
}

// TestSandboxAsRoot checks that root can have its lab in a sandbox as well, beside those of the machine.
func TestSandboxAsRoot(t *testing.T) {
	before := nstest.Dump(t)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"lab a is up, with", []string{"--sandbox", "--lab", "a", "-c", `netns("n1")`}},
		{"a    up", []string{"ls"}},
		{`"state": "up"`, []string{"ls", "--json"}},
		{"nothing left behind", []string{"down", "a"}},
	} {
		if out, code := outcome(t, nsscript(c.args...)); code != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%v: exit code %d, want %q:\n%s", c.args, code, c.want, out)
		}
		nstest.Same(t, before)
	}
	orphans(t)
}

// sandboxed starts a run in a sandbox and waits until its script is ready.
func sandboxed(t *testing.T) *exec.Cmd {
	t.Helper()
	const script = `
a, b = veth(netns("n1"), netns("n2"))
run(a.ns, ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &"])
print("ready")
eventually(lambda: fail("no"), timeout = "60s", interval = "1ms")
`
	cmd := nsscript("--sandbox", "--lab", "busy", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q, %v: %s", line, err, cmd.Stderr)
	}
	go io.Copy(io.Discard, out) // until it ends
	return cmd
}

// TestSandboxSignals ends runs in sandboxes: whoever is killed, and however, all processes end and nothing is left.
func TestSandboxSignals(t *testing.T) {
	before := nstest.Dump(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
		syscall.SIGKILL} {
		cmd := sandboxed(t)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was asked to end
		if code := cmd.ProcessState.ExitCode(); sig != syscall.SIGKILL && code != 128+int(sig) {
			t.Errorf("after %s: exit code %d: %s", sig, code, cmd.Stderr)
		}
		orphans(t)
		if n := nstest.Running("sleep"); n > 0 {
			t.Errorf("after %s: %d processes are left", sig, n)
		}
		nstest.Same(t, before)
	}
}

// TestSandboxKilled kills the first process of the sandbox itself: the lab has ended, and its name is free.
func TestSandboxKilled(t *testing.T) {
	before := nstest.Dump(t)
	if out, code := outcome(t,
		nsscript("--sandbox", "--lab", "a", "-c",
			`run(netns("n1"), ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &"])`)); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	for deadline := time.Now().Add(10 * time.Second); nstest.Running("sleep") != 1; {
		if time.Now().After(deadline) {
			t.Fatal("the process that the command left is not running")
		}
	}
	nstest.KillOthers(t)
	orphans(t)
	if n := nstest.Running("sleep"); n > 0 {
		t.Errorf("%d processes are left", n)
	}
	if out, code := outcome(t, nsscript("ls")); code != 0 || strings.Contains(out, " up ") {
		t.Errorf("ls: %d, %s", code, out)
	}
	if out, code := outcome(t, nsscript("--sandbox", "--rm", "--lab", "a", "-c", `netns("n1")`)); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	nstest.Same(t, before)
}
