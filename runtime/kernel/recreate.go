package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Recreate makes a deleted link anew from its image, under its own index; peer is the image of a pair's other end.
// A link that is there is only restored.
func (m *Machine) Recreate(img, peer *Image) error {
	if img == nil {
		return errNoImage
	}
	if _, err := m.Read(img.Link); err == nil {
		// It was not deleted, or this is tried once more.
		return errors.Join(m.restoreBoth(img, peer), m.missingInfo(img, false))
	} else if !errors.Is(err, ErrGone) {
		return err
	}
	err := m.makeAgain(img, peer)
	if onlyLost, more := Losses(err); onlyLost != nil && !more {
		m.lost[img.Link.Object()] = true
	}
	if errors.Is(err, unix.EEXIST) {
		err = fail(ErrInTheWay, "restore link", img.String(), nil)
	}
	if err != nil {
		return err
	}
	return errors.Join(m.restoreAltnames(img), m.restoreAltnames(peer), m.restoreBoth(img, peer),
		m.missingInfo(img, true))
}

func (m *Machine) makeAgain(img, peer *Image) error {
	if err := img.unmakeable(); err != nil {
		return err
	}
	if first := kindOf(img.Kind).First; first != 0 && peer != nil && rtnl.Uint8(img.Info, 0, first) == 0 {
		img, peer = peer, img
	}
	spec, err := m.spec(img)
	if err != nil {
		return err
	}
	if kindOf(img.Kind).Peer != 0 {
		if peer == nil {
			return img.NoPeer()
		}
		if _, err := m.Namespace(peer.Link.NS); errors.Is(err, ErrGone) {
			return img.NoPeer()
		}
		other, err := m.spec(peer)
		if err != nil {
			return err
		}
		spec.Peer = &other
	}
	if img.Lower != nil {
		if _, err := m.Read(*img.Lower); errors.Is(err, ErrGone) {
			return img.gone("link " + img.Lower.Name + ", which it stood on, is gone")
		}
	}
	if err := m.checkShared(img); err != nil {
		return err
	}
	return m.AddLink(spec)
}

func (m *Machine) restoreBoth(img, peer *Image) error {
	err := m.Restore(img)
	if peer != nil {
		// Routes over one end may have needed the carrier that only the other end's going up gave.
		err = errors.Join(m.Restore(peer), m.Restore(img))
	}
	return err
}

// spec is the link of an image as it is made again.
func (m *Machine) spec(img *Image) (LinkSpec, error) {
	l := LinkSpec{LinkRef: img.Link, Kind: img.Kind, Lower: img.Lower, OneQueue: img.OneQueue}
	gives := kindOf(img.Kind).gives() // from its ports, and the rest of it from Restore
	if len(img.Ports) == 0 || !slices.Contains(gives, "mac") {
		l.MAC = img.mac()
	}
	if len(img.Ports) == 0 || !slices.Contains(gives, "mtu") {
		l.MTU, _ = strconv.Atoi(img.Attrs["mtu"])
	}
	if len(img.Info) == 0 {
		return l, nil
	}
	s, err := m.sample(img.Kind, img.Info)
	if err != nil {
		return l, err
	}
	// Only what is other than in a new link, since a kernel shows settings that it was built without and refuses to be
	// given them.
	k, fresh := kindOf(img.Kind), infoOf(s.raw)
	for _, typ := range k.settings(img.Info) {
		value := rtnl.Attr(img.Info, 0, typ)
		switch {
		case k.elsewhere(typ):
		case !slices.Contains(k.Needs, typ) && bytes.Equal(value, rtnl.Attr(fresh, 0, typ)):
		case slices.Contains(k.Masked, typ):
			l.Data = append(l.Data, nl.NewRtAttr(typ, changedBits(value, rtnl.Attr(fresh, 0, typ))).Serialize()...)
		case slices.Contains(k.Flags, typ) && len(bytes.Trim(value, "\x00")) == 0 && len(value) > 0: // it is not set
		case slices.Contains(k.Flags, typ):
			l.Data = append(l.Data, nl.NewRtAttr(typ, nil).Serialize()...)
		default:
			l.Data = append(l.Data, nl.NewRtAttr(typ, value).Serialize()...)
		}
	}
	return l, nil
}

// mac is the one that the link has by itself, where it has another one as a port.
func (img *Image) mac() string {
	if img.Port != nil {
		if ports := kindOf(img.Port.Of).Ports; ports != nil && ports.MAC != 0 {
			return net.HardwareAddr(rtnl.Attr(img.Port.Info, 0, ports.MAC)).String()
		}
	}
	return img.Attrs["mac"]
}

// settings are the parts of a link's IFLA_INFO_DATA, and those that the kernel leaves out of it when no bit of them is
// set, whatever a new link has.
func (k Kind) settings(info []byte) (types []int) {
	for _, typ := range rtnl.Attrs(info, 0) {
		types = append(types, typ)
	}
	for _, typ := range k.Masked {
		if !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	return types
}

// elsewhere reports whether a part of a link's IFLA_INFO_DATA is not given when it is made.
func (k Kind) elsewhere(typ int) bool {
	return slices.Contains(k.Shown, typ) || slices.Contains(k.Lower.data, typ) || slices.Contains(k.AfterPorts, typ) ||
		k.Lost[typ] != ""
}

// changedBits are bits, nil when none is set, and the mask of those that are other than in a new link.
func changedBits(value, fresh []byte) []byte {
	const size = 4 // of the bits, and of their mask
	bits, mask := make([]byte, size), make([]byte, size)
	copy(bits, value)
	for i := range size {
		if mask[i] = bits[i]; i < len(fresh) {
			mask[i] ^= fresh[i]
		}
	}
	return append(bits, mask...)
}

// InfoAttr is an attribute's value in a link's IFLA_INFO_DATA, nil when it is not there.
func InfoAttr(info []byte, typ int) []byte { return rtnl.Attr(info, 0, typ) }

// ValidInfo says what is wrong with IFLA_INFO_DATA that is to have no attributes but some.
func ValidInfo(info []byte, types ...int) error {
	for _, typ := range rtnl.Attrs(info, 0) {
		if !slices.Contains(types, typ) {
			return fmt.Errorf("it has attribute %d", typ)
		}
	}
	return rtnl.ValidAttrs(info)
}

// infoOf is the IFLA_INFO_DATA of an RTM_NEWLINK message.
func infoOf(raw []byte) []byte {
	return rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0, nl.IFLA_INFO_DATA)
}

// missingInfo is the Loss of what a link does not have again of its kind's settings: of those that are not made again,
// or, when it was made just now, of all.
func (m *Machine) missingInfo(img *Image, made bool) error {
	n, index, err := m.find(img.Link)
	if err != nil || len(img.Info) == 0 {
		return unlessGone(err)
	}
	have, err := n.linkInfo(index, nl.IFLA_INFO_DATA)
	if err != nil {
		return unlessGone(err)
	}
	k := kindOf(img.Kind)
	var errs []error
	for _, typ := range k.settings(img.Info) {
		shown := slices.Contains(k.Shown, typ) || slices.Contains(k.Lower.data, typ) ||
			slices.Contains(k.AfterPorts, typ)
		if shown || bytes.Equal(rtnl.Attr(img.Info, 0, typ), rtnl.Attr(have, 0, typ)) {
			continue
		}
		if loss := img.lostAttr(typ); loss != nil {
			errs = append(errs, loss)
		} else if made && k.Lost[typ] == "" {
			errs = append(errs, &Loss{What: fmt.Sprintf("attribute %d of %s link %s", typ, img.Kind, img),
				Why: "the kernel did not take it again"})
		}
	}
	return errors.Join(errs...)
}

// kindImage saves what a link has of its kind.
func (m *Machine) kindImage(img *Image, l *Link, raw []byte) error {
	img.Info = infoOf(raw)
	lower, err := m.lower(l, raw)
	switch {
	case errors.Is(err, ErrGone):
		img.Astray = true
	case err == nil && lower.Index != 0:
		img.Lower = &lower
	}
	return unlessGone(err)
}

// Lower finds the link that another one stands on: index 0 when it stands on none. ErrGone: it is in a namespace that
// this process cannot find.
func (m *Machine) Lower(l *Link) (LinkRef, error) {
	n, err := m.Namespace(l.NS)
	if err != nil {
		return LinkRef{}, err
	}
	raw, err := n.linkMessage(l.Index)
	if err != nil {
		return LinkRef{}, fail(err, "find lower link of", l.Name, n)
	}
	return m.lower(l, raw)
}

func (m *Machine) lower(l *Link, raw []byte) (ref LinkRef, err error) {
	here, err := m.Namespace(l.NS)
	if err != nil {
		return ref, err
	}
	u := readUpper(raw)
	if len(u.lower) == 0 && u.nsid < 0 || kindOf(l.Kind).Lower.none {
		return ref, nil
	}
	there := here
	if u.nsid >= 0 {
		there, err = m.byID(here, u.nsid)
	}
	if err == nil && len(u.lower) > 0 && there != nil {
		lower, err := there.linkByIndex(u.lower[0])
		if err == nil {
			return lower.LinkRef, nil
		} else if !gone(err) {
			return ref, err
		}
	}
	if err == nil {
		err = goneError("what it stands on is in a namespace that has neither a name nor a process")
	}
	return ref, fail(err, "find lower link of", l.Name, here)
}
