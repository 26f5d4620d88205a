package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "ifb", Args: &ifbArgs{},
	Doc: "Makes an ifb link (intermediate functional block): what other links receive can be redirected to it, and " +
		"shaped on it."})

type ifbArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	newLinkArgs
}

func (a *ifbArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &a.newLinkArgs)
}
