package kernel

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A RouteSpec is what a route is to be.
type RouteSpec struct {
	Dst      netip.Prefix // the zero prefix of a family is its default route
	Label    *uint32      // of MPLS, instead of Dst
	Type     string       // one of RouteTypes, unicast when empty
	Table    uint32       // main, or local for types that are the namespace's own, when 0
	Metric   uint32
	TOS      uint8
	Scope    *uint8 // what the type and the gateway make it when nil
	Proto    *uint8 // who added it: static, or nsscript's own mark in a namespace which the run did not make, when nil
	Src      netip.Addr
	Nexthops []Nexthop
	Attrs    []byte // further attributes
}

// A Nexthop is one way that a route goes: through a gateway, a link, or both.
type Nexthop struct {
	Via    netip.Addr
	Dev    *LinkRef
	Weight int    // 1 when 0
	Onlink bool   // the gateway is on the link, whatever its addresses say
	Attrs  []byte // further attributes

	Flags []string // what the kernel says of it: dead, linkdown ...
}

// protoForeign marks routes that nsscript adds in namespaces that it did not make: deleting compares it, so that
// nobody else's route to the same place is deleted instead. In its own namespaces a route is an ordinary static one.
const protoForeign = 94

// maxHops bounds the ways of a route: the attribute that they go in has no room for twice as many.
const maxHops = 512

func (s RouteSpec) valid() error {
	switch {
	case !s.Dst.IsValid() && s.Label == nil:
		return errors.New("a route has no destination")
	case len(s.Nexthops) > maxHops:
		return fmt.Errorf("%d nexthops are more than %d", len(s.Nexthops), maxHops)
	}
	for _, h := range s.Nexthops {
		if h.Via.Zone() != "" {
			return fmt.Errorf("gateway %s has a zone: name its link with dev=", h.Via)
		}
	}
	return nil
}

// ownType reports whether a type of route says that its destination is the namespace itself.
func ownType(t byte) bool {
	return t == unix.RTN_LOCAL || t == unix.RTN_BROADCAST || t == unix.RTN_ANYCAST
}

// Route is the route that a namespace is to have.
func (n *Namespace) Route(s RouteSpec) (r Route, err error) {
	if err := s.valid(); err != nil {
		return r, err
	}
	r.NS = n.ref
	head := nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_MPLS, Dst_len: 20, Table: unix.RT_TABLE_MAIN, Tos: s.TOS,
		Type: routeTypes[cmp.Or(s.Type, "unicast")], Protocol: unix.RTPROT_STATIC}}
	if s.Label == nil {
		head.Family, head.Dst_len = uint8(family(s.Dst.Addr())), uint8(s.Dst.Bits())
	}
	if n.next == 0 {
		head.Protocol = protoForeign
	}
	if s.Proto != nil {
		head.Protocol = *s.Proto
	}
	if head.Family == unix.AF_INET {
		head.Scope = defaultScope(head.Type, s.Nexthops)
	}
	if s.Scope != nil {
		head.Scope = *s.Scope
	}
	table := s.Table
	switch {
	case table == 0 && ownType(head.Type):
		table = unix.RT_TABLE_LOCAL
	case table == 0:
		table = unix.RT_TABLE_MAIN
	}
	if head.Table = uint8(table); table > math.MaxUint8 {
		head.Table = unix.RT_TABLE_UNSPEC // RTA_TABLE has it
	}
	var ways []byte
	for _, hop := range s.Nexthops {
		if hop.Dev != nil {
			r.Links = appendLink(r.Links, *hop.Dev)
		}
		if len(s.Nexthops) > 1 {
			ways = append(ways, hop.nested(head.Family)...)
			continue
		}
		ways = append(ways, hop.attrs(head.Family)...)
		if hop.Dev != nil {
			ways = AppendAttr(ways, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(hop.Dev.Index)))
		}
		if hop.Onlink {
			head.Flags |= unix.RTNH_F_ONLINK
		}
	}
	msg := head.Serialize()
	if head.Family == unix.AF_MPLS {
		msg = AppendAttr(msg, unix.RTA_DST, Labels([]uint32{*s.Label}))
	} else {
		msg = AppendAttr(msg, unix.RTA_TABLE, binary.NativeEndian.AppendUint32(nil, table))
		if s.Dst.Bits() > 0 {
			msg = AppendAttr(msg, unix.RTA_DST, s.Dst.Addr().AsSlice())
		}
	}
	if s.Src.IsValid() {
		msg = AppendAttr(msg, unix.RTA_PREFSRC, s.Src.AsSlice())
	}
	if s.Metric > 0 {
		msg = AppendAttr(msg, unix.RTA_PRIORITY, binary.NativeEndian.AppendUint32(nil, s.Metric))
	}
	msg = append(msg, s.Attrs...)
	if len(s.Nexthops) > 1 {
		r.Msg = AppendAttr(msg, unix.RTA_MULTIPATH, ways)
		return r, nil
	}
	r.Msg = append(msg, ways...)
	return r, nil
}

// defaultScope is ip-route(8)'s scope for an IPv4 route that is given none.
func defaultScope(typ byte, hops []Nexthop) uint8 {
	switch {
	case typ == unix.RTN_LOCAL:
		return unix.RT_SCOPE_HOST
	case ownType(typ), typ == unix.RTN_MULTICAST, typ == unix.RTN_UNICAST && len(hops) == 1 && !hops[0].Via.IsValid():
		return unix.RT_SCOPE_LINK
	}
	return unix.RT_SCOPE_UNIVERSE
}

func appendLink(all []LinkRef, l LinkRef) []LinkRef {
	for _, have := range all {
		if have.Index == l.Index {
			return all
		}
	}
	return append(all, l)
}

// attrs are a hop's gateway, of the route's family or of another one, and its further attributes.
func (h Nexthop) attrs(of byte) (attrs []byte) {
	switch via := family(h.Via); {
	case !h.Via.IsValid():
	case via == int(of):
		attrs = AppendAttr(nil, unix.RTA_GATEWAY, h.Via.AsSlice())
	default:
		attrs = AppendAttr(nil, unix.RTA_VIA,
			append(binary.NativeEndian.AppendUint16(nil, uint16(via)), h.Via.AsSlice()...))
	}
	return append(attrs, h.Attrs...)
}

// nested is a hop in RTA_MULTIPATH, a struct rtnexthop: length, flags, weight less 1, index.
func (h Nexthop) nested(of byte) []byte {
	attrs, index, flags := h.attrs(of), 0, byte(0)
	if h.Dev != nil {
		index = h.Dev.Index
	}
	if h.Onlink {
		flags = unix.RTNH_F_ONLINK
	}
	hop := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtNexthop+len(attrs)))
	hop = append(hop, flags, byte(max(h.Weight, 1)-1))
	return append(binary.NativeEndian.AppendUint32(hop, uint32(index)), attrs...)
}

// Labels are an MPLS label stack (RFC 3032).
func Labels(labels []uint32) (stack []byte) {
	for i, l := range labels {
		entry := l << 12
		if i == len(labels)-1 {
			entry |= 1 << 8 // the bottom of the stack
		}
		stack = binary.BigEndian.AppendUint32(stack, entry)
	}
	return stack
}

// LabelsOf are the labels of a stack.
func LabelsOf(stack []byte) (labels []uint32) {
	for ; len(stack) >= 4; stack = stack[4:] {
		labels = append(labels, binary.BigEndian.Uint32(stack)>>12)
	}
	return labels
}
