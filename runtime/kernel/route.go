package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Route is a route in one namespace, as a journal writes it. The zero Dst with V6 says which default route.
type Route struct {
	NS  NSRef        `json:"ns"`
	Dst netip.Prefix `json:"dst"`
	// "unicast" when empty, "blackhole", "unreachable", "prohibit", "throw"
	Type     string     `json:"type,omitempty"`
	Table    int        `json:"table,omitempty"`
	Metric   int        `json:"metric,omitempty"`
	Src      netip.Addr `json:"src,omitzero"`
	Nexthops []Nexthop  `json:"nexthops,omitempty"`
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

// maxHops bounds the ways of a route: the attribute that they go in has no room for twice as many.
const maxHops = 512

// Valid says what is wrong with a route.
func (r Route) Valid() error {
	switch {
	case !r.Dst.IsValid():
		return errors.New("a route has no destination")
	case r.Type != "" && routeTypes[r.Type] == 0:
		return fmt.Errorf("a route has the type %q", r.Type)
	case r.Table < 0 || r.Table > math.MaxUint32:
		return fmt.Errorf("table %d is not from 0 to %d", r.Table, uint32(math.MaxUint32))
	case r.Metric < 0 || r.Metric > math.MaxUint32:
		return fmt.Errorf("metric %d is not from 0 to %d", r.Metric, uint32(math.MaxUint32))
	case r.Src.Zone() != "":
		return fmt.Errorf("source %s has a zone", r.Src)
	case len(r.Nexthops) > maxHops:
		return fmt.Errorf("%d nexthops are more than %d", len(r.Nexthops), maxHops)
	}
	for _, h := range r.Nexthops {
		if h.Weight < 0 || h.Weight > 256 {
			return fmt.Errorf("weight %d is not from 1 to 256", h.Weight)
		}
		if h.Via.Zone() != "" {
			return fmt.Errorf("gateway %s has a zone: name its link with dev=", h.Via)
		}
	}
	return nil
}

// AddRoute adds a route. One to the same destination with the same metric in the same table is EEXIST.
func (m *Machine) AddRoute(r Route) error {
	n, route, err := m.routeMessage(r)
	if err != nil {
		return fail(err, "add route", r.String(), n)
	}
	err = n.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, rtnl.Raw(route))
	err = fail(err, "add route", r.String(), n)
	if hint := routeHints[rtnl.Explanation(err)]; hint != "" {
		return hinted(err, "%s", hint)
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return hinted(err, "%s has a route to %s with this metric already; give another metric=", n.Name(), r)
	case rtnl.Explanation(err) != "":
		return err // which says it better than the errno
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		return hinted(err, gatewayHint)
	case errors.Is(err, unix.ENETDOWN):
		return hinted(err, downHint)
	}
	return err
}

const (
	gatewayHint = "the gateway must be reachable over a link that is up and has an address of the gateway's subnet"
	downHint    = "the link is down: up(link) first"
)

// routeHints say what to do about what the kernel says of a route (net/ipv4/fib_semantics.c, net/ipv6/route.c).
var routeHints = map[string]string{
	"Nexthop has invalid gateway":        gatewayHint,
	"No route to gateway":                gatewayHint,
	"Gateway can not be a local address": "via= is an address of this namespace's own: want one of its neighbour's",
	"Egress device not specified":        "a link-local gateway is behind one of the links: dev= says which",
	"Invalid prefsrc address":            "src= must be an address of this namespace: addr() first",
	"Invalid source address":             "src= must be an address of this namespace: addr() first",
	"Nexthop device is not up":           downHint,
	"Device for nexthop is not up":       downHint,
	"Carrier for nexthop device is down": "the link has no carrier: its other end must be up, too",
	"IPv6 is disabled on nexthop device": "its sysctl net.ipv6.conf.LINK.disable_ipv6 is 1, or its mtu is below 1280",
}

// DelRoute deletes a route. One that is not there is ErrGone.
func (m *Machine) DelRoute(r Route) error {
	n, route, err := m.routeMessage(r)
	if gone(err) {
		err = ErrGone // with its namespace or its link
	}
	if err != nil {
		return fail(err, "delete route", r.String(), n)
	}
	// The kernel takes a route of any type for it, and for an IPv6 one without a metric one of any metric.
	there := func() (bool, error) {
		have, err := n.routesLike(route)
		return slices.ContainsFunc(have, func(h []byte) bool { return sameRouteAsAdded(h, route) }), err
	}
	is, err := there()
	if err == nil && !is {
		err = ErrGone
	}
	if err != nil {
		return fail(err, "delete route", r.String(), n)
	}
	if metric := placeOf(route).metric; metric == 0 && r.Dst.Addr().Is6() {
		route = AppendAttr(route, unix.RTA_PRIORITY, binary.NativeEndian.AppendUint32(nil, defaultMetric6))
	}
	err = n.do(unix.RTM_DELROUTE, 0, rtnl.Raw(route))
	return n.reallyGone(err, "delete route", r.String(), there)
}

// RouteThere reports whether a route is there as AddRoute added it, and whether another one is in its place that
// nsscript did not add.
func (m *Machine) RouteThere(r Route) (there, foreign bool, err error) {
	n, want, err := m.routeMessage(r)
	if err != nil {
		return false, false, fail(err, "find route", r.String(), n)
	}
	have, err := n.routesLike(want)
	for _, h := range have {
		if h[5] != want[5] { // rtm_protocol
			foreign = true
		} else if sameRouteAsAdded(h, want) {
			there = true
		}
	}
	return there, foreign, fail(err, "find route", r.String(), n)
}

// RouteLinks names the links that a route goes over: those it says, and those that its gateways are reached by.
func (m *Machine) RouteLinks(r Route) (over []LinkRef, err error) {
	n, _, err := m.routeMessage(r)
	if err != nil {
		return nil, fail(err, "look up route", r.String(), n)
	}
	for _, hop := range r.Nexthops {
		if hop.Dev != nil {
			over = append(over, m.Current(*hop.Dev))
			continue
		}
		dst := AppendAttr(nil, unix.RTA_DST, hop.Via.AsSlice())
		head := &nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family(hop.Via)), Dst_len: uint8(hop.Via.BitLen())}}
		raw, err := n.get(unix.RTM_GETROUTE, head, rtnl.Raw(dst))
		if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
			continue // so the kernel will not take the route
		} else if err != nil {
			return nil, fail(err, "look up route", hop.Via.String(), n)
		}
		index := rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF)
		l, err := n.linkByIndex(index)
		if err != nil {
			return nil, fail(err, "read link", "with index "+strconv.Itoa(index), n)
		}
		over = append(over, l.LinkRef)
	}
	return over, nil
}

// UnrestorableRoute is the Loss of a route that could not be added again once it is deleted: one of its nexthops' links
// is down.
func (m *Machine) UnrestorableRoute(r Route) (*Loss, error) {
	n, want, err := m.routeMessage(r)
	if err != nil {
		return nil, fail(err, "delete route", r.String(), n)
	}
	have, err := n.routesLike(want)
	for _, h := range have {
		if h[5] == want[5] && h[7] == want[7] && deadHops(h) > 0 { // rtm_protocol, rtm_type
			return &Loss{What: "route " + r.String() + " in " + n.Name(), Why: deadHop, Hint: deadHopHint}, nil
		}
	}
	return nil, fail(err, "delete route", r.String(), n)
}

// CheckRoute is EEXIST when the namespace has a route to the same destination with the same metric in the same table.
func (m *Machine) CheckRoute(r Route) error {
	n, want, err := m.routeMessage(r)
	if err != nil {
		return fail(err, "add route", r.String(), n)
	}
	have, err := n.routesLike(want)
	if err == nil && len(have) > 0 {
		err = unix.EEXIST
	}
	return hinted(fail(err, "add route", r.String(), n),
		"%s has a route to %s with this metric already; give another metric=", n.Name(), r)
}
