package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var vethKind = declareKind(linkKind{Name: "veth", Prefix: "eth", Result: "(link, link)",
	Doc: "Makes a veth(4) pair, each end in place in its namespace: a cable between two of them. " +
		"Each end has one queue; those of ip-link(8) have one for each processor, of which one is used.",
	Args: &vethArgs{}})

type vethArgs struct{ pairArgs }

func (a *vethArgs) Change(tx *runtime.Tx) (starlark.Value, error) { return a.make(tx, a) }
