package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// An Addr is an address on a link, as a journal writes it.
type Addr struct {
	Link   LinkRef      `json:"link"`
	Prefix netip.Prefix `json:"prefix"`
	Peer   netip.Prefix `json:"peer,omitzero"` // the other end of a point-to-point address
	DAD    bool         `json:"dad,omitempty"` // IPv6: detect duplicates first
}

func (a Addr) String() string { return a.Prefix.String() + " to " + a.Link.Name }

// Valid says what is wrong with an address.
func (a Addr) Valid() error {
	if !a.Prefix.IsValid() || a.Peer.IsValid() && a.Peer.Addr().Is4() != a.Prefix.Addr().Is4() {
		return fmt.Errorf("%s, with %s at the other end, is no address of a link", a.Prefix, a.Peer)
	}
	return nil
}

// ifaProto is IFA_PROTO of linux/if_addr.h: who added an address. Kernels before 5.18 do not keep it.
const ifaProto = 11

// An AddrSpec is what an address is given besides what makes it another one than the others of its link.
type AddrSpec struct {
	Scope *uint8 `json:"scope,omitempty"` // what the kernel makes it when nil
	Flags uint32 `json:"flags,omitempty"` // IFA_F of linux/if_addr.h
	Attrs []byte `json:"attrs,omitempty"` // further attributes of the message
}

// Valid says what is wrong with it.
func (s AddrSpec) Valid() error { return rtnl.ValidAttrs(s.Attrs) }

// proto is who adds the address, in a namespace that nsscript did not make.
func (s AddrSpec) proto() []byte {
	if v := rtnl.Attr(s.Attrs, 0, ifaProto); v != nil {
		return v
	}
	return []byte{protoForeign}
}

// AddAddr adds an address. One that the link has already is EEXIST.
func (m *Machine) AddAddr(a Addr) error { return m.PutAddr(a, AddrSpec{}) }

// PutAddr adds an address with more than the default settings.
func (m *Machine) PutAddr(a Addr, s AddrSpec) error {
	return m.addr(a, s, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, "add address", a.String())
}

// DelAddr removes an address. One that is not there is ErrGone.
func (m *Machine) DelAddr(a Addr) error {
	return m.addr(a, AddrSpec{}, unix.RTM_DELADDR, 0, "delete address", a.Prefix.String()+" from "+a.Link.Name)
}

func (m *Machine) addr(a Addr, s AddrSpec, kind, flags int, op, object string) error {
	n, index, err := m.find(a.Link)
	if err != nil {
		return fail(err, op, object, n)
	}
	local, far := a.Prefix.Addr(), a.Prefix
	if a.Peer.IsValid() {
		far = a.Peer
	}
	msg := nl.NewIfAddrmsg(family(local))
	msg.Index, msg.Prefixlen = uint32(index), uint8(far.Bits())
	parts := []nl.NetlinkRequestData{msg,
		nl.NewRtAttr(unix.IFA_LOCAL, local.AsSlice()), nl.NewRtAttr(unix.IFA_ADDRESS, far.Addr().AsSlice()),
		rtnl.Raw(s.Attrs)}
	if s.Scope != nil {
		msg.Scope = *s.Scope
	}
	given := func(typ int) bool { return rtnl.Attr(s.Attrs, 0, typ) != nil }
	switch {
	case local.Is6() && !a.DAD:
		s.Flags |= unix.IFA_F_NODAD
	case local.Is4() && far.Bits() < 31 && !a.Peer.IsValid() && !given(unix.IFA_BROADCAST):
		parts = append(parts, nl.NewRtAttr(unix.IFA_BROADCAST, broadcast(a.Prefix)))
	}
	if s.Flags != 0 {
		parts = append(parts, nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(s.Flags)))
	}
	if kind == unix.RTM_NEWADDR && n.next == 0 && !given(ifaProto) {
		parts = append(parts, nl.NewRtAttr(ifaProto, []byte{protoForeign}))
	}
	if kind == unix.RTM_NEWADDR && local.Is6() {
		m.awaitingUse = append(m.awaitingUse, awaited{Addr: a})
	}
	err = n.do(kind, flags, parts...)
	if kind == unix.RTM_DELADDR {
		return n.reallyGone(err, op, object, func() (bool, error) { return n.hasAddr(index, a) })
	}
	err = fail(err, op, object, n)
	if err == nil || local.Is4() {
		return err
	}
	switch l, e := n.linkByIndex(index); {
	case e != nil:
	case l.MTU < MinIPv6:
		err = hinted(err, "IPv6 needs an mtu of %d at least (RFC 8200), and the link's is %d", MinIPv6, l.MTU)
	case errors.Is(err, unix.EACCES):
		err = hinted(err, "IPv6 is off there: sysctl(%s, \"net/ipv6/conf/%s/disable_ipv6\", 0)", n.Name(), l.Name)
	}
	return err
}

// TakeBack removes an address that AddAddr added: ErrDiverged when somebody else has put one of their own in its place.
// In namespaces that a run made, which this process may not know to be such, addresses have no mark.
func (m *Machine) TakeBack(a Addr, s AddrSpec) error {
	n, index, err := m.find(a.Link)
	if err != nil {
		return fail(err, "delete address", a.Prefix.String()+" from "+a.Link.Name, n)
	}
	msg, err := n.findAddr(index, a)
	if err == nil && msg != nil && a.Link.NS.Token == "" && keepsProto() &&
		!bytes.Equal(rtnl.Attr(msg, unix.SizeofIfAddrmsg, ifaProto), s.proto()) {
		err = ErrDiverged
	}
	if err == nil && msg != nil && a.Prefix.Addr().Is6() && addrFlags(msg)&unix.IFA_F_TENTATIVE == 0 {
		m.joined(a, n)
	}
	if err != nil {
		return fail(err, "delete address", a.Prefix.String()+" from "+a.Link.Name, n)
	}
	return m.DelAddr(a)
}

// FindAddr is the kernel's message of an address, ErrGone when it is not there.
func (m *Machine) FindAddr(a Addr) ([]byte, error) {
	n, index, err := m.find(a.Link)
	var msg []byte
	if err == nil {
		msg, err = n.findAddr(index, a)
	}
	if err == nil && msg == nil {
		err = ErrGone
	}
	return msg, fail(err, "read address", a.Prefix.String()+" of "+a.Link.Name, n)
}

// AddrFlags are the flags of an address's message; AddrAttr is an attribute of it, nil when it has none.
func AddrFlags(msg []byte) uint32         { return addrFlags(msg) }
func AddrAttr(msg []byte, typ int) []byte { return rtnl.Attr(msg, unix.SizeofIfAddrmsg, typ) }

// joined waits until a router's link has joined the anycast address of an address's subnet, which it does in the work
// that Settle waits for. When the address goes, the kernel leaves that once, joined or not, and takes it from the
// link's other addresses in the subnet (addrconf_leave_anycast in net/ipv6/addrconf.c).
func (m *Machine) joined(a Addr, n *Namespace) {
	l, err := m.Read(a.Link)
	if err != nil {
		return // the deletion will say so
	}
	if router, err := n.Sysctl("net/ipv6/conf/" + l.Name + "/forwarding"); err == nil && router != "0" {
		m.awaitingUse = append(m.awaitingUse, awaited{Addr: a})
		_ = m.settleAddrs() // when that takes too long, the address goes all the same
	}
}

// keepsProto reports whether the kernel keeps ifaProto.
var keepsProto = sync.OnceValue(func() bool {
	var u unix.Utsname
	var major, minor int
	_ = unix.Uname(&u) // it fails for a bad pointer only
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return n == 2 && (major > 5 || major == 5 && minor >= 18)
})

// CheckAddr is ErrDiverged when an image's link has an address with other settings than in the image.
func (m *Machine) CheckAddr(a Addr, img *Image) error {
	if img == nil {
		return errNoImage
	}
	n, index, err := m.find(a.Link)
	if err != nil {
		return fail(err, "restore address", a.String(), n)
	}
	now, err := n.findAddr(index, a)
	was := slices.IndexFunc(img.addrs(), func(msg []byte) bool {
		return addrKey(msg) == Addr{Prefix: a.Prefix, Peer: a.Peer}
	})
	if err == nil && now != nil && was >= 0 && !sameSettings(now, img.addrs()[was]) {
		err = ErrDiverged
	}
	return fail(err, "restore address", a.String(), n)
}

// hasAddr reports whether a link has an address.
func (n *Namespace) hasAddr(index int, a Addr) (bool, error) {
	msg, err := n.findAddr(index, a)
	return msg != nil, err
}

// findAddr is the raw message of an address of a link, nil when it is not there.
func (n *Namespace) findAddr(index int, a Addr) ([]byte, error) {
	msgs, err := n.linkAddrs(index)
	for _, msg := range msgs {
		if addrKey(msg) == (Addr{Prefix: a.Prefix, Peer: a.Peer}) {
			return msg, err
		}
	}
	return nil, err
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// broadcast is the highest address of an IPv4 prefix, which ip-address(8) calls "brd +".
func broadcast(p netip.Prefix) []byte {
	ip := p.Addr().As4()
	v := binary.BigEndian.Uint32(ip[:]) | ^uint32(0)>>p.Bits()
	return binary.BigEndian.AppendUint32(nil, v)
}

// Addrs lists a link's addresses, IPv4 first, each family in the kernel's own order (primaries before secondaries).
func (m *Machine) Addrs(ref LinkRef) ([]Addr, error) {
	n, index, err := m.find(ref)
	if err != nil {
		return nil, fail(err, "list addresses of link", ref.Name, n)
	}
	msgs, err := n.linkAddrs(index)
	if err != nil {
		return nil, fail(err, "list addresses of link", ref.Name, n)
	}
	var all []Addr
	for _, msg := range msgs {
		if a, ok := parseAddr(msg); ok {
			a.Link = ref
			all = append(all, a)
		}
	}
	return all, nil
}

// linkAddrs are the raw RTM_NEWADDR messages of a link's addresses.
func (n *Namespace) linkAddrs(index int) (mine [][]byte, err error) {
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		all, err := n.dump(unix.RTM_GETADDR, nl.NewIfAddrmsg(fam))
		if err != nil {
			return nil, err
		}
		for _, msg := range all {
			if len(msg) >= unix.SizeofIfAddrmsg && int(nl.DeserializeIfAddrmsg(msg).Index) == index {
				mine = append(mine, msg)
			}
		}
	}
	return mine, nil
}

func parseAddr(msg []byte) (a Addr, ok bool) {
	head := nl.DeserializeIfAddrmsg(msg)
	attrs, err := nl.ParseRouteAttr(msg[unix.SizeofIfAddrmsg:])
	if err != nil {
		return a, false
	}
	var local, far netip.Addr
	for _, attr := range attrs {
		switch attr.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_ADDRESS:
			far, _ = netip.AddrFromSlice(attr.Value)
		}
	}
	if !local.IsValid() {
		local = far
	}
	a.Prefix = netip.PrefixFrom(local, int(head.Prefixlen))
	if far != local {
		a.Peer, a.Prefix = netip.PrefixFrom(far, int(head.Prefixlen)), netip.PrefixFrom(local, local.BitLen())
	}
	return a, local.IsValid()
}
