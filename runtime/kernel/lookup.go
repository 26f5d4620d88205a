package kernel

import (
	"cmp"
	"errors"
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

// Lookup asks the kernel for the route to an address, from a source address when that is valid, and by a link when that
// is not 0. An address with a zone is looked up on the link of that name. It reports whether the address is the
// namespace's own.
func (n *Namespace) Lookup(dst, src netip.Addr, oif int) (local bool, err error) {
	q := RouteQuery{Dst: dst, Src: src}
	if oif != 0 && dst.Zone() == "" {
		q.Attrs = AppendAttr(nil, unix.RTA_OIF, nl.Uint32Attr(uint32(oif)))
	}
	r, err := n.RouteGet(q)
	return err == nil && r.Head().Type == unix.RTN_LOCAL, err
}

// Broadcasts reports whether what is sent to an address, by a link when that is not 0, goes to all hosts of a link.
func (n *Namespace) Broadcasts(dst netip.Addr, oif int) (bool, error) {
	if dst.Is6() || dst.IsMulticast() {
		return false, nil
	}
	q := RouteQuery{Dst: dst}
	if oif != 0 {
		q.Attrs = AppendAttr(nil, unix.RTA_OIF, nl.Uint32Attr(uint32(oif)))
	}
	r, err := n.RouteGet(q)
	if errno, ok := errors.AsType[unix.Errno](err); ok && errno != 0 {
		return false, nil // it is not reached, which the sender is told
	}
	return err == nil && r.Head().Type == unix.RTN_BROADCAST, err
}
