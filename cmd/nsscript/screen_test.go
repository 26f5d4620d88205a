package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestREPLScreen looks at the screen as a person does: 24 lines of 80 columns.
func TestREPLScreen(t *testing.T) {
	before := nstest.Dump(t)
	y := onTTY(t, replCommand(t), screen)
	y.expect(">>> ")
	y.prompt()

	// A line that is longer than the screen is wide is moved along in it; none is shown twice.
	long := `a, b = veth(netns("left"), netns("right"), addrs = ("10.0.0.1/24", "10.0.0.2/24"))`
	y.keys(long)
	lines := y.shows("the end of the line", func(l []string) bool {
		return strings.HasSuffix(l[len(l)-1], long[len(long)-60:])
	})
	if len(lines) != 2 {
		t.Errorf("it is shown as\n%s", strings.Join(lines, "\n"))
	}
	y.keys("\x01")
	y.shows("its beginning", func(l []string) bool { return l[len(l)-1] == ">>> " })
	y.enter("")

	// The caret stands below what is wrong.
	y.enter(`x = 1; addr(a, "10.0.0.9/33")`)
	lines = y.prompt()
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(l, "    ^") })
	if at < 1 || strings.Index(lines[at-1], "addr(")+len("addr") != strings.Index(lines[at], "^") {
		t.Errorf("the caret is at the wrong place:\n%s", strings.Join(lines, "\n"))
	}

	// A table fits on the screen: its columns stand below each other, its titles stay to be seen, and the rest has a
	// name.
	y.enter(`[netns("h%d" % i) for i in range(40)]`)
	lines = y.prompt()
	if len(lines) != 24 || lines[1] != "name  links" || lines[2] != "h0    lo" || lines[21] != "h19   lo" ||
		!strings.HasPrefix(lines[22], "(20 more: _[20:] are those") {
		t.Errorf("the table is\n%s", strings.Join(lines, "\n"))
	}
	y.enter(`a.ns.links`)
	lines = y.prompt()
	titles, row := lines[len(lines)-5], lines[len(lines)-3]
	for _, col := range [][2]string{{"ns", "left"}, {"kind", "veth"}, {"peer", "eth0"}, {"ip", "10.0.0.1"}} {
		if i := strings.Index(titles, col[0]); i < 0 || !strings.HasPrefix(row[i:], col[1]) {
			t.Errorf("%q does not stand below %s:\n%s", col[1], col[0], strings.Join(lines, "\n"))
		}
	}

	// Tab goes as far as it is clear, then shows what there is; the line is there again below it.
	y.keys("a.ns.li\t")
	y.shows("what is common", func(l []string) bool { return l[len(l)-1] == ">>> a.ns.link" })
	y.keys("\x03")
	y.prompt()
	y.keys("a.m\t\t")
	y.shows("the candidates", func(l []string) bool {
		return l[len(l)-1] == ">>> a.m" &&
			strings.Join(strings.Fields(l[len(l)-2]), " ") == "mac master mdb mroute_vifs mtu"
	})
	y.keys("t\t\r")
	y.expect("1500")
	y.prompt()

	// Ctrl-L leaves the prompt alone on the screen.
	y.keys("\x0c")
	y.shows("an empty screen", func(l []string) bool { return len(l) == 1 && l[0] == ">>> " })
	y.keys("\x04")
	y.expect("keep lab")
	y.keys("n\r")
	if code, text := y.end(); code != 0 {
		t.Errorf("exit code %d: %s", code, text)
	}
	nstest.Same(t, before)
}
