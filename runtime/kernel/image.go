package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// An Image is all of a link that the kernel drops when the link goes down, shrinks, moves or is deleted: its
// attributes, addresses in order, routes over it, permanent neighbours and sysctls. Messages are kept as the kernel
// sent them, so that nothing is lost by understanding it.
type Image struct {
	Link    LinkRef           `json:"link"`
	Kind    string            `json:"kind"`
	Attrs   map[string]string `json:"attrs"`
	Addrs   [][]byte          `json:"addrs,omitempty"`
	Routes  [][]byte          `json:"routes,omitempty"`
	Neighs  [][]byte          `json:"neighs,omitempty"`
	Sysctls map[string]string `json:"sysctls,omitempty"` // by "net/ipv4/conf//KEY", the link's name left out
	Ports   []Port            `json:"ports,omitempty"`   // of a bridge
	Port    *Port             `json:"port,omitempty"`    // what it is itself as a bridge's port
	Info    []byte            `json:"info,omitempty"`    // IFLA_INFO_DATA
}

// errNoImage is the end of an undoing that needs one. Where it would not, as in a namespace of the run's own, none is saved.
var errNoImage = errors.New("restore link: the journal has no image of it")

// attrOrder is the order in which attributes are put back. The link goes up last, after its addresses.
var attrOrder = []string{"name", "mtu", "mac", "txqlen", "group", "alias", "flags", "master"}

// Image saves a link.
func (m *Machine) Image(ref LinkRef) (*Image, error) {
	l, err := m.Read(ref)
	if err != nil {
		return nil, err
	}
	n, index, err := m.find(ref)
	if err != nil {
		return nil, err
	}
	if err := m.nexthopUser(n, l); err != nil {
		return nil, err
	}
	img := &Image{Link: l.LinkRef, Kind: l.Kind, Attrs: map[string]string{"up": l.Attr("up")}}
	for _, a := range attrOrder {
		img.Attrs[a] = l.Attr(a)
	}
	if err := n.Do(func() error { img.Sysctls = sysctlsBelow(l.Name); return nil }); err != nil {
		return nil, fail(err, "save link", l.Name, n)
	}
	if img.Addrs, err = n.linkAddrs(index); err == nil {
		if img.Routes, err = n.linkRoutes(index, img.Addrs); err == nil {
			img.Neighs, err = n.linkNeighs(index)
		}
	}
	if err == nil && l.Kind == "bridge" {
		err = n.bridgeImage(img, index)
	}
	if err == nil && l.Master != 0 {
		img.Port, err = n.portImage(l.LinkRef)
	}
	return img, fail(err, "save link", l.Name, n)
}

// Restore makes a link what its image says, touching only what differs: attributes, sysctls, addresses in their
// order, state, neighbours, routes. The link must be in the namespace and under the index of the image.
func (m *Machine) Restore(img *Image) error {
	if img == nil {
		return errNoImage
	}
	n, index, err := m.find(img.Link)
	if err != nil {
		return fail(err, "restore link", img.Link.Name, n)
	}
	cur, err := m.Read(img.Link)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range attrOrder {
		// A bridge takes its mac and mtu from its ports unless it is given them: so it gets its ports first.
		if cur.Attr(a) != img.Attrs[a] && (img.Kind != "bridge" || a != "mac" && a != "mtu") {
			errs = append(errs, m.SetLink(img.Link, a, img.Attrs[a]))
		}
	}
	if img.Port != nil {
		errs = append(errs, m.restorePort(*img.Port, img.Attrs["master"]))
	}
	if img.Kind == "bridge" {
		errs = append(errs, m.restoreBridge(img, index))
	}
	name := img.Attrs["name"]
	errs = append(errs, n.Do(func() error { return restoreSysctls(name, img.Sysctls) }))
	if img.Attrs["up"] != cur.Attr("up") {
		errs = append(errs, m.SetLink(img.Link, "up", img.Attrs["up"]))
		// A carrier that became known later would have the kernel write some of the settings below once more.
		errs = append(errs, n.settle(index))
	}
	errs = append(errs, n.restoreAddrs(index, img.Addrs, cur.Up && img.Attrs["up"] == "off"), n.restoreNeighs(index, img.Neighs))
	err = n.restoreRoutes(index, img)
	if errors.Is(err, unix.EACCES) {
		// An IPv4 route through an IPv6 gateway, older than the link's disable_ipv6, which is put back below.
		_ = n.SetSysctl("net/ipv6/conf/"+name+"/disable_ipv6", "0")
		err = n.restoreRoutes(index, img)
	}
	errs = append(errs, err)
	// What came back with the link (an IPv6 folder that a small mtu had removed) has its defaults until here.
	errs = append(errs, n.Do(func() error { return restoreSysctls(name, img.Sysctls) }))
	return fail(errors.Join(errs...), "restore link", name, n)
}

func restoreSysctls(link string, want map[string]string) error {
	var errs []error
	have := sysctlsBelow(link)
	keys := make([]string, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if v, ok := have[k]; ok && v != want[k] {
			errs = append(errs, writeSysctl(strings.Replace(k, "//", "/"+link+"/", 1), want[k]))
		}
	}
	return errors.Join(errs...)
}

// restoreAddrs puts the addresses back. Where a family's order differs, which makes another one the primary, all of the
// family are added anew; and so are the IPv6 ones of a link that went down, which may have been kept but without their
// local routes.
func (n *Namespace) restoreAddrs(index int, want [][]byte, down bool) error {
	have, err := n.linkAddrs(index)
	if err != nil {
		return err
	}
	have4, have6 := byFamily(have)
	want4, want6 := byFamily(want)
	// The kernel puts a new IPv6 address before the others of its scope.
	slices.Reverse(have6)
	slices.Reverse(want6)
	return errors.Join(n.replaceAddrs(have4, want4, false), n.replaceAddrs(have6, want6, down))
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

func (n *Namespace) replaceAddrs(have, want [][]byte, all bool) error {
	if !all && slices.EqualFunc(have, want, sameAddr) {
		return nil
	}
	var errs []error
	for _, msg := range have {
		if err := n.do(unix.RTM_DELADDR, 0, rawMessage(msg)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			errs = append(errs, err)
		}
	}
	for _, msg := range want {
		again := slices.Clone(msg)
		if addrFlags(msg)&unix.IFA_F_TENTATIVE == 0 {
			setAddrFlags(again, addrFlags(msg)|unix.IFA_F_NODAD)
		}
		err := n.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, rawMessage(again))
		if err == nil && nl.DeserializeIfAddrmsg(msg).Family == unix.AF_INET6 {
			// Once more with the flags it had: the first was only to spare it a second duplicate detection.
			err = n.do(unix.RTM_NEWADDR, unix.NLM_F_REPLACE, rawMessage(msg))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// sameAddr compares two address messages but for the times in IFA_CACHEINFO.
func sameAddr(a, b []byte) bool {
	return bytes.Equal(withoutAttr(a, unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO), withoutAttr(b, unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO))
}

func addrFlags(msg []byte) uint32 {
	if v := attr(msg, unix.SizeofIfAddrmsg, unix.IFA_FLAGS); len(v) >= 4 {
		return binary.NativeEndian.Uint32(v)
	}
	return uint32(msg[2])
}

func setAddrFlags(msg []byte, flags uint32) {
	msg[2] = byte(flags)
	if v := attr(msg, unix.SizeofIfAddrmsg, unix.IFA_FLAGS); len(v) >= 4 {
		binary.NativeEndian.PutUint32(v, flags)
	}
}
