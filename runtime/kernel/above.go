package kernel

import (
	"bytes"
	"errors"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linksAbove are the links that stand on a link, such as a macvlan, and those that stand on these. The kernel deletes
// them with it, and has them share its state and its mtu.
func (n *Namespace) linksAbove(l *Link) (above []LinkRef, err error) {
	links, err := n.Links()
	if err != nil {
		return nil, err
	}
	below := []int{l.Index}
	for len(below) > 0 {
		at := below[0]
		below = below[1:]
		for _, l := range links {
			if l.peer == at && l.peerNS < 0 && l.Kind != "veth" {
				above, below = append(above, l.LinkRef), append(below, l.Index)
			}
		}
	}
	return above, nil
}

// ImagesAbove saves the links that stand on a link.
func (m *Machine) ImagesAbove(l *Link) (images []*Image, err error) {
	n, err := m.Namespace(l.NS)
	if err != nil {
		return nil, fail(err, "save link", l.Name, nil)
	}
	above, err := n.linksAbove(l)
	for _, ref := range above {
		img, err := m.Image(ref)
		if err != nil {
			return nil, err
		}
		images = append(images, img.Stake("up", "mtu"))
	}
	return images, err
}

// Above is the Loss of a link that is deleted with the one that it stands on.
func (img *Image) Above() *Loss { return img.gone("it stood on a link that was deleted") }

// Missing is the Losses of links that stood on another one and are not there.
func (m *Machine) Missing(above []*Image) error {
	var errs []error
	for _, img := range above {
		if _, err := m.Read(img.Link); errors.Is(err, ErrGone) {
			errs = append(errs, img.Above())
		} else {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Reopen prepares links for being restored that stand on one which was moved and is back: the kernel has forgotten what
// packets the link is to let through for them (dev_uc_flush), and is told of that again when they go up.
func (m *Machine) Reopen(below LinkRef, above []*Image) error {
	if len(above) == 0 {
		return nil
	}
	l, err := m.Read(below)
	if err != nil {
		return err
	}
	n, index, err := m.find(below)
	if err != nil {
		return fail(err, "restore link", below.Name, n)
	}
	filter, err := n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{Family: unix.AF_BRIDGE})
	if err != nil {
		return fail(err, "restore link", below.Name, n)
	}
	var errs []error
	for _, img := range above {
		up, err := m.Read(img.Link)
		if errors.Is(err, ErrGone) || err == nil && (!up.Up || bytes.Equal(up.MAC, l.MAC)) {
			continue
		}
		lets := func(raw []byte) bool {
			return neighHead(raw).index == index && bytes.Equal(attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR), up.MAC)
		}
		if err == nil && !slices.ContainsFunc(filter, lets) {
			err = m.SetLink(img.Link, "up", "off")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
