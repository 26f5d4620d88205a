package kernel

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Addrs lists the addresses of the namespace in the order of its links' indexes, those of links without a carrier
// apart.
func (n *Namespace) Addrs() (carried, others []Addr, err error) {
	links, err := n.Links()
	if err != nil {
		return nil, nil, err
	}
	byIndex := map[int]*Link{}
	for _, l := range links {
		byIndex[l.Index] = l
	}
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		msgs, err := n.dump(unix.RTM_GETADDR, nl.NewIfAddrmsg(fam))
		if err != nil {
			return nil, nil, fail(err, "list addresses", "", n)
		}
		for _, msg := range msgs {
			a, ok := parseAddr(msg)
			l := byIndex[int(nl.DeserializeIfAddrmsg(msg).Index)]
			if !ok || l == nil {
				continue // the link was made since
			}
			if a.Link = l.LinkRef; l.Carrier {
				carried = append(carried, a)
			} else {
				others = append(others, a)
			}
		}
	}
	for _, addrs := range [][]Addr{carried, others} {
		slices.SortStableFunc(addrs, func(a, b Addr) int { return cmp.Compare(a.Link.Index, b.Link.Index) })
	}
	return carried, others, nil
}

// Subnet is the prefix that the link of an address leads to.
func (a Addr) Subnet() netip.Prefix {
	if a.Peer.IsValid() {
		return a.Peer.Masked()
	}
	return a.Prefix.Masked()
}

// Lookup asks the kernel for the route to an address, like `ip route get`, from a source address when that is valid,
// and by a link when that is not 0. An address with a zone is looked up on the link of that name. It reports whether
// the address is the namespace's own; the error is ENETUNREACH or the like when there is no route, or one that sends
// nothing.
func (n *Namespace) Lookup(dst, src netip.Addr, oif int) (local bool, err error) {
	msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family(dst)), Dst_len: uint8(dst.BitLen())}}
	parts := []nl.NetlinkRequestData{msg, nl.NewRtAttr(unix.RTA_DST, dst.AsSlice())}
	if src.IsValid() {
		msg.Src_len = uint8(src.BitLen())
		parts = append(parts, nl.NewRtAttr(unix.RTA_SRC, src.AsSlice()))
	}
	if dst.Zone() != "" {
		l, err := n.Link(dst.Zone())
		if err != nil {
			return false, err
		}
		oif = l.Index
	}
	if oif != 0 {
		parts = append(parts, nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(oif))))
	}
	raw, err := n.get(unix.RTM_GETROUTE, parts...)
	if err == nil {
		// IPv6 answers with what it found, IPv4 with the errno that it means.
		err = map[byte]error{unix.RTN_UNREACHABLE: unix.EHOSTUNREACH, unix.RTN_PROHIBIT: unix.EACCES,
			unix.RTN_BLACKHOLE: unix.EINVAL, unix.RTN_THROW: unix.ENETUNREACH}[nl.DeserializeRtMsg(raw).Type]
	}
	if err != nil {
		return false, fail(err, "look up route", dst.String(), n)
	}
	return nl.DeserializeRtMsg(raw).Type == unix.RTN_LOCAL, nil
}
