package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rsc.io/script"
	"rsc.io/script/scripttest"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// asCommand makes the test binary be nsscript itself, so that the race detector and the tests' build see all of it.
const asCommand = "NSSCRIPT_TEST_COMMAND"

// hasty makes that command not wait long for namespaces that a test holds.
const hasty = "NSSCRIPT_TEST_HASTY"

func TestMain(m *testing.M) {
	// What run() starts has no environment of the tests'; its helper is told by its arguments.
	if os.Getenv(asCommand) != "" || len(os.Args) > 1 && (os.Args[1] == "helper" || os.Args[1] == machineName) {
		if where := os.Getenv(panics); where != "" {
			panicking(where)
		}
		if os.Getenv(hasty) != "" {
			change.Patience = 100 * time.Millisecond
		}
		main()
	}
	nstest.Main(m)
}

func nsscript(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// TestCommandLine runs the command-line tests; each leaves the sandbox as it was.
func TestCommandLine(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Abs("../../scripts")
	if err != nil {
		t.Fatal(err)
	}
	engine := script.NewEngine()
	engine.Cmds["nsscript"] = script.Program(exe, nil, 0)
	engine.Cmds["ip"] = script.Program("ip", nil, 0)
	engine.Cmds["exits"] = exits(exe)
	env := append(os.Environ(), asCommand+"=1", "SCRIPTS="+scripts, "NSSCRIPT="+exe, "NO_COLOR=1")
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, f := range files {
		before := nstest.Dump(t)
		// One after the other: they share the sandbox, and scripttest.Test would run them side by side.
		t.Run("", func(t *testing.T) { scripttest.Test(t, context.Background(), engine, env, f) })
		nstest.Same(t, before)
	}
}

// exits is a command of the tests': it runs nsscript, and fails when the exit code is another than the first argument.
func exits(exe string) script.Cmd {
	return script.Command(script.CmdUsage{Summary: "run nsscript and check its exit code", Args: "code args..."},
		func(s *script.State, args ...string) (script.WaitFunc, error) {
			if len(args) < 2 {
				return nil, script.ErrUsage
			}
			return func(*script.State) (string, string, error) {
				cmd := exec.CommandContext(s.Context(), exe, args[1:]...)
				cmd.Dir, cmd.Env = s.Getwd(), s.Environ()
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				err := cmd.Run()
				code := cmd.ProcessState.ExitCode()
				if err == nil || code >= 0 {
					err = nil
				}
				if strconv.Itoa(code) != args[0] {
					err = fmt.Errorf("exit code %d, want %s", code, args[0])
				}
				return stdout.String(), stderr.String(), err
			}, nil
		})
}

// TestScripts runs the scenarios under scripts/: all succeed but the one that is there to fail,
// and those that want more of the kernel than it has.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("../../scripts/*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	before := nstest.Dump(t)
	for _, f := range files {
		out, err := nsscript("--rm", f).CombinedOutput()
		lacking := strings.Contains(string(out), "skipped: this machine has no ")
		if failing := filepath.Base(f) == "failing.star" || lacking; failing == (err == nil) {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
		if !strings.Contains(string(out), "nothing left behind") {
			t.Errorf("%s did not say that nothing is left:\n%s", f, out)
		}
		nstest.Same(t, before)
	}
}

// busy is a lab that is built and then keeps its script running.
const busy = `
a, b = veth(netns("n1"), netns("n2"), addrs = ("10.0.0.1/24", "10.0.0.2/24"))
c, d = veth(host, a.ns, name = "busy0")
addr(c, "10.1.0.1/24")
sysctl(host, "net.ipv4.ip_forward", 1)
print("ready")
eventually(lambda: fail("no"), timeout = "60s", interval = "1ms")
`

// start starts nsscript and waits until its script is ready.
func start(t *testing.T) *exec.Cmd {
	t.Helper()
	return started(t, "--lab", "busy", "-c", busy)
}

// started starts nsscript and waits until its script says that it is ready.
func started(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := nsscript(args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	return cmd
}

// TestSignals ends a run by each signal that asks it to: it is rolled back, and the exit code says which it was.
func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		before := nstest.Dump(t)
		cmd := start(t)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 128+int(sig) {
			t.Errorf("after %s: %v, want exit code %d", sig, err, 128+int(sig))
		}
		nstest.Same(t, before)
	}
}

// TestTimeout ends a run whose script goes on for ever.
func TestTimeout(t *testing.T) {
	before := nstest.Dump(t)
	began := time.Now()
	out, err := nsscript("--timeout", "300ms", "-c",
		"netns('n1')\nfor i in range(1 << 62):\n    pass\n").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "longer than 300ms") {
		t.Errorf("%v: %s", err, out)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	nstest.Same(t, before)
}

// orphans waits for the processes that the killed ones left behind: the test is the first process of its sandbox, and
// so their parent now.
func orphans(t *testing.T) {
	t.Helper()
	alarm := time.AfterFunc(30*time.Second, func() { panic("a watcher goes on for ever") })
	defer alarm.Stop()
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err == syscall.ECHILD {
			return
		} else if err != nil && err != syscall.EINTR {
			t.Fatal(err)
		}
	}
}

// TestWatcher kills a run: its watcher undoes it at once, and says so where the run would have.
func TestWatcher(t *testing.T) {
	before := nstest.Dump(t)
	cmd := start(t)
	said := cmd.Stderr.(*bytes.Buffer)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed; its output ends with the watcher's
	orphans(t)
	nstest.Same(t, before)
	if !strings.Contains(said.String(), "the run of lab busy had died: rolled back") {
		t.Errorf("it said %q", said)
	}
}

// TestWatcherEnds checks that a run that ends well takes its watcher with it.
func TestWatcherEnds(t *testing.T) {
	orphans(t) // of tests before
	for _, args := range [][]string{{"--rm", "-c", "netns('n1')"}, {"-c", "print(1)"}, {"-c", "fail('x')"},
		{"-c", "netns('n1')"}, {"down", "command"}} {
		out, _ := nsscript(args...).CombinedOutput() // one of them is to fail
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
			t.Errorf("%v left process %d: %v, and said: %s", args, pid, err, out)
		}
	}
}

// TestKill kills a run and its watcher: the next command says what it found and undoes it.
func TestKill(t *testing.T) {
	for _, next := range [][]string{{"recover"}, {"ls"}, {"-c", "print(1)"}} {
		before := nstest.Dump(t)
		cmd := start(t)
		nstest.KillOthers(t)
		_ = cmd.Wait() // it was killed
		orphans(t)
		if nstest.Dump(t) == before {
			t.Fatal("the killed run had changed nothing")
		}
		out, err := nsscript(next...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "the run of lab busy had died: rolled back") {
			t.Errorf("%v: %v\n%s", next, err, out)
		}
		nstest.Same(t, before)
	}
}

// TestKillAnywhere kills runs of the tutorial at moments spread over their length, and recovers.
func TestKillAnywhere(t *testing.T) {
	before := nstest.Dump(t)
	for i := range 40 {
		cmd := nsscript("-q", "../../scripts/two_ns.star")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(i)*2*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it was killed, or had succeeded before
		if out, err := nsscript("recover").CombinedOutput(); err != nil {
			t.Fatalf("recover: %v\n%s", err, out)
		}
		if out, err := nsscript("ls").Output(); err == nil && strings.Contains(string(out), "two_ns") {
			if out, err := nsscript("down", "two_ns").CombinedOutput(); err != nil {
				t.Fatalf("down: %v\n%s", err, out)
			}
		}
		nstest.Same(t, before)
	}
}

// TestBackToBack runs the tutorial again and again without a pause: names are free as soon as a run has ended.
func TestBackToBack(t *testing.T) {
	nstest.Long(t)
	before := nstest.Dump(t)
	for i := range 200 {
		if out, err := nsscript("--rm", "../../scripts/two_ns.star").CombinedOutput(); err != nil {
			t.Fatalf("run %d: %v\n%s", i, err, out)
		}
	}
	nstest.Same(t, before)
}

// expect runs a command that is to end with an exit code and to say something.
func expect(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	cmd := nsscript(args...)
	if code == exitLeftover { // nothing that is waited for comes
		cmd.Env = append(cmd.Env, hasty+"=1")
	}
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), want) {
		t.Errorf("%v: exit code %d, want %d and %q:\n%s", args, got, code, want, out)
	}
}

// TestDiverged has somebody else change during a run what the run has changed: that stays, is said once with an exit
// code of its own, and is in nobody's way afterwards. What only waits for a name is tried again.
func TestDiverged(t *testing.T) {
	nstest.Unraced(t)
	before := nstest.Dump(t)
	nstest.IP(t, "link", "add", "pre0", "type", "veth", "peer", "name", "pre1")
	expect(t, exitLeftover,
		"it is 1300, was 1500, was set to 1400: changed by somebody else meanwhile, left as it is", "-c",
		`host.link("pre0").set(mtu = 1400); addr(host.link("pre0"), "10.1.0.1/24"); run(host, ["ip", "link", "set", `+
			`"pre0", "mtu", "1300"]); fail("x")`)
	expect(t, 0, "", "recover")
	expect(t, 0, "(1300, [])", "-c",
		`print((host.link("pre0").mtu, [a for a in host.link("pre0").addrs if a.startswith("10.")]))`)
	nstest.IP(t, "link", "del", "pre0")

	nstest.IP(t, "netns", "add", "pre")
	cmd := started(t, "-c", `netns_at(name = "pre").delete(); print("ready"); eventually(lambda: `+
		`netns_at(name = "pre"), timeout = "60s"); fail("x")`)
	nstest.IP(t, "netns", "add", "pre")
	_ = cmd.Wait() // it fails
	if said := cmd.Stderr.(*bytes.Buffer).String(); cmd.ProcessState.ExitCode() != exitLeftover ||
		!strings.Contains(said, "its name is another one's") {
		t.Errorf("exit code %d: %s", cmd.ProcessState.ExitCode(), said)
	}
	expect(t, exitLeftover, "hint: `nsscript recover` tries again", "recover")
	nstest.IP(t, "netns", "del", "pre")
	expect(t, 0, "nothing left behind", "recover")
	nstest.IP(t, "netns", "del", "pre")
	nstest.Same(t, before)
}

// TestIrreversible makes a change that cannot be undone: refused without irreversible=True, and with it what is lost is
// said once, whoever undoes it, with an exit code of its own.
func TestIrreversible(t *testing.T) {
	const lost = "ip link del x0: macaddr of link x0 in host is lost: it is not made again"
	expect := func(code int, want string, args ...string) { t.Helper(); expect(t, code, want, args...) }
	nstest.IP(t, "link", "add", "s0", "type", "ifb")
	defer nstest.IP(t, "link", "del", "s0")
	before := nstest.Dump(t)
	for _, end := range []struct {
		name string
		do   func()
	}{
		{"refused", func() {
			expect(exitFailed, "hint: irreversible=True does it all the same", "-c", `host.link("x0").delete()`)
		}},
		{"taken down at once", func() {
			expect(exitLeftover, lost, "--rm", "--trace", "-c", `host.link("x0").delete(irreversible = True)`)
		}},
		{"failed", func() {
			expect(exitLeftover, "what cannot be brought back:\n  <command>:1:23 "+lost, "-c",
				`host.link("x0").delete(irreversible = True); fail("x")`)
		}},
		{"taken down", func() {
			expect(0, "is up", "-c", `host.link("x0").delete(irreversible = True)`)
			expect(0, "lost for good by ip link del x0: macaddr of link x0 in host", "show", "command")
			expect(exitLeftover, lost, "down", "command")
		}},
		{"killed", func() {
			cmd := started(t, "-c", `host.link("x0").delete(irreversible = True); print("ready"); `+
				`eventually(lambda: fail("no"), timeout = "60s")`)
			nstest.KillOthers(t)
			_ = cmd.Wait() // it was killed
			orphans(t)
			expect(exitLeftover, lost, "recover")
		}},
	} {
		nstest.IP(t, "link", "add", "x0", "link", "s0", "type", "macvlan", "mode", "source", "macaddr", "set",
			"02:00:00:00:00:99")
		end.do()
		expect(0, "", "recover")
		nstest.IP(t, "link", "del", "x0")
		if after := nstest.Dump(t); after != before {
			t.Fatalf("%s: %s", end.name, nstest.Diff(before, after))
		}
	}
}

// TestHeld takes a lab down while a foreign process is in its namespace: it is named, and what it holds is undone when
// it has gone.
func TestHeld(t *testing.T) {
	before := nstest.Dump(t)
	if out, err := nsscript("-q", "--lab", "held", "-c",
		`veth(host, netns("n1"), name = "held0")`).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cat := exec.Command("ip", "netns", "exec", "n1", "cat")
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
	if _, err := in.Write([]byte("there\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "there\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	down := nsscript("down", "held")
	down.Env = append(down.Env, hasty+"=1")
	said, err := down.CombinedOutput()
	var exit *exec.ExitError
	want := fmt.Sprintf("namespace n1, held by process %d (cat)", cat.Process.Pid)
	if !errors.As(err, &exit) || exit.ExitCode() != exitLeftover || !strings.Contains(string(said), want) {
		t.Errorf("%v, want exit code %d and %q:\n%s", err, exitLeftover, want, said)
	}
	if err := exec.Command("ip", "link", "show", "held0").Run(); err == nil {
		t.Error("the link in the host's namespace is still there")
	}
	if err := errors.Join(in.Close(), cat.Wait()); err != nil {
		t.Fatal(err)
	}
	if said, err := nsscript("recover").CombinedOutput(); err != nil {
		t.Errorf("recover: %v\n%s", err, said)
	}
	nstest.Same(t, before)
}
