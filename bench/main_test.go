package main

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/nstest"
)

func TestMain(m *testing.M) { nstest.Main(m) }

// built is a bench with an nsscript of this source.
func built(t testing.TB, s shape, n int) *bench {
	b := &bench{shape: s, n: n, nsscript: filepath.Join(t.TempDir(), "nsscript"), dir: "."}
	if err := command("go", "build", "-o", b.nsscript, "../cmd/nsscript").do(); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWays checks that every way builds the same lab, and takes it down.
func TestWays(t *testing.T) {
	// The folder that `ip netns` and nsscript both leave.
	nstest.IP(t, "netns", "add", "first")
	nstest.IP(t, "netns", "del", "first")
	before := nstest.Dump(t)
	for _, b := range []*bench{built(t, chain, 3), built(t, tree, 2)} {
		want := ""
		for _, w := range b.ways() {
			down, err := w.build()
			if err != nil {
				t.Fatalf("%s: %v", w.name, err)
			}
			if have := links(t, b); want == "" {
				want = have
			} else if have != want {
				t.Errorf("%s built\n%s\nand not\n%s", w.name, have, want)
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
	}
	if err := built(t, chain, 3).killed(io.Discard, 2); err != nil {
		t.Error(err)
	}
	nstest.Same(t, before)
}

// links are the links of a lab with their masters and IPv4 addresses.
func links(t *testing.T, b *bench) (all string) {
	for _, l := range b.plan(b.n) {
		ns, ok := strings.CutPrefix(l[1], "netns add ")
		if !ok {
			continue
		}
		out, err := exec.Command("ip", "-n", ns, "-4", "-o", "addr").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		ports, err := exec.Command("ip", "-n", ns, "-o", "link", "show", "type", "veth").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, ports)
		}
		all += ns + "\n"
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)[1:] // of the line only what it says before the lifetimes
			all += " " + strings.Join(f[:min(len(f), 5)], " ") + "\n"
		}
		for line := range strings.Lines(string(ports)) {
			f := strings.Fields(line)
			name, _, _ := strings.Cut(f[1], "@") // the index of the other end follows
			all += " " + name
			if i := slices.Index(f, "master"); i > 0 {
				all += " master " + f[i+1]
			}
			all += "\n"
		}
	}
	return all
}

// BenchmarkTree builds 1,024 hosts at 33 bridges, and BenchmarkChain 500 namespaces in a row.
func BenchmarkTree(b *testing.B)  { benchmark(b, tree, 32) }
func BenchmarkChain(b *testing.B) { benchmark(b, chain, 500) }

func benchmark(b *testing.B, s shape, n int) {
	lab := built(b, s, n)
	var downs time.Duration
	for b.Loop() {
		b.StopTimer()
		err := lab.quiet()
		b.StartTimer()
		down, e := lab.byScript()
		b.StopTimer()
		start := time.Now()
		if err := errors.Join(err, e, down()); err != nil {
			b.Fatal(err)
		}
		downs += time.Since(start)
		b.StartTimer()
	}
	b.ReportMetric(float64(downs.Milliseconds())/float64(b.N), "down-ms/op")
}
