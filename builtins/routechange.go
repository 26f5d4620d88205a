package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// Changes of a route that is there keep its place: destination, table, type of service and metric.

var routeReplaceDecl = runtime.Change("route.replace", "route",
	"Puts another route in the place of this one. Nothing is kept but its destination, table, type of service and "+
		"metric.",
	&routeReplaceArgs{routeWays: routeWays{Type: "unicast"}})

type routeReplaceArgs struct {
	Route *routeValue `arg:"route" doc:"the route"`
	_     struct{}    `arg:"*"`
	routeWays
	runtime.Irreversible
}

func (a *routeReplaceArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return a.Route.put(tx, kernel.ReplaceRoute, &a.routeWays)
}

var routeAppendDecl = runtime.Change("route.append", "route",
	"Adds another route behind this one, with its destination, table, type of service and metric. The kernel takes an "+
		"IPv4 one when the first is of no use; IPv6 ones that have gateways it makes several ways of one.",
	&routeAppendArgs{routeWays: routeWays{Type: "unicast"}})

type routeAppendArgs struct {
	Route *routeValue `arg:"route" doc:"the route"`
	_     struct{}    `arg:"*"`
	routeWays
	runtime.Irreversible
}

func (a *routeAppendArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return a.Route.put(tx, kernel.AppendRoute, &a.routeWays)
}

// put puts another route in the place of one, or behind it.
func (r *routeValue) put(tx *runtime.Tx, verb string, ways *routeWays) (starlark.Value, error) {
	found, err := r.found(tx.View)
	if err != nil {
		return nil, err
	}
	route, err := ways.route(tx.View, found.NS, found.Place())
	if err != nil {
		return nil, fmt.Errorf("route.%s: %w", verb, err)
	}
	return &routeValue{v: tx.View, route: route}, tx.Apply(&putRoute{routeChange{Route: route}, verb})
}

var routeChangeDecl = runtime.Change("route.change", "route",
	"Changes settings of the route, and keeps all else that it has.", &routeChangeArgs{})

type routeChangeArgs struct {
	Route *routeValue `arg:"route" doc:"the route"`
	_     struct{}    `arg:"*"`
	routeAttrs
	runtime.Irreversible
}

func (a *routeChangeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	found, err := a.Route.found(tx.View)
	if err != nil {
		return nil, err
	}
	ways := routeWays{routeAttrs: a.routeAttrs, Type: "unicast", NHID: new(nexthopObject)}
	if err := ways.fit(found.Place()); err != nil {
		return nil, fmt.Errorf("route.change: %w", err)
	}
	attrs, metrics := routeNested(&a.routeAttrs, 0), routeNested(&a.routeAttrs, 8)
	route := found.With(attrs, metrics)
	return &routeValue{v: tx.View, route: route}, tx.Apply(&putRoute{routeChange{Route: route}, kernel.ReplaceRoute})
}
