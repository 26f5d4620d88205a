package kernel

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

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
			more, err := n.restorePlace(img.unrestorable, img.downByOthers, at[where], all, lost)
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
func (n *Namespace) restorePlace(unrestorable func([]byte) *Loss, downByOthers bool, have, want [][]byte,
	lost bool) (added int, err error) {
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
	if slices.ContainsFunc(anew, func(h []byte) bool { return unrestorable(h) != nil }) {
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
		if errors.Is(err, unix.EEXIST) && slices.ContainsFunc(have, func(h []byte) bool { return among(h, w) }) {
			continue // one that an older change brought back has its ways, and more
		}
		if loss := unrestorable(w); loss != nil && Refused(err) {
			err = loss
		}
		switch {
		case err == nil:
			there++
		case !downByOthers || !errors.Is(err, unix.ENETDOWN): // who has set it down has taken its routes
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
