package kernel

import (
	"errors"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// settleAddrs waits until the IPv6 addresses are in use that were added, and those that came with carriers. The kernel
// joins the group in which their neighbours ask for them, and adds their local routes, in a work of its own
// (addrconf_dad_work in net/ipv6/addrconf.c). A question that comes before that gets no answer, and is asked again a
// second later.
func (m *Machine) settleAddrs() error {
	for ref := range m.awaitingAutoconf {
		if err := m.noteAutoconf(ref); err != nil {
			return err
		}
	}
	clear(m.awaitingAutoconf)
	// The event (RTNLGRP_IPV6_ROUTE) goes only to sockets that were there before, one more for each namespace.
	// The work takes one address after the other, and on a busy machine much longer for many than for one.
	for deadline := time.Now().Add(rtnl.Timeout); len(m.awaitingUse) > 0; time.Sleep(time.Millisecond) {
		routed := map[*Namespace]map[netip.Addr]bool{}
		var waiting []Addr
		for _, a := range m.awaitingUse {
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
		if len(waiting) < len(m.awaitingUse) {
			deadline = time.Now().Add(rtnl.Timeout)
		}
		m.awaitingUse = waiting
	}
	return nil
}

// noteAutoconf adds to the addresses that are waited for those that the links of a namespace gave themselves and do not
// use yet. A link that detects duplicates takes a second or two for that; nobody asked for it, and nobody waits.
func (m *Machine) noteAutoconf(ref NSRef) error {
	n, err := m.Namespace(ref)
	if gone(err) {
		return nil
	}
	var msgs [][]byte
	if err == nil {
		msgs, err = n.dump(unix.RTM_GETADDR, nl.NewIfAddrmsg(unix.AF_INET6))
	}
	if err != nil {
		return fail(err, "list addresses", "", n)
	}
	for _, msg := range msgs {
		a, ok := parseAddr(msg)
		if !ok || addrFlags(msg)&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != unix.IFA_F_TENTATIVE {
			continue
		}
		l, err := n.linkByIndex(int(nl.DeserializeIfAddrmsg(msg).Index))
		if gone(err) {
			continue
		} else if err != nil {
			return fail(err, "settle address", a.Prefix.String(), n)
		}
		detects, err := n.detects(l.Name)
		if err != nil {
			return fail(err, "settle address", a.Prefix.String(), n)
		}
		if a.Link = l.LinkRef; !detects {
			m.awaitingUse = append(m.awaitingUse, a)
		}
	}
	return nil
}

// detects reports whether a link of the namespace detects duplicate addresses: where it is told to, or all links are.
func (n *Namespace) detects(link string) (bool, error) {
	for _, name := range []string{"all", link} {
		value, err := n.Sysctl("net/ipv6/conf/" + name + "/accept_dad")
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return false, err
		}
		if value != "" && value[0] != '0' && value[0] != '-' {
			return true, nil
		}
	}
	return false, nil
}

// unroutedYet reports whether the kernel is still to add an address's local route. It does not for an address that is
// gone or a duplicate, or whose link is down. routed are the namespaces' local addresses as far as they are known.
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
	if gone(err) || err == nil && (!l.Up || a.DAD && !l.Carrier) {
		return n, false, nil
	} else if err != nil {
		return n, false, err
	}
	msg, err := n.findAddr(index, a)
	return n, msg != nil && addrFlags(msg)&unix.IFA_F_DADFAILED == 0, err
}

// localAddrs are the IPv6 addresses that the namespace takes packets for. Those of a VRF's links are in a table of its
// own.
func (n *Namespace) localAddrs() (map[netip.Addr]bool, error) {
	all, err := n.dump(unix.RTM_GETROUTE, &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET6, Type: unix.RTN_LOCAL}})
	local := map[netip.Addr]bool{}
	for _, raw := range all {
		if a, ok := netip.AddrFromSlice(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_DST)); ok &&
			nl.DeserializeRtMsg(raw).Type == unix.RTN_LOCAL {
			local[a] = true
		}
	}
	return local, err
}
