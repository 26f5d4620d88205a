package builtins

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// Attributes of WireGuard's peers.

// wgPublicArg is a peer: its public key, or its own link.
type wgPublicArg struct {
	key  [32]byte
	link *kernel.LinkRef
}

func (wgPublicArg) ArgType() string         { return "public key or link" }
func (a wgPublicArg) encode() []byte        { return a.key[:] }
func (a *wgPublicArg) decode(data []byte)   { copy(a.key[:], data) }
func (a wgPublicArg) ip(string) string      { return wgPublicKey(a.key[:]).text() }
func (a wgPublicArg) value() starlark.Value { return wgPublicKey(a.key[:]).value() }

func (a *wgPublicArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	if _, ok := val.(*linkValue); ok {
		var l linkArg
		err := l.UnpackIn(v, val)
		a.link = &l.LinkRef
		return err
	}
	s, ok := starlark.AsString(val)
	if !ok {
		return want("public key or link", val)
	}
	raw, err := decodeWGKey(s)
	copy(a.key[:], raw)
	return err
}

// wgAllowedArg is one prefix or address, or several.
type wgAllowedArg []netip.Prefix

func (wgAllowedArg) ArgType() string         { return "prefix or address, or a list of them" }
func (a wgAllowedArg) encode() []byte        { return kernel.AllowedIPs(a) }
func (a *wgAllowedArg) decode(data []byte)   { *a = kernel.ReadAllowedIPs(data) }
func (a wgAllowedArg) value() starlark.Value { return stringList(a.texts()) }

func (a wgAllowedArg) ip(word string) string {
	if len(a) == 0 {
		return ""
	}
	return word + " " + strings.Join(a.texts(), ",")
}

func (a wgAllowedArg) texts() (all []string) {
	for _, p := range a {
		all = append(all, p.String())
	}
	return all
}

func (a *wgAllowedArg) Unpack(val starlark.Value) error {
	all := []starlark.Value{val}
	if list, ok := val.(starlark.Sequence); ok {
		all = slices.Collect(starlark.Elements(list))
	}
	for _, val := range all {
		var dst dstArg
		if err := dst.Unpack(val); err != nil {
			return err
		}
		switch {
		case !dst.IsValid():
			return errors.New("\"default\" is of one family: want \"0.0.0.0/0\" or \"::/0\"")
		case slices.Contains(*a, dst.Prefix):
			return fmt.Errorf("%s stands there twice", dst)
		}
		*a = append(*a, dst.Prefix)
	}
	return nil
}

// wgEndpointArg is an address with a port, or without where the port is known.
type wgEndpointArg struct {
	netip.AddrPort
	at endpointArg
}

func (wgEndpointArg) ArgType() string         { return "\"ADDRESS:PORT\", address, link or namespace" }
func (a wgEndpointArg) ip(word string) string { return word + " " + a.String() }
func (a wgEndpointArg) value() starlark.Value { return starlark.String(a.String()) }
func (a wgEndpointArg) none() bool            { return !a.IsValid() }

func (a *wgEndpointArg) UnpackIn(v *runtime.View, val starlark.Value) (err error) {
	if s, ok := starlark.AsString(val); ok {
		if a.AddrPort, err = netip.ParseAddrPort(s); err == nil {
			return plain(s, a.Addr())
		}
	}
	return a.at.UnpackIn(v, val)
}

// resolve finds the address, and takes the port when that is not given; 0: there is none.
func (a *wgEndpointArg) resolve(v *runtime.View, port int) error {
	if a.IsValid() {
		return nil
	}
	ip, err := a.at.own(v, 0)
	if err == nil && port == 0 {
		err = fmt.Errorf("%s has no port: want \"ADDRESS:PORT\", or the peer's link, whose port it is", a.at.String())
	}
	a.AddrPort = netip.AddrPortFrom(ip, uint16(port))
	return err
}

// encode is struct sockaddr_in, or sockaddr_in6.
func (a wgEndpointArg) encode() []byte {
	raw := binary.BigEndian.AppendUint16([]byte{netlinkFamily(a.Addr()), 0}, a.Port())
	if a.Addr().Is4() {
		return append(append(raw, a.Addr().AsSlice()...), make([]byte, unix.SizeofSockaddrInet4-8)...)
	}
	return append(append(append(raw, 0, 0, 0, 0), a.Addr().AsSlice()...), 0, 0, 0, 0)
}

func (a *wgEndpointArg) decode(raw []byte) {
	from, to := 4, 8
	if len(raw) == unix.SizeofSockaddrInet6 {
		from, to = 8, 24
	}
	if len(raw) >= to {
		ip, _ := netip.AddrFromSlice(raw[from:to])
		a.AddrPort = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(raw[2:]))
	}
}
