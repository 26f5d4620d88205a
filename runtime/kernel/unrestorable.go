package kernel

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Refused reports whether the kernel would not take a route as things are.
func Refused(err error) bool {
	return slices.ContainsFunc([]error{unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENODEV,
		unix.EINVAL, unix.EACCES},
		func(e error) bool { return errors.Is(err, e) })
}

// Whole is the Losses of what an image's link has and the kernel would not take again. To be asked before what takes
// the link down, or its IPv6 away.
func (img *Image) Whole() error { return errors.Join(img.WholeRoutes(), img.autoconf()) }

// WholeRoutes is the Losses of an image's routes that the kernel would not take again as things are. To be asked before
// what can lose routes.
func (img *Image) WholeRoutes() error {
	var all []error
	for _, raw := range img.routes() {
		if loss := img.unrestorable(raw); loss != nil {
			all = append(all, loss)
		}
	}
	return errors.Join(all...)
}

// Why a route with a dead nexthop is unrestorable: the kernel wants all the links of a new route up.
const (
	deadHop     = "it has a nexthop whose link is down"
	deadHopHint = "`ip route` shows the nexthop as dead: set its link up first, or delete the route"
)

// unrestorable is the Loss of a route that the kernel would not take again as things are: one of several ways of
// which one is dead, since it wants all the links up, and one through an IPv6 gateway over a link without IPv6. It is
// nil for others.
func (img *Image) unrestorable(raw []byte) *Loss {
	loss := &Loss{What: "route " + routeText(raw) + " of link " + img.String()}
	switch {
	case deadHops(raw) > 0:
		loss.Why, loss.Hint = deadHop, deadHopHint
	case !img.IPv6 && rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_VIA) != nil &&
		rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF) == img.Link.Index:
		loss.Why, loss.Hint = "it goes through an IPv6 gateway, while the link has no IPv6",
			"IPv6 needs an mtu of 1280 at least"
	default:
		return nil
	}
	return loss
}

// routeText is a route for people: where it leads, and through what gateways.
func routeText(raw []byte) string {
	head := nl.DeserializeRtMsg(raw)
	text := "default"
	if dst, ok := netip.AddrFromSlice(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_DST)); ok {
		text = netip.PrefixFrom(dst, int(head.Dst_len)).String()
	} else if head.Family == unix.AF_INET6 {
		text = "-6 default"
	}
	via := func(gateway []byte) {
		if ip, ok := netip.AddrFromSlice(gateway); ok {
			text += " via " + ip.String()
		}
	}
	via(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_GATEWAY))
	if v := rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_VIA); len(v) > 2 {
		via(v[2:])
	}
	for hop := range hopsOf(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		via(rtnl.Attr(hop, unix.SizeofRtNexthop, unix.RTA_GATEWAY))
	}
	if table := rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_TABLE); table != unix.RT_TABLE_MAIN {
		text += " table " + strconv.Itoa(table)
	}
	return text
}

// dropDead deletes the IPv4 routes with a nexthop that is dead and was not: to be added again, for the kernel revives
// it neither with its link's addresses nor when another route of the same nexthops is added.
func (n *Namespace) dropDead(img *Image) error {
	have, err := n.routes46()
	if err != nil {
		return err
	}
	var dead [][]byte
	for _, h := range have {
		was := slices.IndexFunc(img.routes(), func(w []byte) bool { return sameRoute(w, h) })
		if h[0] == unix.AF_INET && was >= 0 && deadHops(h) > deadHops(img.routes()[was]) {
			dead = append(dead, h)
		}
	}
	if dead == nil {
		return nil
	}
	up := map[int]bool{}
	links, err := n.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		up[l.Index] = l.Up
	}
	for _, h := range dead {
		again := true // the kernel wants all the links up
		for hop := range hopsOf(rtnl.Attr(h, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
			again = again && up[int(int32(binary.NativeEndian.Uint32(hop[4:])))]
		}
		if again {
			err := n.do(unix.RTM_DELROUTE, 0, rtnl.Raw(plainRoute(h)))
			if err = n.gone(err, "delete route", img.Link.Name, func() (bool, error) {
				all, err := n.routes46()
				return slices.ContainsFunc(all, func(r []byte) bool { return sameRoute(r, h) }), err
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// deadHops is how many of a route's nexthops are dead.
func deadHops(raw []byte) (dead int) {
	for hop := range hopsOf(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		if hop[2]&unix.RTNH_F_DEAD != 0 {
			dead++
		}
	}
	return dead
}
