package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestREPLStory builds a lab by hand, breaks it, and takes steps back.
func TestREPLStory(t *testing.T) {
	before := nstest.Dump(t)
	y := onTTY(t, replCommand(t), screen)
	y.enter("")
	modes, start := y.modes(), nstest.Dump(t)
	for !strings.Contains(modes, "-isig") {
		modes = y.modes()
	}
	y.enter(`a, b = veth(netns("n1"), netns("n2"))`)
	y.enter(`addr(a, "10.0.0.1/24")`, "address 10.0.0.1/24")
	y.enter(`addr(b, "10.0.0.2/24")`)
	y.enter(`ping(a.ns, b.ip, count = 1)`, "1 received")

	// Ctrl-C in a builtin, in a loop and in a block that is being typed.
	y.keys(`print("pi" + "ng"); ping(a.ns, b.ip, count = 1000, interval = "1s")` + "\r")
	y.expect("ping\r\n")
	y.keys("\x03")
	y.expect("interrupted")
	y.expect(">>> ")
	y.keys("for i in range(1 << 62):\r    if i == 0: netns('n9'); print('lo' + 'op')\r\r")
	y.expect("loop\r\n")
	y.keys("\x03")
	y.expect("undid 1 change")
	y.expect(">>> ")
	y.keys("def half():\r")
	y.expect("... ")
	y.keys("    netns(\x03")
	y.expect(">>> ")
	y.enter("half", "undefined: half")
	y.keys("garbage\x03")
	y.expect(">>> ")

	y.enter(`a.set(mtu = 1300); b.set(mtu = 1200); fail("here")`, "here", "undid 2 changes")
	y.enter("a.mtu", "1500")
	y.enter(":undo", `undone: addr(b, "10.0.0.2/24")`)
	y.enter(":undo", `undone: addr(a, "10.0.0.1/24")`)
	if after := nstest.Dump(t); strings.Contains(after, "10.0.0") {
		t.Error("an address is there still")
	}
	y.enter(":undo", "undone: a, b = veth")
	nstest.Same(t, start)
	y.enter(":redo", "again: a, b = veth")
	y.enter(":redo", "again: addr(a")
	y.enter("a.ip", `"10.0.0.1"`)

	// Tab.
	y.keys("pin\t")
	y.expect("ping")
	y.keys("(a.n\t\t")
	y.expect("name")
	y.keys("\x03")
	y.expect(">>> ")
	y.keys("a.mt\t\r")
	y.expect("1500")
	y.expect(">>> ")

	y.keys(":shell n1\r")
	y.expect("$ ")
	y.keys("stty -a; ip -br link; sh -c 'echo rea\"\"dy; exec cat'\r") // the one that is interrupted says so itself
	y.expect(" icanon")
	y.expect("eth0@")
	y.expect("ready")
	y.keys("\x03")
	y.expect("$ ")
	y.enter("exit 3")
	// The line editor shows its prompt, then sets the modes.
	after := y.modes()
	for deadline := time.Now().Add(10 * time.Second); after != modes && time.Now().Before(deadline); {
		after = y.modes()
	}
	if after != modes {
		t.Errorf("the terminal was given back as\n%s, it was\n%s", after, modes)
	}
	y.enter("a", "link eth0")
	y.keys("\x04")
	y.expect("keep lab repl with 5 changes?")
	y.keys("\x03")
	y.expect(">>> ")
	y.keys("\x04")
	y.expect("keep lab repl with 5 changes?")
	y.keys("\r")
	y.expect("rolled back 5 changes; nothing left behind")
	if code, text := y.end(); code != 0 {
		t.Errorf("exit code %d: %s", code, text)
	}
	nstest.Same(t, before)
}

// function is a text of more than twenty lines, as it is pasted.
const function = `
def build(n, prefix = "p"):
	"""Builds a star."""
	middle = netns(prefix)
	ends = []
	for i in range(n):
		host = netns("%s%d" % (prefix, i))
		a, b = veth(
			middle,
			host,
			addrs = (
				"10.%d.0.1/24" % i,
				"10.%d.0.2/24" % i,
			),
		)
		ends.append(b)
	# empty lines before and after a comment

	# and one behind an if that has no body yet
	if n < 0:

		return None

	if not ends:
		fail("none")
	else:
		print("built", len(ends))
	return ends
ends = build(2)
print(ping(ends[0].ns, "10.0.0.1", count = 1).received, "answer")
`

// TestREPLPaste pastes a function with tabs and an empty line in it, and its call.
func TestREPLPaste(t *testing.T) {
	before := nstest.Dump(t)
	y := onTTY(t, replCommand(t), screen)
	y.expect(">>> ")
	y.keys(strings.ReplaceAll(function, "\n", "\r"))
	y.expect("built 2")
	y.expect("1 answer")
	y.expect(">>> ")
	y.keys("\x04")
	y.expect("keep lab")
	y.keys("n\r")
	if code, text := y.end(); code != 0 || strings.Contains(text, "hint:") {
		t.Errorf("exit code %d: %s", code, text)
	}
	nstest.Same(t, before)
}

// TestREPLHistory has what was typed in one session in the next, whole.
func TestREPLHistory(t *testing.T) {
	first, second := replCommand(t), replCommand(t)
	second.Env = first.Env
	state := ""
	for _, v := range first.Env {
		if dir, ok := strings.CutPrefix(v, "XDG_STATE_HOME="); ok {
			state = dir
		}
	}
	y := onTTY(t, first, screen)
	y.expect(">>> ")
	y.keys("for i in [1, 2]:\r    print('n', i * 7)\r\r")
	y.expect("n 14")
	y.expect(">>> ")
	y.enter("'last' + 'one'", "lastone")
	y.keys("\x04")
	y.end()
	file := filepath.Join(state, "nsscript", "history")
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("history: %v, %v", st, err)
	}
	text, err := os.ReadFile(file)
	if want := `"for i in [1, 2]:\n    print('n', i * 7)"` + "\n\"'last' + 'one'\"\n"; err != nil ||
		string(text) != want {
		t.Errorf("the history is %s, want %s", text, want)
	}
	if err := os.WriteFile(file, append([]byte("{\"foreign\": 1}\ntorn\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	y = onTTY(t, second, screen)
	y.expect(">>> ")
	y.keys("\x1b[A\x1b[A")
	y.shows("the entry in one line", func(lines []string) bool {
		return lines[len(lines)-1] == ">>> for i in [1, 2]:↵    print('n', i * 7)"
	})
	y.keys("\r")
	y.expect("n 7")
	y.expect("n 14")
	y.expect(">>> ")
	y.keys("\x04")
	if code, text := y.end(); code != 0 {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// TestHistoryPieces types a function in pieces: it is one entry, here and in the next session.
func TestHistoryPieces(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	h := openHistory()
	for _, c := range []struct {
		entry    string
		replaced bool
	}{{"x", false}, {"xy", false}, {"def f():\n    a", false}, {"def f():\n    a\n\n    b", true},
		{"def f():\n    a\n\n    b\n\n    c", true}, {"f()", false}} {
		if replaced := h.add(c.entry); replaced != c.replaced {
			t.Errorf("%q took the place of the last one: %v", c.entry, replaced)
		}
	}
	if want := []string{"x", "xy", "def f():\n    a\n\n    b\n\n    c", "f()"}; !slices.Equal(h.entries, want) ||
		!slices.Equal(openHistory().entries, want) {
		t.Errorf("%q, and read again %q", h.entries, openHistory().entries)
	}
}

// TestREPLEnds ends a REPL by signals at the prompt and in an input: it is undone, and the terminal is as it was.
func TestREPLEnds(t *testing.T) {
	before := nstest.Dump(t)
	for _, busy := range []bool{false, true} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
			cmd := replCommand(t)
			y := onTTY(t, cmd, screen)
			y.expect(">>> ")
			y.enter(`a, b = veth(netns("n1"), netns("n2"))`)
			y.enter(`addr(a, "10.0.0.1/24")`)
			if busy {
				y.keys(`sysctl(host, "net.ipv4.ip_forward", 1); print("rea" + "dy"); eventually(lambda: fail("no"), ` +
					`timeout = "60s")` + "\r")
				y.expect("ready\r\n")
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			code, text := y.end()
			orphans(t)
			if want := 128 + int(sig); sig != syscall.SIGKILL && code != want {
				t.Errorf("after %s: exit code %d, want %d: %s", sig, code, want, text)
			}
			if modes := y.modes(); sig != syscall.SIGKILL &&
				(!strings.Contains(modes, " icanon") || !strings.Contains(modes, " echo ")) {
				t.Errorf("after %s the terminal is %s", sig, modes)
			}
			nstest.Same(t, before)
		}
	}
}

// TestREPLHangup ends a REPL while a shell has the terminal, as the kernel does when that is gone.
func TestREPLHangup(t *testing.T) {
	before := nstest.Dump(t)
	cmd := replCommand(t)
	y := onTTY(t, cmd, screen)
	y.expect(">>> ")
	y.enter(`n = netns("n1")`)
	y.keys(":shell n\r")
	y.expect("$ ")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code, text := y.end(); code != 128+int(syscall.SIGHUP) {
		t.Errorf("exit code %d: %s", code, text)
	}
	orphans(t)
	nstest.Same(t, before)
}

// TestREPLPlain has the REPL where there can be no line editor.
func TestREPLPlain(t *testing.T) {
	before := nstest.Dump(t)
	for _, c := range []struct {
		term string
		size *pty.Winsize
	}{{"dumb", screen}, {"", screen}, {"xterm", &pty.Winsize{}}} {
		cmd := replCommand(t)
		cmd.Env = append(cmd.Env, "TERM="+c.term)
		y := onTTY(t, cmd, c.size)
		y.expect(">>> ")
		y.enter(`netns("n1")`, "namespace n1")
		y.keys("garbage\x03")
		y.expect(">>> ")
		y.keys("for i in range(1 << 62):\r")
		y.expect("... ")
		y.keys("    if i == 0: print('lo' + 'op')\r")
		y.expect("... ")
		y.keys("\r")
		y.expect("loop\r\n")
		y.keys("\x03")
		y.expect("interrupted")
		y.expect(">>> ")
		y.keys("\x04")
		y.expect("keep lab repl")
		y.keys("\r")
		y.expect("nothing left behind")
		if code, text := y.end(); code != 0 {
			t.Errorf("%v: exit code %d: %s", c, code, text)
		}
		nstest.Same(t, before)
	}
}

// TestREPLKept keeps labs of REPLs, on the machine and in a sandbox, and goes on in them.
func TestREPLKept(t *testing.T) {
	before := nstest.Dump(t)
	for _, flags := range [][]string{nil, {"--sandbox"}} {
		y := onTTY(t, replCommand(t, flags...), screen)
		y.expect(">>> ")
		other := onTTY(t, replCommand(t, flags...), screen)
		other.expect("lab repl2")
		other.keys("\x04")
		other.end()
		y.enter(`a, b = veth(netns("n-1"), netns("n2"), addrs = ("10.0.0.1/24", "10.0.0.2/24"))`)
		y.keys(`print("pi" + "ng"); ping(a.ns, b.ip, count = 1000, interval = "1s")` + "\r")
		y.expect("ping\r\n")
		y.keys("\x03")
		y.expect("interrupted")
		y.expect(">>> ")
		y.keys(":shell n2\r")
		y.expect("$ ")
		y.keys("stty size; echo rea''dy\r")
		y.expect("24 80")
		y.expect("ready\r\n$ ")
		y.enter("exit")
		y.keys(":commit mine\r")
		y.expect("lab mine is up, with 6 changes")
		if code, text := y.end(); code != 0 {
			t.Fatalf("%v: exit code %d: %s", flags, code, text)
		}
		modes := y.modes()
		contains(t, modes, " icanon", " echo ")
		out, _ := outcome(t, nsscript("ls"))
		contains(t, out, "mine  up     2           6")

		// What is done in it is kept or undone by itself.
		for _, keep := range []string{"n", "y"} {
			y = onTTY(t, replCommand(t, "-i", "--lab", "mine"), screen)
			y.expect(">>> ")
			y.enter("ping(n_1, n2_eth0.ip, count = 1)", "1 received")
			y.enter(`addr(n2_eth0, "10.0.0.3/24")`)
			y.enter(":undo", "undone")
			y.enter(":redo")
			y.keys("\x04")
			y.expect("keep 1 change in lab mine?")
			y.keys(keep + "\r")
			if code, text := y.end(); code != 0 {
				t.Errorf("exit code %d: %s", code, text)
			}
			out, _ := outcome(t, nsscript("ls"))
			contains(t, out, "mine  up     2           "+map[string]string{"n": "6", "y": "7"}[keep])
		}
		// A process that dies in it takes with it what it had not kept.
		cmd := replCommand(t, "-i", "--lab", "mine")
		y = onTTY(t, cmd, screen)
		y.expect(">>> ")
		y.enter(`x = netns("extra"); addr(n_1_eth0, "10.9.0.1/24")`)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		y.end()
		if flags == nil {
			orphans(t)
		}
		// In a sandbox who undoes it is no child of this process, and may be at it still.
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			out, _ = outcome(t, nsscript("show", "mine"))
			if strings.Contains(out, "7 changes") || time.Now().After(deadline) {
				break
			}
		}
		contains(t, out, "7 changes")
		if strings.Contains(out, "10.9.0.1") {
			t.Errorf("what was not kept is there: %s", out)
		}
		if out, code := outcome(t, nsscript("down", "mine")); code != 0 {
			t.Errorf("down: %d, %s", code, out)
		}
		nstest.Same(t, before)
	}
	orphans(t)
}

// TestREPLScript runs a script and stays; without a terminal what is piped in are the inputs.
func TestREPLScript(t *testing.T) {
	before := nstest.Dump(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"lab.star": `load("lib.star", "pair")` + "\na, b = pair(args[0])\n",
		"lib.star": "def pair(n):\n    return veth(netns(n), netns('n2'))\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := nsscript("-i", dir+"/lab.star", "n1")
	cmd.Stdin = strings.NewReader("load('lib.star', again = 'pair')\na.ns\nfor l in [a, " +
		"b]:\n    l.set(mtu = 1400)\n\na.mtu\n:save " + dir + "/saved.star\nfail('x')\n2 + 2")
	out, code := outcome(t, cmd)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	contains(t, out, "namespace n1\n", "1400\n", "saved 5 inputs", "\n4\n",
		"rolled back 6 changes; nothing left behind")
	if strings.Contains(out, ">>>") {
		t.Errorf("nobody sees a prompt: %s", out)
	}
	nstest.Same(t, before)
	out, code = outcome(t, nsscript("--rm", dir+"/saved.star", "n1"))
	if code != 0 {
		t.Errorf("the saved script: exit code %d: %s", code, out)
	}
	nstest.Same(t, before)
	if out, code := outcome(t, nsscript("-i", "--lab", "none")); code != exitFailed ||
		!strings.Contains(out, "there is no lab none") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// TestREPLPiped pipes inputs in that have empty lines in their blocks, and mistakes before indented lines.
func TestREPLPiped(t *testing.T) {
	before := nstest.Dump(t)
	for _, c := range []struct{ in, out string }{
		{"ok = True\nif ok:\n    print('yes')\n\nelse:\n    netns('danger')\n\nwhile False:\n    netns('worse')\n\n  " +
			"  netns('worst')\nprint('end')", "yes\nend\n"},
		{"def f(x):\n    # comment\n\n    if x:\n        return 1\n\n    return 2\n\nprint(f(0), f(1))\n", "2 1\n"},
		{"for i in range(2):\n    print(i)\n\n    print(-i)", "0\n0\n1\n-1\n"},
		{"print(1)\nx = [", "1\n"},
	} {
		for _, args := range [][]string{{"-i"}, {"-i", "--sandbox"}} {
			cmd := nsscript(args...)
			cmd.Stdin = strings.NewReader(c.in)
			var said strings.Builder
			cmd.Stderr = &said
			if out, err := cmd.Output(); err != nil || string(out) != c.out {
				t.Errorf("%q: %q, %v, want %q", c.in, out, err, c.out)
			}
			for line := range strings.Lines(said.String()) {
				if !strings.HasPrefix(line, "<repl:") && !strings.HasPrefix(line, " ") {
					t.Errorf("%q: it said %q", c.in, line)
				}
			}
		}
	}
	orphans(t)
	nstest.Same(t, before)
}

// panics makes the test binary be a console that panics.
const panics = "NSSCRIPT_TEST_PANICS"

// panicking panics at the console or in what it calls.
func panicking(where string) {
	t := openConsole(func(string) (string, []string) { panic("in the completer") })
	defer t.Close()
	if where == "caller" {
		panic("in the caller")
	}
	if _, err := t.Prompt("panic> "); err != nil {
		panic(err)
	}
}

// TestREPLPanic checks that the terminal is given back after a fault of nsscript's own.
func TestREPLPanic(t *testing.T) {
	for _, where := range []string{"caller", "completer"} {
		cmd := replCommand(t)
		cmd.Env = append(cmd.Env, panics+"="+where)
		y := onTTY(t, cmd, screen)
		if where == "completer" {
			y.expect("panic> ")
			y.keys("x\t")
		}
		y.expect("in the " + where)
		if code, text := y.end(); code == 0 {
			t.Errorf("exit code %d: %s", code, text)
		}
		contains(t, y.modes(), " icanon", " echo ", "isig ")
	}
}

// TestREPLOrdinaryUser has the REPL without privileges: in a sandbox, on a terminal of its own there.
func TestREPLOrdinaryUser(t *testing.T) {
	before := nstest.Dump(t)
	cmd := nobody(t, replCommand(t), 65534)
	y := onTTY(t, cmd, screen)
	y.expect(">>> ")
	y.enter(`a, b = veth(netns("n1"), netns("n2"), addrs = ("10.0.0.1/24", "10.0.0.2/24"))`)
	y.keys(`print("pi" + "ng"); ping(a.ns, b.ip, count = 1000, interval = "1s")` + "\r")
	y.expect("ping\r\n")
	y.keys("\x03")
	y.expect("interrupted")
	y.expect(">>> ")
	y.keys("a.mt\t\r")
	y.expect("1500")
	y.expect(">>> ")
	nstest.Same(t, before)
	y.keys(":quit\r")
	y.expect("keep lab repl with 6 changes?")
	y.keys("\r")
	y.expect("nothing left behind")
	if code, text := y.end(); code != 0 {
		t.Errorf("exit code %d: %s", code, text)
	}
	contains(t, y.modes(), " icanon", " echo ", "isig ")

	// Who is killed takes the sandbox along.
	y = onTTY(t, nobody(t, replCommand(t), 65534), screen)
	y.expect(">>> ")
	y.enter(`netns("n1")`)
	if err := y.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	y.end()
	orphans(t)
	nstest.Same(t, before)
	if out, _ := asNobody(t, "ls"); strings.Contains(out, "repl") {
		t.Errorf("it is there still: %s", out)
	}
}
