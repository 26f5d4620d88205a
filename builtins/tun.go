package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "tun", Args: &tunArgs{},
	Doc: "Makes a tun link: IP packets that are sent over it go to a program that opens /dev/net/tun (ip-tuntap(8)). " +
		"It stays when no program has it open, and has no carrier then."})

type tunArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
	tunWords
}

func (a *tunArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}

var _ = declareKind(linkKind{Name: "tap", Args: &tapArgs{}, Module: "tun", Config: "TUN",
	Doc: "Makes a tap link: Ethernet frames that are sent over it go to a program that opens /dev/net/tun " +
		"(ip-tuntap(8)). It stays when no program has it open, and has no carrier then."})

type tapArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	newLinkArgs
	tunWords
}

func (a *tapArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &a.newLinkArgs)
}

// tunWords are IFLA_TUN_* (linux/if_link.h).
type tunWords struct {
	Owner      *whole[width32] `arg:"owner?" nla:"1" ip:"user" doc:"number of the user who may open it; any who may make links when left out"`
	Group      *whole[width32] `arg:"group?" nla:"2" doc:"number of the group who may open it"`
	PI         present         `arg:"pi?" nla:"4" doc:"whether each packet comes with 4 bytes that say its protocol"`
	VNetHdr    present         `arg:"vnet_hdr?" nla:"5" doc:"whether each packet comes with the header of a virtio device, for offloads"`
	MultiQueue present         `arg:"multi_queue?" nla:"7" doc:"whether several programs, or threads of one, can open it at once"`
}
