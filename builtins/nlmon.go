package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "nlmon", Args: &nlmonArgs{},
	Doc: "Makes an nlmon link: a program that captures packets on it sees the netlink messages of its namespace."})

type nlmonArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
}

func (a *nlmonArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}
