package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Routes lists the namespace's routes of both families and all tables but the kernel's own local ones, as
// ip-route(8) prints them, a line each.
func (n *Namespace) Routes() ([]string, error) {
	links, err := n.Links()
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Index] = l.Name
	}
	all, err := n.routes46()
	if err != nil {
		return nil, fail(err, "list routes", "", n)
	}
	var lines []string
	for _, raw := range all {
		if tableOf(raw) != unix.RT_TABLE_LOCAL && nl.DeserializeRtMsg(raw).Type != unix.RTN_MULTICAST {
			lines = append(lines, routeLine(raw, names))
		}
	}
	return lines, nil
}

// tableOf is the routing table of a route: its header has a byte for it, which is too small for most.
func tableOf(raw []byte) int {
	if table := rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_TABLE); table != 0 {
		return table
	}
	return int(nl.DeserializeRtMsg(raw).Table)
}

// Words of ip-route(8), by the kernel's numbers.
var (
	routeTypeWords = map[byte]string{unix.RTN_LOCAL: "local", unix.RTN_BROADCAST: "broadcast",
		unix.RTN_ANYCAST: "anycast", unix.RTN_MULTICAST: "multicast", unix.RTN_BLACKHOLE: "blackhole",
		unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit", unix.RTN_THROW: "throw",
		unix.RTN_NAT: "nat"}
	protocolWords = map[byte]string{unix.RTPROT_REDIRECT: "redirect", unix.RTPROT_KERNEL: "kernel",
		unix.RTPROT_STATIC: "static", unix.RTPROT_GATED: "gated", unix.RTPROT_RA: "ra", unix.RTPROT_MRT: "mrt",
		unix.RTPROT_ZEBRA: "zebra", unix.RTPROT_BIRD: "bird", unix.RTPROT_DNROUTED: "dnrouted",
		unix.RTPROT_XORP: "xorp", unix.RTPROT_NTK: "ntk", unix.RTPROT_DHCP: "dhcp", 18: "keepalived",
		unix.RTPROT_BABEL: "babel", unix.RTPROT_BGP: "bgp", unix.RTPROT_ISIS: "isis", unix.RTPROT_OSPF: "ospf",
		unix.RTPROT_RIP: "rip", unix.RTPROT_EIGRP: "eigrp"}
	scopeWords = map[byte]string{unix.RT_SCOPE_SITE: "site", unix.RT_SCOPE_LINK: "link", unix.RT_SCOPE_HOST: "host",
		unix.RT_SCOPE_NOWHERE: "nowhere"}
	hopFlags = []struct {
		bit  uint32
		word string
	}{{unix.RTNH_F_DEAD, "dead"}, {unix.RTNH_F_ONLINK, "onlink"}, {unix.RTNH_F_PERVASIVE, "pervasive"},
		{unix.RTNH_F_OFFLOAD, "offload"}, {unix.RTNH_F_TRAP, "trap"}, {unix.RTNH_F_LINKDOWN, "linkdown"},
		{unix.RTNH_F_UNRESOLVED, "unresolved"}}
	encapWords  = strings.Split(",mpls,ip,ila,ip6,seg6,bpf,seg6local,rpl,ioam6,xfrm", ",") // LWTUNNEL_ENCAP_*
	preferences = map[byte]string{0: "medium", 1: "high", 3: "low"}                        // RFC 4191
)

// routeLine is a route in ip-route(8)'s words and order.
func routeLine(raw []byte, names map[int]string) string {
	head := nl.DeserializeRtMsg(raw)
	l := line{names: names}
	at := func(typ int) []byte { return rtnl.Attr(raw, unix.SizeofRtMsg, typ) }
	if head.Type != unix.RTN_UNICAST {
		l.add(known(routeTypeWords, head.Type))
	}
	l.add(prefixText(at(unix.RTA_DST), head.Dst_len))
	if head.Src_len > 0 {
		l.add("from", prefixText(at(unix.RTA_SRC), head.Src_len))
	}
	if head.Tos != 0 {
		l.add("tos", fmt.Sprintf("%#02x", head.Tos))
	}
	if id := rtnl.Uint32(raw, unix.SizeofRtMsg, rtaNexthop); id != 0 {
		l.add("nhid", strconv.Itoa(id))
	}
	l.way(raw, unix.SizeofRtMsg, rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF))
	if table := tableOf(raw); table != unix.RT_TABLE_MAIN {
		l.add("table", strconv.Itoa(table))
	}
	if head.Protocol != unix.RTPROT_BOOT {
		l.add("proto", known(protocolWords, head.Protocol))
	}
	if head.Scope != unix.RT_SCOPE_UNIVERSE {
		l.add("scope", known(scopeWords, head.Scope))
	}
	l.address("src", at(unix.RTA_PREFSRC))
	if metric := uint32(rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_PRIORITY)); metric != 0 {
		l.add("metric", strconv.FormatUint(uint64(metric), 10))
	}
	l.flags(head.Flags)
	if left := expires(raw); left != 0 {
		l.add("expires", fmt.Sprintf("%dsec", left/userHZ))
	}
	l.metrics(at(unix.RTA_METRICS))
	if v := at(unix.RTA_PREF); len(v) == 1 {
		l.add("pref", known(preferences, v[0]))
	}
	for hop := range hopsOf(at(unix.RTA_MULTIPATH)) {
		l.add("nexthop")
		l.way(hop, unix.SizeofRtNexthop, int(int32(binary.NativeEndian.Uint32(hop[4:]))))
		l.add("weight", strconv.Itoa(int(hop[3])+1))
		l.flags(uint32(hop[2]))
	}
	return strings.Join(l.words, " ")
}

// userHZ is the unit of times in the kernel's messages: a hundredth of a second on all architectures that there are.
const userHZ = 100

// A line is the words of one, with the names of a namespace's links.
type line struct {
	words []string
	names map[int]string
}

func (l *line) add(words ...string) { l.words = append(l.words, words...) }

func (l *line) address(word string, ip []byte) {
	if a, ok := netip.AddrFromSlice(ip); ok {
		l.add(word, a.String())
	}
}

// way adds the gateway and the link of a route, or of one of its nexthops.
func (l *line) way(msg []byte, header, index int) {
	if v := rtnl.Attr(msg, header, unix.RTA_ENCAP_TYPE); len(v) >= 2 {
		if typ := int(binary.NativeEndian.Uint16(v)); typ > 0 && typ < len(encapWords) {
			l.add("encap", encapWords[typ])
		}
	}
	l.address("via", rtnl.Attr(msg, header, unix.RTA_GATEWAY))
	if v := rtnl.Attr(msg, header, unix.RTA_VIA); len(v) > 2 { // a gateway of the other family
		l.add("via")
		l.address(map[uint16]string{unix.AF_INET: "inet", unix.AF_INET6: "inet6"}[binary.NativeEndian.Uint16(v)], v[2:])
	}
	if name := l.names[index]; name != "" {
		l.add("dev", name)
	}
}

func (l *line) flags(bits uint32) {
	for _, f := range hopFlags {
		if bits&f.bit != 0 {
			l.add(f.word)
		}
	}
}

// metrics adds a route's metrics, of which those in RTAX_LOCK are locked.
func (l *line) metrics(nested []byte) {
	locked := rtnl.Uint32(nested, 0, unix.RTAX_LOCK)
	for at, typ := range rtnl.Attrs(nested, 0) {
		v := nested[at+4 : at+int(binary.NativeEndian.Uint16(nested[at:]))]
		word := map[int]string{unix.RTAX_MTU: "mtu", unix.RTAX_WINDOW: "window", unix.RTAX_RTT: "rtt",
			unix.RTAX_RTTVAR: "rttvar", unix.RTAX_SSTHRESH: "ssthresh", unix.RTAX_CWND: "cwnd",
			unix.RTAX_ADVMSS: "advmss", unix.RTAX_REORDERING: "reordering", unix.RTAX_HOPLIMIT: "hoplimit",
			unix.RTAX_INITCWND: "initcwnd", unix.RTAX_FEATURES: "features", unix.RTAX_RTO_MIN: "rto_min",
			unix.RTAX_INITRWND: "initrwnd", unix.RTAX_QUICKACK: "quickack", unix.RTAX_CC_ALGO: "congctl"}[typ]
		if word == "" {
			continue
		}
		l.add(word)
		if locked&(1<<typ) != 0 {
			l.add("lock")
		}
		switch {
		case typ == unix.RTAX_CC_ALGO:
			l.add(unix.ByteSliceToString(v))
		case len(v) < 4:
		case typ == unix.RTAX_FEATURES && binary.NativeEndian.Uint32(v) == unix.RTAX_FEATURE_ECN:
			l.add("ecn")
		case typ == unix.RTAX_RTT:
			l.add(strconv.Itoa(int(binary.NativeEndian.Uint32(v))/8) + "ms")
		case typ == unix.RTAX_RTTVAR:
			l.add(strconv.Itoa(int(binary.NativeEndian.Uint32(v))/4) + "ms")
		case typ == unix.RTAX_RTO_MIN:
			l.add(strconv.Itoa(int(binary.NativeEndian.Uint32(v))) + "ms")
		default:
			l.add(strconv.Itoa(int(binary.NativeEndian.Uint32(v))))
		}
	}
}

func prefixText(ip []byte, bits uint8) string {
	a, ok := netip.AddrFromSlice(ip)
	switch {
	case bits == 0 || !ok:
		return "default"
	case int(bits) == a.BitLen():
		return a.String()
	}
	return netip.PrefixFrom(a, int(bits)).String()
}

// known is the word for a number, the number itself when there is none.
func known(words map[byte]string, n byte) string {
	if w, ok := words[n]; ok {
		return w
	}
	return strconv.Itoa(int(n))
}
