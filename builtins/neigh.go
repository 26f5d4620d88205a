package builtins

import (
	"errors"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "neigh", Args: &neighArgs{},
	Doc: "Tells a link a neighbour's link-layer address, which it then never asks for, or has it answer for an " +
		"address that is elsewhere (ip-neighbour(8)).",
	Value:    "A neighbour of a link that was not learned, or an address that it answers for (ip-neighbour(8)).",
	LinkList: "neighs", NSList: "neighs",
	ListDoc: "neighbours that were told, and addresses that are answered for"})

type neighArgs struct {
	Link    linkArg        `arg:"link" dev:"2" doc:"the link"`
	IP      addrAttr       `arg:"ip" nla:"1" ip:"-" doc:"the neighbour's address"`
	MAC     *macAttr       `arg:"mac?" nla:"2" ip:"lladdr" doc:"its link-layer address"`
	_       struct{}       `arg:"*"`
	Proxy   isSet[width8]  `arg:"proxy?" nla:"@10&8" ip:"^proxy" doc:"instead, have the link answer for the address: no mac then"`
	State   *neighState    `arg:"state?" nla:"@8" ip:"nud" doc:"permanent, or noarp: valid until the link goes down; permanent when left out"`
	Router  isSet[width8]  `arg:"router?" nla:"@10&128" doc:"whether it is a router (IPv6)"`
	Extern  isSet[width8]  `arg:"extern_learn?" nla:"@10&16" doc:"whether a program learned it, as a control plane does: the kernel never drops it by itself"`
	Managed isSet[width32] `arg:"managed?" nla:"15&1" doc:"have the kernel ask for it and keep it known by itself: no mac then"`
}

// neighState is NUD_PERMANENT and so on (linux/neighbour.h).
type neighState = oneOf[neighStates, width16]

type neighStates struct{}

func (neighStates) words() map[string]int {
	return map[string]int{"permanent": unix.NUD_PERMANENT, "noarp": unix.NUD_NOARP}
}

func (a *neighArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	asked := bool(a.Proxy) || bool(a.Managed)
	switch {
	case a.IP.Zone() != "":
		return nil, errors.New("neigh: the address has a link in it, which is given already")
	case bool(a.Proxy) && bool(a.Managed) || asked == (a.MAC != nil):
		return nil, errors.New("neigh: want mac=, or proxy=True to answer for the address, or managed=True to ask " +
			"for it")
	case asked && a.State != nil:
		return nil, errors.New("neigh: state= is of a neighbour with mac=")
	case !asked && a.State == nil:
		permanent := neighState("permanent")
		a.State = &permanent
	}
	l := a.Link.LinkRef
	return addNew(tx, kernel.Entry{NS: l.NS, Link: &l}, a, func(msg []byte) []byte {
		msg[0] = netlinkFamily(a.IP.Addr)
		return msg
	})
}
