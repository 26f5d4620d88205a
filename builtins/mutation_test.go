package builtins

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestMutation checks the check: for every op, when its Undo does nothing, TestProperty's comparison notices.
func TestMutation(t *testing.T) {
	nstest.Long(t)
	lazy := func(change.Op, *kernel.Machine) error { return nil }
	for i, op := range All().Ops {
		t.Run(op.Kind(), func(t *testing.T) {
			if op.Kind() == "pid namespace" || op.Kind() == "conntrack del" {
				t.Skip("it makes nothing; TestStrays fails when its Undo does nothing")
			}
			none := []string{"mroute add", "mroute del", "mroute_vif del", "bridge_vni add", "bridge_vni del",
				"file set", "file del"}
			if slices.Contains(none, op.Kind()) {
				t.Skip("the worlds have nothing that it could be done to; the laws hold it")
			}
			if op.Kind() == "cgroup add" && !nstest.Cgroups() {
				t.Skip("no cgroups here")
			}
			if lacked(op) {
				t.Skip("this kernel has none")
			}
			total := 0
			for seed := range uint64(40) {
				f, done := newTrial(1+seed, op.Kind()).run(t, fmt.Sprintf("mu%d", i), lazy, 300*time.Millisecond)
				total += done
				if done > 0 && f != nil {
					return
				}
			}
			t.Errorf("nothing noticed in 40 worlds that %q was not undone (%d done)", op.Kind(), total)
		})
	}
}
