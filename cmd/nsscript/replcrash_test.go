//go:build failpoint

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestCrashREPL kills REPLs at every failpoint: one whose lab is kept under another name, and one in a lab that is up.
// Of the first nothing is left, or the lab is up; the second leaves the lab as it was, or with what was kept in it.
func TestCrashREPL(t *testing.T) {
	bare(t)
	before := nstest.Dump(t)
	const typed = `a, b = veth(netns("n3"), netns("n4"), addrs = ("10.0.0.1/24", "10.0.0.2/24"))
a.set(mtu = 1400); fail("here")
sysctl(host, "net.ipv4.ip_forward", 1)
:undo
:redo
`
	kills := 0
	for _, enter := range []bool{false, true} {
		c := crash{args: []string{"-i", "--lab", "first", "-c", "print(1)"}, typed: typed + ":commit other\n"}
		lab := "other"
		if enter {
			c, lab = crash{args: []string{"-i", "--lab", "first"}, typed: typed + ":commit\n"}, "first"
		}
		up := func() {
			bare(t)
			if !enter {
				return
			}
			if out, err := nsscript("--lab", "first", "-c",
				`x, y = veth(netns("n1"), netns("n2"))`).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		changes := func() string {
			out, err := nsscript("ls").CombinedOutput()
			if err != nil {
				t.Fatalf("ls: %v: %s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				if f := strings.Fields(line); len(f) > 3 && f[0] == lab {
					return f[1] + " " + f[3]
				}
			}
			return "none"
		}
		up()
		was := changes()
		logged := c
		logged.log = filepath.Join(t.TempDir(), "hits")
		if out, code := logged.end(t); code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
		text, err := os.ReadFile(logged.log)
		if err != nil {
			t.Fatal(err)
		}
		points, then := passed(string(text)), changes()
		if then == was || !strings.HasPrefix(then, "up ") {
			t.Fatalf("the lab is %s, it was %s", then, was)
		}
		down(t)
		for i := range 2 * points {
			if !mine(t, i) {
				continue
			}
			up()
			c.at, c.all = i/2+1, i%2 == 0
			out, killed := c.run(t)
			if !killed {
				t.Errorf("failpoint %d of %d was not reached: %s", c.at, points, out)
			}
			recovering(t)
			orphans(t)
			if now := changes(); now != was && now != then {
				t.Errorf("killed at %d of %d (all: %v) the lab is %s, it was %s and was to be %s: %s", c.at, points,
					c.all, now, was, then, out)
			}
			down(t)
			cleaned(t, before, c, out)
			kills++
		}
	}
	t.Logf("%d kills", kills)
}
