package kernel

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Settle makes links carry packets that were set up just now. The kernel turns a new carrier into a working queue later
// and drops packets until then (net/core/link_watch.c, up to a second); asking for a single link makes it do so at once.
// A link that is set up can give its peer a carrier, and a port its bridge, so these are asked for after it.
func (m *Machine) Settle() error {
	for _, ref := range m.restless {
		n, index, err := m.find(ref)
		if err == nil {
			err = n.settle(index)
		}
		if err != nil && !gone(err) {
			return fail(err, "settle link", ref.Name, n)
		}
	}
	m.restless = m.restless[:0]
	return nil
}

// skipStats is RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h.
const skipStats = 1 << 3

// A neighbour is how the kernel tells of a link's peer and master: an index, and the namespace's id in the eyes of the
// one that asks, -1 for that itself.
type neighbour struct{ nsid, index int }

func (n *Namespace) settle(index int) error {
	peer, master, err := n.around(neighbour{-1, index})
	if err != nil {
		return err
	}
	masters := []neighbour{master}
	if peer.index > 0 {
		// The peer may be in a namespace that only the kernel knows the way to: it is asked through this one.
		_, master, err := n.around(peer)
		if err != nil && !gone(err) {
			return err
		}
		masters = append(masters, master)
	}
	for _, at := range masters {
		if at.index == 0 {
			continue
		}
		if _, _, err := n.around(at); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// around asks for one link and returns where its peer and its master are, index 0 when it has none.
func (n *Namespace) around(at neighbour) (peer, master neighbour, err error) {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(at.index)
	parts := []nl.NetlinkRequestData{msg, nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats))}
	if at.nsid >= 0 {
		parts = append(parts, nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(at.nsid))))
	}
	raw, err := n.get(unix.RTM_GETLINK, parts...)
	if err != nil {
		return peer, master, err
	}
	peer = neighbour{at.nsid, attrNumber(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK)}
	if attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK_NETNSID) != nil {
		peer.nsid = attrNumber(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK_NETNSID)
	}
	return peer, neighbour{at.nsid, attrNumber(raw, unix.SizeofIfInfomsg, unix.IFLA_MASTER)}, nil
}
