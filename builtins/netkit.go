package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "netkit", Prefix: "nk", Result: "(link, link)", Args: &netkitArgs{},
	Kernel: "linux-image-6.12-cloud-amd64",
	Doc: "Makes a netkit pair, each end in place in its namespace: a cable for BPF programs, which forwards all " +
		"packets, or none, where there is no program. What can be set of a pair is set on its first end."})

type netkitArgs struct {
	pairArgs
	Mode       *oneOf[netkitModes, width32]    `arg:"mode?" nla:"5" doc:"l3 (IP packets, without link-layer addresses; when left out) or l2 (Ethernet frames)"`
	Policy     *oneOf[netkitPolicies, width32] `arg:"policy?" nla:"3" set:"yes" doc:"what becomes of packets of the first end without a program: forward (when left out) or blackhole"`
	PeerPolicy *oneOf[netkitPolicies, width32] `arg:"peer_policy?" nla:"4" set:"yes" doc:"the same of the second end"`
	Scrub      *oneOf[netkitScrubs, width32]   `arg:"scrub?" nla:"6" doc:"whether packets of the first end lose their mark and priority on the way: default (they do) or none; from Linux 6.13 on"`
	PeerScrub  *oneOf[netkitScrubs, width32]   `arg:"peer_scrub?" nla:"7" doc:"the same of the second end"`
	Headroom   *whole[width16]                 `arg:"headroom?" nla:"8" doc:"bytes kept free before packets of both ends; from Linux 6.14 on"`
	Tailroom   *whole[width16]                 `arg:"tailroom?" nla:"9" doc:"bytes kept free behind them"`
}

// The numbers of linux/if_link.h: NETKIT_L2 and so on.
type (
	netkitModes    struct{}
	netkitPolicies struct{}
	netkitScrubs   struct{}
)

func (netkitModes) words() map[string]int    { return map[string]int{"l2": 0, "l3": 1} }
func (netkitPolicies) words() map[string]int { return map[string]int{"forward": 0, "blackhole": 2} }
func (netkitScrubs) words() map[string]int   { return map[string]int{"none": 0, "default": 1} }

func (a *netkitArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	pair, err := a.make(tx, a)
	if err != nil {
		return nil, err
	}
	return pair, kindWith(a).took(tx, pair.(starlark.Tuple)[0].(*linkValue).ref, a)
}
