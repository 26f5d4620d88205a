package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "dummy", Args: &dummyArgs{},
	Doc: "Makes a dummy link: one that drops all that is sent to it, for addresses that are on no wire."})

type dummyArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	newLinkArgs
}

func (a *dummyArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &a.newLinkArgs)
}
