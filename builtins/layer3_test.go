package builtins

import (
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// layer3 is what a link m0 can have in layer 3 that is seldom there. The world ends with it.
var layer3 = []struct {
	name, world string
	refused     string // the changes that cannot be undone whole
}{
	{"IPv6 route that expires", "-6 route add fd50::/64 via fd01::9 expires 5000", ""},
	{"IPv6 route through the link that expires", "-6 route add fd50::/64 dev m0 expires 5000 table 100", ""},
	{"ways of an IPv6 route that expires",
		"-6 route add fd50::/64 expires 5000 nexthop via fd01::9 dev m0 nexthop via fd77::2 dev s0", ""},
	{"default route that a program learned",
		"-6 route add default via fe80::9 dev m0 proto ra expires 5000 pref high", ""},
	{"source of an IPv6 route", "-6 route add fd50::/64 via fe80::9 dev m0 src fd01::1 mtu lock 1280", ""},
	{"source of an IPv6 route over another link", "-6 route add fd50::/64 dev s0 src fd01::1", ""},
	{"source of an IPv6 route in another table", "-6 route add fd50::/64 via fd77::2 src fd01::2 table 8", ""},
	{"source of a route over another link", "route add 10.50.0.0/24 via 10.77.0.2 src 10.1.0.2", ""},
	{"source of a route in another table", "route add 10.50.0.0/24 dev s0 src 10.1.0.2 table 8", ""},
	{"addresses with lifetimes", "addr add 10.1.0.77/24 dev m0 valid_lft 5000 preferred_lft 4000; " +
		"addr add fd01::77/64 dev m0 nodad valid_lft 5000 preferred_lft 4000", ""},
	{"deprecated address", "addr add fd01::77/64 dev m0 nodad preferred_lft 0", ""},
	{"prefix only with a lifetime", "addr add fd02::77/64 dev m0 nodad valid_lft 5000 preferred_lft 4000", ""},
	{"address that would manage temporary ones", "addr add fd01::79/64 dev m0 nodad mngtmpaddr", ""},
	{"home address", "addr add fd01::78/64 dev m0 nodad home", ""},
	{"address with a scope", "addr add 10.1.0.78/24 dev m0 scope link", ""},
	{"broadcast address", "addr add 10.1.0.79/24 broadcast 10.1.0.254 dev m0", ""},
	{"multicast address", "addr add 239.1.1.9/32 dev m0 autojoin",
		"delete, move, down, mtu too small for IPv6, IPv6 off"},
	{"routes of other types", "route add multicast 239.0.0.0/8 dev m0; route add broadcast 10.74.0.255 dev m0; " +
		"-6 route add anycast fd74:: dev m0", ""},
	{"type of service", "route add 10.72.0.0/16 via 10.1.0.9 dev m0 tos 8", ""},
	{"route's metrics", "route add 10.70.0.0/16 dev m0 mtu lock 1200 rto_min 5 initcwnd 7 quickack 1", ""},
	{"nexthop objects", "nexthop add id 5 via 10.1.0.200 dev m0; nexthop add id 6 via 10.77.0.2 dev s0; " +
		"nexthop add id 60 group 5,3/6; nexthop add id 61 group 5; " +
		"route add 10.65.0.0/16 nhid 5; route add 10.66.0.0/16 nhid 60; route add 10.67.0.0/16 nhid 61; " +
		"-6 nexthop add id 7 via fd01::9 dev m0; -6 route add fd65::/64 nhid 7", ""},
	{"address label", "addrlabel add prefix fd01::/64 dev m0 label 77", ""},
	{"rules", "rule add iif m0 table 77; rule add oif m0 table 77", ""},
	{"neighbours that a program learned", "neigh add 10.1.0.210 lladdr 02:00:00:00:07:08 dev m0 nud permanent " +
		"extern_learn; neigh add 10.1.0.212 lladdr 02:00:00:00:07:0b dev m0 nud stale extern_learn", ""},
	{"neighbour that nobody is asked for", "neigh add 10.1.0.211 lladdr 02:00:00:00:07:09 dev m0 nud noarp", ""},
	{"neighbour that the kernel looks after", "neigh add 10.1.0.213 dev m0 managed", ""},
	{"router among the neighbours", "neigh add fd01::211 lladdr 02:00:00:00:07:0a dev m0 nud permanent router", ""},
	{"encapsulations", "route add 10.71.0.0/16 encap ip id 5 dst 10.1.0.9 dev m0; -6 route add fd71::/64 encap seg6 " +
		"mode encap segs fd01::9 dev m0", ""},
	{"link-local address by lot", "net/ipv6/conf/m0/addr_gen_mode=3", ""},
	{"link-local address by a secret", "net/ipv6/conf/m0/stable_secret=2001:db8::1", ""},
	{"settings in finer units", "net/ipv4/neigh/m0/unres_qlen_bytes=70000; net/ipv4/neigh/m0/retrans_time_ms=1240; " +
		"net/ipv6/neigh/m0/base_reachable_time_ms=12340", ""},
}

// layer3Acts are what is done to m0, by names that layer3 has.
var layer3Acts = []struct {
	name string
	acts []act
}{
	{"delete", []act{deletion("m0")}},
	{"move", []act{move}},
	{"down", []act{settingOf("m0", "up", "off")}},
	{"other end down", []act{settingOf("m1", "up", "off")}},
	{"mtu", []act{settingOf("m0", "mtu", "1300")}},
	{"mtu too small for IPv6", []act{settingOf("m0", "mtu", "1000")}},
	{"rename", []act{settingOf("m0", "name", "renamed")}},
	{"primary address", []act{removal("m0", "10.1.0.1/24")}},
	{"IPv6 off", []act{writing("net.ipv6.conf.m0.disable_ipv6", "1")}},
	{"forward", []act{writing("net.ipv6.conf.all.forwarding", "1")}},
	{"add addresses", []act{addition("m0", "10.1.0.8/24"), addition("m0", "fd01::8/64")}},
	{"delete addresses", []act{removal("m0", "fd01::1/64"), removal("m0", "10.1.0.1/24")}},
	{"delete later addresses", []act{removal("m0", "fd01::2/64"), removal("m0", "10.1.0.2/24")}},
}

// TestLayer3 does each of these to a link that has each of those, and undoes it.
func TestLayer3(t *testing.T) {
	nstest.Long(t)
	world := pair + side + "addr add 10.1.0.1/24 dev m0; addr add 10.1.0.2/24 dev m0; addr add fd01::1/64 dev m0 " +
		"nodad; addr add fd01::2/64 dev m0 nodad; "
	for _, l := range layer3 {
		for _, a := range layer3Acts {
			t.Run(l.name+", "+a.name, func(t *testing.T) {
				regress(t, world+l.world, a.acts, slices.Contains(strings.Split(l.refused, ", "), a.name))
			})
		}
	}
}
