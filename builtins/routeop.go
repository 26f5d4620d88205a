package builtins

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// routeOps are the ops of routes, a prototype for each word.
func routeOps() []change.Op {
	return []change.Op{&putRoute{Verb: kernel.AddRoute}, &putRoute{Verb: kernel.AppendRoute},
		&putRoute{Verb: kernel.ReplaceRoute}, &delRoute{}}
}

// routeDecls are the builtins of routes; routeTypes are the types of their values.
func routeDecls() []*runtime.Decl {
	return append([]*runtime.Decl{routeDecl, routeReplaceDecl, routeAppendDecl, routeChangeDecl, routeDeleteDecl,
		routeGetDecl}, encapDecls...)
}

func routeTypes() []*runtime.Type { return []*runtime.Type{routeType, routeGetType, encapType} }

// routeCommand is the command that changes a route.
func routeCommand(verb string, r kernel.Route) string {
	return in(r.NS) + map[string]string{"6": "-6 ", "mpls": "-f mpls "}[r.Family()] + "route " + verb + " " + r.Words()
}

// routeClaims are a route and the links that it goes over: with one of those the kernel may drop it.
func routeClaims(r kernel.Route, over []kernel.LinkRef) []change.Claim {
	all := []change.Claim{change.ClaimKey(r.NS,
		fmt.Sprintf("route %s of family %s in table %d", r.Prefix(), r.Family(), r.Table()))}
	for _, l := range over {
		c := change.ClaimLink(l)
		c.Kept = true
		all = append(all, c)
	}
	return all
}

// foundRoute reports whether an op found a route in the place of another one, in whose stead it put one or over a link
// that it changed.
func foundRoute(op change.Op, r kernel.Route) bool {
	if o, ok := op.(interface{ found(kernel.Route) bool }); ok {
		return o.found(r)
	}
	return slices.ContainsFunc(saved(op), func(img *kernel.Image) bool {
		return img.Link.NS.Cookie == r.NS.Cookie && img.HasPlace(r)
	})
}

// A routeChange is what the ops of routes have in common.
type routeChange struct {
	kernel.Route
	Was  kernel.RoutePlace `json:"was,omitzero"`   // what was in its place
	Ways []kernel.LinkRef  `json:"ways,omitempty"` // the links that it and those go over

	under bool // older changes of the run found a route in its place
}

func (o *routeChange) Touches() []kernel.Object { return []kernel.Object{o.NS.Object()} }
func (o *routeChange) Claims() []change.Claim   { return routeClaims(o.Route, o.Ways) }
func (o *routeChange) Over(older change.Op)     { o.under = o.under || foundRoute(older, o.Route) }

func (o *routeChange) found(r kernel.Route) bool {
	return o.NS.Cookie == r.NS.Cookie && o.Was.At(r)
}

func (o *routeChange) Undo(m *kernel.Machine) error { return m.RestoreRoutes(o.Route, o.Was, o.under) }

func (o *routeChange) Valid() error {
	errs := []error{o.ValidWith(o.Was)}
	for _, l := range o.Links {
		errs = append(errs, l.Valid())
	}
	return errors.Join(errs...)
}

// save saves what is in the route's place.
func (o *routeChange) save(m *kernel.Machine) (err error) {
	if o.Was, err = m.RoutePlace(o.Route); err != nil {
		return err
	}
	if o.Ways, err = m.RouteLinks(o.Route); err != nil {
		return err
	}
	more, err := m.PlaceLinks(o.Route, o.Was)
	for _, l := range more {
		if !slices.ContainsFunc(o.Ways, func(have kernel.LinkRef) bool { return have.Object() == l.Object() }) {
			o.Ways = append(o.Ways, l)
		}
	}
	return err
}

// putRoute adds a route: as the only one of its place, behind the others, or instead of the first of them.
type putRoute struct {
	routeChange
	Verb string `json:"verb"`
}

var (
	_ change.Checkable  = (*putRoute)(nil)
	_ change.Supersedes = (*putRoute)(nil)
)

func (o *putRoute) Kind() string               { return "route " + o.Verb }
func (o *putRoute) Command() string            { return routeCommand(o.Verb, o.Route) }
func (o *putRoute) Do(m *kernel.Machine) error { return m.PutRoute(o.Verb, o.Route) }

func (o *putRoute) Valid() error {
	if !slices.Contains([]string{kernel.AddRoute, kernel.AppendRoute, kernel.ReplaceRoute}, o.Verb) {
		return fmt.Errorf("a route has the verb %q", o.Verb)
	}
	return o.routeChange.Valid()
}

func (o *putRoute) Check(m *kernel.Machine, fresh bool) error {
	if fresh {
		return nil
	}
	if err := o.save(m); err != nil {
		return err
	}
	if o.Verb == kernel.AddRoute {
		return o.Was.Taken(m, o.Route)
	}
	return o.Was.Whole(o.NS)
}

// delRoute deletes a route, whoever added it.
type delRoute struct{ routeChange }

var (
	_ change.Checkable  = (*delRoute)(nil)
	_ change.Supersedes = (*delRoute)(nil)
	_ change.Unmaker    = (*delRoute)(nil)
)

func (o *delRoute) Kind() string               { return "route del" }
func (o *delRoute) Command() string            { return routeCommand("del", o.Route) }
func (o *delRoute) Do(m *kernel.Machine) error { return m.DelRoute(o.Route) }

func (o *delRoute) Unmakes(older change.Op) bool {
	put, ok := older.(*putRoute)
	return ok && put.Same(o.Route) && o.Was.Alone(o.Route)
}

func (o *delRoute) Check(m *kernel.Machine, fresh bool) error {
	if fresh {
		return nil
	}
	found, err := m.FindRoute(o.Route)
	if err == nil && found == nil {
		err = &kernel.Error{Op: "delete route", Object: o.Dst(), NS: o.NS.String(), Err: kernel.ErrGone}
	}
	return errors.Join(err, o.save(m), o.Was.Whole(o.NS))
}
