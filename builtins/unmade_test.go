package builtins

import (
	"net/netip"
	"testing"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestUnmadeAddress removes an address that the run added, with something made on the link in between. Unless that went
// with the address, there is nothing to bring back: undoing the older change removes the address anyway.
func TestUnmadeAddress(t *testing.T) {
	for _, c := range []struct {
		name, prefix string
		between      []string
		want         bool
	}{
		{"further address of a subnet", "10.9.0.9/24", nil, true},
		{"address of a subnet of its own", "10.8.0.1/24", nil, true},
		{"IPv6", "fd08::8/64", nil, true},
		{"takes another's address with it", "10.8.0.1/24",
			[]string{"addr", "add", "10.8.0.2/24", "dev", "law0"}, false},
		{"takes a route with it", "10.8.0.1/24", []string{"route", "add", "10.96.0.0/16", "via", "10.8.0.77"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			world(t)
			m, err := kernel.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			before := nstest.Dump(t)
			a := kernel.Addr{Link: pre(t, m, "law0"), Prefix: netip.MustParsePrefix(c.prefix)}
			add, del := &addAddr{Addr: a}, &delAddr{Addr: a}
			if err := add.Check(m, false); err != nil {
				t.Fatal(err)
			}
			if err := add.Do(m); err != nil {
				t.Fatal(err)
			}
			nstest.Quiet(t, "")
			if c.between != nil {
				nstest.IP(t, c.between...)
			}
			if err := del.Check(m, false); err != nil {
				t.Fatal(err)
			}
			if err := del.Do(m); err != nil {
				t.Fatal(err)
			}
			if got := del.Unmakes(add); got != c.want {
				t.Fatalf("it unmakes the older change: %v, want %v", got, c.want)
			}
			if err := add.Undo(m); err != nil {
				t.Fatal(err)
			}
			if nstest.Quiet(t, ""); c.want {
				nstest.Same(t, before)
			}
		})
	}
}
