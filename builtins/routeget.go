package builtins

import (
	"fmt"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var routeGetDecl = runtime.Query("route_get", "route_get",
	"Asks the kernel which way a packet goes (ip-route(8), `ip route get`). It fails when there is no way. "+
		"With fibmatch=True it is the route of ns.routes by which the packet goes.", &routeGetArgs{})

type routeGetArgs struct {
	NS       nsArg             `arg:"ns" doc:"the namespace that sends or forwards the packet"`
	Dst      endpointArg       `arg:"dst" doc:"where it goes to: an address, or a link or a namespace that has one"`
	_        struct{}          `arg:"*"`
	Src      *endpointArg      `arg:"src?" doc:"its source address; with iif= that of another one"`
	OIF      *devIndex         `arg:"oif?" nla:"4" doc:"link that its socket is bound to"`
	IIF      *devIndex         `arg:"iif?" nla:"3" doc:"link that it came by, for one that is forwarded"`
	VRF      *devIndex         `arg:"vrf?" nla:"4" doc:"VRF that its socket is bound to"`
	Mark     *whole[width32]   `arg:"mark?" nla:"16" doc:"its mark"`
	TOS      *whole[width8]    `arg:"tos?" doc:"its type of service, 0 to 255"`
	Proto    *ipProtoArg       `arg:"proto?" nla:"27" doc:"its protocol, for rules that look at it: \"tcp\", \"udp\", \"icmp\" ... or a number"`
	SPort    *whole[widthPort] `arg:"sport?" nla:"28" doc:"its source port"`
	DPort    *whole[widthPort] `arg:"dport?" nla:"29" doc:"its destination port"`
	UID      *whole[width32]   `arg:"uid?" nla:"25" doc:"number of the user who sends it"`
	FIBMatch bool              `arg:"fibmatch?" doc:"the route itself, instead of what it means for this packet"`
}

func (a *routeGetArgs) Query(v *runtime.View) (starlark.Value, error) {
	if a.OIF != nil && a.VRF != nil {
		return nil, fmt.Errorf("route_get: oif= and vrf= are both what the socket is bound to: want one of them")
	}
	n, err := v.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	if err := v.Machine().SettleLinks(); err != nil {
		return nil, err
	}
	family := 0
	if a.Src != nil && !a.Src.several() {
		family = familyOf(a.Src.ip)
	}
	dst, err := a.Dst.own(v, family)
	if err != nil {
		return nil, err
	}
	q := kernel.RouteQuery{Dst: dst, FIBMatch: a.FIBMatch}
	if a.Src != nil {
		if q.Src, err = a.Src.own(v, familyOf(dst)); err != nil {
			return nil, err
		}
	}
	if a.TOS != nil {
		q.TOS = uint8(*a.TOS)
	}
	q.Attrs = givenAttrs(a)
	r, err := n.RouteGet(q)
	if err != nil {
		return nil, err
	}
	if a.FIBMatch {
		return &routeValue{v: v, route: r}, nil
	}
	return &routeGetValue{v, r}, nil
}

// routeGetValue is the kernel's answer to the question which way a packet goes. It was true when it was asked.
type routeGetValue struct {
	v     *runtime.View
	route kernel.Route
}

var _ starlark.HasAttrs = (*routeGetValue)(nil)

func (r *routeGetValue) Freeze()               {}
func (r *routeGetValue) Truth() starlark.Bool  { return true }
func (r *routeGetValue) Type() string          { return "route_get" }
func (r *routeGetValue) String() string        { return r.route.String() }
func (r *routeGetValue) Hash() (uint32, error) { return r.route.Hash(), nil }
func (r *routeGetValue) Attr(name string) (starlark.Value, error) {
	return r.v.Attr("route_get", r, name)
}
func (r *routeGetValue) AttrNames() []string { return r.v.AttrNames("route_get") }

var routeGetType = &runtime.Type{Name: "route_get",
	Doc: "The way that a packet goes, as the kernel said when it was asked. Attributes that it does not have are None.",
	Attrs: append(routeReads(func(_ *runtime.View, val starlark.Value) (kernel.Route, error) {
		return val.(*routeGetValue).route, nil
	}), runtime.Attr{Name: "redirect", Type: "bool", Doc: "whether a router has sent it another way (an ICMP redirect)",
		Get: func(_ *runtime.View, val starlark.Value) (starlark.Value, error) {
			h := val.(*routeGetValue).route.Head()
			return starlark.Bool(h.Flags&kernel.RouteRedirected != 0 || h.Protocol == unix.RTPROT_REDIRECT), nil
		}})}
