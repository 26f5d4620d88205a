package builtins

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// pair, bridged and side are how the worlds of TestRegress begin.
const (
	pair    = "link add m0 type veth peer name m1; link set m0 addrgenmode none up; link set m1 addrgenmode none up; "
	bridged = "link add b0 address 02:00:00:00:00:b0 type bridge; link set b0 addrgenmode none up; " + pair +
		"link set m0 master b0; "
	side = "link add s0 type veth peer name s1; link set s0 addrgenmode none up; link set s1 addrgenmode none up; " +
		"addr add 10.77.0.1/24 dev s0; addr add fd77::1/64 dev s0 nodad; "
)

// upAway sets a macvlan up in the other namespace, with addresses and routes.
const upAway = "; AWAY link set v0 addrgenmode none up; AWAY addr add fd03::1/64 dev v0 nodad; " +
	"AWAY addr add 10.3.0.1/24 dev v0; AWAY route add 10.53.0.0/16 via 10.3.0.9; AWAY -6 route add fd53::/64 via " +
	"fd03::9"

func settingOf(link, attr, value string) act {
	return onLink(link, func(e *env, l kernel.LinkRef) change.Op {
		if br, err := e.in.Link(value); attr == "master" && err == nil {
			value = itoa(br.Index)
		}
		return &setLink{Link: l, Attr: attr, Value: value}
	})
}

func deletion(link string) act {
	return onLink(link, func(_ *env, l kernel.LinkRef) change.Op { return &delLink{Link: l} })
}

func addition(link, prefix string) act {
	return onLink(link, func(_ *env, l kernel.LinkRef) change.Op {
		a := addrOf(link, prefix, "")
		a.Link = l
		return &addAddr{Addr: a}
	})
}

func removal(link, prefix string) act {
	return onLink(link, func(_ *env, l kernel.LinkRef) change.Op {
		a := addrOf(link, prefix, "")
		a.Link = l
		return &delAddr{Addr: a}
	})
}

func move(e *env) change.Op {
	return onLink("m0", func(e *env, l kernel.LinkRef) change.Op {
		return &moveLink{From: l, To: kernel.LinkRef{NS: e.away.Ref()}}
	})(e)
}

func moveAs(name string) act {
	return onLink("m0", func(e *env, l kernel.LinkRef) change.Op {
		return &moveLink{From: l, To: kernel.LinkRef{NS: e.away.Ref(), Name: name}}
	})
}

func writing(key, value string) act {
	return func(e *env) change.Op { return &setSysctl{NS: e.in.Ref(), Key: key, Value: value} }
}

func unroute(dst string, metric int) act {
	return func(e *env) change.Op {
		return &delRoute{routeChange{Route: routeIn(e.in, kernel.RouteSpec{Dst: netip.MustParsePrefix(dst),
			Type: "blackhole", Metric: uint32(metric)})}}
	}
}

func appended(dst, via string) act {
	return func(e *env) change.Op {
		return e.put(kernel.AppendRoute, kernel.RouteSpec{Dst: netip.MustParsePrefix(dst),
			Nexthops: []kernel.Nexthop{{Via: netip.MustParseAddr(via)}}})
	}
}

func forget(e *env) change.Op { return &delNetns{NS: e.away.Ref()} }

// regressions are what TestProperty found, as small as it gets. A line with a "=" and no space is a sysctl.
var regressions = []struct {
	name, world string
	acts        []act
	refused     bool
}{
	{"settings of a port", bridged + "link set m0 type bridge_slave cost 50 priority 9 hairpin on learning off",
		[]act{settingOf("m0", "master", "0")}, false},
	{"settings of a deleted bridge's ports", bridged + "link set m0 type bridge_slave flood off guard on",
		[]act{deletion("b0")}, false},
	{"order of IPv6 addresses",
		pair + "addr add fd01::1/64 dev m0 nodad; addr add fd02::1/64 dev m0 nodad; addr add fd01::2/64 dev m0 nodad",
		[]act{move}, false},
	{"flags", pair + "link set m0 arp off promisc on; link set m1 multicast off allmulticast on",
		[]act{deletion("m0")}, false},
	{"onlink", pair + "route add 10.50.0.0/24 via 192.0.2.1 dev m0 onlink", []act{settingOf("m0", "up", "off")}, false},
	{"local route that somebody added", pair + "route add local 10.63.0.0/16 dev m0 table 100",
		[]act{deletion("m0")}, false},
	{"order of routes to one place", pair + side +
		"addr add 10.1.0.1/24 dev m0; route add default via 10.1.0.2; route append default via 10.77.0.2",
		[]act{settingOf("m0", "up", "off")}, false},
	{"some ways of an IPv6 route", pair + side +
		"addr add fd01::1/64 dev m0 nodad; -6 route add default nexthop via fd01::2 dev m0 nexthop via fd77::2 dev s0",
		[]act{settingOf("m0", "up", "off")}, false},
	{"gateway that cannot be reached any more", pair + "addr add 10.1.0.1/24 dev m0; addr add 10.2.0.1/24 dev m0; " +
		"route add 10.50.0.0/24 via 10.1.0.2; addr del 10.1.0.1/24 dev m0", []act{settingOf("m0", "up", "off")}, false},
	{"IPv6 gateway on a link without IPv6", pair + "addr add 10.1.0.1/24 dev m0; route add 10.50.0.0/24 via inet6 " +
		"fe80::1 dev m0; net/ipv6/conf/m0/disable_ipv6=1", []act{settingOf("m0", "up", "off")}, false},
	{"neighbour answered for", pair + "neigh add proxy 10.9.9.9 dev m0", []act{settingOf("m0", "up", "off")}, false},
	{"accept_redirects of all", "net/ipv4/conf/all/accept_redirects=0",
		[]act{writing("net.ipv4.ip_forward", "1")}, false},
	{"all written with what it has", pair + "addr add fd01::1/64 dev m0 nodad; net/ipv6/conf/m1/disable_ipv6=1",
		[]act{writing("net.ipv6.conf.all.disable_ipv6", "0")}, false},
	{"IPv6 of all links", pair + "addr add fd01::1/64 dev m0 nodad; -6 route add default via fd01::2",
		[]act{writing("net.ipv6.conf.all.disable_ipv6", "1")}, false},
	{"default, and a link that got an address after it", pair,
		[]act{writing("net.ipv4.conf.default.rp_filter", "2"), addition("m0", "10.1.0.1/24")}, false},
	{"bridge that loses IPv6 by a port's mtu", bridged + "addr add fd01::1/64 dev b0 nodad",
		[]act{settingOf("m0", "mtu", "1279")}, false},
	{"bridge that gets its IPv6 back late", bridged + "link set m1 down; link set b0 mtu 1300",
		[]act{settingOf("b0", "mtu", "1279")}, false},
	{"peer's first carrier", "link add m0 type veth peer name m1; link set m1 up",
		[]act{settingOf("m0", "up", "on")}, false},
	{"first carrier of the peer's bridge", bridged + "link set m1 down; link set b0 addrgenmode eui64",
		[]act{settingOf("m1", "up", "on")}, false},
	{"multicast route with the first IPv6 address",
		"link add b0 address 02:00:00:00:00:b0 type bridge; link set b0 multicast off addrgenmode none up",
		[]act{addition("b0", "fd01::1/128")}, false},
	{"IPv4 routes without addresses", pair + "route add 10.60.0.1/32 dev m0",
		[]act{addition("m0", "10.1.0.8/24")}, false},
	{"IPv6 mtu", pair + "net/ipv6/conf/m0/mtu=1300", []act{settingOf("m0", "up", "off")}, false},
	{"change in a deleted namespace", strings.Replace(pair, "name m1", "name m1 netns AWAY", 1),
		[]act{forget, addition("m1", "10.3.0.1/24")}, false},
	{"dead nexthop", pair + side + "addr add 10.1.0.1/24 dev m0; route add default nexthop via 10.1.0.2 dev m0 " +
		"nexthop via 10.77.0.2 dev s0; link set s0 down", []act{settingOf("m0", "up", "off")}, true},
	{"nexthop that dies with the last address", pair + side + "route add 10.51.0.0/16 nexthop via 10.77.0.3 dev s0 " +
		"nexthop via 10.1.0.200 dev m0 onlink; route add 10.52.0.0/16 nexthop via 10.77.0.3 dev s0 nexthop via " +
		"10.1.0.200 dev m0 onlink",
		[]act{addition("m0", "10.1.0.8/24")}, false},
	{"nexthop object of a link above", pair + "link add v0 link m0 type macvlan; link set v0 addrgenmode none up; " +
		"addr add 10.4.0.1/24 dev v0; nexthop add id 7 via 10.4.0.9 dev v0; route add 10.5.0.0/16 nhid 7",
		[]act{settingOf("m0", "up", "off")}, false},
	{"nexthop object of a link above that moves", pair + "link add v0 link m0 type macvlan; " +
		"link set v0 addrgenmode none up; addr add 10.4.0.1/24 dev v0; nexthop add id 7 via 10.4.0.9 dev v0; " +
		"route add 10.5.0.0/16 nhid 7",
		[]act{move}, false},
	{"nexthop object behind a gateway that a route leads to", pair + "addr add 10.1.0.1/24 dev m0; " +
		"route add 10.4.0.9 dev m0; nexthop add id 7 via 10.4.0.9 dev m0; route add 10.5.0.0/16 nhid 7",
		[]act{settingOf("m0", "up", "off")}, false},
	{"nexthop objects without a link", pair + "nexthop add id 7 blackhole; nexthop add id 8 dev m0; " +
		"route add 10.5.0.0/16 nhid 7; route add 10.6.0.0/16 nhid 8", []act{deletion("m0")}, false},
	{"nexthop object of a bridge", bridged +
		"addr add 10.2.0.1/24 dev b0; nexthop add id 6 via 10.2.0.2 dev b0; route add 10.5.0.0/16 nhid 6",
		[]act{settingOf("m0", "master", "0")}, false},
	{"group behind a port", bridged + "sh: bridge mdb add dev b0 port m0 grp 239.1.1.1 permanent",
		[]act{deletion("b0")}, false},
	{"bridge whose last port went", "link add b0 type bridge; link set b0 addrgenmode none; " + pair +
		"link set m0 master b0", []act{deletion("m0"), deletion("b0")}, true},
	{"IPv6 prefix of an address without its route", pair + "addr add fd01::3/64 dev m0 nodad noprefixroute",
		[]act{addition("m0", "fd01::7/64")}, false},
	{"IPv6 gateway over a link too small for IPv6", pair + "route add 10.52.0.1 via inet6 fe80::1 dev m0",
		[]act{settingOf("m0", "mtu", "1279"), settingOf("m0", "up", "off")}, true},
	{"address kept on a link that is down", "link add m0 type veth peer name m1; link set m0 addrgenmode none; " +
		"link set m1 addrgenmode none up; addr add fd01::2/64 dev m0 nodad; net/ipv6/conf/all/keep_addr_on_down=1",
		[]act{settingOf("m0", "up", "on")}, false},
	{"route beside one of another metric",
		pair + "route add 10.51.0.0/16 dev m0; route add blackhole 10.51.0.0/16 metric 5 proto 94",
		[]act{unroute("10.51.0.0/16", 5)}, false},
	{"IPv6 route of another type and metric", pair + "-6 route add fd51::/64 dev m0 metric 5 proto 94",
		[]act{unroute("fd51::/64", 0)}, true},
	{"IPv6 route with an mtu", pair + "addr add fd01::1/64 dev m0 nodad; -6 route add fd50::/64 via fd01::2 mtu 1400",
		[]act{settingOf("m0", "mtu", "1280")}, false},
	{"IPv6 route behind another's, both made again together",
		pair + "addr add fd01::1/64 dev m0 nodad; -6 route add fd50::/64 via fd01::8",
		[]act{appended("fd50::/64", "fd01::9"), settingOf("m0", "mtu", "1279")}, false},
	{"qdisc of an earlier txqlen",
		"tuntap add name m0 mode tap; link set m0 addrgenmode none; link set m0 up; link set m0 txqlen 0",
		[]act{move}, true},
	{"no qdisc, of an earlier txqlen", "tuntap add name m0 mode tap; link set m0 addrgenmode none; " +
		"link set m0 txqlen 0; link set m0 up; link set m0 txqlen 1000",
		[]act{move}, true},
	{"last address of a subnet",
		pair + "addr add 10.1.0.1/24 dev m0; addr add 10.1.0.2/24 dev m0; addr add 10.1.0.3/25 dev m0",
		[]act{removal("m0", "10.1.0.1/24")}, false},
}

// much is what a pair of links can lose: addresses of both families in an order, routes through them and with a source,
// permanent neighbours, settings of both families.
const much = pair + "addr add 10.1.0.1/24 dev m0; addr add 10.1.0.2/24 dev m0; addr add 10.1.0.3/24 dev m0; " +
	"addr add fd01::1/64 dev m0 nodad; addr add fd01::2/64 dev m0 nodad; " +
	"route add 10.50.0.0/16 via 10.1.0.9; route add 10.51.0.0/16 dev m0 src 10.1.0.2; -6 route add fd50::/64 via " +
	"fd01::9; -6 route add fd51::/64 dev m0 src fd01::2; " +
	"neigh add 10.1.0.9 lladdr 02:00:00:00:00:77 dev m0 nud permanent; neigh add fd01::9 lladdr 02:00:00:00:00:77 " +
	"dev m0 nud permanent; " +
	"net/ipv4/conf/m0/rp_filter=2; net/ipv6/conf/m0/accept_ra=2; net/ipv6/neigh/m0/gc_stale_time=7"

// wider are the ops whose effects are wider than what they set.
var wider = []struct {
	name, world string
	acts        []act
	refused     bool
}{
	{"mtu too small for IPv6", much, []act{settingOf("m0", "mtu", "1000")}, false},
	{"mtu too small for IPv6, and back", much,
		[]act{settingOf("m0", "mtu", "1000"), settingOf("m0", "mtu", "1500")}, false},
	{"down", much, []act{settingOf("m0", "up", "off")}, false},
	{"down, and up again", much, []act{settingOf("m0", "up", "off"), settingOf("m0", "up", "on")}, false},
	{"down of the other end", much, []act{settingOf("m1", "up", "off")}, false},
	{"name", much, []act{settingOf("m0", "name", "renamed")}, false},
	{"mac", much, []act{settingOf("m0", "mac", "02:00:00:00:00:42")}, false},
	{"primary address", much, []act{removal("m0", "10.1.0.1/24")}, false},
	{"primary address, when the next one takes its place", much + "; net/ipv4/conf/m0/promote_secondaries=1",
		[]act{removal("m0", "10.1.0.1/24")}, false},
	{"IPv6 address that routes have as their source", much, []act{removal("m0", "fd01::2/64")}, false},
	{"ip_forward, with links that differ", pair + "net/ipv4/conf/lo/forwarding=1; net/ipv4/conf/m0/forwarding=0",
		[]act{writing("net.ipv4.ip_forward", "1")}, false},
	{"ip_forward off, with links that differ", pair + "net/ipv4/ip_forward=1; net/ipv4/conf/m0/forwarding=0",
		[]act{writing("net.ipv4.ip_forward", "0")}, false},
	{"setting of all, with links that differ",
		pair + "net/ipv6/conf/lo/forwarding=1; net/ipv6/conf/default/forwarding=1",
		[]act{writing("net.ipv6.conf.all.forwarding", "1")}, false},
	{"setting of default, with links that differ", pair + "net/ipv4/conf/m1/rp_filter=2",
		[]act{writing("net.ipv4.conf.default.rp_filter", "1")}, false},
	{"port with a smaller mac", "link add b0 type bridge; link set b0 addrgenmode none up; " +
		"link add p0 address 02:00:00:00:00:99 type veth peer name p1; link set p0 master b0; " +
		"link add m0 address 02:00:00:00:00:11 type veth peer name m1", []act{settingOf("m0", "master", "b0")}, false},
	{"proxy on a link without a carrier", "link add m0 type veth peer name m1; link set m0 addrgenmode none up; " +
		"link set m1 addrgenmode none; neigh add proxy fd09::9 dev m0",
		[]act{settingOf("m0", "alias", "x"), move}, false},
	{"last port", bridged, []act{settingOf("m0", "master", "0")}, false},
	{"mac of a bridge without ports", "link add b0 type bridge; link set b0 addrgenmode none; " + pair +
		"link set m0 master b0; ",
		[]act{settingOf("m0", "master", "0"), settingOf("b0", "mac", "02:00:00:00:02:01")}, false},
	{"last port of a bridge that takes its mac from it",
		"link add b0 type bridge; link set b0 addrgenmode none up; " + pair + "link set m0 master b0",
		[]act{settingOf("m0", "master", "0")}, false},
	{"deleted port", bridged, []act{deletion("m0")}, false},
	{"from one bridge to another", bridged + "link add b1 type bridge; link set b1 addrgenmode none up; " +
		"link add n0 type veth peer name n1; link set n0 master b1; link set n0 up; link set n1 up",
		[]act{settingOf("m0", "master", "b1")}, false},
	{"deleted link whose other end is a port", "link add b0 type bridge; link set b0 addrgenmode none up; " +
		"link add p0 address 02:00:00:00:00:99 type veth peer name p1; link set p0 master b0; " + pair +
		"link set m1 master b0", []act{deletion("m0")}, false},
	{"move", much, []act{move}, false},
	{"move of a port", bridged, []act{move}, false},
	{"move to another name", much, []act{moveAs("renamed")}, false},
	{"move to another name, where the old one is another's", much + "; link add o0 type veth peer name m0 netns AWAY",
		[]act{moveAs("renamed")}, false},
	{"move to another name, which is another's here", much, []act{moveAs("m1")}, false},
	{"move to another name, and changes there", much,
		[]act{moveAs("renamed"), settingOf("renamed", "name", "again"), settingOf("again", "mtu", "1300")}, false},
	{"move to a name that is another's", much + "; link add o0 type veth peer name o1 netns AWAY",
		[]act{moveAs("o1")}, true},
	{"move of one end away from the other, and changes there", much,
		[]act{move, settingOf("m0", "mtu", "1300"), settingOf("m0", "up", "on"), addition("m0", "10.9.0.1/24")}, false},
	{"mtu of a macvlan with its link's", much + "; link add v0 link m0 type macvlan; link set v0 addrgenmode none " +
		"up; addr add fd03::1/64 dev v0 nodad; addr add 10.3.0.1/24 dev v0",
		[]act{settingOf("m0", "mtu", "1000")}, false},
	{"mtu of a macvlan over a bridge with that of a port",
		bridged + "link add v0 link b0 type macvlan; link set v0 addrgenmode none up; addr add fd03::1/64 dev v0 nodad",
		[]act{settingOf("m0", "mtu", "1000")}, false},
	{"macvlan over a link that goes down", much + "; link add v0 link m0 type macvlan; link set v0 addrgenmode none " +
		"up; addr add fd03::1/64 dev v0 nodad; addr add 10.3.0.1/24 dev v0; route add 10.53.0.0/16 via 10.3.0.9",
		[]act{settingOf("m0", "up", "off")}, false},
	{"mtu of a macvlan in another namespace",
		pair + "link add v0 link m0 type macvlan; link set v0 addrgenmode none netns AWAY" + upAway,
		[]act{settingOf("m0", "mtu", "1000")}, false},
	{"mtu of a bridge in another namespace, over a macvlan",
		pair + "link add v0 link m0 netns AWAY type macvlan" + upAway + "; AWAY link add b0 type bridge; " +
			"AWAY link set b0 addrgenmode none up; AWAY link set v0 master b0; AWAY addr add fd03::9/64 dev b0 nodad",
		[]act{settingOf("m0", "mtu", "1000")}, false},
	{"macvlan in another namespace, over a link that goes down",
		pair + "link add v0 link m0 netns AWAY type macvlan" + upAway, []act{settingOf("m0", "up", "off")}, false},
	{"macvlan in another namespace, over a link that moves",
		pair + "link add v0 link m0 netns AWAY type macvlan" + upAway, []act{move}, false},
	{"macvlan in another namespace, over a link that is deleted",
		pair + "link add v0 link m0 netns AWAY type macvlan" + upAway, []act{deletion("m0")}, true},
	{"vxlan over a link that is deleted", pair + "link add x0 type vxlan id 5 dev m0 group 239.1.1.1 dstport 4789",
		[]act{deletion("m1")}, true},
	{"vxlan over a link that moves", pair + "link add x0 type vxlan id 5 dev m0 group 239.1.1.1 dstport 4789",
		[]act{move}, true},
	{"vxlan over a link that changes", pair + "link add x0 type vxlan id 5 dev m0 group 239.1.1.1 dstport 4789; " +
		"link set x0 addrgenmode none up; addr add fd03::1/64 dev x0 nodad",
		[]act{settingOf("m0", "mtu", "1300"), settingOf("m0", "up", "off")}, false},
	{"vxlan that left the link that it stands on",
		pair + "link add x0 type vxlan id 5 dev m0 group 239.1.1.1 dstport 4789; link set x0 netns AWAY",
		[]act{deletion("m0")}, true},
	{"vxlan that stands on none, in another namespace",
		pair + "link add x0 index 2 type vxlan id 5 group 239.1.1.1 dstport 4789; link set x0 netns AWAY",
		[]act{deletion("m0")}, false},
	{"macvlan over a link that moves", much +
		"; link add v0 link m0 type macvlan; link set v0 addrgenmode none up; addr add 10.3.0.1/24 dev v0",
		[]act{move}, false},
}

// TestRegress holds what was fixed, and what is known of the kernel.
func TestRegress(t *testing.T) {
	nstest.Long(t)
	for _, r := range append(regressions, wider...) {
		t.Run(r.name, func(t *testing.T) { regress(t, r.world, r.acts, r.refused) })
	}
}

// regress makes a world, does acts in it and undoes them. refused says that the last one is.
func regress(t *testing.T, world string, acts []act, refused bool) {
	t.Helper()
	f, done := (&trial{world: worldOf(world), acts: acts, twice: len(acts) == 1}).run(t, "rg", honest, 5*time.Second)
	want := len(acts)
	if refused {
		want--
	}
	if done != want {
		t.Errorf("%d ops done, want %d", done, want)
	}
	if f != nil {
		t.Errorf("%s\n%s", strings.Join(f.commands, "\n"), f.text)
	}
}

// worldOf is the world that some lines make.
func worldOf(world string) *madeWorld {
	w := &madeWorld{}
	for _, line := range strings.Split(world, "; ") {
		where := "in"
		if strings.Contains(line, "=") && !strings.Contains(line, " ") {
			where = "sysctl"
		}
		if rest, ok := strings.CutPrefix(line, "AWAY "); ok {
			where, line = "away", rest
		}
		if rest, ok := strings.CutPrefix(line, "sh: "); ok {
			where, line = "sh", rest
		}
		if line != "" {
			w.parts = append(w.parts, part{where, line})
		}
	}
	return w
}
