package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
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
		return LinkSpec{LinkRef: LinkRef{NS: n.Ref(), Index: index, Name: name}, Kind: "veth"}
	}
	a, b := end(2, "a"), end(3, "b")
	a.Peer = &b
	if err := m.AddLink(a); err != nil {
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

// TestSettleCarrier sets many pairs up at once: after Settle the kernel has acted on the carrier of every end.
func TestSettleCarrier(t *testing.T) {
	const many = 100
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var ends [2]*Namespace
	for i := range ends {
		if ends[i], err = m.Make(fmt.Sprintf("n%d", i), false); err != nil {
			t.Fatal(err)
		}
	}
	for i := range many {
		var specs [2]LinkSpec
		for j, n := range ends {
			index, err := n.FreeIndex()
			if err != nil {
				t.Fatal(err)
			}
			specs[j] = LinkSpec{LinkRef: LinkRef{NS: n.Ref(), Index: index, Name: fmt.Sprintf("v%d", i)}}
		}
		specs[0].Kind, specs[0].Up, specs[0].Peer = "veth", true, &specs[1]
		if err := errors.Join(m.AddLink(specs[0]), m.SetLink(specs[1].LinkRef, "up", "on")); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Settle(); err != nil {
		t.Fatal(err)
	}
	for _, n := range ends {
		all, err := n.dump(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC))
		if err != nil || len(all) < many {
			t.Fatalf("%d links: %v", len(all), err)
		}
		for _, raw := range all {
			if lagging(raw) {
				t.Errorf("link %d in %s does not carry anything yet", nl.DeserializeIfInfomsg(raw).Index, n.Name())
			}
		}
	}
}

// TestTakeBackAnycast adds addresses to a router's link and takes them back at once: the kernel keeps the anycast
// address of their subnet, which another address of the link has too.
func TestTakeBackAnycast(t *testing.T) {
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n, err := m.Make("n", true)
	if err != nil {
		t.Fatal(err)
	}
	link := LinkRef{NS: n.Ref(), Index: loopback, Name: "lo"}
	add := func(ip string) Addr {
		t.Helper()
		a := Addr{Link: link, Prefix: netip.MustParsePrefix(ip)}
		if err := m.AddAddr(a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	anycast := func() (found bool) {
		t.Helper()
		all, err := n.dump(unix.RTM_GETROUTE,
			&nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET6, Type: unix.RTN_ANYCAST}})
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range all {
			dst, _ := netip.AddrFromSlice(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_DST))
			found = found || nl.DeserializeRtMsg(raw).Type == unix.RTN_ANYCAST && dst == netip.MustParseAddr("fd01::")
		}
		return found
	}
	add("fd01::2/64")
	if err := errors.Join(m.Settle(), n.SetSysctl("net/ipv6/conf/lo/forwarding", "1")); err != nil {
		t.Fatal(err)
	}
	if !anycast() {
		t.Fatal("a router has no anycast address")
	}
	for i := range 300 {
		if err := m.TakeBack(add("fd01::7/64"), AddrSpec{}); err != nil {
			t.Fatal(err)
		}
		if !anycast() {
			t.Fatalf("it is gone after %d addresses", i+1)
		}
	}
}
