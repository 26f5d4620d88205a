package kernel

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Port is what a link is as a bridge's port. The kernel forgets it when the port leaves the bridge.
type Port struct {
	LinkRef
	Info []byte   `json:"info,omitempty"` // IFLA_INFO_SLAVE_DATA
	FDB  [][]byte `json:"fdb,omitempty"`  // the addresses behind it that were not learned
}

func (n *Namespace) bridgeImage(img *Image, index int) error {
	links, err := n.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Master == index {
			p, err := n.portImage(l.LinkRef)
			if err != nil {
				return err
			}
			img.Ports = append(img.Ports, *p)
		}
	}
	if img.FDB, err = n.givenFDB(index); err == nil {
		img.Info, err = n.linkInfo(index, nl.IFLA_INFO_DATA)
	}
	return err
}

func (n *Namespace) portImage(ref LinkRef) (*Port, error) {
	p := &Port{LinkRef: ref}
	var err error
	if p.Info, err = n.linkInfo(ref.Index, nl.IFLA_INFO_SLAVE_DATA); err != nil {
		return nil, err
	}
	p.FDB, err = n.givenFDB(ref.Index)
	return p, err
}

// givenFDB are the addresses that a bridge was given behind a port, or for itself. The others it has learned, or they are the link's
// own. Those without a master are a link's filter.
func (n *Namespace) givenFDB(index int) (given [][]byte, err error) {
	l, err := n.linkByIndex(index)
	if err != nil {
		return nil, err
	}
	all, err := n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{Family: unix.AF_BRIDGE})
	for _, raw := range all {
		at := neighHead(raw)
		own := at.state&unix.NUD_PERMANENT != 0 && bytes.Equal(rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR), l.MAC)
		stays := at.state&(unix.NUD_NOARP|unix.NUD_PERMANENT) != 0 || raw[10]&netlink.NTF_EXT_LEARNED != 0
		if at.index == index && stays && !own && rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_MASTER) != nil {
			given = append(given, raw)
		}
	}
	return given, err
}

// restoreFDB adds what is missing of that, to the bridge that a port is in or to the bridge itself.
func (n *Namespace) restoreFDB(index int, want [][]byte, where byte) error {
	if want == nil {
		return nil
	}
	have, err := n.givenFDB(index)
	if err != nil {
		return err
	}
	var errs []error
	for _, msg := range want {
		if slices.ContainsFunc(have, func(h []byte) bool { return sameNeigh(h, msg) }) {
			continue
		}
		msg = rtnl.Without(rtnl.Without(msg, unix.SizeofNdMsg, unix.NDA_CACHEINFO), unix.SizeofNdMsg, unix.NDA_MASTER)
		msg[10] = where | msg[10]&(netlink.NTF_STICKY|netlink.NTF_EXT_LEARNED)
		errs = append(errs, n.do(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, rtnl.Raw(msg)))
	}
	return errors.Join(errs...)
}

// noMAC is what a bridge has for its mac that lost its last port. It cannot be set.
const noMAC = ""

// restoreBridge gives a bridge its ports, and then the mtu and mac that it has of itself.
func (m *Machine) restoreBridge(img *Image, index int) error {
	n, _, err := m.find(img.Link)
	if err != nil {
		return err
	}
	errs := []error{n.restoreFDB(index, img.FDB, netlink.NTF_SELF)}
	master := strconv.Itoa(index)
	for _, p := range img.Ports {
		_, err := m.join(p, master) // all of them first: one may be another's backup_port
		errs = append(errs, err)
	}
	for _, p := range img.Ports {
		errs = append(errs, m.restorePort(p, master))
	}
	cur, err := m.Read(img.Link)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, a := range []string{"mtu", "mac"} {
		switch want, ok := img.Attrs[a]; {
		case !ok || cur.Attr(a) == want:
		case want == noMAC:
			errs = append(errs, img.macLoss())
		default:
			errs = append(errs, m.SetLink(img.Link, a, want))
		}
	}
	return errors.Join(errs...)
}

// restorePort makes a link the port of a bridge that it was. A link that is gone is not missed.
func (m *Machine) restorePort(p Port, master string) error {
	if there, err := m.join(p, master); !there || err != nil {
		return err
	}
	n, index, err := m.find(p.LinkRef)
	if err != nil {
		return err
	}
	return errors.Join(n.setInfo(index, nl.IFLA_INFO_SLAVE_KIND, nl.IFLA_INFO_SLAVE_DATA, p.Info, shownOfPort),
		n.restoreFDB(index, p.FDB, netlink.NTF_MASTER))
}

// join makes a link the port of a bridge, and says whether it is there.
func (m *Machine) join(p Port, master string) (there bool, err error) {
	l, err := m.Read(p.LinkRef)
	if err == nil && l.Attr("master") != master {
		err = m.SetLink(p.LinkRef, "master", master)
	}
	return err == nil, unlessGone(err)
}

// shown are the parts of a bridge's IFLA_INFO_DATA that the kernel only shows: ids, timers and counters (if_link.h).
var shown = []int{nl.IFLA_BR_ROOT_ID, nl.IFLA_BR_BRIDGE_ID, nl.IFLA_BR_ROOT_PORT, nl.IFLA_BR_ROOT_PATH_COST,
	nl.IFLA_BR_TOPOLOGY_CHANGE, nl.IFLA_BR_TOPOLOGY_CHANGE_DETECTED, nl.IFLA_BR_HELLO_TIMER, nl.IFLA_BR_TCN_TIMER,
	nl.IFLA_BR_TOPOLOGY_CHANGE_TIMER, nl.IFLA_BR_GC_TIMER, 47 /* IFLA_BR_MCAST_QUERIER_STATE */, 48 /* IFLA_BR_FDB_N_LEARNED */}

// shownOfPort are the same of a port's IFLA_INFO_SLAVE_DATA: ids, timers and counters, and what the kernel decides.
var shownOfPort = []int{nl.IFLA_BRPORT_STATE, nl.IFLA_BRPORT_ROOT_ID, nl.IFLA_BRPORT_BRIDGE_ID, nl.IFLA_BRPORT_DESIGNATED_PORT,
	nl.IFLA_BRPORT_DESIGNATED_COST, nl.IFLA_BRPORT_ID, nl.IFLA_BRPORT_NO, nl.IFLA_BRPORT_TOPOLOGY_CHANGE_ACK, nl.IFLA_BRPORT_CONFIG_PENDING,
	nl.IFLA_BRPORT_MESSAGE_AGE_TIMER, nl.IFLA_BRPORT_FORWARD_DELAY_TIMER, nl.IFLA_BRPORT_HOLD_TIMER, nl.IFLA_BRPORT_MRP_RING_OPEN, nl.IFLA_BRPORT_MRP_IN_OPEN,
	nl.IFLA_BRPORT_MCAST_EHT_HOSTS_CNT, nl.IFLA_BRPORT_MCAST_N_GROUPS}

// restoreInfo sets what a new bridge has other than its image.
func (m *Machine) restoreInfo(img *Image) error {
	n, index, err := m.find(img.Link)
	if err == nil {
		err = n.setInfo(index, nl.IFLA_INFO_KIND, nl.IFLA_INFO_DATA, img.Info, shown)
	}
	return fail(err, "restore link", img.Link.Name, n)
}

// linkInfo is a part of a link's IFLA_LINKINFO: what its kind can be set to, as the kernel shows it.
func (n *Namespace) linkInfo(index, part int) ([]byte, error) {
	raw, err := n.linkMessage(index)
	if err != nil {
		return nil, err
	}
	return rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0, part), nil
}

// setInfo sets what a part of a link's IFLA_LINKINFO is other than wanted: only that, since a kernel shows settings that
// it was built without and refuses to be given them.
func (n *Namespace) setInfo(index, kind, part int, want []byte, shown []int) error {
	have, err := n.linkInfo(index, part)
	if err != nil {
		return err
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, nil)
	info.AddRtAttr(kind, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(part|unix.NLA_F_NESTED, nil)
	differ := false
	for _, typ := range rtnl.Attrs(want, 0) {
		if value := rtnl.Attr(want, 0, typ); !slices.Contains(shown, typ) && !bytes.Equal(value, rtnl.Attr(have, 0, typ)) {
			data.AddRtAttr(typ, value)
			differ = true
		}
	}
	if !differ {
		return nil
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	return n.do(unix.RTM_NEWLINK, 0, msg, info)
}

// slaveKind is the kind of a link's master, as its own message says it.
func slaveKind(raw []byte) string {
	return unix.ByteSliceToString(rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0, nl.IFLA_INFO_SLAVE_KIND))
}
