package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Decoys that are there all the time, so that each of them must be in every dump.
const (
	decoyPairs = 60
	decoyAddrs = 800
	dumps      = 1000 // of links, and of addresses, at most
	enough     = 20   // of those of links that were interrupted
)

// TestDumpsUnderChurn lists links, addresses and routes again and again while somebody else adds and deletes others in
// the same namespace. The kernel tells of some dumps that they are not whole; none of these is ever returned.
func TestDumpsUnderChurn(t *testing.T) {
	m := open(t)
	n, err := m.Make("churn", false)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ref := func(index int, name string) LinkRef { return LinkRef{NS: n.Ref(), Index: index, Name: name} }
	for i := range decoyPairs {
		must(m.AddLink(LinkSpec{LinkRef: ref(100+2*i, fmt.Sprintf("a%d", i)), Kind: "veth", Up: true,
			Peer: &LinkSpec{LinkRef: ref(101+2*i, fmt.Sprintf("b%d", i))}}))
		must(m.SetLink(ref(101+2*i, fmt.Sprintf("b%d", i)), "up", "on"))
	}
	for i := range decoyAddrs {
		must(m.AddAddr(Addr{Link: ref(100, "a0"), Prefix: decoyAddr(i)}))
	}
	must(m.Settle())
	must(m.GiveName(n))
	defer func() { must(m.TakeName(n.Ref())) }()

	other := open(t)
	at, err := other.OpenName("churn")
	must(err)
	var done atomic.Bool
	var rounds int
	route, err := at.Route(RouteSpec{Dst: netip.MustParsePrefix("10.98.0.0/16"),
		Nexthops: []Nexthop{{Via: netip.MustParseAddr("10.99.0.2")}}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for ; !done.Load(); rounds++ {
			decoy := LinkRef{NS: at.Ref(), Index: 100, Name: "a0"}
			a, b := LinkRef{NS: at.Ref(), Index: 50, Name: "c0"}, LinkRef{NS: at.Ref(), Index: 51, Name: "c1"}
			err := errors.Join(
				other.AddLink(LinkSpec{LinkRef: a, Kind: "veth", Up: true, Peer: &LinkSpec{LinkRef: b}}),
				other.SetLink(b, "up", "on"),
				other.AddAddr(Addr{Link: a, Prefix: netip.MustParsePrefix("10.99.0.1/24")}),
				// Before all others of the link: the kernel counts addresses to know how far a dump has come.
				other.AddAddr(Addr{Link: decoy, Prefix: netip.MustParsePrefix("fd99::1/64")}),
				other.DelAddr(Addr{Link: decoy, Prefix: netip.MustParsePrefix("fd99::1/64")}),
				other.PutRoute(AddRoute, route),
				other.DelLink(a))
			if err != nil {
				ended <- err
				return
			}
			other.awaitingUse, other.awaitingCarrier = nil, nil
		}
		ended <- nil
	}()
	defer func() {
		done.Store(true)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		t.Logf("%d rounds of churn", rounds)
	}()

	interrupted, k := 0, 0
	for ; k < dumps && interrupted < enough; k++ {
		if _, err := n.conn.Execute(m.buf, unix.RTM_GETLINK, unix.NLM_F_DUMP,
			nl.NewIfInfomsg(unix.AF_UNSPEC)); errors.Is(err, rtnl.ErrInterrupted) {
			interrupted++
		} else if err != nil {
			t.Fatal(err)
		}
		links, err := n.Links()
		if err != nil {
			t.Fatal(err)
		}
		have := map[int]bool{}
		for _, l := range links {
			if have[l.Index] {
				t.Fatalf("link %s is there twice", l.Name)
			}
			have[l.Index] = true
		}
		for i := range 2 * decoyPairs {
			if !have[100+i] {
				t.Fatalf("link %d is missing among %d", 100+i, len(links))
			}
		}
		addrs, err := m.Addrs(ref(100, "a0"))
		if err != nil {
			t.Fatal(err)
		}
		there := map[netip.Prefix]int{}
		for _, a := range addrs {
			there[a.Prefix]++
		}
		for i := range decoyAddrs {
			if there[decoyAddr(i)] != 1 {
				t.Fatalf("dump %d: address %s is there %d times among %d", k, decoyAddr(i),
					there[decoyAddr(i)], len(addrs))
			}
		}
		if k%10 > 0 {
			continue // routes are many
		}
		local, err := n.localAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for i := range decoyAddrs {
			if !local[decoyAddr(i).Addr()] {
				t.Fatalf("dump %d: the route of %s is missing among %d", k, decoyAddr(i), len(local))
			}
		}
	}
	if interrupted == 0 {
		t.Error("no dump was interrupted: this has tested nothing")
	}
	t.Logf("%d of %d dumps of links were interrupted", interrupted, k)
}

func decoyAddr(i int) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf("fd00::%x/64", i+1)) }
