package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A RoutePlace is the routes of one destination, table, type of service and metric at one time, in their order.
type RoutePlace struct {
	Routes [][]byte `json:"routes,omitempty"`
	Saved  int64    `json:"saved,omitempty"` // when, by clock
}

// valid says what is wrong with the place of a route.
func (p RoutePlace) valid(r Route) error {
	for _, raw := range p.Routes {
		if err := rtnl.ValidMsg(raw, unix.SizeofRtMsg); err != nil {
			return fmt.Errorf("a wrong route: %w", err)
		}
		if placeOf(raw) != placeOf(r.Msg).known() {
			return errors.New("a route in another place")
		}
	}
	return nil
}

// ValidWith says what is wrong with a route or with those that were in its place.
func (r Route) ValidWith(p RoutePlace) error {
	if err := r.Valid(); err != nil {
		return err
	}
	return p.valid(r)
}

// Has reports whether a place had a route.
func (p RoutePlace) Has(r Route) bool { return indexRoute(p.Routes, r.Msg) >= 0 }

// At reports whether the routes of a place are in that of a route.
func (p RoutePlace) At(r Route) bool {
	where := placeOf(r.Msg).known()
	return slices.ContainsFunc(p.Routes, func(raw []byte) bool { return placeOf(raw) == where })
}

// Alone reports whether a place had one route and no others.
func (p RoutePlace) Alone(r Route) bool { return len(p.Routes) == 1 && p.Has(r) }

// RoutePlace saves the routes in the place of one.
func (m *Machine) RoutePlace(r Route) (p RoutePlace, err error) {
	n, err := m.locateRoute(r)
	if err == nil {
		p.Routes, err = n.routesAt(r.Msg)
	}
	if len(p.Routes) > 0 {
		p.Saved = clock()
	}
	return p, fail(err, "look up route", r.Dst(), n)
}

// Taken is EEXIST when the place of a route that is to be added is not empty.
func (p RoutePlace) Taken(m *Machine, r Route) error {
	if len(p.Routes) == 0 {
		return nil
	}
	n, err := m.Namespace(r.NS)
	if err != nil {
		return err
	}
	return routeTaken(fail(unix.EEXIST, "add route", r.Dst(), n), n, r)
}

// Whole is the Losses of those of a place's routes that could not be added again once they are deleted.
func (p RoutePlace) Whole(ns NSRef) error {
	var all []error
	for _, raw := range p.Routes {
		if loss := p.unrestorable(ns)(raw); loss != nil {
			all = append(all, loss)
		}
	}
	return errors.Join(all...)
}

func (p RoutePlace) unrestorable(ns NSRef) func([]byte) *Loss {
	return func(raw []byte) *Loss {
		if deadHops(raw) == 0 {
			return nil
		}
		return &Loss{What: "route " + routeText(raw) + " in " + ns.String(), Why: deadHop, Hint: deadHopHint}
	}
}

// PlaceLinks names the links that a place's routes go over.
func (m *Machine) PlaceLinks(r Route, p RoutePlace) (over []LinkRef, err error) {
	n, err := m.locateRoute(r)
	if err != nil {
		return nil, fail(err, "look up route", r.Dst(), n)
	}
	for _, raw := range p.Routes {
		for _, index := range routeIndexes(raw) {
			if l, err := n.linkByIndex(index); err == nil {
				over = appendLink(over, l.LinkRef)
			} else if !gone(err) {
				return nil, fail(err, "look up route", r.Dst(), n)
			}
		}
	}
	return over, nil
}

// RestoreRoutes makes the routes in the place of one what they were before that was added, or deleted. ErrDiverged:
// somebody else has put another one there, instead. That is not said of one which older changes of the run have found.
func (m *Machine) RestoreRoutes(r Route, was RoutePlace, under bool) error {
	if err := r.ValidWith(was); err != nil {
		return err
	}
	n, err := m.locateRoute(r)
	if errors.Is(err, ErrGone) || errors.Is(err, unix.ENODEV) {
		return nil // with its namespace or its link
	}
	if err == nil {
		err = n.restoreRoutesAt(r, was.aged(), under)
	}
	if errors.Is(err, unix.ENODEV) && n.lacksWay(was) {
		return nil // with a link
	}
	if errors.Is(err, ErrDiverged) {
		return &Error{Op: "restore route", Object: r.Dst(), NS: r.NS.String(), Err: ErrDiverged}
	}
	return fail(err, "restore route", r.Dst(), n)
}

// lacksWay reports whether a link is gone that one of a place's routes went over.
func (n *Namespace) lacksWay(was RoutePlace) bool {
	return slices.ContainsFunc(was.Routes, func(raw []byte) bool {
		return slices.ContainsFunc(routeIndexes(raw), func(index int) bool {
			_, err := n.linkByIndex(index)
			return gone(err)
		})
	})
}

// aged is the place as it would be by now.
func (p RoutePlace) aged() RoutePlace {
	var left [][]byte
	for _, raw := range p.Routes {
		if raw = agedRoute(raw, max(clock()-p.Saved, 0)); raw != nil {
			left = append(left, raw)
		}
	}
	p.Routes = left
	return p
}

func (n *Namespace) restoreRoutesAt(r Route, was RoutePlace, under bool) error {
	at, err := n.routesAt(r.Msg)
	if err != nil || slices.EqualFunc(at, was.Routes, sameRoute) {
		return err
	}
	in := func(all [][]byte, one []byte, same func(a, b []byte) bool) bool {
		return slices.ContainsFunc(all, func(raw []byte) bool { return same(one, raw) })
	}
	mine := indexRoute(at, r.Msg)
	if mine >= 0 && (in(was.Routes, at[mine], sameRoute) || was.Has(r) && in(was.Routes, at[mine], remains)) {
		mine = -1 // it was there
	}
	theirs := false
	for i, raw := range at {
		theirs = theirs || i != mine && !in(was.Routes, raw, sameRoute) && !in(was.Routes, raw, remains)
	}
	missing := slices.ContainsFunc(was.Routes, func(raw []byte) bool { return !in(at, raw, sameRoute) })
	switch {
	case mine < 0 && theirs && (missing || len(was.Routes) == 0):
		if under {
			return nil
		}
		return ErrDiverged
	case mine >= 0:
		msg := deletion(at[mine], r.Msg)
		err := n.do(unix.RTM_DELROUTE, 0, rtnl.Raw(msg))
		path := rtnl.Attr(at[mine], unix.SizeofRtMsg, unix.RTA_MULTIPATH)
		if path != nil && errors.Is(err, unix.ESRCH) {
			// Ways of an IPv6 route that came back together have all the protocol of the first one.
			msg = slices.Clone(msg)
			nl.DeserializeRtMsg(msg).Protocol = unix.RTPROT_UNSPEC
			err = n.do(unix.RTM_DELROUTE, 0, rtnl.Raw(msg))
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		if at, err = n.routesAt(r.Msg); err != nil {
			return err
		}
	}
	_, err = n.restorePlace(was.unrestorable(r.NS), false, at, was.Routes, false)
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		// There is no way to a gateway any more, as there was when the route was added.
		if at, err = n.routesAt(r.Msg); err == nil {
			_, err = n.restorePlace(was.unrestorable(r.NS), false, at, was.Routes, true)
		}
	}
	return err
}

// deletion is the message that deletes a route as the kernel has it, or those ways of it that one was added with.
func deletion(have, added []byte) []byte {
	if have[0] != unix.AF_INET6 || sameRouteAsAdded(have, added) {
		return plainRoute(have)
	}
	if placeOf(added).metric == 0 {
		// The kernel takes one of any metric for an IPv6 route without a metric.
		metric := binary.NativeEndian.AppendUint32(nil, defaultMetric6)
		added = AppendAttr(slices.Clone(added), unix.RTA_PRIORITY, metric)
	}
	return added
}

// among reports whether an IPv6 route has all the ways of another one: the kernel makes one of those that are added
// behind each other.
func among(have, want []byte) bool {
	h, w := nl.DeserializeRtMsg(have), nl.DeserializeRtMsg(want)
	ways := waysOf(plainRoute(have))
	// Of several ways the kernel says only by whom the first one is.
	if h.Family != unix.AF_INET6 || h.Type != w.Type || h.Protocol != w.Protocol && len(ways) == 1 {
		return false
	}
	return !slices.ContainsFunc(waysOf(plainRoute(want)), func(w way) bool {
		return !slices.ContainsFunc(ways, func(h way) bool {
			return (w.link == 0 || h.link == w.link) && h.gateway == w.gateway && h.via == w.via
		})
	})
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
