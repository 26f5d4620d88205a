package main

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

func TestMain(m *testing.M) { nstest.Main(m) }

// TestWays checks that every way builds the same chain, and takes it down.
func TestWays(t *testing.T) {
	b := &bench{n: 3, nsscript: filepath.Join(t.TempDir(), "nsscript"), script: "chain.star"}
	if err := command("go", "build", "-o", b.nsscript, "../cmd/nsscript").do(); err != nil {
		t.Fatal(err)
	}
	// The folder that `ip netns` and nsscript both leave.
	nstest.IP(t, "netns", "add", "first")
	nstest.IP(t, "netns", "del", "first")
	before := nstest.Dump(t)
	want := ""
	for _, w := range b.ways() {
		down, err := w.build()
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		chain := ""
		for i := range b.n {
			out, err := exec.Command("ip", "-n", fmt.Sprintf("c%d", i), "-4", "-br", "addr").CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v: %s", w.name, err, out)
			}
			for line := range strings.Lines(string(out)) {
				f := strings.Fields(line) // name, state, addresses; the state follows some moments later
				chain += fmt.Sprint(i, f[0], f[2:], "\n")
			}
		}
		if want == "" {
			want = chain
		} else if chain != want {
			t.Errorf("%s built\n%s\nand not\n%s", w.name, chain, want)
		}
		if err := down(); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
		nstest.Same(t, before)
	}
	if err := b.run(io.Discard, 1, "no such floor"); err != nil {
		t.Error(err)
	}
	nstest.Same(t, before)
	if err := b.killed(io.Discard, "held.star", 2); err != nil {
		t.Error(err)
	}
	nstest.Same(t, before)
}
