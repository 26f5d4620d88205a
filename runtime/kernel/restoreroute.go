package kernel

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// routeTable holds the routes of both families. They come back in their order, those with dead hops among them: see
// restoreRoutes.
var routeTable = &Table{Name: "route", One: "route", Many: "routes",
	Get: unix.RTM_GETROUTE, New: unix.RTM_NEWROUTE, Del: unix.RTM_DELROUTE, Header: unix.SizeofRtMsg,
	Families: []byte{unix.AF_INET, unix.AF_INET6}, On: onLink, Goes: Closing, Link: func([]byte) int { return notOne },
	lists: func(_ *Table, n *Namespace, l *Link, img *Image) ([][]byte, error) {
		routes, err := n.linkRoutes(l.Index, img.addrs())
		if err == nil {
			routes, img.Learned, err = n.learned(routes)
		}
		return routes, err
	},
	put: func(_ *Table, n *Namespace, l *Link, img *Image) error {
		err := n.restoreRoutes(l.Index, img)
		if errors.Is(err, unix.EACCES) {
			// An IPv4 route through an IPv6 gateway, older than the link's disable_ipv6.
			off := "net/ipv6/conf/" + cmp.Or(img.Attrs["name"], l.Name) + "/disable_ipv6"
			var was string
			if was, err = n.Sysctl(off); err == nil {
				err = errors.Join(n.SetSysctl(off, "0"), n.restoreRoutes(l.Index, img), n.SetSysctl(off, was))
			}
		}
		return err
	}}

func (img *Image) routes() [][]byte { return img.Parts["route"] }

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
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		all, err := n.routesOf(family)
		if err != nil {
			return nil, err
		}
		for _, raw := range all {
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

// routesOf are the raw messages of all routes of a family but those that the kernel has made of others.
func (n *Namespace) routesOf(family byte) ([][]byte, error) {
	all, err := n.dump(unix.RTM_GETROUTE, &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}})
	return slices.DeleteFunc(all, func(raw []byte) bool {
		return len(raw) < unix.SizeofRtMsg || nl.DeserializeRtMsg(raw).Flags&unix.RTM_F_CLONED != 0
	}), err
}

// A place is what routes compete for: a destination in a table, with a type of service and a metric.
type place struct {
	family, bits, tos byte
	table, metric     int
	dst               string
}

func placeOf(raw []byte) place {
	head := nl.DeserializeRtMsg(raw)
	return place{head.Family, head.Dst_len, head.Tos, rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_TABLE),
		rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_PRIORITY), string(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_DST))}
}

// HasPlace reports whether one of the image's routes has the destination, table and metric of another one.
func (img *Image) HasPlace(r Route) bool {
	dst := r.Dst.Masked()
	return slices.ContainsFunc(img.routes(), func(raw []byte) bool {
		p := placeOf(raw)
		same := int(p.bits) == dst.Bits() && (p.family == unix.AF_INET) == dst.Addr().Is4() &&
			(p.bits == 0 || p.dst == string(dst.Addr().AsSlice()))
		return same && p.table == cmp.Or(r.Table, unix.RT_TABLE_MAIN) &&
			(p.metric == r.Metric || p.family == unix.AF_INET6 && r.Metric == 0)
	})
}

func routeOver(raw []byte, index int, addrs [][]byte) bool {
	if rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF) == index {
		return true
	}
	for hop := range hopsOf(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		if int(int32(binary.NativeEndian.Uint32(hop[4:]))) == index {
			return true
		}
	}
	src := rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_PREFSRC)
	return src != nil && slices.ContainsFunc(addrs, func(a []byte) bool {
		return bytes.Equal(src, rtnl.Attr(a, unix.SizeofIfAddrmsg, unix.IFA_LOCAL)) ||
			bytes.Equal(src, rtnl.Attr(a, unix.SizeofIfAddrmsg, unix.IFA_ADDRESS))
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
	if err := n.dropDead(img); err != nil {
		return err
	}
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
		for i, want := range img.routes() {
			where := placeOf(want)
			if slices.ContainsFunc(img.routes()[:i], func(r []byte) bool { return placeOf(r) == where }) {
				continue // with the first one of the place
			}
			var all [][]byte
			for _, r := range img.routes()[i:] {
				if placeOf(r) != where {
					continue
				}
				left, err := n.deserted(r, index)
				errs = append(errs, err)
				if err == nil && !left {
					all = append(all, r)
				}
			}
			more, err := n.restorePlace(img, at[where], all, lost)
			added += more
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); added == 0 && !lost &&
			(errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH)) {
			lost = true // there is no way to a gateway any more, as there was when the route was added
			continue
		}
		if added == 0 {
			return errors.Join(append(errs, n.dropKernels(index, have, img))...)
		}
	}
}

// deserted reports whether a route in the image of a link was the kernel's for an address of another one, and that
// address is not there: somebody has deleted it, or an older change that made it is undone already.
func (n *Namespace) deserted(raw []byte, index int) (bool, error) {
	over := rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF)
	if nl.DeserializeRtMsg(raw).Protocol != unix.RTPROT_KERNEL || over == index {
		return false, nil
	}
	addrs, err := n.linkAddrs(over)
	dst, _ := netip.AddrFromSlice(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_DST))
	return !slices.ContainsFunc(addrs, func(msg []byte) bool {
		a := addrKey(msg)
		return netip.PrefixFrom(dst, int(raw[1])) == cmp.Or(a.Peer, a.Prefix).Masked()
	}), err
}

// allMulticast is the prefix of all IPv6 multicast addresses.
var allMulticast = netip.MustParsePrefix("ff00::/8")

// dropKernels deletes the IPv6 routes of the kernel's own that a link did not have: the kernel gives the route to all
// multicast to a link without multicast too, when it gets an address, and leaves it when the address goes; and so it
// does with the route of a prefix of which there is another address. Those of somebody else's addresses stay, and those
// that expire, which the kernel has from a router's advertisement or from an address that does.
func (n *Namespace) dropKernels(index int, have [][]byte, img *Image) error {
	addrs, err := n.linkAddrs(index)
	if err != nil {
		return err
	}
	theirs := map[netip.Prefix]bool{}
	for _, a := range addrs {
		if !slices.ContainsFunc(img.addrs(), func(w []byte) bool { return addrKey(w) == addrKey(a) }) {
			theirs[addrKey(a).Prefix.Masked()], theirs[allMulticast] = true, true
		}
	}
	for _, h := range have {
		dst, _ := netip.AddrFromSlice(rtnl.Attr(h, unix.SizeofRtMsg, unix.RTA_DST))
		if h[0] == unix.AF_INET6 && nl.DeserializeRtMsg(h).Protocol == unix.RTPROT_KERNEL &&
			rtnl.Uint32(h, unix.SizeofRtMsg, unix.RTA_OIF) == index && expires(h) == 0 &&
			!theirs[netip.PrefixFrom(dst, int(h[1]))] &&
			!slices.ContainsFunc(img.routes(), func(w []byte) bool { return sameRoute(h, w) }) {
			if err := n.do(unix.RTM_DELROUTE, 0, rtnl.Raw(plainRoute(h))); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}

// restorePlace makes the routes of one place what they were, in their order. It says how many more of those are there
// now. What was not there before and is not what is left of one of them is somebody else's, and stays.
func (n *Namespace) restorePlace(img *Image, have, want [][]byte, lost bool) (added int, err error) {
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
	anew, add := ours[stay:], want[stay:]
	if slices.ContainsFunc(anew, func(h []byte) bool { return img.unrestorable(h) != nil }) {
		// That one could not be added again: what is missing goes behind what is there.
		add = slices.DeleteFunc(slices.Clone(want), func(w []byte) bool {
			return slices.ContainsFunc(ours, func(h []byte) bool { return sameRoute(w, h) })
		})
		if anew, stay = nil, len(ours); !slices.EqualFunc(append(slices.Clone(ours), add...), want, sameRoute) {
			errs = append(errs, &Loss{What: "the order of the routes to " + routeText(want[0]),
				Why: "one of them could not be added again"})
		}
	}
	for _, h := range append(rest, anew...) {
		if err := n.do(unix.RTM_DELROUTE, 0, rtnl.Raw(plainRoute(h))); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, err)
		}
	}
	there := stay
	for _, w := range add {
		request := func() error {
			return n.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, routeAsItWas(w))
		}
		err := request()
		if err != nil && lost && w[0] == unix.AF_INET {
			err = n.withWays(w, request)
		}
		if loss := img.unrestorable(w); loss != nil && Refused(err) {
			err = loss
		}
		switch {
		case err == nil:
			there++
		case !img.downByOthers || !errors.Is(err, unix.ENETDOWN): // who has set it down has taken its routes
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
		to := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Dst_len: 32, Table: unix.RT_TABLE_MAIN,
			Protocol: protoForeign, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST}}
		parts := []nl.NetlinkRequestData{to, nl.NewRtAttr(unix.RTA_DST, gateway), nl.NewRtAttr(unix.RTA_OIF, oif),
			nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(1<<31))}
		if n.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, parts...) == nil {
			add := fn
			fn = func() error { return errors.Join(add(), n.do(unix.RTM_DELROUTE, 0, parts...)) }
		}
	}
	way(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_OIF), rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_GATEWAY))
	for hop := range hopsOf(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		way(hop[4:8], rtnl.Attr(hop, unix.SizeofRtNexthop, unix.RTA_GATEWAY))
	}
	return fn()
}

// remains reports whether a route is what the kernel made of an IPv6 one: it drops each of several ways by itself,
// writes the link's new mtu into a route that has one (rt6_mtu_change in net/ipv6/route.c), and takes a source out that
// goes.
func remains(have, want []byte) bool {
	bare := func(raw []byte) []byte { return rtnl.Without(plainRoute(raw), unix.SizeofRtMsg, unix.RTA_METRICS) }
	if have[0] == unix.AF_INET6 && (bytes.Equal(bare(have), bare(want)) ||
		bytes.Equal(bare(have), rtnl.Without(bare(want), unix.SizeofRtMsg, unix.RTA_PREFSRC))) {
		return true
	}
	ways := map[string]bool{}
	for hop := range hopsOf(rtnl.Attr(plainRoute(want), unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		ways[string(hop[4:8])+string(rtnl.Attr(hop, unix.SizeofRtNexthop, unix.RTA_GATEWAY))] = true
	}
	if have[0] != unix.AF_INET6 || len(ways) == 0 {
		return false
	}
	path := rtnl.Attr(have, unix.SizeofRtMsg, unix.RTA_MULTIPATH)
	for hop := range hopsOf(path) {
		if !ways[string(hop[4:8])+string(rtnl.Attr(hop, unix.SizeofRtNexthop, unix.RTA_GATEWAY))] {
			return false
		}
	}
	return path != nil ||
		ways[string(rtnl.Attr(have, unix.SizeofRtMsg, unix.RTA_OIF))+
			string(rtnl.Attr(have, unix.SizeofRtMsg, unix.RTA_GATEWAY))]
}

// rtaNexthop is RTA_NH_ID of linux/rtnetlink.h.
const rtaNexthop = 30

// settable are the flags of a route or nexthop that it is given; the others, such as dead and linkdown, are the
// kernel's to say.
const settable = unix.RTNH_F_ONLINK | unix.RTNH_F_PERVASIVE

// plainRoute is a copy of a route's message without what the kernel says of its state.
func plainRoute(raw []byte) []byte {
	raw = rtnl.Without(raw, unix.SizeofRtMsg, unix.RTA_CACHEINFO)
	if rtnl.Attr(raw, unix.SizeofRtMsg, rtaNexthop) != nil {
		for _, typ := range []int{unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH} {
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
