package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var (
	_ = declareKind(linkKind{Name: "vcan", Args: &vcanArgs{}, Config: "CAN_VCAN", Kernel: "linux-image-6.12-amd64",
		Doc: "Makes a vcan link: a CAN bus of its own, on which programs of its namespace hear each other's frames."})
	_ = declareKind(linkKind{Name: "vxcan", Args: &vxcanArgs{}, Result: "(link, link)", Prefix: "can",
		Config: "CAN_VXCAN", Kernel: "linux-image-6.12-amd64",
		Doc: "Makes a vxcan pair, each end in place in its namespace: a CAN bus between two of them."})
)

type vcanArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
}

func (a *vcanArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}

type vxcanArgs struct{ pairArgs }

func (a *vxcanArgs) Change(tx *runtime.Tx) (starlark.Value, error) { return a.make(tx, a) }
