package kernel

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// rtaNexthop is RTA_NH_ID of linux/rtnetlink.h.
const rtaNexthop = 30

// settable are the flags of a route or nexthop that it is given; the others, such as dead and linkdown, are the
// kernel's to say.
const settable = unix.RTNH_F_ONLINK | unix.RTNH_F_PERVASIVE

// plainRoute is a copy of a route's message without what the kernel says of its state.
func plainRoute(raw []byte) []byte {
	raw = rtnl.Without(raw, unix.SizeofRtMsg, unix.RTA_CACHEINFO)
	if rtnl.Attr(raw, unix.SizeofRtMsg, rtaNexthop) != nil {
		for _, typ := range []int{unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH,
			unix.RTA_ENCAP, unix.RTA_ENCAP_TYPE} {
			// the object says where it goes
			raw = rtnl.Without(raw, unix.SizeofRtMsg, typ)
		}
	}
	binary.NativeEndian.PutUint32(raw[8:], binary.NativeEndian.Uint32(raw[8:])&settable)
	for hop := range hopsOf(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		hop[2] &= settable
	}
	return raw
}

func sameRoute(a, b []byte) bool { return bytes.Equal(plainRoute(a), plainRoute(b)) }

// A place is what routes compete for: a destination in a table, with a type of service and a metric.
type place struct {
	family, bits, tos byte
	table, metric     int
	dst               string
}

func placeOf(raw []byte) place {
	head := nl.DeserializeRtMsg(raw)
	return place{head.Family, head.Dst_len, head.Tos, tableOf(raw),
		rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_PRIORITY), string(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_DST))}
}

// defaultMetric6 is the metric of an IPv6 route that is given none.
const defaultMetric6 = 1024

// known is the place with the metric that the kernel gives a route without one.
func (p place) known() place {
	if p.family == unix.AF_INET6 && p.metric == 0 {
		p.metric = defaultMetric6
	}
	return p
}

// routesAt lists the routes in the place of one, in their order.
func (n *Namespace) routesAt(want []byte) (at [][]byte, err error) {
	all, err := n.routesOf(want[0])
	where := placeOf(want).known()
	for _, raw := range all {
		if placeOf(raw) == where {
			at = append(at, raw)
		}
	}
	return at, err
}

// indexRoute finds a route among those of its place: the one with the same message, else one that is as it was added;
// -1 when there is none.
func indexRoute(at [][]byte, want []byte) int {
	same := func(have []byte) bool {
		return bytes.Equal(sorted(plainRoute(have), unix.SizeofRtMsg), sorted(plainRoute(want), unix.SizeofRtMsg))
	}
	if i := slices.IndexFunc(at, same); i >= 0 {
		return i
	}
	if i := slices.IndexFunc(at, func(have []byte) bool { return sameRouteAsAdded(have, want) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(at, func(have []byte) bool { return among(have, want) })
}

// sameRouteAsAdded reports whether a route in another one's place has its type, is by the same hand, and goes no other
// ways than that was given. The kernel may have dropped some.
func sameRouteAsAdded(have, want []byte) bool {
	have, want = plainRoute(have), plainRoute(want)
	h, w := nl.DeserializeRtMsg(have), nl.DeserializeRtMsg(want)
	if h.Type != w.Type || h.Protocol != w.Protocol ||
		rtnl.Uint32(have, unix.SizeofRtMsg, rtaNexthop) != rtnl.Uint32(want, unix.SizeofRtMsg, rtaNexthop) {
		return false
	}
	if w.Type != unix.RTN_UNICAST {
		return true
	}
	given := waysOf(want)
	return !slices.ContainsFunc(waysOf(have), func(h way) bool {
		return !slices.ContainsFunc(given, func(w way) bool {
			return (w.link == 0 || h.link == w.link) && h.gateway == w.gateway && (w.via == "" || h.via == w.via)
		})
	})
}

// A way is a hop of a route: its link's index, its gateway, and the gateway when it is of the other family.
type way struct {
	link         int
	gateway, via string
}

func waysOf(raw []byte) (all []way) {
	add := func(index int, msg []byte, header int) {
		gateway, via := rtnl.Attr(msg, header, unix.RTA_GATEWAY), rtnl.Attr(msg, header, unix.RTA_VIA)
		all = append(all, way{index, string(gateway), string(via)})
	}
	for hop := range hopsOf(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		add(int(int32(binary.NativeEndian.Uint32(hop[4:]))), hop, unix.SizeofRtNexthop)
	}
	if all == nil {
		add(rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF), raw, unix.SizeofRtMsg)
	}
	return all
}

// hopsOf walks the nexthops in RTA_MULTIPATH. They alias it.
func hopsOf(path []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(path) >= unix.SizeofRtNexthop {
			size := max(int(binary.NativeEndian.Uint16(path)), unix.SizeofRtNexthop)
			if !yield(path[:min(size, len(path))]) {
				return
			}
			path = path[min((size+3)&^3, len(path)):]
		}
	}
}
