package builtins

import (
	"cmp"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "ipvlan", Args: &ipvlanArgs{},
	Doc: "Makes an ipvlan link: more IP addresses, with the link-layer address of another link, in a namespace of " +
		"its own if wanted. All ipvlan and ipvtap links on one link have the same mode and flags."})

type ipvlanArgs struct {
	Link linkArg  `arg:"link" nla:"lower" doc:"link that it stands on"`
	NS   *nsArg   `arg:"ns?" doc:"namespace that it is in; that of the link when left out"`
	_    struct{} `arg:"*"`
	macLessArgs
	Mode  *oneOf[ipvlanModes, width16] `arg:"mode?" nla:"1" set:"yes" doc:"at which layer packets go between it and the link: l2 (as a switch), l3 (as a router), l3s (so, by way of the link's netfilter); when left out that of the others on the link, or l3"`
	Flags *ipvlanFlags                 `arg:"flags?" nla:"2" set:"yes" doc:"what it exchanges with the others on the link: bridge (directly), private (nothing), vepa (by way of the switch outside); when left out that of the others, or bridge"`
}

// ipvlanModes are the numbers of enum ipvlan_mode (linux/if_link.h).
type ipvlanModes struct{}

func (ipvlanModes) words() map[string]int { return map[string]int{"l2": 0, "l3": 1, "l3s": 2} }

// ipvlanFlags are IPVLAN_F_PRIVATE and IPVLAN_F_VEPA (linux/if_link.h), which ip-link(8) writes as a word alone.
type ipvlanFlags struct {
	oneOf[ipvlanFlagWords, width16]
}

type ipvlanFlagWords struct{}

var _ wordSet = ipvlanFlagWords{}

func (ipvlanFlagWords) words() map[string]int {
	return map[string]int{"bridge": 0, "private": 1, "vepa": 2}
}

func (a ipvlanFlags) ip(string) string { return a.String() }

func (a *ipvlanArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, cmp.Or(a.NS, &nsArg{a.Link.NS}).NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}
