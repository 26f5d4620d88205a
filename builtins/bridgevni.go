package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "bridge_vni", Command: "bridge vni", DelVerb: "delete", Args: &bridgeVNIArgs{},
	Doc: "Has a vxlan with vnifilter=True take a network identifier, or several: it drops what comes with another " +
		"one (bridge-vni(8)). A range of them is a list of values.",
	Value:    "A network identifier that a vxlan takes (bridge-vni(8)).",
	LinkList: "vnis", ListDoc: "network identifiers that it takes, as a vxlan with vnifilter=True; " +
		"more than 4096 in a row, which somebody else has given it, are one value",
	Needs: []string{"vxlan"}})

type bridgeVNIArgs struct {
	Link  linkArg           `arg:"link" dev:"0" doc:"the vxlan"`
	VNIs  rangeArg[width24] `arg:"vni" doc:"the identifier, 0 to 16777215, or \"FIRST-LAST\""`
	VNI   whole[width24]    `info:"vni" nla:"1/1" doc:"the identifier"`
	_     struct{}          `arg:"*"`
	Group *addrAttr         `arg:"group?" also:"remote" nla:"1/3|4" doc:"address of the other end, or a multicast group: where its frames go whose end is not known"`
}

func (a *bridgeVNIArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	l, err := tx.Machine().Read(a.Link.LinkRef)
	if err != nil {
		return nil, err
	}
	if on := linkKinds["vxlan"].word("vnifilter").read(l.Info); l.Kind != "vxlan" || on == nil ||
		on.value() != starlark.Value(starlark.True) {
		return nil, fmt.Errorf("bridge_vni: link %s is no vxlan with vnifilter=True", l.Name)
	}
	if n := a.VNIs.last - a.VNIs.first + 1; n > kernel.MostVNIs {
		return nil, &kernel.Error{Op: "add vnis", Object: a.VNIs.String(), NS: l.NS.String(),
			Err:  fmt.Errorf("%d of them, want %d at most", n, kernel.MostVNIs),
			Hint: "each is a change of its own; a vxlan with external=True and no vnifilter=True takes all there are"}
	}
	var all []starlark.Value
	for vni := a.VNIs.first; vni <= a.VNIs.last; vni++ {
		a.VNI = whole[width24](vni)
		val, err := addNew(tx, kernel.Entry{NS: l.NS, Link: &l.LinkRef}, a, func(msg []byte) []byte { return msg })
		if err != nil {
			return nil, err
		}
		all = append(all, val)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return starlark.NewList(all), nil
}
