package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// addrTable holds the addresses of both families. They come back in their order, which says what the primary ones are.
var addrTable = &Table{Name: "addr", One: "address", Many: "addresses",
	Get: unix.RTM_GETADDR, New: unix.RTM_NEWADDR, Del: unix.RTM_DELADDR, Header: unix.SizeofIfAddrmsg,
	Families: []byte{unix.AF_INET, unix.AF_INET6}, On: onLink, Goes: Closing, Link: func(raw []byte) int {
		return int(int32(binary.NativeEndian.Uint32(raw[4:])))
	},
	lists: func(_ *Table, n *Namespace, l *Link, _ *Image) ([][]byte, error) { return n.linkAddrs(l.Index) },
	put:   func(_ *Table, n *Namespace, l *Link, img *Image) error { return n.restoreAddrs(l, img, img.reopened) }}

func (img *Image) addrs() [][]byte { return img.Parts["addr"] }

// restoreAddrs puts the addresses back. Where a family's order differs, which can make another one the primary, those
// from the first that differs on are added anew; and so are all IPv6 ones of a link that went down, which may have been
// kept but without their local routes. Somebody else's addresses and routes stay, and the kernel's own, which it has
// made meanwhile, go. What only the kernel can make is neither deleted nor added.
func (n *Namespace) restoreAddrs(l *Link, img *Image, down bool) error {
	have, err := n.linkAddrs(l.Index)
	if err != nil {
		return err
	}
	theirs := addrsOfOthers(l, have, img.addrs())
	have = slices.DeleteFunc(have, func(h []byte) bool {
		return slices.ContainsFunc(theirs, func(a []byte) bool { return sameAddr(h, a) })
	})
	have4, have6 := byFamily(have)
	want4, want6 := byFamily(img.addrs())
	theirs4, _ := byFamily(theirs)
	if !slices.EqualFunc(have4, want4, sameAddr) {
		// The last IPv4 address takes the link's routes with it, and a primary one the others of its subnet.
		routes, e := n.routesOfOthers(l.Index, img)
		if err = e; err == nil {
			stay := alike(have4, want4)
			err = errors.Join(n.replaceAddrs(have4[stay:], want4[stay:]), n.addMissing(theirs4),
				n.restoreTheirRoutes(routes))
		}
	}
	var left6, gone6 [][]byte
	for _, h := range have6 {
		switch {
		case !hasKey(want6, h):
			gone6 = append(gone6, h)
		case !kernelOnly(h):
			left6 = append(left6, h)
		}
	}
	want6 = slices.DeleteFunc(want6, kernelOnly)
	// The kernel puts a new IPv6 address before the others of its scope.
	slices.Reverse(left6)
	slices.Reverse(want6)
	stay := 0
	if !down {
		stay = alike(left6, want6)
	}
	return errors.Join(err, n.replaceAddrs(append(gone6, left6[stay:]...), want6[stay:]))
}

// alike is how many addresses two lists begin with that are the same.
func alike(a, b [][]byte) (n int) {
	for n < min(len(a), len(b)) && sameAddr(a[n], b[n]) {
		n++
	}
	return n
}

// hasKey reports whether an address is among others.
func hasKey(all [][]byte, msg []byte) bool {
	return slices.ContainsFunc(all, func(a []byte) bool { return addrKey(a) == addrKey(msg) })
}

// addMissing adds those of a link's addresses that the kernel has removed with others.
func (n *Namespace) addMissing(addrs [][]byte) error {
	if len(addrs) == 0 {
		return nil
	}
	have, err := n.linkAddrs(int(nl.DeserializeIfAddrmsg(addrs[0]).Index))
	errs := []error{err}
	for _, a := range addrs {
		if !slices.ContainsFunc(have, func(h []byte) bool { return addrKey(h) == addrKey(a) }) {
			errs = append(errs, n.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, rtnl.Raw(a)))
		}
	}
	return errors.Join(errs...)
}

// routesOfOthers are the IPv4 routes over a link that are not in its image, nor the kernel's own.
func (n *Namespace) routesOfOthers(index int, img *Image) ([][]byte, error) {
	all, err := n.linkRoutes(index, img.addrs())
	return slices.DeleteFunc(all, func(r []byte) bool {
		return r[0] != unix.AF_INET || nl.DeserializeRtMsg(r).Protocol == unix.RTPROT_KERNEL ||
			slices.ContainsFunc(img.routes(), func(w []byte) bool { return sameRoute(w, r) })
	}), err
}

// restoreTheirRoutes adds those routes that the kernel has removed with the addresses.
func (n *Namespace) restoreTheirRoutes(routes [][]byte) error {
	if len(routes) == 0 {
		return nil
	}
	have, err := n.routes46()
	errs := []error{err}
	for _, r := range routes {
		if !slices.ContainsFunc(have, func(h []byte) bool { return sameRoute(h, r) }) {
			errs = append(errs, n.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, routeAsItWas(r)))
		}
	}
	return errors.Join(errs...)
}

func byFamily(all [][]byte) (v4, v6 [][]byte) {
	for _, msg := range all {
		if nl.DeserializeIfAddrmsg(msg).Family == unix.AF_INET {
			v4 = append(v4, msg)
		} else {
			v6 = append(v6, msg)
		}
	}
	return v4, v6
}

// replaceAddrs deletes addresses, and adds others in their order.
func (n *Namespace) replaceAddrs(have, want [][]byte) error {
	var errs []error
	for _, msg := range have {
		a, index := addrKey(msg), int(nl.DeserializeIfAddrmsg(msg).Index)
		err := n.do(unix.RTM_DELADDR, 0, rtnl.Raw(msg))
		errs = append(errs, n.gone(err, "delete address", a.Prefix.String(), func() (bool, error) {
			return n.hasAddr(index, a)
		}))
	}
	for _, msg := range want {
		again := slices.Clone(msg)
		if addrFlags(msg)&unix.IFA_F_TENTATIVE == 0 {
			setAddrFlags(again, addrFlags(msg)|unix.IFA_F_NODAD)
		}
		err := n.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, rtnl.Raw(again))
		if err == nil && nl.DeserializeIfAddrmsg(msg).Family == unix.AF_INET6 {
			// Once more with the flags it had: the first was only to spare it a second duplicate detection.
			err = n.do(unix.RTM_NEWADDR, unix.NLM_F_REPLACE, rtnl.Raw(msg))
		}
		if errors.Is(err, unix.EADDRINUSE) {
			err = groupLoss(msg)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// addrsOfOthers are the addresses of a link that are none of the wanted and that the kernel did not make by itself.
func addrsOfOthers(l *Link, have, want [][]byte) (others [][]byte) {
	for _, h := range have {
		if !kernels(l, h) && !slices.ContainsFunc(want, func(w []byte) bool { return addrKey(w) == addrKey(h) }) {
			others = append(others, h)
		}
	}
	return others
}

// kernels reports whether the kernel made an address by itself, with the link's going up: it says so since Linux 5.18,
// and before that the address does, mostly.
func kernels(l *Link, msg []byte) bool {
	if proto := rtnl.Attr(msg, unix.SizeofIfAddrmsg, ifaProto); len(proto) == 1 {
		return proto[0] == 1 || proto[0] == 3 // IFAPROT_KERNEL_LO, IFAPROT_KERNEL_LL
	}
	a, ok := parseAddr(msg)
	ip := a.Prefix.Addr()
	if !ok || !ip.Is6() || !ip.IsLinkLocalUnicast() || len(l.MAC) != 6 {
		return ok && ip.IsLoopback()
	}
	eui := ip.As16()
	m := l.MAC
	return bytes.Equal(eui[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// addrKey is what makes an address another one than the others of its link.
func addrKey(msg []byte) Addr {
	a, _ := parseAddr(msg)
	return a
}

// sameSettings compares two messages of one address by what it was given, not by what the kernel says of it.
func sameSettings(a, b []byte) bool {
	const given = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MCAUTOJOIN
	bare := func(msg []byte) []byte {
		msg = rtnl.Without(rtnl.Without(msg, unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO),
			unix.SizeofIfAddrmsg, unix.IFA_FLAGS)
		msg[2] = 0
		return msg
	}
	return addrFlags(a)&given == addrFlags(b)&given && bytes.Equal(bare(a), bare(b))
}

// sameAddr compares two address messages but for the times in IFA_CACHEINFO, and the flag that follows from them.
func sameAddr(a, b []byte) bool {
	bare := func(msg []byte) []byte {
		msg = rtnl.Without(msg, unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO)
		setAddrFlags(msg, addrFlags(msg)&^unix.IFA_F_DEPRECATED)
		return msg
	}
	return bytes.Equal(bare(a), bare(b))
}

func addrFlags(msg []byte) uint32 {
	for at, typ := range rtnl.Attrs(msg, unix.SizeofIfAddrmsg) {
		if typ == unix.IFA_FLAGS {
			return binary.NativeEndian.Uint32(msg[at+4:])
		}
	}
	return uint32(msg[2])
}

func setAddrFlags(msg []byte, flags uint32) {
	msg[2] = byte(flags)
	for at, typ := range rtnl.Attrs(msg, unix.SizeofIfAddrmsg) {
		if typ == unix.IFA_FLAGS {
			binary.NativeEndian.PutUint32(msg[at+4:], flags)
		}
	}
}
