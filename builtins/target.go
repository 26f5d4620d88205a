package builtins

import (
	"net/netip"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// A target is what packets are sent to, and how it was chosen.
type target struct {
	op     string // for errors: what is done to it
	NS     senderArg
	Dst    endpointArg
	Source *endpointArg
	Family familyArg
	VRF    *devIndex
}

// ends chooses the address to reach and the one to send from, which the kernel chooses when it is not valid. Of an
// endpoint that cannot be reached it is the best address: the kernel says why.
func (a target) ends(v *runtime.View, n *kernel.Namespace) (dst, source netip.Addr, err error) {
	sender := &a.NS.endpointArg
	if a.Source != nil {
		sender = a.Source
	}
	if !a.Dst.several() && !ofFamily(a.Dst.ip, int(a.Family)) {
		return dst, source, a.Dst.without(a.op, n.Name(), int(a.Family))
	}
	if !a.Dst.several() && (sender.ip.IsValid() || sender.link == nil && a.Source == nil) {
		return a.Dst.ip, sender.ip, nil // there is nothing to choose
	}
	to, err := a.Dst.addrs(v, true)
	if err != nil {
		return dst, source, err
	}
	own, err := sender.addrs(v, true)
	if err != nil {
		return dst, source, err
	}
	bound := a.Source != nil || sender.link != nil
	var best *way
	for _, w := range ways(own, to, int(a.Family), sender.link != nil) {
		if !bound {
			w.from = netip.Addr{}
		} else if !w.from.IsValid() {
			continue // the sender has none of this family
		}
		if a.Dst.ip.Zone() != "" {
			w.to = a.Dst.ip
		}
		if !a.Dst.several() {
			return w.to, w.from, nil
		}
		oif := 0
		if a.VRF != nil {
			oif = a.VRF.Index
		}
		local, err := n.Lookup(w.to, w.from, oif)
		switch {
		case local && a.Dst.ns.Cookie != a.NS.ns.Cookie:
			continue // it is an address of the sender, too, who would reach himself
		case err == nil:
			return w.to, w.from, nil
		case best == nil:
			best = &w
		}
	}
	if best != nil {
		return best.to, best.from, nil
	}
	return dst, source, a.Dst.apart(a.op, int(a.Family), to, sender, own)
}

// senderArg is a namespace, or a link or an address in one.
type senderArg struct{ endpointArg }

func (senderArg) ArgType() string          { return "namespace or its name, link or address" }
func (a *senderArg) Located() kernel.NSRef { return *a.ns }

func (a *senderArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	switch val.(type) {
	case *linkValue, *addrValue:
		return a.endpointArg.UnpackIn(v, val)
	}
	var n nsArg
	err := n.UnpackIn(v, val)
	a.ns = &n.NSRef
	return err
}
