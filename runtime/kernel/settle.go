package kernel

import (
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Settle makes links carry packets that were set up just now. The kernel turns a new carrier into a working queue later
// and drops packets until then (net/core/link_watch.c, up to a second); asking for a single link makes it do so at once,
// since Linux 6.8, and tells an older one's state, which is waited for.
// A link that is set up can give its peer a carrier, and a port its bridge, so these are asked for after it.
func (m *Machine) Settle() error {
	for _, ref := range m.awaitingCarrier {
		n, index, err := m.find(ref)
		if err == nil {
			err = n.settle(index)
		}
		if err != nil && !gone(err) {
			return fail(err, "settle link", ref.Name, n)
		}
	}
	m.awaitingCarrier = m.awaitingCarrier[:0]
	return m.settleAddrs()
}

// settleAddrs waits until the IPv6 addresses that were added are in use: the kernel joins the group that their neighbours
// are asked for in, and adds their local routes, in a work of its own (addrconf_dad_work in net/ipv6/addrconf.c). A
// question that comes before that gets no answer, and is asked again a second later.
func (m *Machine) settleAddrs() error {
	// The event (RTNLGRP_IPV6_ROUTE) goes only to sockets that were there before, one more for each namespace.
	// The work takes one address after the other, and on a busy machine much longer for many than for one.
	for deadline := time.Now().Add(rtnl.Timeout); len(m.unused) > 0; time.Sleep(time.Millisecond) {
		routed := map[*Namespace]map[netip.Addr]bool{}
		var waiting []Addr
		for _, a := range m.unused {
			n, wait, err := m.unroutedYet(a, routed)
			if err != nil {
				return fail(err, "settle address", a.String(), n)
			}
			if wait && time.Now().After(deadline) {
				return fail(unix.ETIMEDOUT, "settle address", a.String(), n)
			}
			if wait {
				waiting = append(waiting, a)
			}
		}
		if len(waiting) < len(m.unused) {
			deadline = time.Now().Add(rtnl.Timeout)
		}
		m.unused = waiting
	}
	return nil
}

// unroutedYet reports whether the kernel is still to add an address's local route. It does not for an address that is
// gone or whose link is down. routed are the namespaces' local addresses as far as they are known.
func (m *Machine) unroutedYet(a Addr, routed map[*Namespace]map[netip.Addr]bool) (*Namespace, bool, error) {
	n, index, err := m.find(a.Link)
	if err == nil && routed[n] == nil {
		routed[n], err = n.localAddrs()
	}
	if gone(err) || err == nil && routed[n][a.Prefix.Addr()] {
		return n, false, nil
	} else if err != nil {
		return n, false, err
	}
	l, err := n.linkByIndex(index)
	if gone(err) || err == nil && !l.Up {
		return n, false, nil
	} else if err != nil {
		return n, false, err
	}
	there, err := n.hasAddr(index, a)
	return n, there, err
}

// localAddrs are the IPv6 addresses that the namespace takes packets for. Those of a VRF's links are in a table of its own.
func (n *Namespace) localAddrs() (map[netip.Addr]bool, error) {
	all, err := n.dump(unix.RTM_GETROUTE, &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET6, Type: unix.RTN_LOCAL}})
	local := map[netip.Addr]bool{}
	for _, raw := range all {
		if a, ok := netip.AddrFromSlice(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_DST)); ok && nl.DeserializeRtMsg(raw).Type == unix.RTN_LOCAL {
			local[a] = true
		}
	}
	return local, err
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

// carrierPatience is more than the time that the kernel takes to act on a new carrier.
const carrierPatience = 2 * time.Second

// around waits until the kernel has acted on a link's carrier, and returns where its peer and its master are, index 0 when
// it has none.
func (n *Namespace) around(at neighbour) (peer, master neighbour, err error) {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(at.index)
	parts := []nl.NetlinkRequestData{msg, nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats))}
	if at.nsid >= 0 {
		parts = append(parts, nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(at.nsid))))
	}
	raw, err := n.get(unix.RTM_GETLINK, parts...)
	for deadline := time.Now().Add(carrierPatience); err == nil && lagging(raw) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // the event goes only to sockets that were there before, one more for each namespace
		raw, err = n.get(unix.RTM_GETLINK, parts...)
	}
	if err != nil {
		return peer, master, err
	}
	peer = neighbour{at.nsid, rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK)}
	if rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK_NETNSID) != nil {
		peer.nsid = rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_LINK_NETNSID)
	}
	return peer, neighbour{at.nsid, rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_MASTER)}, nil
}

// Operational states of RFC 2863, as linux/if.h numbers them.
const (
	operUnknown        = 0
	operDown           = 2
	operLowerLayerDown = 3
)

// lagging reports whether a link is set up and has a carrier that the kernel has not acted on yet.
func lagging(raw []byte) bool {
	carrier, state := rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_CARRIER), rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_OPERSTATE)
	if nl.DeserializeIfInfomsg(raw).Flags&unix.IFF_UP == 0 || len(carrier) != 1 || carrier[0] == 0 || len(state) != 1 {
		return false
	}
	switch state[0] {
	case operDown, operLowerLayerDown:
		return true
	case operUnknown:
		// That of most kinds stays so. These begin without a carrier, and when not even that was acted on they are unknown still.
		kind := unix.ByteSliceToString(rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0, unix.IFLA_INFO_KIND))
		return kind == "veth" || kind == "bridge"
	}
	return false
}
