package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Route is a route in one namespace, as a journal writes it: the message that adds it.
type Route struct {
	NS    NSRef     `json:"ns"`
	Msg   []byte    `json:"msg"`
	Links []LinkRef `json:"links,omitempty"` // those that the message has the indexes of
}

// routeFamilies are those that a route can be of.
var routeFamilies = []byte{unix.AF_INET, unix.AF_INET6, unix.AF_MPLS}

// Valid says what is wrong with a route.
func (r Route) Valid() error {
	if err := rtnl.ValidMsg(r.Msg, unix.SizeofRtMsg); err != nil {
		return fmt.Errorf("a wrong route: %w", err)
	}
	if err := r.NS.Valid(); err != nil {
		return err
	}
	if !slices.Contains(routeFamilies, r.Msg[0]) {
		return fmt.Errorf("a route of family %d", r.Msg[0])
	}
	for _, l := range r.Links {
		if l.NS.Cookie != r.NS.Cookie {
			return fmt.Errorf("a route over link %s, which is in another namespace", l.Name)
		}
	}
	for _, index := range routeIndexes(r.Msg) {
		if !slices.ContainsFunc(r.Links, func(l LinkRef) bool { return l.Index == index }) {
			return fmt.Errorf("a route over the link with index %d, which is none of its own", index)
		}
	}
	return nil
}

// Words are the route as ip-route(8) takes it.
func (r Route) Words() string { return r.text(true) }

// String is the route as ip-route(8) writes it.
func (r Route) String() string { return r.text(false) }

func (r Route) text(given bool) string {
	if r.Valid() != nil {
		return ""
	}
	names := map[int]string{}
	for _, l := range r.Links {
		names[l.Index] = l.Name
	}
	return routeLine(r.Msg, names, given)
}

// Dst is where the route leads, with its type when that is another than unicast.
func (r Route) Dst() string {
	if r.Valid() != nil {
		return ""
	}
	l := line{}
	l.destination(r.Msg)
	return l.String()
}

// Same reports whether two routes of one namespace stand for one: in the same place, of one type and by one hand, and
// neither goes a way that the other does not.
func (r Route) Same(other Route) bool {
	return r.NS.Cookie == other.NS.Cookie && placeOf(r.Msg).known() == placeOf(other.Msg).known() &&
		(sameRouteAsAdded(r.Msg, other.Msg) || sameRouteAsAdded(other.Msg, r.Msg))
}

// locateRoute finds the namespace of a route. One over a link that is in another place now is ENODEV.
func (m *Machine) locateRoute(r Route) (*Namespace, error) {
	if err := r.Valid(); err != nil {
		return nil, err
	}
	n, err := m.Namespace(r.NS)
	if err != nil {
		return nil, err
	}
	for _, l := range r.Links {
		at, index, err := m.find(l)
		if err != nil {
			return n, err
		}
		if at != n || index != l.Index {
			return n, fmt.Errorf("link %s is in %s: %w", l.Name, at.Name(), unix.ENODEV)
		}
	}
	return n, nil
}

// How a route is added, among those that have its destination, table, type of service and metric.
const (
	AddRoute     = "add"     // as the only one
	AppendRoute  = "append"  // behind them
	ReplaceRoute = "replace" // instead of the first one
)

// routeVerbs are the flags of the requests that add a route.
var routeVerbs = map[string]int{
	AddRoute:     unix.NLM_F_CREATE | unix.NLM_F_EXCL,
	AppendRoute:  unix.NLM_F_CREATE | unix.NLM_F_APPEND,
	ReplaceRoute: unix.NLM_F_REPLACE,
}

// PutRoute adds a route in one of the ways that there are.
func (m *Machine) PutRoute(verb string, r Route) error {
	n, err := m.locateRoute(r)
	if err == nil {
		err = n.do(unix.RTM_NEWROUTE, routeVerbs[verb], routeAsItWas(r.Msg))
	}
	err = fail(err, verb+" route", r.Dst(), n)
	if hint := routeHints[rtnl.Explanation(err)]; hint != "" {
		return hinted(err, "%s", hint)
	}
	switch {
	case errors.Is(err, unix.EOPNOTSUPP) && r.Family() == "mpls":
		return hinted(err, "this kernel has no MPLS: modprobe mpls_router, a kernel with it (CONFIG_MPLS_ROUTING), or "+
			"--kernel debian")
	case errors.Is(err, unix.EEXIST):
		return routeTaken(err, n, r)
	case rtnl.Explanation(err) != "":
		return err // which says it better than the errno
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		return hinted(err, gatewayHint)
	case errors.Is(err, unix.ENETDOWN):
		return hinted(err, downHint)
	}
	return err
}

func routeTaken(err error, n *Namespace, r Route) error {
	return hinted(err, "%s has a route to %s with this metric already; give another metric=", n.Name(), r.Dst())
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
	"lwt encapsulation type not supported": "this kernel cannot put it around packets: modprobe mpls_iptunnel for " +
		"MPLS, or boot one that can, with --kernel debian",
	"IPv6 is disabled on nexthop device": "its sysctl net.ipv6.conf.LINK.disable_ipv6 is 1, or its mtu is below 1280",
}

// FindRoute is the route as the kernel has it, nil when it is not there.
func (m *Machine) FindRoute(r Route) (*Route, error) {
	n, err := m.locateRoute(r)
	if gone(err) {
		return nil, nil
	}
	if err == nil {
		var at [][]byte
		at, err = n.routesAt(r.Msg)
		if i := indexRoute(at, r.Msg); err == nil && i >= 0 {
			names, err := n.linkRefs()
			if err != nil {
				return nil, err
			}
			found := routeOf(r.NS, at[i], names)
			return &found, nil
		}
	}
	return nil, fail(err, "find route", r.Dst(), n)
}

// DelRoute deletes a route. One that is not there is ErrGone.
func (m *Machine) DelRoute(r Route) error {
	n, err := m.locateRoute(r)
	if gone(err) {
		err = ErrGone // with its namespace or its link
	}
	var at [][]byte
	if err == nil {
		at, err = n.routesAt(r.Msg)
	}
	i := indexRoute(at, r.Msg)
	if err == nil && i < 0 {
		err = ErrGone
	}
	if err != nil {
		return fail(err, "delete route", r.Dst(), n)
	}
	err = n.do(unix.RTM_DELROUTE, 0, rtnl.Raw(deletion(at[i], r.Msg)))
	return n.reallyGone(err, "delete route", r.Dst(), func() (bool, error) {
		at, err := n.routesAt(r.Msg)
		return indexRoute(at, r.Msg) >= 0, err
	})
}

// RouteLinks names the links that a route goes over: those it says, and those that its gateways are reached by.
func (m *Machine) RouteLinks(r Route) (over []LinkRef, err error) {
	n, err := m.locateRoute(r)
	if err != nil {
		return nil, fail(err, "look up route", r.Dst(), n)
	}
	for _, hop := range waysOf(r.Msg) {
		index := hop.link
		if index == 0 && hop.gateway != "" {
			dst := AppendAttr(nil, unix.RTA_DST, []byte(hop.gateway))
			head := &nl.RtMsg{RtMsg: unix.RtMsg{Family: r.Msg[0], Dst_len: uint8(8 * len(hop.gateway))}}
			raw, err := n.get(unix.RTM_GETROUTE, head, rtnl.Raw(dst))
			if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
				continue // so the kernel will not take the route
			} else if err != nil {
				return nil, fail(err, "look up route", r.Dst(), n)
			}
			index = rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF)
		}
		if index == 0 {
			continue
		}
		l, err := n.linkByIndex(index)
		if err != nil {
			return nil, fail(err, "read link", "with index "+strconv.Itoa(index), n)
		}
		over = appendLink(over, l.LinkRef)
	}
	return over, nil
}

// linkRefs are the links of a namespace by their indexes.
func (n *Namespace) linkRefs() (map[int]LinkRef, error) {
	links, err := n.Links()
	all := map[int]LinkRef{}
	for _, l := range links {
		all[l.Index] = l.LinkRef
	}
	return all, err
}

// routeOf is a message as a route.
func routeOf(ns NSRef, raw []byte, links map[int]LinkRef) Route {
	r := Route{NS: ns, Msg: raw}
	for _, index := range routeIndexes(raw) {
		l, ok := links[index]
		if !ok {
			l = LinkRef{NS: ns, Index: index, Name: "if" + strconv.Itoa(index)} // it has just gone
		}
		r.Links = append(r.Links, l)
	}
	return r
}

// Routes lists the namespace's routes but those that the kernel has for addresses of its own.
func (n *Namespace) Routes() (all []Route, err error) {
	links, err := n.linkRefs()
	if err != nil {
		return nil, err
	}
	raws, err := n.routesOf(unix.AF_UNSPEC)
	if err != nil {
		return nil, fail(err, "list routes", "", n)
	}
	for _, raw := range raws {
		if head := nl.DeserializeRtMsg(raw); head.Protocol != unix.RTPROT_KERNEL ||
			tableOf(raw) != unix.RT_TABLE_LOCAL && !ownType(head.Type) && head.Type != unix.RTN_MULTICAST {
			all = append(all, routeOf(n.ref, raw, links))
		}
	}
	return all, nil
}

// tableOf is the routing table of a route: its header has a byte for it, which is too small for most.
func tableOf(raw []byte) int {
	if table := rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_TABLE); table != 0 {
		return table
	}
	return int(nl.DeserializeRtMsg(raw).Table)
}

// routeIndexes are the indexes of the links that a route's message names, each once.
func routeIndexes(raw []byte) (all []int) {
	add := func(index int) {
		if index != 0 && !slices.Contains(all, index) {
			all = append(all, index)
		}
	}
	add(rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF))
	for hop := range hopsOf(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
		add(int(int32(binary.NativeEndian.Uint32(hop[4:]))))
	}
	return all
}
