package kernel

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Unready lists what of a namespace is on its way still, or will not come: links that are up and have no carrier, ports
// of bridges that are to forward, IPv6 addresses that are looked for twice, and routes whose way is dead. A port that
// spanning tree blocks is as it shall be, and a bridge without ports needs no carrier.
func (n *Namespace) Unready() (all []string, err error) {
	names := map[int]string{}
	links, err := n.dump(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC))
	if err != nil {
		return nil, fail(err, "list links", "", n)
	}
	for _, raw := range links {
		name := unix.ByteSliceToString(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_IFNAME))
		head := nl.DeserializeIfInfomsg(raw)
		if names[int(head.Index)] = name; head.Flags&unix.IFF_UP == 0 {
			continue
		}
		switch state := portState(raw); {
		case carrier(raw) == 0 && !n.portless(raw):
			all = append(all, name+" has no carrier")
		case lagging(raw):
			all = append(all, name+" is coming up")
		case state == "listening" || state == "learning":
			all = append(all, name+" is "+state)
		}
	}
	addrs, err := n.dump(unix.RTM_GETADDR, nl.NewIfAddrmsg(unix.AF_INET6))
	if err != nil {
		return nil, fail(err, "list addresses", "", n)
	}
	for _, raw := range addrs {
		flags := rtnl.Uint32(raw, unix.SizeofIfAddrmsg, unix.IFA_FLAGS)
		a, ok := parseAddr(raw)
		on := names[int(nl.DeserializeIfAddrmsg(raw).Index)]
		switch {
		case !ok:
		case flags&unix.IFA_F_DADFAILED != 0:
			all = append(all, fmt.Sprintf("%s of %s is another host's, too", a.Prefix.Addr(), on))
		case flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_OPTIMISTIC == 0:
			all = append(all, fmt.Sprintf("%s of %s is tentative", a.Prefix.Addr(), on))
		}
	}
	if all != nil {
		return all, nil // the ways of routes are down with their links
	}
	routes, err := n.routesOf(unix.AF_UNSPEC)
	if err != nil {
		return nil, fail(err, "list routes", "", n)
	}
	for _, raw := range routes {
		head := nl.DeserializeRtMsg(raw)
		if head.Type == unix.RTN_UNICAST && head.Flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0 {
			all = append(all, "the way of the route "+routeLine(raw, names, false)+" is down")
		}
	}
	return all, nil
}

// portState is the state of a bridge's port, as a message of its link says it, or one of the bridge's; empty for other
// links.
func portState(raw []byte) string {
	info := rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_PROTINFO)
	if raw[0] != unix.AF_BRIDGE {
		if info = nil; kindOf(slaveKind(raw)).bridges() {
			info = rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0, nl.IFLA_INFO_SLAVE_DATA)
		}
	}
	if state := rtnl.Attr(info, 0, nl.IFLA_BRPORT_STATE); len(state) == 1 && int(state[0]) < len(portStates) {
		return portStates[state[0]]
	}
	return ""
}
