package builtins

import (
	"math"
	"net"
	"net/netip"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// Attributes of entries, beside those that links have, too.

// isSet is a bit that is set, or an attribute that is there, which ip(8) writes as a word.
type isSet[W width] bool

func (isSet[W]) ArgType() string         { return "bool" }
func (a isSet[W]) flag() bool            { return bool(a) }
func (a isSet[W]) encode() []byte        { return onOff[W](a).encode() }
func (a *isSet[W]) decode(data []byte)   { (*onOff[W])(a).decode(data) }
func (a isSet[W]) ip(word string) string { return map[bool]string{true: word}[bool(a)] }
func (a isSet[W]) value() starlark.Value { return starlark.Bool(a) }

// prefixAttr is a prefix: its address, with the length behind it.
type prefixAttr struct{ dstArg }

func (a prefixAttr) encode() []byte {
	return append(a.Addr().AsSlice(), byte(max(a.Bits(), 0)))
}

func (a *prefixAttr) decode(data []byte) {
	ip, _ := netip.AddrFromSlice(data[:len(data)-1])
	a.Prefix = netip.PrefixFrom(ip, int(data[len(data)-1]))
}

func (a prefixAttr) none() bool            { return !a.IsValid() }
func (a prefixAttr) ip(word string) string { return word + " " + a.String() }
func (a prefixAttr) value() starlark.Value { return starlark.String(a.String()) }

// macAttr is a link-layer address.
type macAttr struct{ macArg }

func (a macAttr) encode() []byte        { mac, _ := net.ParseMAC(string(a.macArg)); return mac }
func (a macAttr) ip(word string) string { return word + " " + string(a.macArg) }
func (a macAttr) value() starlark.Value { return starlark.String(a.macArg) }
func (a *macAttr) decode(data []byte)   { a.macArg = macArg(net.HardwareAddr(data).String()) }

// widthTunnel is that of the id of a tunnel.
type widthTunnel struct{}

func (widthTunnel) width() (size, least, most int, big bool) { return 8, 0, math.MaxInt64, true }

// netlinkFamily is the number of an address's family.
func netlinkFamily(ip netip.Addr) byte {
	if ip.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func (a present) flag() bool { return bool(a) }

// devIndex is a link of the same namespace, by its index.
type devIndex struct{ kernel.LinkRef }

func (devIndex) ArgType() string { return "link" }

func (a *devIndex) UnpackIn(v *runtime.View, val starlark.Value) error {
	return (*linkArg)(a).UnpackIn(v, val)
}

func (a *devIndex) Beside() []kernel.LinkRef { return []kernel.LinkRef{a.LinkRef} }

func (a devIndex) encode() []byte        { return encodeNumber[width32](a.Index) }
func (a *devIndex) decode(data []byte)   { a.Index = decodeNumber[width32](data) }
func (a devIndex) ip(word string) string { return word + " if" + itoa(a.Index) } // which ip(8) takes for any name
func (a devIndex) value() starlark.Value { return (&linkValue{ref: a.LinkRef}) }

// valueIn is the link, in the namespace that its entry is in.
func (a devIndex) valueIn(v *runtime.View, ns kernel.NSRef) (starlark.Value, error) {
	n, err := v.Machine().Namespace(ns)
	if err != nil {
		return nil, err
	}
	links, err := n.Links()
	for _, l := range links {
		if l.Index == a.Index {
			return &linkValue{v, l.LinkRef}, nil
		}
	}
	return starlark.None, err
}
