package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "neigh", Args: &neighArgs{},
	Doc: "Tells a link a neighbour's link-layer address, which it then never asks for, or has it answer for an " +
		"address that is elsewhere (ip-neighbour(8)).",
	Value: "A neighbour of a link, told or learned, or an address that it answers for (ip-neighbour(8)). One that is " +
		"learned the kernel changes and forgets.",
	LinkList: "neighs", NSList: "neighs",
	ListDoc: "neighbours that were told or learned (state), and addresses that are answered for"})

type neighArgs struct {
	Link    linkArg        `arg:"link" dev:"2" doc:"the link"`
	IP      addrAttr       `arg:"ip" nla:"1" ip:"-" doc:"the neighbour's address"`
	MAC     *macAttr       `arg:"mac?" nla:"2" ip:"lladdr" doc:"its link-layer address"`
	_       struct{}       `arg:"*"`
	Proxy   isSet[width8]  `arg:"proxy?" nla:"@10&8" ip:"^proxy" doc:"instead, have the link answer for the address: no mac then"`
	State   *neighState    `arg:"state?" nla:"@8" ip:"nud" doc:"permanent; noarp: valid until the link goes down; reachable, stale, delay, probe: the kernel goes on from there, as from a learned one; incomplete, failed: without a mac; permanent when left out"`
	Router  isSet[width8]  `arg:"router?" nla:"@10&128" doc:"whether it is a router (IPv6)"`
	Extern  isSet[width8]  `arg:"extern_learn?" nla:"@10&16" doc:"whether a program learned it, as a control plane does: the kernel never drops it by itself"`
	Managed isSet[width32] `arg:"managed?" nla:"15&1" doc:"have the kernel ask for it and keep it known by itself: no mac then"`
}

// neighState is NUD_PERMANENT and so on (linux/neighbour.h).
type neighState = oneOf[neighStates, width16]

type neighStates struct{}

func (neighStates) words() map[string]int {
	return map[string]int{"incomplete": unix.NUD_INCOMPLETE, "reachable": unix.NUD_REACHABLE, "stale": unix.NUD_STALE,
		"delay": unix.NUD_DELAY, "probe": unix.NUD_PROBE, "failed": unix.NUD_FAILED, "noarp": unix.NUD_NOARP,
		"permanent": unix.NUD_PERMANENT}
}

func (a *neighArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	asked := bool(a.Proxy) || bool(a.Managed)
	unknown := !asked && a.State != nil && (*a.State == "incomplete" || *a.State == "failed")
	switch {
	case unknown && a.MAC == nil:
	case unknown:
		return nil, fmt.Errorf("neigh: one that is %s has no mac", *a.State)
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

var (
	nsFlushDecl = runtime.Change("namespace.flush_neighs", "None",
		"Forgets the neighbours that its links have learned, as `ip neigh flush` does.", &nsFlushArgs{})
	linkFlushDecl = runtime.Change("link.flush_neighs", "None",
		"Forgets the neighbours that it has learned, as `ip neigh flush dev` does.", &linkFlushArgs{})
)

type nsFlushArgs struct {
	NS nsArg `arg:"namespace" doc:"the namespace"`
}

type linkFlushArgs struct {
	Link linkArg `arg:"link" doc:"the link"`
}

func (a *nsFlushArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return nil, flushNeighs(tx, a.NS.NSRef, nil)
}

func (a *linkFlushArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return nil, flushNeighs(tx, a.Link.NS, &a.Link.LinkRef)
}

// flushNeighs deletes what was learned. What the kernel has forgotten by itself meanwhile is not missed.
func flushNeighs(tx *runtime.Tx, ns kernel.NSRef, link *kernel.LinkRef) error {
	n, err := tx.Machine().Namespace(ns)
	if err != nil {
		return err
	}
	all, err := n.Entries("neigh", link)
	for _, e := range all {
		if !e.Learned() {
			continue
		}
		if err := tx.Apply(&delEntry{Entry: e}); err != nil && !errors.Is(err, kernel.ErrGone) {
			return err
		}
	}
	return err
}
