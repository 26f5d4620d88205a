package builtins

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

var trafficSeeds = flag.Int("traffic", 200, "random stacks of qdiscs, classes and filters")

// TestTraffic has random stacks of qdiscs, classes and filters made by tc(8), changes each by a random script, and
// undoes that: at once, or by who finds the journal of a run that ended then. tc(8) shows the same afterwards.
func TestTraffic(t *testing.T) {
	seeds := *trafficSeeds
	if testing.Short() {
		seeds = min(seeds, 20)
	}
	w := &trafficWorld{rand.New(rand.NewPCG(1, 1))}
	qdiscs, filters, actions := kernelTraffic(t, w)
	made, refused, lines := 0, 0, 0
	for seed := range seeds {
		w := &trafficWorld{rand.New(rand.NewPCG(uint64(seed), 9))}
		trafficLinks(t)
		stack := w.stack(qdiscs, filters, actions)
		for _, line := range stack {
			if tryTC(line) { // not the second filter of one place
				lines++
			}
		}
		before, src := traffic(t), w.change()
		voc := All()
		p, err := voc.Parse("traffic.star", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: "traffic", Stdout: &out})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(context.Background(), p); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, src)
		}
		made += strings.Count(out.String(), "done")
		refused += strings.Count(out.String(), "refused")
		if seed%2 == 0 {
			u, err := s.Rollback()
			if err != nil || len(u.Left) > 0 {
				t.Fatalf("seed %d: %v, left: %v\n%s\n%s", seed, err, u.Left, strings.Join(stack, "\n"), src)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if found, err := lab.Open(voc.Ops, "").Recover(); err != nil || seed%2 == 1 && len(found) != 1 ||
			len(found) == 1 && (found[0].Err != nil || len(found[0].Left) > 0) {
			t.Fatalf("seed %d: recovery: %+v, %v\n%s\n%s", seed, found, err, strings.Join(stack, "\n"), src)
		}
		if after := traffic(t); after != before {
			t.Fatalf("seed %d: %s\n%s\n%s%s", seed, nstest.Diff(before, after), strings.Join(stack, "\n"), src,
				out.String())
		}
		trafficGone(t)
	}
	t.Logf("%d lines of tc(8); %d changes undone, %d refused", lines, made, refused)
	if made < seeds/2 {
		t.Error("too little was tried")
	}
}
