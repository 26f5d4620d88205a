package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Route is a route in one namespace, as a journal writes it. The zero Dst with V6 says which default route.
type Route struct {
	NS       NSRef        `json:"ns"`
	Dst      netip.Prefix `json:"dst"`
	Type     string       `json:"type,omitempty"` // "unicast" when empty, "blackhole", "unreachable", "prohibit", "throw"
	Table    int          `json:"table,omitempty"`
	Metric   int          `json:"metric,omitempty"`
	Src      netip.Addr   `json:"src,omitzero"`
	Nexthops []Nexthop    `json:"nexthops,omitempty"`
}

// A Nexthop is one way that a route goes: through a gateway, a link, or both.
type Nexthop struct {
	Via    netip.Addr `json:"via,omitzero"`
	Dev    *LinkRef   `json:"dev,omitempty"`
	Weight int        `json:"weight,omitempty"` // 1 when 0
}

// routeTypes are ip-route(8)'s words for rtm_type.
var routeTypes = map[string]int{"unicast": unix.RTN_UNICAST, "blackhole": unix.RTN_BLACKHOLE,
	"unreachable": unix.RTN_UNREACHABLE, "prohibit": unix.RTN_PROHIBIT, "throw": unix.RTN_THROW}

// RouteTypes lists the types that a route can be given.
func RouteTypes() []string {
	return []string{"unicast", "blackhole", "unreachable", "prohibit", "throw"}
}

// protoForeign marks routes that nsscript adds in namespaces that it did not make: deleting compares it, so that
// nobody else's route to the same place is deleted instead. In its own namespaces a route is an ordinary static one.
const protoForeign = 94

func (r Route) String() string {
	dst := r.Dst.String()
	if r.Dst.Bits() == 0 {
		dst = "default"
	}
	if r.Type != "" && r.Type != "unicast" {
		return r.Type + " " + dst
	}
	return dst
}

// AddRoute adds a route. One to the same destination with the same metric in the same table is EEXIST.
func (m *Machine) AddRoute(r Route) error {
	n, route, err := m.netlinkRoute(r)
	if err != nil {
		return fail(err, "add route", r.String(), n)
	}
	h, err := n.handle()
	if err == nil {
		err = change(func() error { return h.RouteAdd(route) })
	}
	err = fail(err, "add route", r.String(), n)
	switch {
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		return hinted(err, "the gateway must be reachable over a link that is up and has an address of the gateway's subnet")
	case errors.Is(err, unix.EEXIST):
		return hinted(err, "%s has a route to %s with this metric already; give another metric=", n.Name(), r)
	case errors.Is(err, unix.ENETDOWN):
		return hinted(err, "the link is down: up(link) first")
	}
	return err
}

// DelRoute deletes a route. One that is not there is ErrGone.
func (m *Machine) DelRoute(r Route) error {
	n, route, err := m.netlinkRoute(r)
	if err != nil {
		return goneOr(err, "delete route", r.String(), n)
	}
	h, err := n.handle()
	if err == nil {
		err = change(func() error { return h.RouteDel(route) })
	}
	return goneOr(err, "delete route", r.String(), n)
}

func (m *Machine) netlinkRoute(r Route) (*Namespace, *netlink.Route, error) {
	n, err := m.Namespace(r.NS)
	if err != nil {
		return nil, nil, err
	}
	route := &netlink.Route{Family: family(r.Dst.Addr()), Dst: ipNet(r.Dst), Table: r.Table, Priority: r.Metric,
		Type: routeTypes[r.Type], Protocol: unix.RTPROT_STATIC}
	if n.next == 0 {
		route.Protocol = protoForeign
	}
	if r.Src.IsValid() {
		route.Src = r.Src.AsSlice()
	}
	var hops []*netlink.NexthopInfo
	for _, hop := range r.Nexthops {
		info := &netlink.NexthopInfo{Hops: max(hop.Weight, 1) - 1}
		if hop.Dev != nil {
			at, index, err := m.find(*hop.Dev)
			if err != nil {
				return n, nil, err
			}
			if at != n {
				return n, nil, fmt.Errorf("link %s is in %s: %w", hop.Dev.Name, at.Name(), unix.ENODEV)
			}
			info.LinkIndex = index
		}
		if hop.Via.IsValid() {
			if hop.Via.Is4() == r.Dst.Addr().Is4() {
				info.Gw = hop.Via.AsSlice()
			} else {
				info.Via = &netlink.Via{AddrFamily: family(hop.Via), Addr: hop.Via.AsSlice()}
			}
		}
		hops = append(hops, info)
	}
	switch {
	case len(hops) == 1:
		route.LinkIndex, route.Gw, route.Via = hops[0].LinkIndex, hops[0].Gw, hops[0].Via
		if route.Gw == nil && route.Via == nil && route.Dst.IP.To4() != nil {
			route.Scope = netlink.SCOPE_LINK
		}
	case len(hops) > 1:
		route.MultiPath = hops
	}
	return n, route, nil
}

// Routes lists the namespace's routes of both families and all tables but the kernel's own local ones, as
// ip-route(8) prints them, a line each.
func (n *Namespace) Routes() ([]string, error) {
	h, err := n.handle()
	if err != nil {
		return nil, fail(err, "list routes", "", n)
	}
	links, err := n.Links()
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Index] = l.Name
	}
	var lines []string
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		all, err := whole(func() ([]netlink.Route, error) {
			return h.RouteListFiltered(fam, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, fail(err, "list routes", "", n)
		}
		for _, r := range all {
			if r.Table != unix.RT_TABLE_LOCAL && r.Type != unix.RTN_MULTICAST {
				lines = append(lines, routeLine(r, names))
			}
		}
	}
	return lines, nil
}

func routeLine(r netlink.Route, names map[int]string) string {
	var b strings.Builder
	for word, t := range routeTypes {
		if t == r.Type && word != "unicast" {
			b.WriteString(word + " ")
		}
	}
	if ones := 0; r.Dst != nil {
		if ones, _ = r.Dst.Mask.Size(); ones == 0 {
			b.WriteString("default")
		} else {
			b.WriteString(r.Dst.String())
		}
	} else {
		b.WriteString("default")
	}
	hop := func(gw, via any, index int) {
		if gw != nil {
			fmt.Fprintf(&b, " via %v", gw)
		}
		if via != nil {
			fmt.Fprintf(&b, " via %v", via)
		}
		if names[index] != "" {
			b.WriteString(" dev " + names[index])
		}
	}
	anyIP := func(ip []byte) any {
		if a, ok := netip.AddrFromSlice(ip); ok {
			return a.Unmap()
		}
		return nil
	}
	if len(r.MultiPath) == 0 {
		hop(anyIP(r.Gw), nil, r.LinkIndex)
	}
	for _, h := range r.MultiPath {
		b.WriteString(" nexthop")
		hop(anyIP(h.Gw), nil, h.LinkIndex)
		fmt.Fprintf(&b, " weight %d", h.Hops+1)
	}
	if src := anyIP(r.Src); src != nil {
		fmt.Fprintf(&b, " src %v", src)
	}
	if r.Priority != 0 {
		fmt.Fprintf(&b, " metric %d", r.Priority)
	}
	if r.Table != 0 && r.Table != unix.RT_TABLE_MAIN {
		fmt.Fprintf(&b, " table %d", r.Table)
	}
	return b.String()
}

// linkRoutes are the raw messages of the routes that go over a link or use one of its addresses as their source.
func (n *Namespace) linkRoutes(index int, addrs [][]byte) (mine [][]byte, err error) {
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(fam)}}
		all, err := n.dump(unix.RTM_GETROUTE, msg)
		if err != nil {
			return nil, err
		}
		for _, raw := range all {
			if routeOver(raw, index, addrs) {
				mine = append(mine, raw)
			}
		}
	}
	return mine, nil
}

func routeOver(raw []byte, index int, addrs [][]byte) bool {
	if len(raw) < unix.SizeofRtMsg || nl.DeserializeRtMsg(raw).Flags&unix.RTM_F_CLONED != 0 {
		return false
	}
	switch nl.DeserializeRtMsg(raw).Type {
	case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST, unix.RTN_MULTICAST:
		return false // the kernel's own, which come back with the address, some of them a moment later
	}
	if attrNumber(raw, unix.SizeofRtMsg, unix.RTA_OIF) == index {
		return true
	}
	for hop := attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH); len(hop) >= unix.SizeofRtNexthop; {
		next := nl.DeserializeRtNexthop(hop)
		if int(next.RtNexthop.Ifindex) == index {
			return true
		}
		hop = hop[min(max(int(next.RtNexthop.Len+3)&^3, unix.SizeofRtNexthop), len(hop)):]
	}
	src := attr(raw, unix.SizeofRtMsg, unix.RTA_PREFSRC)
	return src != nil && slices.ContainsFunc(addrs, func(a []byte) bool {
		return bytes.Equal(src, attr(a, unix.SizeofIfAddrmsg, unix.IFA_LOCAL))
	})
}

// restoreRoutes adds the routes that are missing, again and again while that gets further: a route through a gateway
// needs the one to the gateway first.
func (n *Namespace) restoreRoutes(index int, img *Image) error {
	for {
		have, err := n.linkRoutes(index, img.Addrs)
		if err != nil {
			return err
		}
		var errs []error
		added := 0
		for _, want := range img.Routes {
			if slices.ContainsFunc(have, func(r []byte) bool { return sameRoute(r, want) }) {
				continue
			}
			again := withoutAttr(want, unix.SizeofRtMsg, unix.RTA_CACHEINFO)
			clear(again[8:12]) // rtm_flags: dead, linkdown, offload are the kernel's to say
			if err := n.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, rawMessage(again)); err != nil && !errors.Is(err, unix.EEXIST) {
				errs = append(errs, err)
			} else if err == nil {
				added++
			}
		}
		if added == 0 {
			return errors.Join(errs...)
		}
	}
}

func sameRoute(a, b []byte) bool {
	x, y := withoutAttr(a, unix.SizeofRtMsg, unix.RTA_CACHEINFO), withoutAttr(b, unix.SizeofRtMsg, unix.RTA_CACHEINFO)
	clear(x[8:12])
	clear(y[8:12])
	return bytes.Equal(x, y)
}

// linkNeighs are the raw messages of a link's permanent neighbours; the others the kernel learns by itself.
func (n *Namespace) linkNeighs(index int) (mine [][]byte, err error) {
	all, err := n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{})
	for _, raw := range all {
		var msg netlink.Ndmsg
		if len(raw) >= msg.Len() {
			if at := neighHead(raw); at.index == index && at.state&unix.NUD_PERMANENT != 0 {
				mine = append(mine, raw)
			}
		}
	}
	return mine, err
}

func (n *Namespace) restoreNeighs(index int, want [][]byte) error {
	var errs []error
	for _, msg := range want {
		msg = withoutAttr(msg, unix.SizeofNdMsg, unix.NDA_CACHEINFO)
		errs = append(errs, n.do(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, rawMessage(msg)))
	}
	return errors.Join(errs...)
}

// CheckRoute is EEXIST when the namespace has a route to the same destination with the same metric in the same table.
func (m *Machine) CheckRoute(r Route) error {
	n, want, err := m.netlinkRoute(r)
	if err != nil {
		return fail(err, "add route", r.String(), n)
	}
	h, err := n.handle()
	if err != nil {
		return fail(err, "add route", r.String(), n)
	}
	if want.Table == 0 {
		want.Table = unix.RT_TABLE_MAIN
	}
	if want.Priority == 0 && want.Family == unix.AF_INET6 {
		want.Priority = 1024
	}
	have, err := whole(func() ([]netlink.Route, error) {
		return h.RouteListFiltered(want.Family, want, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PRIORITY|netlink.RT_FILTER_DST)
	})
	if err == nil && len(have) > 0 {
		err = unix.EEXIST
	}
	return hinted(fail(err, "add route", r.String(), n), "%s has a route to %s with this metric already; give another metric=", n.Name(), r)
}
