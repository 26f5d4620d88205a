package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var routeDecl = runtime.Change("route", "route",
	"Adds a route to a namespace, IPv4 or IPv6 by its destination (ip-route(8)).",
	&routeArgs{Type: "unicast"}).Needing("routing-tables")

type routeArgs struct {
	NS       nsArg            `arg:"ns" doc:"the namespace"`
	Dst      dstArg           `arg:"dst" doc:"destination: a prefix, an address, or \"default\" (of the family of via= or src=, else IPv4)"`
	_        struct{}         `arg:"*"`
	Via      *endpointArg     `arg:"via?" doc:"gateway: an address, or a link or a namespace, of which it is the address in a subnet that ns is in"`
	Dev      *linkArg         `arg:"dev?" doc:"link to send over; found from via= when left out"`
	Src      *endpointArg     `arg:"src?" doc:"source address that packets get which have none, or a link or namespace that has one"`
	Metric   int              `arg:"metric?" doc:"preference, lower first; the kernel's default when left out (IPv4 0, IPv6 1024)"`
	Table    int              `arg:"table?" doc:"number of the routing table; main (254) when left out"`
	Type     routeTypeArg     `arg:"type?" doc:"unicast, blackhole, unreachable, prohibit or throw"`
	Nexthops []starlark.Value `arg:"nexthops?" doc:"several ways at once: a list of gateways as for via=, or of dicts with via, dev and weight"`
}

// routeTypeArg is what a route does with packets.
type routeTypeArg string

func (routeTypeArg) ArgType() string  { return "string" }
func (a routeTypeArg) String() string { return string(a) }

func (routeTypeArg) Choices(*runtime.Vocabulary) []string { return kernel.RouteTypes() }

func (a *routeTypeArg) Unpack(val starlark.Value) error {
	s, err := choice(val, kernel.RouteTypes())
	*a = routeTypeArg(s)
	return err
}

func (a *routeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	r := kernel.Route{NS: a.NS.NSRef, Dst: a.Dst.Prefix, Metric: a.Metric, Table: a.Table}
	if a.Type != "unicast" {
		r.Type = string(a.Type)
	}
	family := 0
	switch {
	case r.Dst.IsValid():
		family = familyOf(r.Dst.Addr())
	case a.Src != nil && !a.Src.several():
		family = familyOf(a.Src.ip)
	}
	if a.Via != nil || a.Dev != nil {
		hop, err := newHop(tx.View, r.NS, a.Via, a.Dev, family)
		if err != nil {
			return nil, err
		}
		r.Nexthops = append(r.Nexthops, hop)
	}
	for _, h := range a.Nexthops {
		hop, err := nexthop(tx.View, r.NS, h, family)
		if err != nil {
			return nil, fmt.Errorf("route: parameter \"nexthops\": %w", err)
		}
		if r.Nexthops = append(r.Nexthops, hop); family == 0 && hop.Via.IsValid() {
			family = familyOf(hop.Via)
		}
	}
	switch {
	case r.Type == "" && len(r.Nexthops) == 0:
		return nil, errors.New("route: want via=, dev= or nexthops= to say where it goes")
	case r.Type != "" && len(r.Nexthops) > 0:
		return nil, fmt.Errorf("route: a route of type %s goes nowhere: leave out via=, dev= and nexthops=", r.Type)
	}
	if !r.Dst.IsValid() {
		r.Dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if family == 6 || len(r.Nexthops) > 0 && r.Nexthops[0].Via.Is6() {
			r.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	if a.Src != nil {
		var err error
		if r.Src, err = a.Src.own(tx.View, familyOf(r.Dst.Addr())); err != nil {
			return nil, err
		}
	}
	return &routeValue{tx.View, r}, tx.Apply(&addRoute{Route: r})
}

// addRoute adds a route.
type addRoute struct {
	kernel.Route
	Links []kernel.LinkRef `json:"over,omitempty"` // that it goes over

	under bool // older changes of the run found a route in its place
}

var (
	_ change.Checkable  = (*addRoute)(nil)
	_ change.Supersedes = (*addRoute)(nil)
)

func (o *addRoute) Kind() string             { return "route add" }
func (o *addRoute) Command() string          { return routeCommand("add", o.Route) }
func (o *addRoute) Touches() []kernel.Object { return []kernel.Object{o.NS.Object()} }
func (o *addRoute) Claims() []change.Claim   { return routeClaims(o.Route, o.Links) }

// routeClaims are a route and the links that it goes over: with one of those the kernel may drop it.
func routeClaims(r kernel.Route, over []kernel.LinkRef) []change.Claim {
	all := []change.Claim{change.ClaimKey(r.NS,
		fmt.Sprintf("route %s table %d", r.Dst, cmp.Or(r.Table, unix.RT_TABLE_MAIN)))}
	for _, l := range over {
		c := change.ClaimLink(l)
		c.Kept = true
		all = append(all, c)
	}
	return all
}

func (o *addRoute) Check(m *kernel.Machine, fresh bool) (err error) {
	if fresh {
		return nil
	}
	if err := m.CheckRoute(o.Route); err != nil {
		return err
	}
	o.Links, err = m.RouteLinks(o.Route)
	return err
}

func (o *addRoute) Do(m *kernel.Machine) error { return m.AddRoute(o.Route) }

func (o *addRoute) Undo(m *kernel.Machine) error {
	err := m.DelRoute(o.Route)
	if errors.Is(err, kernel.ErrGone) {
		_, foreign, err := m.RouteThere(o.Route)
		return divergedRoute(o.Route, foreign && !o.under, err)
	}
	return err
}

func (o *addRoute) Over(older change.Op) { o.under = o.under || foundRoute(older, o.Route) }

// foundRoute reports whether an op found a route in the place of another one, over a link that it changed.
func foundRoute(op change.Op, r kernel.Route) bool {
	return slices.ContainsFunc(saved(op), func(img *kernel.Image) bool {
		return img.Link.NS.Cookie == r.NS.Cookie && img.HasPlace(r)
	})
}

// divergedRoute is the error of an undoing that found a route of somebody else's in the place of one that it is about.
// One whose namespace or link has gone is in no place.
func divergedRoute(r kernel.Route, foreign bool, err error) error {
	if foreign {
		err = &kernel.Error{Op: "restore route", Object: r.String(), NS: r.NS.String(), Err: kernel.ErrDiverged}
	}
	if errors.Is(err, kernel.ErrGone) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func routeCommand(verb string, r kernel.Route) string {
	cmd, hops, rest := in(r.NS), "", ""
	if r.Dst.Addr().Is6() {
		cmd += "-6 "
	}
	cmd += "route " + verb + " " + r.String()
	for _, h := range r.Nexthops {
		if len(r.Nexthops) > 1 {
			hops += " nexthop"
		}
		switch {
		case h.Via.Is6() && r.Dst.Addr().Is4():
			hops += " via inet6 " + h.Via.String()
		case h.Via.IsValid():
			hops += " via " + h.Via.String()
		}
		if h.Dev != nil {
			hops += " dev " + h.Dev.Name
		}
		if h.Weight > 0 {
			hops += " weight " + itoa(h.Weight)
		}
	}
	if verb == "add" {
		rest = " proto static"
	}
	if r.Src.IsValid() {
		rest += " src " + r.Src.String()
	}
	if r.Metric > 0 {
		rest += " metric " + itoa(r.Metric)
	}
	if r.Table > 0 {
		rest += " table " + itoa(r.Table)
	}
	if len(r.Nexthops) > 1 {
		return cmd + rest + hops // ip takes all that follows for nexthops
	}
	return cmd + hops + rest
}

// routeValue is a route in a script.
type routeValue struct {
	v     *runtime.View
	route kernel.Route
}

var (
	_ starlark.HasAttrs   = (*routeValue)(nil)
	_ starlark.Comparable = (*routeValue)(nil)
)

func (r *routeValue) Freeze()                                  {}
func (r *routeValue) Truth() starlark.Bool                     { return true }
func (r *routeValue) String() string                           { return r.route.String() }
func (r *routeValue) Type() string                             { return "route" }
func (r *routeValue) Hash() (uint32, error)                    { return starlark.String(r.String()).Hash() }
func (r *routeValue) Attr(name string) (starlark.Value, error) { return r.v.Attr("route", r, name) }
func (r *routeValue) AttrNames() []string                      { return r.v.AttrNames("route") }

// CompareSameType makes two values of one route equal: a table has one of a type to a destination with a metric.
func (r *routeValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	key := func(r kernel.Route) kernel.Route {
		return kernel.Route{NS: kernel.NSRef{Cookie: r.NS.Cookie}, Dst: r.Dst, Metric: r.Metric, Type: r.Type,
			Table: cmp.Or(r.Table, unix.RT_TABLE_MAIN)}
	}
	return equal(op, "route", reflect.DeepEqual(key(r.route), key(other.(*routeValue).route)))
}

var routeType = &runtime.Type{Name: "route", Doc: "A route of a namespace. All values of one route are equal.",
	Attrs: []runtime.Attr{
		{Name: "dst", Type: "string", Doc: "its destination",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.String(r.(*routeValue).route.Dst.String()), nil
			}},
		{Name: "ns", Type: "namespace", Doc: "the namespace that it is in",
			Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
				return &nsValue{v, r.(*routeValue).route.NS}, nil
			}},
	}}

var routeDeleteDecl = runtime.Change("route.delete", "None", "Deletes the route.", &routeDeleteArgs{})

type routeDeleteArgs struct {
	Route *routeValue `arg:"route" doc:"the route"`
	_     struct{}    `arg:"*"`
	runtime.Irreversible
}

func (a *routeDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return nil, tx.Apply(&delRoute{Route: a.Route.route})
}

// delRoute deletes a route that this lab added, and that undoing the lab deletes.
type delRoute struct {
	kernel.Route
	Links []kernel.LinkRef `json:"over,omitempty"` // that it goes over
	Loss  *kernel.Loss     `json:"loss,omitempty"` // the route, when it could not be added again

	under bool // older changes of the run found another route in its place
}

var (
	_ change.Checkable  = (*delRoute)(nil)
	_ change.Supersedes = (*delRoute)(nil)
	_ change.Unmaker    = (*delRoute)(nil)
)

func (o *delRoute) Kind() string               { return "route del" }
func (o *delRoute) Command() string            { return routeCommand("del", o.Route) }
func (o *delRoute) Touches() []kernel.Object   { return []kernel.Object{o.NS.Object()} }
func (o *delRoute) Claims() []change.Claim     { return routeClaims(o.Route, o.Links) }
func (o *delRoute) Do(m *kernel.Machine) error { return m.DelRoute(o.Route) }

func (o *delRoute) Unmakes(older change.Op) bool {
	add, ok := older.(*addRoute)
	return ok && reflect.DeepEqual(add.Route, o.Route)
}

func (o *delRoute) Check(m *kernel.Machine, fresh bool) (err error) {
	if fresh {
		return nil
	}
	if o.Links, err = m.RouteLinks(o.Route); err != nil {
		return err
	}
	if o.Loss, err = m.UnrestorableRoute(o.Route); o.Loss != nil {
		return o.Loss
	}
	return err
}

func (o *delRoute) Undo(m *kernel.Machine) error {
	there, foreign, err := m.RouteThere(o.Route)
	if there || foreign || err != nil { // there: the deletion did not happen
		return divergedRoute(o.Route, foreign && !there && !o.under, err)
	}
	if err = m.AddRoute(o.Route); o.Loss != nil && kernel.Refused(err) {
		return o.Loss
	}
	return err
}

func (o *delRoute) Over(older change.Op) { o.under = o.under || foundRoute(older, o.Route) }
