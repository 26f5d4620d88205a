package kernel

import (
	"golang.org/x/sys/unix"
)

// Words of ip-route(8), with the kernel's numbers.
var (
	routeTypes = map[string]byte{"unicast": unix.RTN_UNICAST, "local": unix.RTN_LOCAL,
		"broadcast": unix.RTN_BROADCAST, "anycast": unix.RTN_ANYCAST, "multicast": unix.RTN_MULTICAST,
		"blackhole": unix.RTN_BLACKHOLE, "unreachable": unix.RTN_UNREACHABLE, "prohibit": unix.RTN_PROHIBIT,
		"throw": unix.RTN_THROW}
	routeProtocols = map[string]byte{"unspec": unix.RTPROT_UNSPEC, "redirect": unix.RTPROT_REDIRECT,
		"kernel": unix.RTPROT_KERNEL, "boot": unix.RTPROT_BOOT, "static": unix.RTPROT_STATIC,
		"gated": unix.RTPROT_GATED, "ra": unix.RTPROT_RA, "mrt": unix.RTPROT_MRT, "zebra": unix.RTPROT_ZEBRA,
		"bird": unix.RTPROT_BIRD, "dnrouted": unix.RTPROT_DNROUTED, "xorp": unix.RTPROT_XORP, "ntk": unix.RTPROT_NTK,
		"dhcp": unix.RTPROT_DHCP, "keepalived": 18, "babel": unix.RTPROT_BABEL, "bgp": unix.RTPROT_BGP,
		"isis": unix.RTPROT_ISIS, "ospf": unix.RTPROT_OSPF, "rip": unix.RTPROT_RIP, "eigrp": unix.RTPROT_EIGRP}
	routeScopes = map[string]byte{"global": unix.RT_SCOPE_UNIVERSE, "site": unix.RT_SCOPE_SITE,
		"link": unix.RT_SCOPE_LINK, "host": unix.RT_SCOPE_HOST, "nowhere": unix.RT_SCOPE_NOWHERE}
	routePreferences = map[string]byte{"medium": 0, "high": 1, "low": 3} // RFC 4191
	hopFlags         = []struct {
		bit  uint32
		word string
	}{{unix.RTNH_F_DEAD, "dead"}, {unix.RTNH_F_ONLINK, "onlink"}, {unix.RTNH_F_PERVASIVE, "pervasive"},
		{unix.RTNH_F_OFFLOAD, "offload"}, {unix.RTNH_F_TRAP, "trap"}, {unix.RTNH_F_LINKDOWN, "linkdown"},
		{unix.RTNH_F_UNRESOLVED, "unresolved"}}
)

// RouteTypes, RouteProtocols, RouteScopes and RoutePreferences are what a route is given a word for.
func RouteTypes() map[string]byte       { return routeTypes }
func RouteProtocols() map[string]byte   { return routeProtocols }
func RouteScopes() map[string]byte      { return routeScopes }
func RoutePreferences() map[string]byte { return routePreferences }

// A RouteMetric is one of RTAX of linux/rtnetlink.h.
type RouteMetric struct {
	Word string
	Unit int // the kernel counts so many for one
	Ms   bool
}

// routeMetrics are the metrics of a route by their numbers.
var routeMetrics = map[int]RouteMetric{unix.RTAX_MTU: {"mtu", 1, false}, unix.RTAX_WINDOW: {"window", 1, false},
	unix.RTAX_RTT: {"rtt", 8, true}, unix.RTAX_RTTVAR: {"rttvar", 4, true}, unix.RTAX_SSTHRESH: {"ssthresh", 1, false},
	unix.RTAX_CWND: {"cwnd", 1, false}, unix.RTAX_ADVMSS: {"advmss", 1, false},
	unix.RTAX_REORDERING: {"reordering", 1, false}, unix.RTAX_HOPLIMIT: {"hoplimit", 1, false},
	unix.RTAX_INITCWND: {"initcwnd", 1, false}, unix.RTAX_FEATURES: {"features", 1, false},
	unix.RTAX_RTO_MIN: {"rto_min", 1, true}, unix.RTAX_INITRWND: {"initrwnd", 1, false},
	unix.RTAX_QUICKACK: {"quickack", 1, false}, unix.RTAX_CC_ALGO: {"congctl", 1, false},
	17: {"fastopen_no_cookie", 1, false}}
