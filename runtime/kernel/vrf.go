package kernel

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// FirstOf is the Loss of what a namespace has no more after it had a link of a kind: with the first vrf the kernel adds
// rules for routes and for multicast routes, and it does that once.
func (m *Machine) FirstOf(kind string, ns NSRef) error {
	if !kindOf(kind).Rules {
		return nil
	}
	n, err := m.Namespace(ns)
	if err != nil {
		return fail(err, "add "+kind, "", nil)
	}
	all, err := n.entries(ruleTable)
	if err != nil {
		return fail(err, "list rules", "", n)
	}
	if slices.ContainsFunc(all, func(raw []byte) bool {
		return rtnl.Attr(raw, sizeofRule, unix.FRA_L3MDEV) != nil &&
			bytes.Equal(rtnl.Attr(raw, sizeofRule, unix.FRA_PROTOCOL), []byte{unix.RTPROT_KERNEL})
	}) {
		return nil
	}
	return &Loss{What: "the state of " + ns.String() + " before its first vrf",
		Why:  "the kernel adds l3mdev rules with the first one and never again, and those of multicast routes stay",
		Hint: "make it in a namespace of the script's own"}
}

// Reopens reports whether a link goes down and up again when it gets another master, the one with an index or none.
func (m *Machine) Reopens(l *Link, joins int) (bool, error) {
	for _, index := range []int{l.Master, joins} {
		if index == 0 || !l.Up || l.Master == joins {
			continue
		}
		master, err := m.Beside(l, index)
		if err != nil {
			return false, err
		}
		if p := kindOf(master.Kind).Ports; p != nil && p.Reopened {
			return true, nil
		}
	}
	return false, nil
}

// Reopened are the ports that a link takes down and up again when it is deleted.
func (img *Image) Reopened() []Port {
	if p := kindOf(img.Kind).Ports; p == nil || !p.Reopened {
		return nil
	}
	return img.Ports
}
