package kernel

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A RouteQuery asks which way a packet goes.
type RouteQuery struct {
	Dst, Src netip.Addr // Src need not be valid
	TOS      uint8
	Attrs    []byte // further attributes of the request
	FIBMatch bool   // ask for the route instead
}

// RouteRedirected is RTCF_REDIRECTED of linux/in_route.h: an ICMP redirect has made the route.
const RouteRedirected = 0x00040000

// RouteGet asks the kernel which way a packet goes. The error is ENETUNREACH or the like when it goes nowhere.
func (n *Namespace) RouteGet(q RouteQuery) (r Route, err error) {
	head := &nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family(q.Dst)), Dst_len: uint8(q.Dst.BitLen()), Tos: q.TOS}}
	if q.Dst.Is4() {
		head.Flags = unix.RTM_F_LOOKUP_TABLE // IPv6 says the table always
	}
	if q.FIBMatch {
		head.Flags |= unix.RTM_F_FIB_MATCH
	}
	attrs := AppendAttr(slices.Clone(q.Attrs), unix.RTA_DST, q.Dst.AsSlice())
	if q.Src.IsValid() {
		head.Src_len = uint8(q.Src.BitLen())
		attrs = AppendAttr(attrs, unix.RTA_SRC, q.Src.AsSlice())
	}
	if zone := q.Dst.Zone(); zone != "" {
		l, err := n.Link(zone)
		if err != nil {
			return r, err
		}
		attrs = AppendAttr(attrs, unix.RTA_OIF, nl.Uint32Attr(uint32(l.Index)))
	}
	raw, err := n.get(unix.RTM_GETROUTE, head, rtnl.Raw(attrs))
	if err == nil && !q.FIBMatch {
		err = nowhere(raw)
	}
	if err != nil {
		err = fail(err, "look up route", q.Dst.String(), n)
		if errors.Is(err, unix.ENETUNREACH) {
			err = hinted(err, "%s has no route to it: .routes lists those that it has", n.Name())
		}
		return r, err
	}
	links, err := n.linkRefs()
	return routeOf(n.ref, raw, links), err
}

// nowhere is the errno that an IPv6 route means which sends nothing: IPv4 answers with that itself.
func nowhere(raw []byte) error {
	return map[byte]error{unix.RTN_UNREACHABLE: unix.EHOSTUNREACH, unix.RTN_PROHIBIT: unix.EACCES,
		unix.RTN_BLACKHOLE: unix.EINVAL, unix.RTN_THROW: unix.ENETUNREACH}[nl.DeserializeRtMsg(raw).Type]
}
