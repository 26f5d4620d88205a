package kernel

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// Recreate makes a deleted link anew from its image, under its own index; peer is the image of a veth's other end.
// A link that is there is only restored.
func (m *Machine) Recreate(img, peer *Image) error {
	if img == nil {
		return errNoImage
	}
	if _, err := m.Read(img.Link); err == nil {
		return m.restoreBoth(img, peer)
	} else if !errors.Is(err, ErrGone) {
		return err
	}
	var err error
	switch {
	case img.Kind == "veth" && peer != nil:
		if _, e := m.Namespace(peer.Link.NS); errors.Is(e, ErrGone) {
			err = img.NoPeer()
		} else {
			err = m.AddVeth(img.spec(), peer.spec())
		}
	case img.Kind == "bridge":
		if err = m.AddBridge(img.spec()); err == nil {
			err = m.restoreInfo(img)
		}
	case img.Kind == "veth":
		err = img.NoPeer()
	default:
		err = img.Recreatable()
	}
	if onlyLost, more := Losses(err); onlyLost != nil && !more {
		m.lost[img.Link.Object()] = true
	}
	if errors.Is(err, unix.EEXIST) {
		err = fail(ErrInTheWay, "restore link", img.String(), nil)
	}
	if err != nil {
		return err
	}
	return errors.Join(m.restoreAltnames(img), m.restoreAltnames(peer), m.restoreBoth(img, peer))
}

func (m *Machine) restoreBoth(img, peer *Image) error {
	err := m.Restore(img)
	if peer != nil {
		// Routes over one end may have needed the carrier that only the other end's going up gave.
		err = errors.Join(m.Restore(peer), m.Restore(img))
	}
	return err
}

func (img *Image) spec() LinkSpec {
	mtu, _ := strconv.Atoi(img.Attrs["mtu"])
	if img.Kind == "bridge" && len(img.Ports) > 0 {
		// Restore gives it its own mtu and mac where it does not get them from its ports.
		return LinkSpec{LinkRef: img.Link}
	}
	return LinkSpec{LinkRef: img.Link, MAC: img.Attrs["mac"], MTU: mtu}
}
