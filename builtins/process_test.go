package builtins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// stray is the name of processes that try to get away.
const stray = "straggler"

// strays is how many of them one spawn() starts.
const strays = 53

// prelude defines spawn(), whose processes leave their session, their process group and their parent, and wait().
func prelude(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), stray)
	// It waits without a child of its own, which would have its name for a moment.
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread x <>\"$0.fifo\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path+".fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	shell := strings.ReplaceAll(`exec </dev/null >/dev/null 2>&1
(setsid P &)
nohup P &
setsid sh -c "(setsid P &) &"
i=0; while [ $i -lt 50 ]; do P & i=$((i+1)); done`, "P", path)
	return fmt.Sprintf(`
SPAWN = %q
def spawn(ns, then = "", **kwargs):
    run(ns, ["sh", "-c", SPAWN + "\n" + then], **kwargs)
def wait(n):
    eventually(lambda: assert.eq(running(), n), timeout = "60s", interval = "5ms")
n = netns("n1")
`, shell)
}

type running struct{}

func (*running) Query(*runtime.View) (starlark.Value, error) {
	return starlark.MakeInt(nstest.Running(stray)), nil
}

// session runs a script that knows running(); what becomes of it is left to the test.
func session(t *testing.T, src string) (*runtime.Session, *runtime.Vocabulary, error) {
	t.Helper()
	voc := All()
	voc.Decls = append(voc.Decls, runtime.Query("running", "int", "Counts the strays.", &running{}))
	p, err := voc.Parse("stray.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Helper: helper, Lab: "stray",
		Stdout: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // twice is as good as once
	return s, voc, s.Run(context.Background(), p)
}

// TestStrays checks that whatever a command starts ends with the transaction it was started in, and not before.
func TestStrays(t *testing.T) {
	eachProcs(t, testStrays)
}

// eachProcs runs a test with cgroups and without.
func eachProcs(t *testing.T, test func(t *testing.T)) {
	t.Run("cgroups", func(t *testing.T) {
		if !nstest.Cgroups() {
			t.Skip("no cgroups here")
		}
		test(t)
	})
	t.Run("PID namespaces", func(t *testing.T) {
		nstest.NoCgroups(t)
		test(t)
	})
}

func testStrays(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"script", `spawn(n); wait(53)`, ""},
		{"host", `spawn(host); wait(53)`, ""},
		{"failing script", `spawn(n); wait(53); fail("here")`, "here"},
		{"script that fails at once", `spawn(n); fail("here")`, "here"},
		{"failing command", `spawn(n, "exit 3")`, "exit code 3"},
		{"attempt", `
spawn(n)
wait(53)
r = attempt(lambda: [spawn(n), wait(106), attempt(lambda: spawn(n)), wait(159), fail("undo")])
assert.eq(r.error.msg, "undo")
assert.eq(running(), 53)
assert.true(attempt(lambda: [spawn(n), wait(106)]).ok)
assert.eq(running(), 106)
`, ""},
		{"attempt first", `
assert.eq(attempt(lambda: [spawn(n), wait(53), fail("undo")]).ok, False)
assert.eq(running(), 0)
assert.eq(attempt(lambda: [attempt(lambda: spawn(n)), wait(53), fail("undo")]).ok, False)
assert.eq(running(), 0)
`, ""},
		{"timeout", `
spawn(n)
wait(53)
assert.fails(lambda: spawn(n, "sleep 1000", timeout = "300ms"), "ran longer than 300ms")
assert.eq(running(), 53)
`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := nstest.Dump(t)
			s, _, err := session(t, prelude(t)+c.src)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
				t.Errorf("rollback: %v, left: %v", err, u.Left)
			}
			if n := nstest.Running(stray); n != 0 {
				t.Errorf("%d are left", n)
			}
			nstest.Same(t, before)
		})
	}
}

// TestStraysOfKeptLab checks that they last as long as the lab does.
func TestStraysOfKeptLab(t *testing.T) {
	eachProcs(t, testStraysOfKeptLab)
}

func testStraysOfKeptLab(t *testing.T) {
	before := nstest.Dump(t)
	s, voc, err := session(t, prelude(t)+"spawn(n); wait(53)")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(); err != nil {
		t.Fatal(err)
	}
	s.Close() // it has the namespace open
	want := strays
	if !nstest.Cgroups() {
		want = 0 // nobody could find them again
	}
	if n := nstest.Running(stray); n != want {
		t.Errorf("%d are running, want %d", n, want)
	}
	if u, err := lab.Open(voc.Ops, "").Down("stray"); err != nil || len(u.Left) > 0 {
		t.Errorf("down: %v, left: %v", err, u.Left)
	}
	if n := nstest.Running(stray); n != 0 {
		t.Errorf("%d are left", n)
	}
	nstest.Same(t, before)
}

// TestNothingToKeep checks that a command which left nothing running is no reason to keep a lab.
func TestNothingToKeep(t *testing.T) {
	eachProcs(t, testNothingToKeep)
}

func testNothingToKeep(t *testing.T) {
	before := nstest.Dump(t)
	s, voc, err := session(t, `run(host, ["true"])`)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(); err != nil {
		t.Fatal(err)
	}
	if labs, err := lab.Open(voc.Ops, "").List(); err != nil || len(labs) > 0 {
		t.Errorf("kept %v, %v", labs, err)
	}
	nstest.Same(t, before)
}

// TestForeign checks that a process with the name of a stray survives.
func TestForeign(t *testing.T) {
	eachProcs(t, testForeign)
}

func testForeign(t *testing.T) {
	src := prelude(t)
	path := filepath.Join(t.TempDir(), stray)
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread x\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	foreign := exec.Command(path)
	in, err := foreign.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer foreign.Process.Kill() // for a test that fails before it has ended
	s, _, err := session(t, src+`wait(1); spawn(n); wait(54)`)
	if err != nil {
		t.Error(err)
	}
	if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
		t.Errorf("rollback: %v, left: %v", err, u.Left)
	}
	if n := nstest.Running(stray); n != 1 {
		t.Errorf("%d are running, want the foreign one", n)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Error(err)
	}
	if err := foreign.Wait(); err != nil {
		t.Errorf("the foreign process did not end by itself: %v", err)
	}
}

// TestManyCommands starts many commands one after the other: none dies of the threads that come and go.
func TestManyCommands(t *testing.T) {
	eachProcs(t, testManyCommands)
}

func testManyCommands(t *testing.T) {
	before := nstest.Dump(t)
	const count = 100
	src := fmt.Sprintf("n = netns(\"n1\")\nfor i in range(%d):\n    assert.eq(run(n if i %% 2 else host, [\"sh\", "+
		"\"-c\", \"exit 7\"], check = False).code, 7)\n", count)
	s, _, err := session(t, src)
	if err != nil {
		t.Error(err)
	}
	if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
		t.Errorf("rollback: %v, left: %v", err, u.Left)
	}
	nstest.Same(t, before)
}

// TestRun runs the script of run() with each way to have a command's processes.
func TestRun(t *testing.T) {
	src, err := os.ReadFile("testdata/run.star")
	if err != nil {
		t.Fatal(err)
	}
	eachProcs(t, func(t *testing.T) {
		before := nstest.Dump(t)
		s, _, err := session(t, string(src))
		if err != nil {
			t.Error(err)
		}
		if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
			t.Errorf("rollback: %v, left: %v", err, u.Left)
		}
		nstest.Same(t, before)
	})
}

// TestHostileCgroup checks that an op read from a journal removes cgroups of labs only.
func TestHostileCgroup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nsscript-x")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(dir), "nsscript-link")
	if err := os.Symlink("/sys/fs/cgroup", link); err != nil {
		t.Fatal(err)
	}
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, path := range []string{"", "/", "/sys/fs/cgroup", "/sys/fs/cgroup/nsscript-x/..",
		"/sys/fs/cgroup/../cgroup/nsscript-x", "nsscript-x", dir, link} {
		if err := (&addCgroup{Path: path}).Undo(m); err == nil {
			t.Errorf("%q was accepted", path)
		}
	}
	if err := (&addCgroup{Path: "/sys/fs/cgroup/nsscript-not-there"}).Undo(m); err != nil {
		t.Error(err)
	}
}

// TestRunVRFWithout wants the error that says what is missing where no sockets of commands can be bound to a link.
func TestRunVRFWithout(t *testing.T) {
	nstest.NoCgroups(t)
	_, err := runScript(t, "without.star", `a, b = veth(netns("n"), netns("m"))
run(a.ns, ["true"], vrf = a)`)
	var k *kernel.Error
	if !errors.As(err, &k) || !k.Machine || !errors.Is(err, proc.ErrNoBinding) || k.Hint != bindingRemedy {
		t.Errorf("%v", err)
	}
}

// TestNetnsFiles has commands see the files of /etc/netns/NAME in /etc, as `ip netns exec` does.
func TestNetnsFiles(t *testing.T) {
	if err := syscall.Mount("tmpfs", "/etc", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount("/etc", syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for name, text := range map[string]string{"hosts": "machine", "netns/n1/hosts": "lab", "netns/n1/conf/x": "more",
		"conf/y": "", "netns/n3/missing": ""} {
		path := filepath.Join("/etc", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := nstest.Dump(t)
	if _, err := runScript(t, "etc.star", `
for ns, want in [("n1", "lab"), ("n2", "machine")]:
    assert.eq(run(netns(ns), ["cat", "/etc/hosts"]).stdout, want)
assert.eq(run(host, ["cat", "/etc/hosts"]).stdout, "machine")
assert.eq(run("n1", ["ls", "/etc/conf"]).stdout, "x\n")
assert.eq(spawn(netns_at(name = "n1"), ["cat", "/etc/hosts"]).expect("lab"), ["lab"])
assert.fails(lambda: run(netns("n3"), ["true"]), "enter namespace n3: /etc/netns/n3/missing in place of /etc/missing, which must be there: .*ENOENT")
`); err != nil {
		t.Error(err)
	}
	nstest.Same(t, before)
}
