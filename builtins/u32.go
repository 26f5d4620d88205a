package builtins

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// u32Filter looks at bits of packets (tc-u32(8)).
var u32Filter = declareTC(tcKind{Name: "u32", Args: &u32Args{}, Doc: "looks at bits of a packet", Eg: "match=u32 0 0",
	Module: "cls_u32",
	Config: "NET_CLS_U32"})

type u32Args struct {
	Match  u32Match   `arg:"match" nla:"5" doc:"what is to be so, one or a list, all of which must: \"ip dst 10.0.0.0/8\", \"ip protocol 17 0xff\", \"ip dport 80 0xffff\", \"ip6 src fd00::/8\", \"u32 0x0800 0xffff at 12\"; \"u32 0 0\" is any packet"`
	FlowID *tcHandle  `arg:"flowid?" nla:"1" doc:"class that the packet is of"`
	Action *tcActions `arg:"action?" nla:"7" doc:"what becomes of it, one after the other"`
}

// u32Match is a struct tc_u32_sel with its keys.
type u32Match []u32Key

// A u32Key is four bytes of a packet from an offset on, of which some bits must have a value.
type u32Key struct {
	val, mask uint32
	at        int
}

const (
	sizeofU32Sel = 16
	sizeofU32Key = 16
	mostU32Keys  = 128
)

// u32Fields are what tc-u32(8) calls a part of a header: where it is, and its bits; 0 for a prefix.
var u32Fields = map[string]struct{ at, bits int }{
	"ip src": {12, 0}, "ip dst": {16, 0}, "ip tos": {1, 8}, "ip dsfield": {1, 8}, "ip protocol": {9, 8},
	"ip sport": {20, 16}, "ip dport": {22, 16}, "ip icmp_type": {20, 8}, "ip icmp_code": {21, 8},
	"ip6 src": {8, 0}, "ip6 dst": {24, 0}, "ip6 protocol": {6, 8}, "ip6 sport": {40, 16}, "ip6 dport": {42, 16},
}

func (u32Match) ArgType() string { return "string or list of string" }

func (a *u32Match) Unpack(val starlark.Value) error {
	all, err := stringsOf(val)
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := a.add(s); err != nil {
			return fmt.Errorf("%q: %w", s, err)
		}
	}
	if len(*a) == 0 || len(*a) > mostU32Keys {
		return fmt.Errorf("%d matches are not from 1 to %d", len(*a), mostU32Keys)
	}
	return nil
}

func (a *u32Match) add(s string) error {
	words := strings.Fields(s)
	var numbers []uint32
	at := 0
	for i, word := range words {
		if i > 0 && words[i-1] == "at" {
			n, err := strconv.Atoi(word)
			if at = n; err != nil || n%4 != 0 {
				return errors.New("an offset is a multiple of 4")
			}
		} else if n, err := strconv.ParseUint(word, 0, 32); err == nil {
			numbers = append(numbers, uint32(n))
		}
	}
	if len(words) >= 3 && words[0] == "u32" && len(numbers) == 2 {
		*a = append(*a, u32Key{numbers[0] & numbers[1], numbers[1], at})
		return nil
	}
	if len(words) < 3 {
		return errors.New(`want a field and what it is to be, such as "ip dst 10.0.0.0/8"`)
	}
	field, known := u32Fields[words[0]+" "+words[1]]
	switch {
	case !known:
		return errors.New(`it is none of ip or ip6 src, dst, protocol, sport, dport, ip tos, icmp_type, icmp_code`)
	case field.bits == 0:
		return a.prefix(words[2], words[0] == "ip6", field.at)
	case len(numbers) == 0 || len(numbers) > 2:
		return errors.New("want a number and a mask")
	}
	mask := uint32(1)<<field.bits - 1
	if len(numbers) == 2 {
		mask &= numbers[1]
	}
	shift := 32 - field.bits - 8*(field.at%4)
	*a = append(*a, u32Key{(numbers[0] & mask) << shift, mask << shift, field.at &^ 3})
	return nil
}

// prefix adds what makes four bytes after the other those of a prefix.
func (a *u32Match) prefix(s string, six bool, at int) error {
	var dst dstArg
	if err := dst.Unpack(starlark.String(s)); err != nil {
		return err
	}
	if !dst.IsValid() || dst.Addr().Is6() != six {
		return errors.New("the prefix is of another family")
	}
	ip := dst.Addr().AsSlice()
	for i := 0; i < len(ip); i += 4 {
		bits := max(0, min(32, dst.Bits()-8*i))
		if mask := uint32(uint64(0xffffffff) << (32 - bits)); bits > 0 || i == 0 {
			*a = append(*a, u32Key{binary.BigEndian.Uint32(ip[i:]) & mask, mask, at + i})
		}
	}
	return nil
}

func (a u32Match) encode() []byte {
	sel := make([]byte, sizeofU32Sel)
	sel[0], sel[2] = 1, byte(len(a)) // TC_U32_TERMINAL: what is so is no link to other tables
	for _, k := range a {
		sel = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(sel, k.mask), k.val)
		sel = append(append(sel, encodeNumber[width32](k.at)...), 0, 0, 0, 0)
	}
	return sel
}

func (a *u32Match) decode(sel []byte) {
	for *a = nil; len(sel) >= sizeofU32Sel+sizeofU32Key; sel = sel[sizeofU32Key:] {
		key := sel[sizeofU32Sel:]
		*a = append(*a, u32Key{binary.BigEndian.Uint32(key[4:]), binary.BigEndian.Uint32(key),
			int(int32(binary.NativeEndian.Uint32(key[8:])))})
	}
}

func (k u32Key) String() string { return fmt.Sprintf("u32 0x%08x 0x%08x at %d", k.val, k.mask, k.at) }

func (a u32Match) ip(word string) string {
	var all []string
	for _, k := range a {
		all = append(all, word+" "+k.String())
	}
	return strings.Join(all, " ")
}

func (a u32Match) value() starlark.Value {
	var all []string
	for _, k := range a {
		all = append(all, k.String())
	}
	return stringList(all)
}

// etherType is a protocol as tc(8) calls it.
type etherType uint16

var etherTypes = map[string]etherType{"all": 0x0003, "ip": 0x0800, "ipv6": 0x86dd, "arp": 0x0806, "802.1q": 0x8100,
	"802.1ad": 0x88a8}

func (etherType) ArgType() string       { return "string or int" }
func (a etherType) encode() []byte      { return binary.BigEndian.AppendUint16(nil, uint16(a)) }
func (a *etherType) decode(data []byte) { *a = etherType(binary.BigEndian.Uint16(data)) }
func (a etherType) String() string {
	for word, n := range etherTypes {
		if n == a {
			return word
		}
	}
	return fmt.Sprintf("0x%04x", uint16(a))
}
func (a etherType) ip(word string) string { return word + " " + a.String() }
func (a etherType) value() starlark.Value { return starlark.String(a.String()) }
func (a *etherType) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok {
		n, known := etherTypes[s]
		if *a = n; !known {
			return fmt.Errorf("%q is none of all, ip, ipv6, arp, 802.1q, 802.1ad", s)
		}
		return nil
	}
	n, err := number[int](val, 1, 1<<16-1)
	*a = etherType(n)
	return err
}
