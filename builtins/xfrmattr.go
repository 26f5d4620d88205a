package builtins

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
)

// Attributes of ip-xfrm(8)'s states and policies.

type (
	xfrmProto = oneOf[xfrmProtos, width8]
	xfrmMode  = oneOf[xfrmModes, width8]

	xfrmProtos  struct{} // IPPROTO_ESP and so on
	xfrmModes   struct{} // XFRM_MODE_*
	xfrmDirs    struct{} // XFRM_POLICY_IN and so on
	xfrmActions struct{} // XFRM_POLICY_ALLOW, XFRM_POLICY_BLOCK
	widthSPI    struct{}
)

func (xfrmProtos) words() map[string]int { return map[string]int{"esp": 50, "ah": 51, "comp": 108} }
func (xfrmModes) words() map[string]int {
	return map[string]int{"transport": 0, "tunnel": 1, "beet": 4}
}
func (xfrmDirs) words() map[string]int    { return map[string]int{"in": 0, "out": 1, "fwd": 2} }
func (xfrmActions) words() map[string]int { return map[string]int{"allow": 0, "block": 1} }

func (widthSPI) width() (size, least, most int, big bool) { return 4, 1, 1<<32 - 1, true }

// An addrPlace is where an address is in a message that has several, the length of its prefix, and the family of all.
type addrPlace interface {
	place() (at, length, family, size int)
}

type (
	srcPlace      struct{} // struct xfrm_selector
	dstPlace      struct{}
	srcStatePlace struct{} // struct xfrm_usersa_info, from its id on
	dstStatePlace struct{}
)

func (srcPlace) place() (at, length, family, size int)      { return 16, 43, 40, 44 }
func (dstPlace) place() (at, length, family, size int)      { return 0, 42, 40, 44 }
func (srcStatePlace) place() (at, length, family, size int) { return 24, -1, 156, 158 }
func (dstStatePlace) place() (at, length, family, size int) { return 0, -1, 156, 158 }

// placed is a prefix, or an address, in its place.
type placed[P addrPlace] struct{ dstArg }

func (a placed[P]) none() bool            { return !a.IsValid() }
func (a placed[P]) value() starlark.Value { return starlark.String(a.text()) }
func (a placed[P]) ip(word string) string { return word + " " + a.text() }

func (a placed[P]) text() string {
	if a.IsSingleIP() {
		return a.Addr().String()
	}
	return a.String()
}

func (a placed[P]) encode() []byte {
	var p P
	at, length, family, size := p.place()
	data := make([]byte, size)
	if a.IsValid() {
		copy(data[at:], a.Addr().AsSlice())
		data[family] = netlinkFamily(a.Addr())
		if length >= 0 {
			data[length] = byte(a.Bits())
		}
	}
	return data
}

func (a *placed[P]) decode(data []byte) {
	var p P
	at, length, family, _ := p.place()
	size := map[byte]int{unix.AF_INET: 4, unix.AF_INET6: 16}[data[family]]
	ip, ok := netip.AddrFromSlice(data[at : at+size])
	bits := 8 * size
	if length >= 0 {
		bits = int(data[length])
	}
	if a.Prefix = (netip.Prefix{}); ok && bits > 0 {
		a.Prefix = netip.PrefixFrom(ip, bits)
	}
}

// An algorithm says whether it can send less than all bits of what it signs with.
type algorithm interface{ cut() bool }

type (
	plainAlgorithm struct{} // struct xfrm_algo
	cutAlgorithm   struct{} // struct xfrm_algo_aead, struct xfrm_algo_auth
)

func (plainAlgorithm) cut() bool { return false }
func (cutAlgorithm) cut() bool   { return true }

// xfrmAlgo is an algorithm with its key: ("rfc4106(gcm(aes))", "0x...", 128).
type xfrmAlgo[A algorithm] struct {
	name string
	key  []byte
	bits int
}

const (
	algoName    = 64 // bytes
	algoLetters = "abcdefghijklmnopqrstuvwxyz0123456789()-_,"
)

func (xfrmAlgo[A]) ArgType() string         { return "(name, key) or (name, key, bits)" }
func (a xfrmAlgo[A]) value() starlark.Value { return starlark.String(a.name) }
func (a xfrmAlgo[A]) hidden() []byte        { a.key = make([]byte, len(a.key)); return a.encode() }

func (a xfrmAlgo[A]) ip(word string) string {
	text := word + " " + quoted(a.name) + " KEY"
	if a.bits != 0 {
		text += " " + itoa(a.bits)
	}
	return text
}

func (a xfrmAlgo[A]) encode() []byte {
	var of A
	data := append([]byte(a.name), make([]byte, algoName-len(a.name))...)
	data = binary.NativeEndian.AppendUint32(data, uint32(8*len(a.key)))
	if of.cut() {
		data = binary.NativeEndian.AppendUint32(data, uint32(a.bits))
	}
	return append(data, a.key...)
}

func (a *xfrmAlgo[A]) decode(data []byte) {
	var of A
	name, _, _ := strings.Cut(string(data[:min(algoName, len(data))]), "\x00")
	a.name = name
	if of.cut() && len(data) >= algoName+8 {
		a.bits = int(binary.NativeEndian.Uint32(data[algoName+4:]))
	}
}

// Unpack does not say what the key is.
func (a *xfrmAlgo[A]) Unpack(val starlark.Value) error {
	var of A
	t, ok := val.(starlark.Indexable)
	if !ok || t.Len() < 2 || t.Len() > 3 || t.Len() == 3 && !of.cut() {
		return errors.New(`want the algorithm and its key in hexadecimal, such as ("cbc(aes)", "0x...")`)
	}
	name, ok := starlark.AsString(t.Index(0))
	if !ok || name == "" || len(name) >= algoName || strings.Trim(name, algoLetters) != "" {
		return errors.New("the algorithm has no name that the kernel could know (/proc/crypto)")
	}
	text, _ := starlark.AsString(t.Index(1))
	key, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || !strings.HasPrefix(text, "0x") {
		return errors.New("the key is not in hexadecimal: want 0x and an even number of digits")
	}
	a.name, a.key = name, key
	if t.Len() == 3 {
		a.bits, err = number[int](t.Index(2), 0, 512)
	}
	return err
}

// xfrmTemplates are the states that packets must go through, in order.
type xfrmTemplates []xfrmTemplate

type xfrmTemplate struct {
	src, dst netip.Addr
	proto    xfrmProto
	mode     xfrmMode
	reqid    int
	optional bool
}

const sizeofTemplate = 64 // struct xfrm_user_tmpl

func (xfrmTemplates) ArgType() string { return "dict or list of dict" }

func (a xfrmTemplates) encode() (data []byte) {
	for _, t := range a {
		one := make([]byte, sizeofTemplate)
		copy(one, t.dst.AsSlice())
		one[20] = t.proto.encode()[0]
		copy(one[28:], t.src.AsSlice())
		if one[24] = unix.AF_INET6; !t.src.IsValid() || t.src.Is4() {
			one[24] = unix.AF_INET
		}
		binary.NativeEndian.PutUint32(one[44:], uint32(t.reqid))
		one[48], one[50] = t.mode.encode()[0], onOff[width8](t.optional).encode()[0]
		for i := 52; i < sizeofTemplate; i++ { // any algorithm
			one[i] = 0xff
		}
		data = append(data, one...)
	}
	return data
}

func (a *xfrmTemplates) decode(data []byte) {
	for ; len(data) >= sizeofTemplate; data = data[sizeofTemplate:] {
		var t xfrmTemplate
		size := 4
		if data[24] == unix.AF_INET6 {
			size = 16
		}
		t.dst, _ = netip.AddrFromSlice(data[:size])
		t.src, _ = netip.AddrFromSlice(data[28 : 28+size])
		t.proto.decode(data[20:21])
		t.mode.decode(data[48:49])
		t.reqid, t.optional = int(binary.NativeEndian.Uint32(data[44:])), data[50] != 0
		*a = append(*a, t)
	}
}

func (a xfrmTemplates) ip(string) string {
	var all []string
	for _, t := range a {
		words := fmt.Sprintf("tmpl src %s dst %s proto %s reqid %d mode %s", t.src, t.dst, t.proto, t.reqid, t.mode)
		if t.optional {
			words += " level use"
		}
		all = append(all, words)
	}
	return strings.Join(all, " ")
}

func (a xfrmTemplates) value() starlark.Value {
	var all []starlark.Value
	for _, t := range a {
		all = append(all, newStruct("tmpl", starlark.StringDict{"src": starlark.String(t.src.String()),
			"dst": starlark.String(t.dst.String()), "proto": t.proto.value(), "mode": t.mode.value(),
			"reqid": starlark.MakeInt(t.reqid), "optional": starlark.Bool(t.optional)}))
	}
	return starlark.NewList(all)
}

// UnpackIn takes addresses as ping does: of a link, of a namespace, or written.
func (a *xfrmTemplates) UnpackIn(v *runtime.View, val starlark.Value) error {
	all := []starlark.Value{val}
	if list, ok := val.(*starlark.List); ok {
		all = nil
		for e := range starlark.Elements(list) {
			all = append(all, e)
		}
	}
	for _, e := range all {
		d, ok := e.(*starlark.Dict)
		if !ok {
			return want("dict or list of dict", e)
		}
		t := xfrmTemplate{proto: "esp", mode: "transport"}
		for _, item := range d.Items() {
			key, _ := starlark.AsString(item[0])
			if err := t.set(key, item[1]); err != nil {
				return fmt.Errorf("%q: %w", key, err)
			}
		}
		if t.src.IsValid() != t.dst.IsValid() || t.src.IsValid() && t.src.Is4() != t.dst.Is4() {
			return errors.New("a template has src and dst of one family, or neither")
		}
		if !t.src.IsValid() {
			t.src, t.dst = netip.IPv4Unspecified(), netip.IPv4Unspecified()
		}
		*a = append(*a, t)
	}
	return nil
}

func (t *xfrmTemplate) set(key string, val starlark.Value) (err error) {
	var ip ipArg
	switch key {
	case "src":
		err = ip.Unpack(val)
		t.src = ip.Addr
	case "dst":
		err = ip.Unpack(val)
		t.dst = ip.Addr
	case "proto":
		err = t.proto.Unpack(val)
	case "mode":
		err = t.mode.Unpack(val)
	case "reqid":
		t.reqid, err = number[int](val, 0, 1<<32-1)
	case "optional":
		b, ok := val.(starlark.Bool)
		if t.optional = bool(b); !ok {
			err = want("bool", val)
		}
	default:
		err = errors.New("want src, dst, proto, mode, reqid or optional")
	}
	return err
}
