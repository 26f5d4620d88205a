package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// newHop is a way that a route of a namespace goes.
func newHop(v *runtime.View, ns kernel.NSRef, via *endpointArg, dev *linkArg,
	family int) (hop kernel.Nexthop, err error) {
	if dev != nil {
		hop.Dev = &dev.LinkRef
	}
	if via != nil {
		hop.Via, err = via.gateway(v, ns, hop.Dev, family)
	}
	return hop, err
}

// nexthop is an element of nexthops=: a gateway, or a dict that says more.
func nexthop(v *runtime.View, ns kernel.NSRef, val starlark.Value, family int) (hop kernel.Nexthop, err error) {
	d, ok := val.(*starlark.Dict)
	if !ok {
		d = starlark.NewDict(1)
		if err := d.SetKey(starlark.String("via"), val); err != nil {
			return hop, err
		}
	}
	var via *endpointArg
	var dev *linkArg
	weight := 0
	for _, item := range d.Items() {
		switch key, _ := starlark.AsString(item[0]); key {
		case "via":
			via = &endpointArg{}
			err = via.UnpackIn(v, item[1])
		case "dev":
			dev = &linkArg{}
			err = dev.UnpackIn(v, item[1])
		case "weight":
			if weight, err = starlark.AsInt32(item[1]); err == nil && (weight < 1 || weight > 256) {
				err = fmt.Errorf("weight %d is not from 1 to 256", weight)
			}
		default:
			err = fmt.Errorf("unknown key %s, want via, dev and weight", script.Show(item[0]))
		}
		if err != nil {
			return hop, err
		}
	}
	hop, err = newHop(v, ns, via, dev, family)
	hop.Weight = weight
	return hop, err
}
