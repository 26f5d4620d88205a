package kernel

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// sameRouteAsAdded reports whether a route in another one's place has its type, is by the same hand, and goes no other
// ways than that was given. The kernel may have dropped some.
func sameRouteAsAdded(have, want []byte) bool {
	h, w := nl.DeserializeRtMsg(have), nl.DeserializeRtMsg(want)
	if h.Type != w.Type || h.Protocol != w.Protocol {
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

// routeMessage is a route as rtnetlink(7) is asked to add it.
func (m *Machine) routeMessage(r Route) (*Namespace, []byte, error) {
	if err := r.Valid(); err != nil {
		return nil, nil, err
	}
	n, err := m.Namespace(r.NS)
	if err != nil {
		return nil, nil, err
	}
	var hops, single []byte
	for _, hop := range r.Nexthops {
		index := 0
		if hop.Dev != nil {
			var at *Namespace
			if at, index, err = m.find(*hop.Dev); err != nil {
				return n, nil, err
			}
			if at != n {
				return n, nil, fmt.Errorf("link %s is in %s: %w", hop.Dev.Name, at.Name(), unix.ENODEV)
			}
			single = AppendAttr(single, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(index)))
		}
		gateway := gatewayAttr(hop.Via, r.Dst.Addr().Is4())
		single = append(single, gateway...)
		// A struct rtnexthop: length, flags, weight less 1, index.
		hops = binary.NativeEndian.AppendUint16(hops, uint16(unix.SizeofRtNexthop+len(gateway)))
		hops = append(hops, 0, byte(max(hop.Weight, 1)-1))
		hops = append(binary.NativeEndian.AppendUint32(hops, uint32(index)), gateway...)
	}
	table := cmp.Or(r.Table, unix.RT_TABLE_MAIN)
	head := nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family(r.Dst.Addr())), Dst_len: uint8(r.Dst.Bits()),
		Table: uint8(table), Type: uint8(routeTypes[cmp.Or(r.Type, "unicast")]), Protocol: unix.RTPROT_STATIC}}
	if table > math.MaxUint8 {
		head.Table = unix.RT_TABLE_UNSPEC // RTA_TABLE has it
	}
	if n.next == 0 {
		head.Protocol = protoForeign
	}
	if len(r.Nexthops) == 1 && !r.Nexthops[0].Via.IsValid() && r.Dst.Addr().Is4() {
		head.Scope = unix.RT_SCOPE_LINK
	}
	msg := AppendAttr(head.Serialize(), unix.RTA_TABLE, binary.NativeEndian.AppendUint32(nil, uint32(table)))
	if r.Dst.Bits() > 0 {
		msg = AppendAttr(msg, unix.RTA_DST, r.Dst.Addr().AsSlice())
	}
	if r.Src.IsValid() {
		msg = AppendAttr(msg, unix.RTA_PREFSRC, r.Src.AsSlice())
	}
	if r.Metric > 0 {
		msg = AppendAttr(msg, unix.RTA_PRIORITY, binary.NativeEndian.AppendUint32(nil, uint32(r.Metric)))
	}
	if len(r.Nexthops) > 1 {
		return n, AppendAttr(msg, unix.RTA_MULTIPATH, hops), nil
	}
	return n, append(msg, single...), nil
}

// gatewayAttr is a hop's gateway, of the route's family or of the other one; nothing for a hop that only says a link.
func gatewayAttr(via netip.Addr, is4 bool) []byte {
	switch {
	case !via.IsValid():
		return nil
	case via.Is4() == is4:
		return AppendAttr(nil, unix.RTA_GATEWAY, via.AsSlice())
	}
	of := binary.NativeEndian.AppendUint16(nil, uint16(family(via)))
	return AppendAttr(nil, unix.RTA_VIA, append(of, via.AsSlice()...))
}

// defaultMetric6 is the metric of an IPv6 route that is given none.
const defaultMetric6 = 1024

// routesLike lists the routes to the same destination with the same metric in the same table.
func (n *Namespace) routesLike(want []byte) (like [][]byte, err error) {
	all, err := n.routesOf(want[0])
	place := placeOf(want)
	if place.family == unix.AF_INET6 && place.metric == 0 {
		place.metric = defaultMetric6
	}
	for _, raw := range all {
		if at := placeOf(raw); at == place {
			like = append(like, raw)
		}
	}
	return like, err
}
