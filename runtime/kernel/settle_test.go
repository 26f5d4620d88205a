package kernel

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

func TestMain(m *testing.M) { nstest.Main(m) }

// TestSettleAddrs adds many IPv6 addresses at once: after Settle the namespace takes packets for each of them.
func TestSettleAddrs(t *testing.T) {
	const many = 200
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n, err := m.Make("n", false)
	if err != nil {
		t.Fatal(err)
	}
	end := func(index int, name string) LinkSpec {
		return LinkSpec{LinkRef: LinkRef{NS: n.Ref(), Index: index, Name: name}}
	}
	a, b := end(2, "a"), end(3, "b")
	if err := m.AddVeth(a, b); err != nil {
		t.Fatal(err)
	}
	for _, l := range []LinkSpec{a, b} {
		if err := m.SetLink(l.LinkRef, "up", "on"); err != nil {
			t.Fatal(err)
		}
	}
	var addrs []netip.Addr
	for i := range many {
		ip := netip.MustParseAddr(fmt.Sprintf("fd00::%x", i+1))
		if err := m.AddAddr(Addr{Link: a.LinkRef, Prefix: netip.PrefixFrom(ip, 64)}); err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, ip)
	}
	if err := m.Settle(); err != nil {
		t.Fatal(err)
	}
	local, err := n.localAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range addrs {
		if !local[ip] {
			t.Errorf("%s is not in use yet", ip)
		}
	}
}
