package builtins

import (
	"errors"
	"fmt"
	"net/netip"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var routeDecl = runtime.Change("route", "route",
	"Adds a route to a namespace, IPv4 or IPv6 by its destination (ip-route(8)), or one of MPLS by its label. "+
		"ns.routes lists those that there are.",
	&routeArgs{routeWays: routeWays{Type: "unicast"}}).Needing("routing-tables")

type routeArgs struct {
	NS     nsArg           `arg:"ns" doc:"the namespace"`
	Dst    routeDstArg     `arg:"dst" doc:"destination: a prefix, an address, \"default\" (of the family of via= or src=, else IPv4), or the number of an MPLS label"`
	_      struct{}        `arg:"*"`
	Metric *whole[width32] `arg:"metric?" doc:"preference, lower first; the kernel's default when left out (IPv4 0, IPv6 1024)"`
	Table  *tableArg       `arg:"table?" doc:"routing table: its number, or main, local, default; main when left out, or local for the types that are the namespace's own"`
	TOS    *whole[width8]  `arg:"tos?" doc:"type of service of the packets that it is for, 0 to 255 (IPv4)"`
	routeWays
}

// routeWays is what a route has besides its place: the destination, table, type of service and metric.
type routeWays struct {
	Via      *endpointArg   `arg:"via?" doc:"gateway: an address, or a link or a namespace, of which it is the address in a subnet that ns is in"`
	Dev      *linkArg       `arg:"dev?" doc:"link to send over; found from via= when left out"`
	Src      *endpointArg   `arg:"src?" doc:"source address that packets get which have none, or a link or namespace that has one"`
	Type     routeTypeArg   `arg:"type?" doc:"unicast; blackhole, unreachable, prohibit or throw, which go nowhere; local, broadcast, anycast or multicast"`
	Nexthops []nexthopArg   `arg:"nexthops?" doc:"several ways at once: a list of gateways as for via=, or of dicts with via, dev, weight (1 to 256), onlink and encap"`
	NHID     *nexthopObject `arg:"nhid?" nla:"30" doc:"nexthop object to go by (ip-nexthop(8)): its number, or the value"`
	Encap    *encapArg      `arg:"encap?" doc:"what is put around packets, such as encap.mpls(100)"`
	Onlink   bool           `arg:"onlink?" doc:"the gateway is on the link, even if none of the link's addresses says so"`
	Scope    *scopeArg      `arg:"scope?" doc:"how far the destination is: global, site, link, host, nowhere, or a number; what type and gateway make it when left out (IPv4)"`
	Proto    *protocolArg   `arg:"proto?" doc:"who added it: static, boot, kernel, ra, dhcp, bgp, ospf ... or a number; static when left out, or 94 in a namespace that the run did not make"`
	routeAttrs
}

func (a *routeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	s := kernel.RouteSpec{Dst: a.Dst.Prefix, Label: a.Dst.label}
	if a.Metric != nil {
		s.Metric = uint32(*a.Metric)
	}
	if a.Table != nil {
		s.Table = uint32(*a.Table)
	}
	if a.TOS != nil {
		s.TOS = uint8(*a.TOS)
	}
	r, err := a.routeWays.route(tx.View, a.NS.NSRef, s)
	if err != nil {
		return nil, fmt.Errorf("route: %w", err)
	}
	return &routeValue{v: tx.View, route: r}, tx.Apply(&putRoute{routeChange{Route: r}, kernel.AddRoute})
}

// route is the route of a namespace to a place.
func (a *routeWays) route(v *runtime.View, ns kernel.NSRef, s kernel.RouteSpec) (r kernel.Route, err error) {
	s.Type, s.Scope, s.Proto = string(a.Type), (*uint8)(a.Scope), (*uint8)(a.Proto)
	family := 0
	switch {
	case s.Dst.IsValid():
		family = familyOf(s.Dst.Addr())
	case s.Label == nil && a.Src != nil && !a.Src.several():
		family = familyOf(a.Src.ip)
	}
	hops := a.Nexthops
	if a.Via != nil || a.Dev != nil {
		hops = append([]nexthopArg{{via: a.Via, dev: a.Dev, onlink: a.Onlink, encap: a.Encap}}, hops...)
	}
	for _, h := range hops {
		hop, err := h.hop(v, ns, family)
		if err != nil {
			return r, err
		}
		s.Nexthops = append(s.Nexthops, hop)
		if family == 0 && s.Label == nil && hop.Via.IsValid() {
			family = familyOf(hop.Via)
		}
	}
	if s.Label == nil && !s.Dst.IsValid() {
		s.Dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if family == 6 {
			s.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	if err := a.fit(s); err != nil {
		return r, err
	}
	if a.Src != nil {
		if s.Src, err = a.Src.own(v, familyOf(s.Dst.Addr())); err != nil {
			return r, err
		}
	}
	s.Attrs = routeMessage(a)
	n, err := v.Machine().Namespace(ns)
	if err != nil {
		return r, err
	}
	return n.Route(s)
}

// fit says what of a route does not go with the rest. What the kernel would ignore without a word is among it.
func (a *routeWays) fit(s kernel.RouteSpec) error {
	mpls, six := s.Label != nil, s.Label == nil && s.Dst.Addr().Is6()
	nowhere := a.Type.nowhere()
	switch {
	case !nowhere && len(s.Nexthops) == 0 && a.NHID == nil:
		return errors.New("want via=, dev=, nexthops= or nhid= to say where it goes")
	case nowhere && (len(s.Nexthops) > 0 || a.NHID != nil):
		return fmt.Errorf("a route of type %s goes nowhere: leave out via=, dev=, nexthops= and nhid=", a.Type)
	case a.NHID != nil && len(s.Nexthops) > 0:
		return errors.New("nhid= says where it goes: leave out via=, dev= and nexthops=")
	case a.Encap != nil && a.Via == nil && a.Dev == nil:
		return errors.New("encap= goes with via= or dev=; in nexthops= each has its own")
	case a.Onlink && a.Dev == nil:
		return errors.New("onlink= says that the gateway is on the link which dev= names")
	case !six && (a.Expires != nil || a.Pref != nil):
		return errors.New("expires= and pref= are for IPv6 routes: the kernel ignores them for others")
	case six && s.TOS != 0:
		return errors.New("tos= is for IPv4 routes: the kernel ignores it for others")
	case six && a.Scope != nil:
		return errors.New("scope= is for IPv4 routes: the kernel ignores it for others")
	case !mpls && a.AsTo != nil:
		return errors.New("as_to= is for MPLS routes: want a label as the destination, or encap=encap.mpls(...)")
	case mpls && (a.Src != nil || s.Metric != 0 || s.Table != 0 || s.TOS != 0 || a.metrics()):
		return errors.New("a route of MPLS has neither src=, metric=, table=, tos= nor metrics")
	case len(a.Lock) > 0 && !a.locked():
		return errors.New("lock= is for metrics that are given")
	}
	return nil
}
