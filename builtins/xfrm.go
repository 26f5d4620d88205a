package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "xfrm", Args: &xfrmArgs{},
	Module: "xfrm_interface", Config: "XFRM_INTERFACE",
	Doc: "Makes an xfrm link: what IPsec policies with its number carry, as a link " +
		"(ip-xfrm(8) has the keys and policies)."})

type xfrmArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs

	IfID whole[widthSome] `arg:"if_id" nla:"2" eg:"42" doc:"number of the policies and states that are its own, 1 to 4294967295"`
	Dev  *linkArg         `arg:"dev?" nla:"lower" doc:"link of the same namespace that its packets leave by; what routes say when left out"`
}

func (a *xfrmArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}
