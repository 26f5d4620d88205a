package builtins

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// spawning begins the scripts of these tests: sh() starts a shell as a process that is called p.
const spawning = `
n = netns("n1")
def sh(text, name = "p", ns = n, **kwargs):
    return spawn(ns, ["sh", "-c", text], name = name, **kwargs)
`

// sleeper is an op that starts a process which does nothing.
func sleeper(m *kernel.Machine, n *kernel.Namespace) *startProcess {
	m.Helper, m.Folder = helper, "/run"
	return &startProcess{Process: kernel.Process{NS: n.Ref(), Name: "sleeper", Service: m.FreeService(),
		Job: proc.Job{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, Dir: "/", Stop: unix.SIGTERM,
			Grace: time.Second}}}
}

// TestSpawn tells of processes from their start to their end.
func TestSpawn(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"life", `
p = sh("echo one; read x; echo got $x; exit 3", may_exit = True)
assert.eq((str(p), p.name, p.ns, p.alive, p.code, p.restarts), ("p", "p", n, True, None, 0))
assert.gt(p.pid, 1)
assert.gt(p.rss, 0)
assert.ge(p.cpu, 0)
assert.eq(p.expect("^o(n)e$"), ["one", "n"])
p.write("two\n")
assert.eq(p.wait(timeout = "10s"), 3)
assert.eq((p.alive, p.code, p.pid, p.rss, p.cpu), (False, 3, None, None, None))
assert.eq(p.logs(), "one\ngot two\n")
assert.eq(p.logs(tail = 1), "got two\n")
assert.eq(processes(), [p])
`, ""},
		{"in its namespace", `
veth(n, name = "seen0")
assert.contains(spawn(n, ["ls", "/sys/class/net"], may_exit = True).expect("(?s).*seen0")[0], "seen0")
assert.lt(int(spawn(n, ["sh", "-c", "echo $$"]).expect("\\d+")[0]), 100)
`, ""},
		{"on the host", `assert.eq(sh("exit 0", ns = host).wait(), 0)`, ""},
		{"names", `
a, b = spawn(n, ["sleep", "1000"]), spawn(n, ["sleep", "1000"])
assert.eq([str(p) for p in processes()], ["sleep", "sleep-2"])
assert.fails(lambda: spawn(n, ["sleep", "1"], name = "sleep"), "EEXIST")
a.stop()
assert.eq(str(spawn(n, ["sleep", "1000"])), "sleep-3")
assert.eq(str(spawn(n, ["sleep", "1000"], name = "sleep")), "sleep")
assert.fails(lambda: spawn(n, ["sleep", "1"], name = "a/b"), "process name \"a/b\"")
`, ""},
		{"environment", `
p = sh("echo $A; pwd; env", env = {"A": "b"}, cwd = "/tmp")
assert.eq(p.expect("^b\n/tmp$")[0], "b\n/tmp")
p.wait()
assert.not_contains(p.logs(), "NSSCRIPT")
assert.fails(lambda: sh("true", env = {"A=": "b"}), "env has \"A=\"")
assert.fails(lambda: sh("true", cwd = "/not/there"), "chdir /not/there: .*ENOENT|/not/there: .*ENOENT")
`, ""},
		{"user", `
p = sh("id -u; id -g; id -G", user = "nobody")
assert.eq(p.expect("^(\\d+)\n(\\d+)\n")[1], "65534")
assert.eq(sh("id -u; id -g; id -G", name = "q", user = 54321).expect("^(\\d+)\n(\\d+)\n(\\d+)\n$")[1:],
    ["54321", "65534", "65534"])
ids = [int(run(host, ["id", which, "man"]).stdout.strip()) for which in ["-u", "-g"]]
assert.eq(sh("id -g", name = "man", user = ids[0]).expect("\\d+"), [str(ids[1])])
assert.fails(lambda: sh("true", user = "not-there"), "unknown user not-there")
`, ""},
		{"what it reads", `
assert.eq(sh("cat", stdin = "all of it").wait(), 0)
assert.fails(lambda: sh("cat; sleep 1000", name = "q", stdin = "").write("more"), "all that it reads")
`, ""},
		{"signals", `
p = sh("trap 'echo hup' HUP; trap 'echo term; exit 7' TERM; echo ready; while :; do sleep 0.01; done", ready = "line:ready")
p.signal("SIGHUP")
p.expect("hup")
p.signal("TERM")
assert.eq(p.wait(), 7)
assert.fails(lambda: p.signal("SIGHUP"), "it has ended")
assert.fails(lambda: p.signal("SIGNOT"), "no signal")
assert.eq(p.stop(), 7)
assert.eq(p.kill(), 7)
`, ""},
		{"stop", `
p = sh("trap 'echo int; exit 0' INT; echo ready; while :; do sleep 0.01; done", ready = "line:ready", stop = "INT",
    grace = "60s")
assert.eq(p.stop(), 0)
assert.contains(p.logs(), "int")
`, ""},
		{"a stopped one is ended", `
p = sh("while :; do sleep 0.01; done")
p.signal("SIGSTOP")
assert.eq(p.stop(), 143)
`, ""},
		{"deaf", `
p = sh("trap '' TERM INT HUP; echo ready; while :; do sleep 0.01; done", ready = "line:ready", grace = "50ms")
assert.eq(p.stop(), 137)
`, ""},
		{"restart", `
p = sh("echo up; read x; exit 1", restart = True)
p.expect("up")
p.write("go\n")
p.expect("up")
assert.eq((p.restarts, p.alive), (1, True))
p.stop()
assert.eq((p.restarts, p.alive), (1, False))
`, ""},
		{"it is asked to end before it is started again", `
for end in [lambda p: p.kill(), lambda p: p.stop(), lambda p: p.signal("TERM")]:
    p = sh("exit 3", restart = True)
    eventually(lambda: assert.ge(p.restarts, 3), timeout = "60s")
    end(p)
    p.wait(timeout = "60s")
    assert.eq(p.alive, False)
`, ""},
		{"grace", `sh("true", grace = "61s")`, "1m1s is too long: undoing waits for that, up to 1m"},
		{"expect goes on", `
p = sh("echo a; echo b; echo a; sleep 1000")
assert.eq([p.expect("a"), p.expect("b"), p.expect("a")], [["a"], ["b"], ["a"]])
assert.fails(lambda: p.expect("a", timeout = "10ms"), "expect \"a\" of process p in n1: it did not come within 10ms")
assert.fails(lambda: p.expect("("), "missing closing")
`, ""},
		{"each function expects for itself", `
p = sh("echo a; echo b; echo c; echo d; sleep 1000")
p.expect("a")
assert.eq(parallel([lambda: p.expect("[a-c]") + p.expect("[a-d]")] * 2), [["b", "c"]] * 2)
assert.eq(p.expect("."), ["b"])
`, ""},
		{"it ends before what is expected", `sh("echo why; exit 0").expect("never")`,
			"expect \"never\" of process p in n1: exit code 0"},
		{"its log is shown", `sh("echo why; exit 0").expect("never")`, "it said: why"},
		{"wait is over", `sh("sleep 1000").wait(timeout = "10ms")`,
			"wait for process p in n1: it did not end within 10ms"},
		{"wait for one that fails", `sh("echo why; exit 4").wait()`, "process p in n1: exit code 4"},
		{"it fails beside the script", `
sh("echo why; exit 4")
sleep("60s")
`, "run process p in n1: exit code 4"},
		{"it fails at the end", `
sh("exit 4")
eventually(lambda: assert.eq(processes()[0].alive, False), timeout = "60s")
`, "exit code 4"},
		{"a signal ends it", `
run(host, ["kill", "-KILL", str(sh("sleep 1000").pid)])
sleep("60s")
`, "run process p in n1: killed by SIGKILL"},
		{"it does not stay in the foreground", `sh("sleep 1000 & exit 0").wait()`, "must stay in the foreground"},
		{"no program", `spawn(n, ["not-there"])`, "start process not-there in n1: .*not found"},
		{"no command", `spawn(n, [])`, "argv is empty"},
		{"attempt", `
a = sh("sleep 1000", name = "a")
r = attempt(lambda: [sh("sleep 1000", name = "b"), fail("undo")])
assert.eq((r.ok, processes()), (False, [a]))
r = attempt(lambda: sh("exit 4", ready = "tcp:80"))
assert.contains(r.error.msg, "exit code 4")
assert.eq(processes(), [a])
assert.true(attempt(lambda: sh("sleep 1000", name = "c")).ok)
assert.eq([str(p) for p in processes()], ["a", "c"])
`, ""},
		{"attempts", `
for grace in 30 * ["1ms", "5s"]:
    r = attempt(lambda: [sh("echo up; sleep 1000", ready = "line:up", grace = grace), fail("undo")])
    assert.eq(r.error.msg, "undo")
`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			switch ids, err := os.ReadFile("/proc/self/uid_map"); {
			case err != nil:
				t.Fatal(err)
			case c.name == "user" && strings.Fields(string(ids))[2] == "1":
				t.Skip("there is no other user here")
			case c.name == "a signal ends it" && !nstest.Cgroups():
				t.Skip("run() has processes of its own")
			}
			before := nstest.Dump(t)
			s, _, err := session(t, spawning+c.src)
			said := ""
			if err != nil {
				var text strings.Builder
				s.Report(&text, err)
				said = text.String()
			}
			if c.want == "" && err != nil || c.want != "" && !regexp.MustCompile(c.want).MatchString(said) {
				t.Errorf("got %s, want %q", said, c.want)
			}
			if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
				t.Errorf("rollback: %v, left: %v", err, u.Left)
			}
			nstest.Same(t, before)
		})
	}
	if n := nstest.Running("sleep"); n > 0 {
		t.Errorf("%d processes are left", n)
	}
}

// TestReady waits for processes by each form of readiness.
func TestReady(t *testing.T) {
	dir := t.TempDir()
	socat := func(at string) string { return fmt.Sprintf("spawn(n, [\"socat\", %q, \"PIPE\"], ready = READY)", at) }
	for _, c := range []struct{ ready, never, src string }{
		{`"tcp:80"`, `"tcp:81"`, socat("TCP4-LISTEN:80")},
		{`"tcp:80"`, `"udp:80"`, socat("TCP6-LISTEN:80")},
		{`"udp:53"`, `"tcp:53"`, socat("UDP4-RECV:53")},
		{`"unix:` + dir + `/s"`, `"unix:` + dir + `/t"`, socat("UNIX-LISTEN:" + dir + "/s")},
		{`"unix:` + dir + `/s"`, `"unix:` + dir + `"`, socat("UNIX-LISTEN:" + dir + "/s")},
		{`"unix:` + dir + `/a b"`, `"unix:` + dir + `/b"`, socat("UNIX-LISTEN:" + dir + "/a b")},
		{`"file:` + dir + `/s"`, `"file:` + dir + `/t"`, socat("UNIX-RECV:" + dir + "/s")},
		{`"line:^up \\d+$"`, `"line:^up \\w$"`, `sh("echo up 77; sleep 1000", ready = READY)`},
		{`lambda: sockets(n)`, `lambda: None`, socat("TCP4-LISTEN:80")},
	} {
		for ready, fails := range map[string]string{c.ready: "", c.never: "it did not come within"} {
			_, _ = os.Remove(dir+"/s"), os.Remove(dir+"/a b")
			src := strings.Replace(c.src, "READY", ready, 1)
			if fails != "" {
				src = strings.TrimSuffix(src, ")") + `, timeout = "300ms")`
			}
			s, _, err := session(t, spawning+src)
			if (err == nil) != (fails == "") || fails != "" && !strings.Contains(err.Error(), fails) {
				t.Errorf("%s: %v, want %q", ready, err, fails)
			}
			if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
				t.Errorf("rollback: %v, left: %v", err, u.Left)
			}
		}
	}
	for ready, want := range map[string]string{`"tcp:0"`: "no port", `"tcp:http"`: "no port", `"80"`: "is not",
		`"file:x"`: "no absolute path", `"line:("`: "missing closing", `80`: "want string"} {
		s, _, err := session(t, spawning+`sh("sleep 1000", ready = `+ready+`)`)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", ready, err, want)
		}
		if _, err := s.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// TestHostileProcesses starts what does not want to end, or is too much: nothing hangs, and nothing is left.
func TestHostileProcesses(t *testing.T) {
	for _, c := range []struct{ name, src string }{
		{"those that get away", prelude(t) + `
p = spawn_(n, SPAWN + "; sleep 1000")
wait(53)
p.stop()
wait(0)
p = spawn_(n, SPAWN + "; sleep 1000")
wait(53)
`},
		{"one that forks on", prelude(t) + `
p = spawn_(n, "f() { f & }; f; f; f; sleep 1000", grace = "10ms")
eventually(lambda: assert.gt(p.cpu, 0.05), timeout = "60s")
`},
		{"one that prints without end", prelude(t) + `
p = spawn_(n, "yes 'a line of some length, again and again and again'")
eventually(lambda: assert.gt(len(p.logs()), 1 << 20), timeout = "60s", interval = "5ms")
eventually(lambda: assert.gt(p.cpu, 0.3), timeout = "60s")
assert.le(len(p.logs()), 2 << 20)
`},
		{"one that does not read", prelude(t) + `
p = spawn_(n, "sleep 1000")
assert.fails(lambda: p.write("x" * (1 << 20), timeout = "50ms"), "it read \\d+ of 1048576 bytes within 50ms")
`},
		{"one that does not listen", prelude(t) + `
p = spawn_(n, "trap '' TERM INT HUP QUIT; echo up; while :; do sleep 1000; done", grace = "20ms", ready = "line:up")
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := nstest.Dump(t)
			src := strings.Replace(c.src, "\nn = netns", `
spawn_ = lambda ns, text, **kwargs: process(ns, ["sh", "-c", text], **kwargs)
n = netns`, 1)
			src = "process = spawn\n" + strings.Replace(src, "def spawn(", "def leave(", 1)
			s, _, err := session(t, src)
			if err != nil {
				t.Error(err)
			}
			began := time.Now()
			if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
				t.Errorf("rollback: %v, left: %v", err, u.Left)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			for _, name := range []string{stray, "sleep", "yes"} {
				if n := nstest.Running(name); n > 0 {
					t.Errorf("%d of %s are left", n, name)
				}
			}
			nstest.Same(t, before)
		})
	}
}

// TestProcessOfKeptLab keeps a lab: its processes go on without the process that started them, and end with it.
func TestProcessOfKeptLab(t *testing.T) {
	before := nstest.Dump(t)
	s, voc, err := session(t, spawning+`sh("while echo alive; do read x; done", ready = "line:alive")`)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	folders, err := filepath.Glob("/run/nsscript/.process-*")
	if err != nil || len(folders) != 1 {
		t.Fatal(folders, err)
	}
	labs := lab.Open(voc.Ops, "")
	found, err := labs.Recover()
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
	if u, err := labs.Down("stray"); err != nil || len(u.Left) > 0 {
		t.Error(u, err)
	}
	nstest.Same(t, before)
}

// TestHostileService ends services that a journal may name and that are none: another process listens where a
// supervisor would. It is let be.
func TestHostileService(t *testing.T) {
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	dir := t.TempDir()
	m.Folder = dir
	decoy := func(folder string, mode os.FileMode) string {
		path := filepath.Join(folder, ".process-x")
		if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(path, "socket"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return path
	}
	for _, c := range []struct {
		want string
		make func() string
	}{
		{"not the folder of a process in", func() string { return decoy(t.TempDir(), 0o700) }},
		{"is not this user's alone", func() string { return decoy(dir, 0o755) }},
		{"is not the first of a PID namespace", func() string { return decoy(dir, 0o700) }},
		{"not a directory", func() string {
			path := filepath.Join(dir, ".process-y")
			if err := os.Symlink(decoy(dir, 0o700), path); err != nil {
				t.Fatal(err)
			}
			return path
		}},
		{"is no socket", func() string {
			path := decoy(dir, 0o700)
			other := path + "/other"
			if err := errors.Join(os.Rename(path+"/socket", other), os.Symlink(other, path+"/socket")); err != nil {
				t.Fatal(err)
			}
			return path
		}},
	} {
		err := m.End(kernel.Process{Name: "p", Service: proc.Service(c.make())})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
