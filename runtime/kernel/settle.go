package kernel

import (
	"strconv"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Settle waits for what the kernel does later with the changes that were made: links get their carriers, and IPv6
// addresses come into use. Whoever sends packets calls it first; it costs nothing when nothing was changed.
func (m *Machine) Settle() error {
	if err := m.SettleLinks(); err != nil {
		return err
	}
	return m.settleAddrs()
}

// SettleLinks makes links carry packets that were set up just now. The kernel turns a new carrier into a working queue
// later and drops packets until then (net/core/link_watch.c, up to a second). Asking for a single link makes it do so
// at once, since Linux 6.8, and tells an older one's state, which is waited for. What goes with a carrier is done then,
// too: link-local addresses are there with their routes, and a bridge's port forwards. A link that is set up can give
// its peer a carrier, and a port its bridge, so these are asked for after it.
func (m *Machine) SettleLinks() error {
	// What stands on a bridge has its carrier from that, and that from its ports: who has none is asked for again as
	// long as others got theirs.
	for links, before := m.awaitingCarrier, 0; len(links) != before; {
		var err error
		before = len(links)
		if links, err = m.settleLinks(links); err != nil {
			return err
		}
	}
	m.awaitingCarrier = nil
	return nil
}

// settleLinks asks for links and their peers, and then for the masters of these, once for each. It returns the links
// that have no carrier.
func (m *Machine) settleLinks(links []LinkRef) (without []LinkRef, err error) {
	type place struct {
		n *Namespace
		neighbour
	}
	seen := map[place]bool{}
	var masters []place
	ask := func(at place) (a around, err error) {
		if at.index == 0 || seen[at] {
			return around{carried: true}, nil
		}
		seen[at] = true
		if a, err = at.n.around(at.neighbour); a.master.index > 0 {
			masters = append(masters, place{at.n, a.master})
		}
		return a, unlessGone(err)
	}
	for _, ref := range links {
		n, index, err := m.find(ref)
		if gone(err) {
			continue
		}
		var a around
		if err == nil {
			a, err = ask(place{n, neighbour{-1, index}})
		}
		if err == nil {
			// The peer may be in a namespace that only the kernel knows the way to: it is asked for through this one.
			_, err = ask(place{n, a.peer})
		}
		if err != nil {
			return nil, fail(err, "settle link", ref.Name, n)
		}
		if !a.carried {
			without = append(without, ref)
		}
	}
	clear(seen) // a bridge was asked for too early
	for _, at := range masters {
		if _, err := ask(at); err != nil {
			return nil, fail(err, "settle link", "with index "+strconv.Itoa(at.index), at.n)
		}
	}
	return without, nil
}

// skipStats is RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h.
const skipStats = 1 << 3

// A neighbour is how the kernel tells of a link's peer and master: an index, and the namespace's id in the eyes of the
// one that asks, -1 for that itself.
type neighbour struct{ nsid, index int }

// around is what a link's message says of those that it is connected to, index 0 where there is none.
type around struct {
	peer, master neighbour
	carried      bool // it has a carrier, or is down
}

// carrierPatience is more than the time that the kernel takes to act on a new carrier.
const carrierPatience = 2 * time.Second

// around waits until the kernel has acted on a link's carrier.
func (n *Namespace) around(at neighbour) (a around, err error) {
	raw, err := n.await(at, lagging)
	if err == nil && Opens(slaveKind(raw)) {
		raw, err = n.awaitMonitor(at, raw)
	}
	if err != nil {
		return a, err
	}
	a.peer = neighbour{at.nsid, rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK)}
	if rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK_NETNSID) != nil {
		a.peer.nsid = rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK_NETNSID)
	}
	a.master = neighbour{at.nsid, rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_MASTER)}
	a.carried = nl.DeserializeIfInfomsg(raw).Flags&unix.IFF_UP == 0 || carrier(raw) != 0
	return a, nil
}

// ReadSettled is Read when the kernel has acted on the link's carrier, and on that of each link that was set up. A link
// that gets no carrier is not waited for.
func (m *Machine) ReadSettled(ref LinkRef) (*Link, error) {
	if err := m.SettleLinks(); err != nil {
		return nil, err
	}
	n, index, err := m.find(ref)
	var raw []byte
	if err == nil {
		raw, err = n.await(neighbour{-1, index}, func(raw []byte) bool { return lagging(raw) || losing(raw) })
	}
	if gone(err) {
		err = ErrGone
	}
	var l *Link
	if err == nil {
		l, err = n.parse(raw)
	}
	if err == nil {
		err = n.readFamily(l)
	}
	if err != nil {
		return nil, fail(err, "read link", ref.Name, n)
	}
	return l, nil
}

// await reads a link's message, and again while it says that something is to come, as long as that may take.
func (n *Namespace) await(at neighbour, coming func(raw []byte) bool) ([]byte, error) {
	raw, err := n.linkAt(at)
	for deadline := time.Now().Add(carrierPatience); err == nil && coming(raw) && time.Now().Before(deadline); {
		if at.nsid < 0 && n.portless(raw) {
			break
		}
		// The event goes only to sockets that were there before, one more for each namespace.
		time.Sleep(time.Millisecond)
		raw, err = n.linkAt(at)
	}
	return raw, err
}

// linkAt reads a link's message.
func (n *Namespace) linkAt(at neighbour) ([]byte, error) {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(at.index)
	parts := []nl.NetlinkRequestData{msg, nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats))}
	if at.nsid >= 0 {
		parts = append(parts, nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(at.nsid))))
	}
	return n.get(unix.RTM_GETLINK, parts...)
}

// Operational states of RFC 2863, as linux/if.h numbers them.
const (
	operUnknown        = 0
	operDown           = 2
	operLowerLayerDown = 3
)

// stateWords are ip-link(8)'s words for them.
var stateWords = []string{"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"}

// carrier is the carrier that a link's message tells of, 1 or 0, and -1 when it tells of none.
func carrier(raw []byte) int {
	if c := rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_CARRIER); len(c) == 1 {
		return int(c[0])
	}
	return -1
}

// losing reports whether a link is set up and has lost its carrier, or never had one, and the kernel has not acted on
// that.
func losing(raw []byte) bool {
	state := rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_OPERSTATE)
	return nl.DeserializeIfInfomsg(raw).Flags&unix.IFF_UP != 0 && carrier(raw) == 0 &&
		len(state) == 1 && (state[0] == operUp || state[0] == operUnknown)
}

// lagging reports whether a link is set up and has a carrier that the kernel has not acted on yet.
func lagging(raw []byte) bool {
	state := rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_OPERSTATE)
	if nl.DeserializeIfInfomsg(raw).Flags&unix.IFF_UP == 0 || carrier(raw) < 1 || len(state) != 1 {
		return false
	}
	switch state[0] {
	case operDown, operLowerLayerDown:
		return true
	case operUnknown:
		// That of most kinds stays so. These begin without a carrier, and when not even that was acted on they are
		// unknown still.
		return kindOf(kindName(raw)).Late
	}
	return false
}

// kindName is the kind of a link, as its message says it.
func kindName(raw []byte) string {
	info := rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO)
	return unix.ByteSliceToString(rtnl.Attr(info, 0, unix.IFLA_INFO_KIND))
}

// portless reports whether a link of the namespace is a bridge without ports. One that never had any has a carrier, and
// its state stays unknown.
func (n *Namespace) portless(raw []byte) bool {
	if kindOf(kindName(raw)).Ports == nil {
		return false
	}
	index := nl.DeserializeIfInfomsg(raw).Index
	ports, err := n.dump(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC),
		nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(index))))
	return err == nil && len(ports) == 0
}
