package builtins

import (
	"cmp"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "macvtap", Args: &macvtapArgs{},
	Doc: "Makes a macvtap link: a macvlan link whose packets a program reads and writes, at /dev/tapINDEX."})

type macvtapArgs struct{ macvlanArgs }

func (a *macvtapArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, cmp.Or(a.NS, &nsArg{a.Link.NS}).NSRef, a, &a.newLinkArgs)
}
