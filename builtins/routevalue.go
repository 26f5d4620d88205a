package builtins

import (
	"net/netip"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// routeValue is a route in a script.
type routeValue struct {
	v      *runtime.View
	route  kernel.Route
	listed bool // the kernel has said it so, in a list
}

var (
	_ starlark.HasAttrs   = (*routeValue)(nil)
	_ starlark.Comparable = (*routeValue)(nil)
)

func (r *routeValue) Freeze()                                  {}
func (r *routeValue) Truth() starlark.Bool                     { return true }
func (r *routeValue) Type() string                             { return "route" }
func (r *routeValue) Hash() (uint32, error)                    { return r.route.Hash(), nil }
func (r *routeValue) Attr(name string) (starlark.Value, error) { return r.v.Attr("route", r, name) }
func (r *routeValue) AttrNames() []string                      { return r.v.AttrNames("route") }

// String is the route as the kernel has it, and as it was when it has gone. One of a list is as it was listed: to ask
// again for each would take a list for each.
func (r *routeValue) String() string {
	if r.listed {
		return r.route.String()
	}
	if found, err := r.v.Machine().FindRoute(r.route); err == nil && found != nil {
		return found.String()
	}
	return r.route.String()
}

// CompareSameType makes two values of one route equal.
func (r *routeValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "route", r.route.Same(other.(*routeValue).route))
}

// found is the route as the kernel has it.
func (r *routeValue) found(v *runtime.View) (kernel.Route, error) {
	found, err := v.Machine().FindRoute(r.route)
	if err == nil && found == nil {
		err = &kernel.Error{Op: "read route", Object: r.route.String(), NS: r.route.NS.String(), Err: kernel.ErrGone}
	}
	if err != nil {
		return kernel.Route{}, err
	}
	return *found, nil
}

var routeType = &runtime.Type{Name: "route",
	Doc: "A route of a namespace (ip-route(8)). Attributes that it does not have are None. All values of one route " +
		"are equal.",
	Attrs: routeReads(func(v *runtime.View, val starlark.Value) (kernel.Route, error) {
		return val.(*routeValue).found(v)
	})}

// routeReads are the attributes of a route, wherever that is found.
func routeReads(find func(*runtime.View, starlark.Value) (kernel.Route, error)) (all []runtime.Attr) {
	place := []string{"dst", "ns", "family", "table", "tos", "metric"} // which a route keeps
	add := func(name, typ, doc string, get func(*runtime.View, kernel.Route) starlark.Value) {
		all = append(all, runtime.Attr{Name: name, Type: typ, Doc: doc, Aside: true,
			Get: func(v *runtime.View, val starlark.Value) (starlark.Value, error) {
				if r, ok := val.(*routeValue); ok && slices.Contains(place, name) {
					return get(v, r.route), nil
				}
				r, err := find(v, val)
				if err != nil {
					return nil, err
				}
				return get(v, r), nil
			}})
	}
	word := func(words map[string]byte, n func(kernel.Route) byte) func(*runtime.View, kernel.Route) starlark.Value {
		return func(_ *runtime.View, r kernel.Route) starlark.Value {
			return starlark.String(kernel.WordOf(words, n(r)))
		}
	}
	add("dst", "string", "its destination: a prefix, an address, \"default\", or an MPLS label",
		func(_ *runtime.View, r kernel.Route) starlark.Value { return starlark.String(r.Prefix()) })
	add("ns", "namespace", "the namespace that it is in",
		func(v *runtime.View, r kernel.Route) starlark.Value { return &nsValue{v, r.NS} })
	add("family", "string", "\"4\", \"6\" or \"mpls\"",
		func(_ *runtime.View, r kernel.Route) starlark.Value { return starlark.String(r.Family()) })
	add("via", "string or None", "its gateway, when it goes one way",
		func(_ *runtime.View, r kernel.Route) starlark.Value { return orNone(addrText(r.Hops()[0].Via)) })
	add("dev", "link or None", "the link that it goes over, when that is one",
		func(v *runtime.View, r kernel.Route) starlark.Value { return orNoLink(v, r.Hops()[0].Dev) })
	add("nexthops", "list of struct", "the ways that it goes, each with via, dev, weight, onlink, encap and flags "+
		"(dead, linkdown ...); none for types that go nowhere", routeHops)
	add("encap", "encapsulation or None", "what it puts around packets, when it goes one way",
		func(_ *runtime.View, r kernel.Route) starlark.Value { return encapOfHop(r.Hops()[0]) })
	add("onlink", "bool", "whether its gateway is on the link whatever the link's addresses are",
		func(_ *runtime.View, r kernel.Route) starlark.Value { return starlark.Bool(r.Hops()[0].Onlink) })
	add("flags", "list of string", "what the kernel says of it: dead, linkdown, onlink, offload ...",
		func(_ *runtime.View, r kernel.Route) starlark.Value { return stringList(r.Flags()) })
	add("table", "int", "number of its routing table; main is 254, local 255",
		func(_ *runtime.View, r kernel.Route) starlark.Value { return starlark.MakeInt(r.Table()) })
	add("type", "string", "what it does with packets: unicast, blackhole, unreachable, prohibit, throw, local ...",
		word(kernel.RouteTypes(), func(r kernel.Route) byte { return r.Head().Type }))
	add("proto", "string", "who added it: static, kernel, boot, ra, dhcp ...; a number without a word as text",
		word(kernel.RouteProtocols(), func(r kernel.Route) byte { return r.Head().Protocol }))
	add("scope", "string", "how far its destination is: global, link, host ...",
		word(kernel.RouteScopes(), func(r kernel.Route) byte { return r.Head().Scope }))
	add("tos", "int", "the type of service that it is for, 0 for any",
		func(_ *runtime.View, r kernel.Route) starlark.Value { return starlark.MakeInt(int(r.Head().Tos)) })
	add("metric", "int", "its preference, lower first", func(_ *runtime.View, r kernel.Route) starlark.Value {
		return starlark.MakeInt(r.Metric())
	})
	add("src", "string or None", "source address that packets get which have none",
		func(_ *runtime.View, r kernel.Route) starlark.Value {
			ip, _ := netip.AddrFromSlice(r.Attr(unix.RTA_PREFSRC))
			return orNone(addrText(ip))
		})
	add("nhid", "int or None", "number of the nexthop object that it goes by",
		func(_ *runtime.View, r kernel.Route) starlark.Value {
			if data := r.Attr(30); data != nil {
				return starlark.MakeInt(decodeNumber[width32](data))
			}
			return starlark.None
		})
	for _, w := range routeWords {
		add(w.name, w.typ+" or None", w.doc, func(_ *runtime.View, r kernel.Route) starlark.Value { return w.read(r) })
	}
	return all
}

// addrText is an address, "" for none.
func addrText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// orNone is a text, None when it is empty.
func orNone(s string) starlark.Value {
	if s == "" {
		return starlark.None
	}
	return starlark.String(s)
}

func orNoLink(v *runtime.View, l *kernel.LinkRef) starlark.Value {
	if l == nil {
		return starlark.None
	}
	return &linkValue{v, *l}
}

func encapOfHop(h kernel.Nexthop) starlark.Value {
	return encapIn(kernel.InfoAttr(h.Attrs, unix.RTA_ENCAP_TYPE), kernel.InfoAttr(h.Attrs, unix.RTA_ENCAP))
}

// routeHops are the ways of a route as values.
func routeHops(v *runtime.View, r kernel.Route) starlark.Value {
	var all []starlark.Value
	for _, h := range r.Hops() {
		if !h.Via.IsValid() && h.Dev == nil {
			continue
		}
		all = append(all, newStruct("nexthop", starlark.StringDict{"via": orNone(addrText(h.Via)),
			"dev": orNoLink(v, h.Dev), "weight": starlark.MakeInt(max(h.Weight, 1)), "onlink": starlark.Bool(h.Onlink),
			"encap": encapOfHop(h), "flags": stringList(h.Flags)}))
	}
	return starlark.NewList(all)
}

var routeDeleteDecl = runtime.Change("route.delete", "None", "Deletes the route.", &routeDeleteArgs{})

type routeDeleteArgs struct {
	Route *routeValue `arg:"route" doc:"the route"`
	_     struct{}    `arg:"*"`
	runtime.Irreversible
}

func (a *routeDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return nil, tx.Apply(&delRoute{routeChange{Route: a.Route.route}})
}

// routes lists the routes of a namespace.
func routes(v *runtime.View, n *kernel.Namespace) (starlark.Value, error) {
	if err := v.Machine().SettleLinks(); err != nil {
		return nil, err
	}
	all, err := n.Routes()
	var values []starlark.Value
	for _, r := range all {
		values = append(values, &routeValue{v, r, true})
	}
	return starlark.NewList(values), err
}
