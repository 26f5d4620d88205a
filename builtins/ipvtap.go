package builtins

import (
	"cmp"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "ipvtap", Args: &ipvtapArgs{},
	Doc: "Makes an ipvtap link: an ipvlan link whose packets a program reads and writes, at /dev/tapINDEX."})

type ipvtapArgs struct{ ipvlanArgs }

func (a *ipvtapArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, cmp.Or(a.NS, &nsArg{a.Link.NS}).NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}
