package builtins

import (
	"fmt"
	"math"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// nexthopArg is one way that a route goes: a gateway, or a dict that says more.
type nexthopArg struct {
	via    *endpointArg
	dev    *linkArg
	weight int
	onlink bool
	encap  *encapArg
}

func (nexthopArg) ArgType() string { return "address, link, namespace or dict" }

func (a *nexthopArg) UnpackIn(v *runtime.View, val starlark.Value) (err error) {
	d, ok := val.(*starlark.Dict)
	if !ok {
		a.via = &endpointArg{}
		return a.via.UnpackIn(v, val)
	}
	for _, item := range d.Items() {
		switch key, _ := starlark.AsString(item[0]); key {
		case "via":
			a.via = &endpointArg{}
			err = a.via.UnpackIn(v, item[1])
		case "dev":
			a.dev = &linkArg{}
			err = a.dev.UnpackIn(v, item[1])
		case "weight":
			if a.weight, err = starlark.AsInt32(item[1]); err == nil && (a.weight < 1 || a.weight > 256) {
				err = fmt.Errorf("weight %d is not from 1 to 256", a.weight)
			}
		case "onlink":
			is, ok := item[1].(starlark.Bool)
			if a.onlink = bool(is); !ok {
				err = want("bool", item[1])
			}
		case "encap":
			a.encap = &encapArg{}
			err = a.encap.Unpack(item[1])
		default:
			err = fmt.Errorf("unknown key %s, want via, dev, weight, onlink and encap", script.Show(item[0]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hop is the way as a namespace goes it.
func (a *nexthopArg) hop(v *runtime.View, ns kernel.NSRef, family int) (hop kernel.Nexthop, err error) {
	hop.Weight, hop.Onlink = a.weight, a.onlink
	if a.dev != nil {
		hop.Dev = &a.dev.LinkRef
	}
	if a.encap != nil {
		hop.Attrs = kernel.EncapAttrs(a.encap.of, a.encap.nest)
	}
	if a.via != nil {
		hop.Via, err = a.via.gateway(v, ns, hop.Dev, family)
	}
	return hop, err
}

// nexthopObject is a nexthop object, by its number or as a value.
type nexthopObject uint32

func (nexthopObject) ArgType() string { return "int or nexthop" }

func (a *nexthopObject) Unpack(val starlark.Value) error {
	if e, ok := val.(*entryValue); ok && e.entry.Table == "nexthop" {
		*a = nexthopObject(e.entry.Number(unix.NHA_ID))
		return nil
	}
	n, err := number[int](val, 1, math.MaxUint32)
	*a = nexthopObject(n)
	return err
}
