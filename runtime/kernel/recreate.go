package kernel

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Recreate makes a deleted link anew from its image, under its own index; peer is the image of a veth's other end.
// A link that is there is only restored.
func (m *Machine) Recreate(img, peer *Image) error {
	if _, err := m.Read(img.Link); err == nil {
		return m.restoreBoth(img, peer)
	} else if !errors.Is(err, ErrGone) {
		return err
	}
	var err error
	switch {
	case img.Kind == "veth" && peer != nil:
		err = m.AddVeth(img.spec(), peer.spec())
	case img.Kind == "bridge":
		if err = m.AddBridge(img.spec()); err == nil {
			err = m.restoreInfo(img)
		}
	default:
		err = &Error{Op: "restore link", Object: img.Link.Name, NS: img.Link.NS.String(), Err: unix.EOPNOTSUPP}
	}
	if err != nil {
		return err
	}
	return m.restoreBoth(img, peer)
}

// Recreatable says whether a deleted link of this kind can be made again exactly.
func (img *Image) Recreatable() bool { return img.Kind == "veth" || img.Kind == "bridge" }

func (m *Machine) restoreBoth(img, peer *Image) error {
	errs := []error{m.Restore(img)}
	if peer != nil {
		errs = append(errs, m.Restore(peer))
		// Routes over one end may have needed the carrier that only the other end's going up gave.
		errs = append(errs, m.Restore(img))
	}
	return errors.Join(errs...)
}

func (img *Image) spec() LinkSpec {
	mtu, _ := strconv.Atoi(img.Attrs["mtu"])
	return LinkSpec{LinkRef: img.Link, MAC: img.Attrs["mac"], MTU: mtu}
}

// shown are the parts of a bridge's IFLA_INFO_DATA that the kernel only shows: ids, timers and counters (if_link.h).
var shown = []int{nl.IFLA_BR_ROOT_ID, nl.IFLA_BR_BRIDGE_ID, nl.IFLA_BR_ROOT_PORT, nl.IFLA_BR_ROOT_PATH_COST,
	nl.IFLA_BR_TOPOLOGY_CHANGE, nl.IFLA_BR_TOPOLOGY_CHANGE_DETECTED, nl.IFLA_BR_HELLO_TIMER, nl.IFLA_BR_TCN_TIMER,
	nl.IFLA_BR_TOPOLOGY_CHANGE_TIMER, nl.IFLA_BR_GC_TIMER, 47 /* IFLA_BR_MCAST_QUERIER_STATE */, 48 /* IFLA_BR_FDB_N_LEARNED */}

// restoreInfo sets what a new bridge has other than its image: only that, since a kernel shows settings that it was
// built without and refuses to be given them.
func (m *Machine) restoreInfo(img *Image) error {
	n, index, err := m.find(img.Link)
	if err != nil {
		return fail(err, "restore link", img.Link.Name, n)
	}
	have, err := n.linkInfo(index)
	if err != nil {
		return fail(err, "restore link", img.Link.Name, n)
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA|unix.NLA_F_NESTED, nil)
	differ := false
	for _, typ := range attrsOf(img.Info, 0) {
		if want := attr(img.Info, 0, typ); !slices.Contains(shown, typ) && !bytes.Equal(want, attr(have, 0, typ)) {
			data.AddRtAttr(typ, want)
			differ = true
		}
	}
	if !differ {
		return nil
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	return fail(n.do(unix.RTM_NEWLINK, 0, msg, info), "restore link", img.Link.Name, n)
}
