package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Shares reports whether all links of a kind that stand on the same link have a part of their IFLA_INFO_DATA in common.
func Shares(kind string, part int) bool { return slices.Contains(kindOf(kind).Shared, part) }

// Sibling finds a link that stands on the same one as a link of the kind would, and has parts in common with it; nil
// when there is none. A new link gives its own to those that are there, in silence.
func (m *Machine) Sibling(kind string, lower LinkRef) (found *Link, err error) {
	if kindOf(kind).Shared == nil {
		return nil, nil
	}
	if found, err = m.Read(lower); err != nil || kindOf(found.Kind).Shared != nil {
		return found, err // the kernel then takes what that one stands on
	}
	above := m.LookAbove()
	defer above.Close()
	found = nil
	err = above.find(m.Current(lower), func(n *Namespace, u upperLink) (err error) {
		if kindOf(u.kind).Shared == nil {
			return nil
		}
		if found, err = n.linkByIndex(u.index); gone(err) {
			return nil
		} else if err != nil {
			return err
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		return found, nil
	} else if err != nil {
		return nil, fail(err, "find what stands on link", lower.Name, nil)
	}
	return nil, above.Lost()
}

// checkShared is an error when a link that is to be made again would change others, which now have something else in
// common.
func (m *Machine) checkShared(img *Image) error {
	if img.Lower == nil {
		return nil
	}
	other, err := m.Sibling(img.Kind, *img.Lower)
	if err != nil || other == nil {
		return err
	}
	for _, typ := range kindOf(img.Kind).Shared {
		if !bytes.Equal(rtnl.Attr(img.Info, 0, typ), rtnl.Attr(other.Info, 0, typ)) {
			return fail(fmt.Errorf("%s in %s, on the same link, was changed and would be changed back: %w",
				other.Name, other.NS, ErrDiverged), "restore link", img.String(), nil)
		}
	}
	return nil
}
