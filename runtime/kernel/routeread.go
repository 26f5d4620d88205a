package kernel

import (
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// What a route's message says.

// Family is "4", "6" or "mpls".
func (r Route) Family() string {
	return map[byte]string{unix.AF_INET: "4", unix.AF_INET6: "6", unix.AF_MPLS: "mpls"}[append(r.Msg, 0)[0]]
}

// Head is the fixed part of the route's message; Attr is an attribute of it, nil when it has none.
func (r Route) Head() *nl.RtMsg     { return nl.DeserializeRtMsg(r.Msg) }
func (r Route) Attr(typ int) []byte { return rtnl.Attr(r.Msg, unix.SizeofRtMsg, typ) }

// Table is the number of its routing table.
func (r Route) Table() int { return tableOf(r.Msg) }

// Hash is the same for routes that are the same.
func (r Route) Hash() uint32 {
	p := placeOf(r.Msg).known()
	h := Object{Cookie: r.NS.Cookie, Index: p.table<<8 + int(p.bits)}.Hash()
	for i := range len(p.dst) {
		h = h*31 + uint32(p.dst[i])
	}
	return h
}

// Metric is the route's preference.
func (r Route) Metric() int { return placeOf(r.Msg).known().metric }

// Prefix is the route's destination as ip-route(8) writes it.
func (r Route) Prefix() string {
	if r.Family() == "mpls" {
		return labelText(r.Attr(unix.RTA_DST))
	}
	return prefixText(r.Attr(unix.RTA_DST), r.Head().Dst_len)
}

// Flags are what the kernel says of the route, in ip-route(8)'s words.
func (r Route) Flags() []string { return flagWords(r.Head().Flags) }

// Hops are the ways that a route goes: one without a gateway and a link for a route that goes nowhere.
func (r Route) Hops() (hops []Nexthop) {
	add := func(msg []byte, header, index int) *Nexthop {
		h := Nexthop{Attrs: msg[min(header, len(msg)):]}
		h.Via, _ = netip.AddrFromSlice(rtnl.Attr(msg, header, unix.RTA_GATEWAY))
		if v := rtnl.Attr(msg, header, unix.RTA_VIA); len(v) > 2 { // a gateway of another family
			h.Via, _ = netip.AddrFromSlice(v[2:])
		}
		for _, l := range r.Links {
			if l.Index == index {
				h.Dev = &l
			}
		}
		hops = append(hops, h)
		return &hops[len(hops)-1]
	}
	for hop := range hopsOf(r.Attr(unix.RTA_MULTIPATH)) {
		h := add(hop, unix.SizeofRtNexthop, int(int32(binary.NativeEndian.Uint32(hop[4:]))))
		h.Weight, h.Flags, h.Onlink = int(hop[3])+1, flagWords(uint32(hop[2])), hop[2]&unix.RTNH_F_ONLINK != 0
	}
	if hops == nil {
		h := add(r.Msg, unix.SizeofRtMsg, rtnl.Uint32(r.Msg, unix.SizeofRtMsg, unix.RTA_OIF))
		h.Flags, h.Onlink = r.Flags(), r.Head().Flags&unix.RTNH_F_ONLINK != 0
	}
	return hops
}

// Place is where the route stands, without what it says there.
func (r Route) Place() RouteSpec {
	head := r.Head()
	s := RouteSpec{TOS: head.Tos, Metric: uint32(rtnl.Uint32(r.Msg, unix.SizeofRtMsg, unix.RTA_PRIORITY))}
	if head.Family == unix.AF_MPLS {
		if labels := LabelsOf(r.Attr(unix.RTA_DST)); len(labels) > 0 {
			s.Label = &labels[0]
		}
		return s
	}
	s.Table = uint32(r.Table())
	dst, ok := netip.AddrFromSlice(r.Attr(unix.RTA_DST))
	if !ok {
		dst = netip.IPv4Unspecified()
		if head.Family == unix.AF_INET6 {
			dst = netip.IPv6Unspecified()
		}
	}
	s.Dst = netip.PrefixFrom(dst, int(head.Dst_len))
	return s
}

// With is the route with other attributes in its message and in its metrics.
func (r Route) With(attrs, metrics []byte) Route {
	msg := []byte(routeAsItWas(r.Msg))
	change := func(in []byte, header int, with []byte) []byte {
		for at, typ := range rtnl.Attrs(with, 0) {
			value := with[at+4 : at+int(binary.NativeEndian.Uint16(with[at:]))]
			in = AppendAttr(rtnl.Without(in, header, typ), typ, value)
		}
		return in
	}
	msg = change(msg, unix.SizeofRtMsg, attrs)
	if len(metrics) > 0 {
		all := change(rtnl.Attr(msg, unix.SizeofRtMsg, unix.RTA_METRICS), 0, metrics)
		msg = AppendAttr(rtnl.Without(msg, unix.SizeofRtMsg, unix.RTA_METRICS), unix.RTA_METRICS, all)
	}
	r.Msg = msg
	return r
}
