package builtins

import (
	"cmp"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "macvlan", Args: &macvlanArgs{},
	Doc: "Makes a macvlan link: one more link-layer address on another link, in a namespace of its own if wanted."})

type macvlanArgs struct {
	Link linkArg  `arg:"link" nla:"lower" doc:"link that it stands on"`
	NS   *nsArg   `arg:"ns?" doc:"namespace that it is in; that of the link when left out"`
	_    struct{} `arg:"*"`
	newLinkArgs
	Mode *macvlanMode `arg:"mode?" nla:"1" set:"yes" doc:"what it exchanges with the others on the link: private (nothing), vepa (by way of the switch outside), bridge (directly), passthru (it is the only one), source (by sender)"`
}

// macvlanMode is IFLA_MACVLAN_MODE (linux/if_link.h).
type macvlanMode = oneOf[macvlanModes, width32]

type macvlanModes struct{}

func (macvlanModes) words() map[string]int {
	return map[string]int{"private": 1, "vepa": 2, "bridge": 4, "passthru": 8, "source": 16}
}

func (a *macvlanArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, cmp.Or(a.NS, &nsArg{a.Link.NS}).NSRef, a, &a.newLinkArgs)
}
