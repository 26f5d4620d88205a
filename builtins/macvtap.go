package builtins

import (
	"cmp"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "macvtap", Args: &macvtapArgs{},
	Doc: "Makes a macvtap link: a macvlan link whose packets a program reads and writes, at /dev/tapINDEX."})

type macvtapArgs struct {
	Link linkArg  `arg:"link" ifla:"lower" doc:"link that it stands on"`
	NS   *nsArg   `arg:"ns?" doc:"namespace that it is in; that of the link when left out"`
	_    struct{} `arg:"*"`
	newLinkArgs
	Mode *macvlanMode `arg:"mode?" ifla:"1" set:"yes" doc:"what it exchanges with the others on the link: private (nothing), vepa (by way of the switch outside), bridge (directly), passthru (it is the only one), source (by sender)"`
}

func (a *macvtapArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, cmp.Or(a.NS, &nsArg{a.Link.NS}).NSRef, a, &a.newLinkArgs)
}
