package kernel

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A NexthopObject is one of ip-nexthop(8)'s. The kernel deletes it, and the routes and groups that use it, when the link
// that it goes over loses its carrier.
type NexthopObject struct {
	NS   NSRef  `json:"ns"`
	ID   int    `json:"id"`
	Link string `json:"link"`
}

func (o NexthopObject) loss() *Loss {
	return &Loss{What: fmt.Sprintf("nexthop object %d of link %s in %s, with the routes through it", o.ID, o.Link, o.NS),
		Why: "it goes with the link's carrier", Hint: "`ip nexthop` shows it; routes with their gateways in themselves can be restored"}
}

// Carrier notes in images the nexthop objects that go over their links or over the peers of those, and is the Losses of
// them: they go when the links lose their carriers, and are not made again.
func (m *Machine) Carrier(images ...*Image) error {
	var errs []error
	for _, img := range images {
		l, err := m.Read(img.Link)
		if err != nil {
			return err
		}
		ends := []LinkRef{l.LinkRef}
		peer, err := m.Peer(l)
		if err == nil {
			ends = append(ends, peer)
		} else if !errors.Is(err, ErrGone) { // it has none, or in a namespace that this run knows nothing of
			return err
		}
		for _, end := range ends {
			n, err := m.Namespace(end.NS)
			var over []NexthopObject
			if err == nil {
				over, err = n.nexthops(end)
			}
			if err != nil {
				return fail(err, "save nexthops of link", end.Name, n)
			}
			img.Nexthops = append(img.Nexthops, over...)
		}
		for _, o := range img.Nexthops {
			errs = append(errs, o.loss())
		}
	}
	return errors.Join(errs...)
}

func (n *Namespace) nexthops(over LinkRef) (found []NexthopObject, err error) {
	all, err := n.dump(unix.RTM_GETNEXTHOP, rtnl.Raw(make([]byte, unix.SizeofNhmsg)))
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil // a kernel without them
	}
	for _, raw := range all {
		if rtnl.Uint32(raw, unix.SizeofNhmsg, unix.NHA_OIF) == over.Index {
			found = append(found, NexthopObject{n.ref, rtnl.Uint32(raw, unix.SizeofNhmsg, unix.NHA_ID), over.Name})
		}
	}
	return found, err
}

// missingNexthops is the Losses of those nexthop objects that are not there any more.
func (m *Machine) missingNexthops(want []NexthopObject) error {
	var errs []error
	for _, o := range want {
		n, err := m.Namespace(o.NS)
		if errors.Is(err, ErrGone) {
			continue // with its namespace
		}
		var have [][]byte
		if err == nil {
			have, err = n.dump(unix.RTM_GETNEXTHOP, rtnl.Raw(make([]byte, unix.SizeofNhmsg)))
		}
		if err != nil {
			errs = append(errs, err)
		} else if !slices.ContainsFunc(have, func(raw []byte) bool { return rtnl.Uint32(raw, unix.SizeofNhmsg, unix.NHA_ID) == o.ID }) {
			errs = append(errs, o.loss())
		}
	}
	return errors.Join(errs...)
}
