package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// linkRoutes are the raw messages of the routes that go over a link or use one of its addresses as their source, and of
// those that stand in one place with them: which one the kernel takes there is a matter of their order.
func (n *Namespace) linkRoutes(index int, addrs [][]byte) (mine [][]byte, err error) {
	all, err := n.routes46()
	if err != nil {
		return nil, err
	}
	places := map[place]bool{}
	for _, raw := range all {
		if routeOver(raw, index, addrs) {
			places[placeOf(raw)] = true
		}
	}
	for _, raw := range all {
		// IPv6 routes of one place that are no nexthops of each other have no order that counts.
		if raw[0] == unix.AF_INET && places[placeOf(raw)] || routeOver(raw, index, addrs) {
			mine = append(mine, raw)
		}
	}
	return mine, nil
}

// routes46 are the raw messages of all routes but the kernel's own, which come back with the address, some of them a
// moment later.
func (n *Namespace) routes46() (mine [][]byte, err error) {
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		all, err := n.dump(unix.RTM_GETROUTE, &nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(fam)}})
		if err != nil {
			return nil, err
		}
		for _, raw := range all {
			if len(raw) < unix.SizeofRtMsg || nl.DeserializeRtMsg(raw).Flags&unix.RTM_F_CLONED != 0 {
				continue
			}
			switch nl.DeserializeRtMsg(raw).Type {
			case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST:
				if nl.DeserializeRtMsg(raw).Protocol == unix.RTPROT_KERNEL {
					continue
				}
			}
			mine = append(mine, raw)
		}
	}
	return mine, nil
}

// A place is what routes compete for: a destination in a table, with a type of service and a metric.
type place struct {
	family, bits, tos byte
	table, metric     int
	dst               string
}

func placeOf(raw []byte) place {
	head := nl.DeserializeRtMsg(raw)
	return place{head.Family, head.Dst_len, head.Tos, attrNumber(raw, unix.SizeofRtMsg, unix.RTA_TABLE),
		attrNumber(raw, unix.SizeofRtMsg, unix.RTA_PRIORITY), string(attr(raw, unix.SizeofRtMsg, unix.RTA_DST))}
}

func routeOver(raw []byte, index int, addrs [][]byte) bool {
	if attrNumber(raw, unix.SizeofRtMsg, unix.RTA_OIF) == index {
		return true
	}
	for hop := range hopsOf(attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		if int(int32(binary.NativeEndian.Uint32(hop[4:]))) == index {
			return true
		}
	}
	src := attr(raw, unix.SizeofRtMsg, unix.RTA_PREFSRC)
	return src != nil && slices.ContainsFunc(addrs, func(a []byte) bool {
		return bytes.Equal(src, attr(a, unix.SizeofIfAddrmsg, unix.IFA_LOCAL)) || bytes.Equal(src, attr(a, unix.SizeofIfAddrmsg, unix.IFA_ADDRESS))
	})
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

// restoreRoutes adds the routes that are missing, again and again while that gets further: a route through a gateway
// needs the one to the gateway first.
func (n *Namespace) restoreRoutes(index int, img *Image) error {
	for lost := false; ; {
		have, err := n.routes46()
		if err != nil {
			return err
		}
		at := map[place][][]byte{}
		for _, r := range have {
			at[placeOf(r)] = append(at[placeOf(r)], r)
		}
		var errs []error
		added := 0
		for i, want := range img.Routes {
			where := placeOf(want)
			if slices.ContainsFunc(img.Routes[:i], func(r []byte) bool { return placeOf(r) == where }) {
				continue // with the first one of the place
			}
			var all [][]byte
			for _, r := range img.Routes[i:] {
				if placeOf(r) == where {
					all = append(all, r)
				}
			}
			more, err := n.restorePlace(at[where], all, lost)
			added += more
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); added == 0 && !lost && (errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH)) {
			lost = true // there is no way to a gateway any more, as there was when the route was added
			continue
		}
		if added == 0 {
			return errors.Join(append(errs, n.dropKernels(index, have, img.Routes))...)
		}
	}
}

// dropKernels deletes the IPv6 routes of the kernel's own that a link did not have: the kernel gives the route to all
// multicast to a link without multicast too, when it gets an address, and leaves it when the address goes; and so it
// does with the route of a prefix of which there is another address.
func (n *Namespace) dropKernels(index int, have, want [][]byte) error {
	for _, h := range have {
		if h[0] == unix.AF_INET6 && nl.DeserializeRtMsg(h).Protocol == unix.RTPROT_KERNEL && attrNumber(h, unix.SizeofRtMsg, unix.RTA_OIF) == index &&
			!slices.ContainsFunc(want, func(w []byte) bool { return sameRoute(h, w) }) {
			if err := n.do(unix.RTM_DELROUTE, 0, rawMessage(plainRoute(h))); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}

// restorePlace makes the routes of one place what they were, in their order. It says how many more of those are there
// now. What was not there before and is not what is left of one of them is somebody else's, and stays.
func (n *Namespace) restorePlace(have, want [][]byte, lost bool) (added int, err error) {
	had := 0
	var ours, rest [][]byte
	for _, h := range have {
		switch {
		case slices.ContainsFunc(want, func(w []byte) bool { return sameRoute(w, h) }):
			ours = append(ours, h)
			had++
		case slices.ContainsFunc(want, func(w []byte) bool { return remains(h, w) }):
			rest = append(rest, h)
		}
	}
	if slices.EqualFunc(ours, want, sameRoute) && rest == nil {
		return 0, nil
	}
	// What stands in order at the beginning can stay.
	stay := 0
	for rest == nil && stay < len(ours) && stay < len(want) && sameRoute(ours[stay], want[stay]) {
		stay++
	}
	var errs []error
	for _, h := range append(rest, ours[stay:]...) {
		if err := n.do(unix.RTM_DELROUTE, 0, rawMessage(plainRoute(h))); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, err)
		}
	}
	there := stay
	for _, w := range want[stay:] {
		add := func() error {
			return n.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, rawMessage(plainRoute(w)))
		}
		err := add()
		if err != nil && lost && w[0] == unix.AF_INET {
			err = n.withWays(w, add)
		}
		if err == nil {
			there++
		} else {
			errs = append(errs, err)
		}
	}
	return max(there-had, 0), errors.Join(errs...)
}

// withWays does something while there are ways to the gateways of an IPv4 route, over its links.
func (n *Namespace) withWays(raw []byte, fn func() error) error {
	way := func(oif, gateway []byte) {
		if len(oif) < 4 || len(gateway) != 4 {
			return
		}
		to := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Dst_len: 32, Table: unix.RT_TABLE_MAIN, Protocol: protoForeign, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST}}
		parts := []nl.NetlinkRequestData{to, nl.NewRtAttr(unix.RTA_DST, gateway), nl.NewRtAttr(unix.RTA_OIF, oif), nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(1<<31))}
		if n.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, parts...) == nil {
			add := fn
			fn = func() error { return errors.Join(add(), n.do(unix.RTM_DELROUTE, 0, parts...)) }
		}
	}
	way(attr(raw, unix.SizeofRtMsg, unix.RTA_OIF), attr(raw, unix.SizeofRtMsg, unix.RTA_GATEWAY))
	for hop := range hopsOf(attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		way(hop[4:8], attr(hop, unix.SizeofRtNexthop, unix.RTA_GATEWAY))
	}
	return fn()
}

// remains reports whether a route is what the kernel made of an IPv6 one: it drops each of several ways by itself, and
// writes the link's new mtu into a route that has one (rt6_mtu_change in net/ipv6/route.c).
func remains(have, want []byte) bool {
	if have[0] == unix.AF_INET6 && bytes.Equal(withoutAttr(plainRoute(have), unix.SizeofRtMsg, unix.RTA_METRICS), withoutAttr(plainRoute(want), unix.SizeofRtMsg, unix.RTA_METRICS)) {
		return true
	}
	ways := map[string]bool{}
	for hop := range hopsOf(attr(plainRoute(want), unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		ways[string(hop[4:8])+string(attr(hop, unix.SizeofRtNexthop, unix.RTA_GATEWAY))] = true
	}
	if have[0] != unix.AF_INET6 || len(ways) == 0 {
		return false
	}
	path := attr(have, unix.SizeofRtMsg, unix.RTA_MULTIPATH)
	for hop := range hopsOf(path) {
		if !ways[string(hop[4:8])+string(attr(hop, unix.SizeofRtNexthop, unix.RTA_GATEWAY))] {
			return false
		}
	}
	return path != nil || ways[string(attr(have, unix.SizeofRtMsg, unix.RTA_OIF))+string(attr(have, unix.SizeofRtMsg, unix.RTA_GATEWAY))]
}

// Whole is an error when the image has a route that the kernel would not take again as things are: one of several ways of
// which one is dead, since it wants all the links up, and one through an IPv6 gateway over a link without IPv6. To be
// asked before what can lose routes.
func (img *Image) Whole() error {
	refuse := func(why, hint string) error {
		return &Error{Op: "save link", Object: img.Link.Name, NS: img.Link.NS.String(), Err: errors.New("a route over it " + why + ", and could not be restored"), Hint: hint}
	}
	for _, raw := range img.Routes {
		for hop := range hopsOf(attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
			if hop[2]&unix.RTNH_F_DEAD != 0 {
				return refuse("has a nexthop whose link is down", "`ip route` shows the nexthop as dead: set its link up first, or delete the route")
			}
		}
		if _, ok := img.Sysctls["net/ipv6/conf//mtu"]; !ok && attr(raw, unix.SizeofRtMsg, unix.RTA_VIA) != nil && attrNumber(raw, unix.SizeofRtMsg, unix.RTA_OIF) == img.Link.Index {
			return refuse("goes through an IPv6 gateway, while the link has no IPv6", "IPv6 needs an mtu of 1280 at least")
		}
	}
	return nil
}

// settable are the flags of a route or nexthop that it is given; the others, such as dead and linkdown, are the
// kernel's to say.
const settable = unix.RTNH_F_ONLINK | unix.RTNH_F_PERVASIVE

// plainRoute is a copy of a route's message without what the kernel says of its state.
func plainRoute(raw []byte) []byte {
	raw = withoutAttr(raw, unix.SizeofRtMsg, unix.RTA_CACHEINFO)
	binary.NativeEndian.PutUint32(raw[8:], binary.NativeEndian.Uint32(raw[8:])&settable)
	for hop := range hopsOf(attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		hop[2] &= settable
	}
	return raw
}

func sameRoute(a, b []byte) bool { return bytes.Equal(plainRoute(a), plainRoute(b)) }
