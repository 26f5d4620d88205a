package kernel

import (
	"errors"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// awaited is an address that is to come into use.
type awaited struct {
	Addr
	own bool // the link has given it to itself
}

// detecting is how long an address that a link gave itself is waited for before it is asked whether the link detects
// duplicates, which takes it a second or two: nobody asked for that address, and nobody waits.
const detecting = 10 * time.Millisecond

// settleAddrs waits until the IPv6 addresses are in use that were added, and those that came with carriers. The kernel
// joins the group in which their neighbours ask for them, and adds their local routes, in a work of its own
// (addrconf_dad_work in net/ipv6/addrconf.c). A question that comes before that gets no answer, and is asked again a
// second later.
func (m *Machine) settleAddrs() error {
	seen := map[NSRef]bool{}
	for _, ref := range m.awaitingAutoconf {
		if seen[ref] {
			continue
		}
		seen[ref] = true
		if err := m.noteAutoconf(ref); err != nil {
			return err
		}
	}
	m.awaitingAutoconf = nil
	w := waiting{m: m, routed: map[*Namespace]map[netip.Addr]bool{}, ask: time.Now().Add(detecting)}
	// The work takes one address after the other, mostly in the order in which they came: the oldest is looked at.
	for deadline := time.Now().Add(rtnl.Timeout); len(m.awaitingUse) > 0; {
		oldest, before := &m.awaitingUse[0], len(m.awaitingUse)
		wait, err := w.still(oldest)
		switch {
		case err != nil:
			return err
		case !wait:
			m.awaitingUse = m.awaitingUse[1:]
		case time.Now().After(deadline):
			if m.awaitingUse, err = w.all(m.awaitingUse); err != nil {
				return err
			}
		default:
			// The event (RTNLGRP_IPV6_ROUTE) goes only to sockets that were there before, one more a namespace.
			time.Sleep(time.Millisecond)
			continue
		}
		// On a busy machine it takes much longer for many than for one.
		if deadline = time.Now().Add(rtnl.Timeout); len(m.awaitingUse) == before {
			n, _, _ := m.find(oldest.Link)
			return fail(unix.ETIMEDOUT, "settle address", oldest.String(), n)
		}
	}
	m.awaitingUse = nil
	return nil
}

// waiting is what is known of the addresses that are waited for.
type waiting struct {
	m      *Machine
	routed map[*Namespace]map[netip.Addr]bool // which have their routes
	ask    time.Time                          // from when on links are asked whether they detect duplicates
}

// all are those of the addresses that are to be waited for still.
func (w *waiting) all(addrs []awaited) (rest []awaited, err error) {
	for _, a := range addrs {
		wait, err := w.still(&a)
		if err != nil {
			return nil, err
		}
		if wait {
			rest = append(rest, a)
		}
	}
	return rest, nil
}

// still reports whether an address is to be waited for still.
func (w *waiting) still(a *awaited) (bool, error) {
	n, l, err := w.m.unrouted(a.Addr, w.routed)
	if err == nil && l != nil {
		a.Link.Name = l.Name
		if a.own && time.Now().After(w.ask) {
			var detects bool
			if detects, err = n.detects(l.Name); detects {
				return false, nil
			}
			a.own = false
		}
	}
	return l != nil, fail(err, "settle address", a.String(), n)
}

// noteAutoconf adds to the addresses that are waited for those that the links of a namespace gave themselves and do not
// use yet.
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
		if ok && addrFlags(msg)&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == unix.IFA_F_TENTATIVE {
			a.Link = n.at(int(nl.DeserializeIfAddrmsg(msg).Index))
			m.awaitingUse = append(m.awaitingUse, awaited{a, true})
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

// unrouted is the link of an address whose local route the kernel is still to add. It does not for an address that is
// gone or a duplicate, or whose link is down: then it is nil. routed are addresses that have theirs.
func (m *Machine) unrouted(a Addr, routed map[*Namespace]map[netip.Addr]bool) (n *Namespace, l *Link, err error) {
	n, index, err := m.find(a.Link)
	if err == nil && !routed[n][a.Prefix.Addr()] {
		routed[n], err = n.localAddrs()
	}
	if err != nil || routed[n][a.Prefix.Addr()] {
		return n, nil, unlessGone(err)
	}
	l, err = n.linkByIndex(index)
	if err != nil || !l.Up || a.DAD && !l.Carrier {
		return n, nil, unlessGone(err)
	}
	if msg, err := n.findAddr(index, a); err != nil || msg == nil || addrFlags(msg)&unix.IFA_F_DADFAILED != 0 {
		return n, nil, err
	}
	return n, l, nil
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
