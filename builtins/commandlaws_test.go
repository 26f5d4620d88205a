package builtins

import (
	"strings"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// newWords are laws whose words iproute2 has since 6.2, and what shows whether it does.
var newWords = map[string]string{"link set type bridge_slave mab": "ip link help bridge_slave 2>&1 || true"}

// TestCommandsOfLaws has iproute2 do what each law of a kind or table does, by the command that --trace prints: the
// machine is the same, and what was made is read back as it was given.
func TestCommandsOfLaws(t *testing.T) {
	nstest.Long(t)
	for _, l := range laws() {
		// iproute2 has no command that routes multicast.
		if of(l.name) == "" || strings.HasPrefix(l.name, "mroute") {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			makeWorld(t)
			t.Cleanup(func() { clearHost(t) })
			m, err := kernel.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			op := l.op(t, m)
			step := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", op.Command(), err)
				}
			}
			step(op.Check(m, false))
			step(op.Do(m))
			nstest.Quiet(t, "")
			want := nstest.Dump(t)
			step(op.Undo(m))
			if words := newWords[l.name]; words != "" && !strings.Contains(shell(t, words), " mab ") {
				t.Skip("ip(8) is older than the word")
			}
			shell(t, op.Command())
			nstest.Quiet(t, "")
			got := nstest.Dump(t)
			for deadline := time.Now().Add(5 * time.Second); !alike(got, want) && time.Now().Before(deadline); {
				got = nstest.Dump(t) // the shell does not wait for the kernel to use its addresses
			}
			if !alike(got, want) {
				t.Errorf("%s\nis not the same:\n%s", op.Command(), nstest.Diff(rough(want), rough(got)))
			}
			if o, ok := op.(*addLink); ok {
				made, err := m.Host().Link(o.Name)
				step(err)
				o.LinkRef = made.LinkRef
			}
			if step(readBack(m, op)); strings.HasSuffix(op.Kind(), " del") {
				step(op.Undo(m)) // somebody else's deletion looks like the run's own
			}
		})
	}
}
