package kernel

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
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

// routes46 are the raw messages of all IPv4 and IPv6 routes but the kernel's own, which come back with the address,
// some of them a moment later.
func (n *Namespace) routes46() (mine [][]byte, err error) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		all, err := n.routesOf(family)
		if err != nil {
			return nil, err
		}
		for _, raw := range all {
			if head := nl.DeserializeRtMsg(raw); !ownType(head.Type) || head.Protocol != unix.RTPROT_KERNEL {
				mine = append(mine, raw)
			}
		}
	}
	return mine, nil
}

// routesOf are the raw messages of all routes of a family, 0 for all families, but those that the kernel has made of
// others. A kernel without MPLS answers with the routes of all families.
func (n *Namespace) routesOf(family byte) ([][]byte, error) {
	all, err := n.dump(unix.RTM_GETROUTE, &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}})
	return slices.DeleteFunc(all, func(raw []byte) bool {
		return len(raw) < unix.SizeofRtMsg || nl.DeserializeRtMsg(raw).Flags&unix.RTM_F_CLONED != 0 ||
			!slices.Contains(routeFamilies, raw[0]) || family != 0 && raw[0] != family
	}), err
}

// HasPlace reports whether one of the image's routes has the destination, table and metric of another one.
func (img *Image) HasPlace(r Route) bool {
	return RoutePlace{Routes: img.routes()}.At(r)
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
