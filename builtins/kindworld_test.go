package builtins

import (
	"strings"
	"sync"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// kindsHere are the kinds that this kernel has.
var kindsHere = sync.OnceValue(func() (all []*linkKind) {
	m, err := kernel.Open()
	if err != nil {
		panic(err)
	}
	defer m.Close()
	for _, k := range allKinds() {
		if k.feature().Probe(m) == nil {
			all = append(all, k)
		}
	}
	return all
})

// kind makes a link of any kind, on a link where it stands on one.
func (w *madeWorld) kind(on string) {
	here := kindsHere()
	op := here[w.rand.IntN(len(here))].example(kernel.LinkRef{Name: "k0"}, &kernel.LinkRef{Name: on})
	if op.Up = false; op.Paired() {
		op.Peer = &kernel.LinkSpec{LinkRef: kernel.LinkRef{Name: "k1"}}
	}
	w.in("%s", strings.TrimPrefix(op.Command(), "ip "))
	w.attrs("k0")
	w.in("link set k0 %s", w.pick("up", "up", "down"))
	w.in("addr add 10.88.0.1/24 dev k0")
	w.in("addr add fd88::1/64 dev k0 nodad")
	w.in("route add 10.89.0.0/16 via 10.88.0.9")
	w.links = append(w.links, "k0")
}
