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

// routeLine is a route in ip-route(8)'s words and order: as it writes a route, or as it is given one.
func routeLine(raw []byte, names map[int]string, given bool) string {
	head := nl.DeserializeRtMsg(raw)
	l := line{names: names, given: given}
	at := func(typ int) []byte { return rtnl.Attr(raw, unix.SizeofRtMsg, typ) }
	l.destination(raw)
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
	if table := uint32(tableOf(raw)); table != unix.RT_TABLE_MAIN && table != 0 {
		l.add("table", wordOf(tableNumbers, table))
	}
	answer := head.Flags&unix.RTM_F_CLONED != 0 // to a question for one packet
	if head.Protocol != unix.RTPROT_BOOT && !answer {
		l.add("proto", wordOf(routeProtocols, head.Protocol))
	}
	if head.Scope != unix.RT_SCOPE_UNIVERSE && !answer {
		l.add("scope", wordOf(routeScopes, head.Scope))
	}
	l.address("src", at(unix.RTA_PREFSRC))
	if metric := uint32(rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_PRIORITY)); metric != 0 {
		l.add("metric", strconv.FormatUint(uint64(metric), 10))
	}
	l.flags(head.Flags)
	if answer {
		l.add("cache")
	}
	if head.Flags&RouteRedirected != 0 {
		l.add("redirected")
	}
	if left := RouteExpires(raw); left != 0 && given {
		l.add("expires", strconv.Itoa(left))
	} else if left != 0 {
		l.add("expires", strconv.Itoa(left)+"sec")
	}
	l.metrics(at(unix.RTA_METRICS))
	if v := at(unix.RTA_PREF); len(v) == 1 {
		l.add("pref", wordOf(routePreferences, v[0]))
	}
	for hop := range hopsOf(at(unix.RTA_MULTIPATH)) {
		l.add("nexthop")
		l.way(hop, unix.SizeofRtNexthop, int(int32(binary.NativeEndian.Uint32(hop[4:]))))
		l.add("weight", strconv.Itoa(int(hop[3])+1))
		l.flags(uint32(hop[2]))
	}
	return l.String()
}

// RouteExpires is in how many seconds a route goes by itself, 0 for never.
func RouteExpires(raw []byte) int {
	info := rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_CACHEINFO)
	if len(info) >= expiry+4 {
		return int(int32(binary.NativeEndian.Uint32(info[expiry:]))) / userHZ
	}
	return rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_EXPIRES)
}

// userHZ is the unit of times in the kernel's messages: a hundredth of a second on all architectures that there are.
const userHZ = 100

// A line is the words of one, with the names of a namespace's links.
type line struct {
	words []string
	names map[int]string
	given bool // the words that are given, not those that are shown
}

func (l *line) String() string { return strings.Join(l.words, " ") }

// destination adds where a route leads, after its type when that is not unicast.
func (l *line) destination(raw []byte) {
	head := nl.DeserializeRtMsg(raw)
	if head.Type != unix.RTN_UNICAST {
		l.add(wordOf(routeTypes, head.Type))
	}
	dst := rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_DST)
	if head.Family == unix.AF_MPLS {
		l.add(labelText(dst))
		if to := rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_NEWDST); to != nil {
			l.add("as", "to", labelText(to))
		}
		return
	}
	l.add(prefixText(dst, head.Dst_len))
}

// labelText is a stack of MPLS labels.
func labelText(stack []byte) string {
	var words []string
	for _, label := range LabelsOf(stack) {
		words = append(words, strconv.FormatUint(uint64(label), 10))
	}
	return strings.Join(words, "/")
}

func (l *line) add(words ...string) { l.words = append(l.words, words...) }

func (l *line) address(word string, ip []byte) {
	if a, ok := netip.AddrFromSlice(ip); ok {
		l.add(word, a.String())
	}
}

// way adds the gateway and the link of a route, or of one of its nexthops.
func (l *line) way(msg []byte, header, index int) {
	l.encap(rtnl.Attr(msg, header, unix.RTA_ENCAP_TYPE), rtnl.Attr(msg, header, unix.RTA_ENCAP))
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
	if l.given {
		bits &= settable
	}
	l.add(flagWords(bits)...)
}

// flagWords are the flags of a route or a nexthop.
func flagWords(bits uint32) (words []string) {
	for _, f := range hopFlags {
		if bits&f.bit != 0 {
			words = append(words, f.word)
		}
	}
	return words
}

// metrics adds a route's metrics, of which those in RTAX_LOCK are locked.
func (l *line) metrics(nested []byte) {
	locked := rtnl.Uint32(nested, 0, unix.RTAX_LOCK)
	for at, typ := range rtnl.Attrs(nested, 0) {
		v := nested[at+4 : at+int(binary.NativeEndian.Uint16(nested[at:]))]
		of, ok := routeMetrics[typ]
		if !ok {
			continue
		}
		l.add(of.Word)
		if locked&(1<<typ) != 0 {
			l.add("lock")
		}
		switch {
		case typ == unix.RTAX_CC_ALGO:
			l.add(unix.ByteSliceToString(v))
		case len(v) < 4:
		case typ == unix.RTAX_FEATURES && binary.NativeEndian.Uint32(v) == unix.RTAX_FEATURE_ECN:
			l.add("ecn")
		default:
			l.add(strconv.Itoa(int(binary.NativeEndian.Uint32(v))/of.Unit) + map[bool]string{true: "ms"}[of.Ms])
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
