package main

import (
	"fmt"
	"sync"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestFreeNames has many runs at once take the next free names, of namespaces and of links in the host's namespace:
// each gets one that nobody else has.
func TestFreeNames(t *testing.T) {
	const runs = 12
	before := nstest.Dump(t)
	each := func(args func(i int) []string) {
		var all sync.WaitGroup
		for i := range runs {
			all.Go(func() {
				if out, err := nsscript(args(i)...).CombinedOutput(); err != nil {
					t.Errorf("%v: %v\n%s", args(i), err, out)
				}
			})
		}
		all.Wait()
	}
	each(func(i int) []string {
		return []string{"-q", "--lab", fmt.Sprint("free", i), "-c",
			"netns(); bridge(host); veth(host); veth(host, netns())"}
	})
	each(func(i int) []string { return []string{"-q", "down", fmt.Sprint("free", i)} })
	nstest.Same(t, before)
}
