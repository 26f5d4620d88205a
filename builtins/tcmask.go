package builtins

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// What filters compare parts of packets with: a value, and the bits of it that count. To the kernel these are two
// attributes, and both are encoded, one behind the other.

type widthBig32 struct{} // in network byte order

func (widthBig32) width() (size, least, most int, big bool) { return 4, 0, 1<<32 - 1, true }

// maskedNumber is a number, or some bits of it.
type maskedNumber[W width] struct{ number, mask int }

func (maskedNumber[W]) ArgType() string { return `int or "NUMBER/MASK"` }

func (a maskedNumber[W]) encode() []byte {
	return append(encodeNumber[W](a.number), encodeNumber[W](a.mask)...)
}

func (a *maskedNumber[W]) decode(data []byte) {
	half := len(data) / 2
	a.number, a.mask = decodeNumber[W](data[:half]), decodeNumber[W](data[half:])
}

func (a maskedNumber[W]) String() string {
	var w W
	if _, _, most, _ := w.width(); a.mask == most {
		return itoa(a.number)
	}
	return fmt.Sprintf("%d/%d", a.number, a.mask)
}

func (a maskedNumber[W]) ip(word string) string { return word + " " + a.String() }
func (a maskedNumber[W]) value() starlark.Value { return numberOrText(a.String()) }

// maskedBits is a number that is written in hexadecimal.
type maskedBits[W width] struct{ maskedNumber[W] }

func (a maskedBits[W]) String() string {
	first, mask, some := strings.Cut(a.maskedNumber.String(), "/")
	if some {
		return fmt.Sprintf("0x%x/0x%x", atoi(first), atoi(mask))
	}
	return fmt.Sprintf("0x%x", a.number)
}

func (a maskedBits[W]) ip(word string) string { return word + " " + a.String() }
func (a maskedBits[W]) value() starlark.Value { return starlark.String(a.String()) }

// numberOrText is a number where it is written as one.
func numberOrText(s string) starlark.Value {
	if n, err := strconv.Atoi(s); err == nil {
		return starlark.MakeInt(n)
	}
	return starlark.String(s)
}

func (a *maskedNumber[W]) Unpack(val starlark.Value) error {
	var w W
	_, _, most, _ := w.width()
	a.mask = most
	s, ok := starlark.AsString(val)
	if !ok {
		n, err := number[int](val, 0, most)
		a.number = n
		return err
	}
	first, second, masked := strings.Cut(s, "/")
	for _, part := range []struct {
		text string
		to   *int
		is   bool
	}{{first, &a.number, true}, {second, &a.mask, masked}} {
		n, err := strconv.ParseInt(part.text, 0, 64)
		if part.is && (err != nil || n < 0 || int(n) > most) {
			return fmt.Errorf(`%q is no number up to %d, nor one with its mask such as "0x10/0xfc"`, s, most)
		}
		if part.is {
			*part.to = int(n)
		}
	}
	a.number &= a.mask
	return nil
}

// allOnes reports whether a mask has all bits.
func allOnes(mask []byte) bool {
	return !slices.ContainsFunc(mask, func(b byte) bool { return b != 0xff })
}

// maskedMAC is a link-layer address, or some bits of it.
type maskedMAC struct{ mac, mask net.HardwareAddr }

const sizeofMAC = 6

func (maskedMAC) ArgType() string  { return "mac or \"MAC/MASK\"" }
func (a maskedMAC) encode() []byte { return slices.Concat(a.mac, a.mask) }
func (a *maskedMAC) decode(data []byte) {
	half := len(data) / 2
	a.mac, a.mask = net.HardwareAddr(data[:half]), net.HardwareAddr(data[half:])
}

func (a maskedMAC) String() string {
	if allOnes(a.mask) {
		return a.mac.String()
	}
	return a.mac.String() + "/" + a.mask.String()
}

func (a maskedMAC) ip(word string) string { return word + " " + a.String() }
func (a maskedMAC) value() starlark.Value { return starlark.String(a.String()) }

func (a *maskedMAC) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		var mac macArg
		if err := mac.Unpack(val); err != nil {
			return err
		}
		s = string(mac)
	}
	first, second, masked := strings.Cut(s, "/")
	var err, e error
	a.mac, err = net.ParseMAC(first)
	bits, no := strconv.Atoi(second)
	if a.mask = slices.Repeat([]byte{0xff}, sizeofMAC); masked && no == nil && bits >= 0 && bits <= 8*sizeofMAC {
		a.mask = binary.BigEndian.AppendUint64(nil, ^uint64(0)<<(64-bits))[:sizeofMAC]
	} else if masked {
		a.mask, e = net.ParseMAC(second)
	}
	if errors.Join(err, e) != nil || len(a.mac) != sizeofMAC || len(a.mask) != sizeofMAC {
		return fmt.Errorf(`%q is no address such as "02:00:00:00:00:01", or some bits of one: "02:00:00:00:00:00/16"`,
			s)
	}
	for i := range a.mac {
		a.mac[i] &= a.mask[i]
	}
	return nil
}

// maskedPrefix is an address with the bits of its prefix.
type maskedPrefix struct {
	dstArg
	holes net.IPMask // of somebody else's filter, whose bits are those of no prefix; nil: they are
}

func (a maskedPrefix) encode() []byte {
	ip := a.Addr().AsSlice()
	if a.holes != nil {
		return append(ip, a.holes...)
	}
	return append(ip, net.CIDRMask(a.Bits(), 8*len(ip))...)
}

func (a *maskedPrefix) decode(data []byte) {
	ip, _ := netip.AddrFromSlice(data[:len(data)/2])
	mask := net.IPMask(data[len(data)/2:])
	bits, whole := mask.Size()
	if whole == 0 && len(mask) > 0 {
		a.holes = slices.Clone(mask)
	}
	a.Prefix = netip.PrefixFrom(ip, bits)
}

func (a maskedPrefix) String() string {
	if a.holes != nil {
		mask, _ := netip.AddrFromSlice(a.holes)
		return a.Addr().String() + "/" + mask.String()
	}
	if a.IsSingleIP() {
		return a.Addr().String()
	}
	return a.Prefix.String()
}

func (a maskedPrefix) ip(word string) string { return word + " " + a.String() }
func (a maskedPrefix) value() starlark.Value { return starlark.String(a.String()) }

func (a *maskedPrefix) Unpack(val starlark.Value) error {
	err := a.dstArg.Unpack(val)
	if err == nil && !a.IsValid() {
		err = want("prefix", val)
	}
	return err
}

// bitWords are bits that are set or not, each by its word.
type bitWords[S bitSet, W width] struct{ number, mask int }

// A bitSet has the words of bits, from the first one on, and what stands before them and between them.
type bitSet interface {
	bits() (names []string, yes, no, between string)
}

func (bitWords[S, W]) ArgType() string { return "string" }
func (a bitWords[S, W]) encode() []byte {
	return maskedNumber[W](a).encode()
}
func (a *bitWords[S, W]) decode(data []byte) {
	var n maskedNumber[W]
	n.decode(data)
	a.number, a.mask = n.number, n.mask
}

func (a bitWords[S, W]) String() string {
	var s S
	names, yes, no, between := s.bits()
	var all []string
	for i, name := range names {
		if a.mask>>i&1 != 0 {
			all = append(all, map[bool]string{true: yes, false: no}[a.number>>i&1 != 0]+name)
		}
	}
	return strings.Join(all, between)
}

func (a bitWords[S, W]) ip(word string) string { return word + " " + a.String() }
func (a bitWords[S, W]) value() starlark.Value { return starlark.String(a.String()) }

func (a *bitWords[S, W]) Unpack(val starlark.Value) error {
	var s S
	names, yes, no, between := s.bits()
	text, ok := starlark.AsString(val)
	rest := text
	for ok && rest != "" {
		ok = false
		for i, name := range names {
			for _, set := range []bool{true, false} {
				word := map[bool]string{true: yes, false: no}[set] + name
				after, begins := strings.CutPrefix(rest, word)
				if ok || !begins || after != "" && !strings.HasPrefix(after, cmp.Or(between, yes)) &&
					!strings.HasPrefix(after, cmp.Or(between, no)) {
					continue
				}
				a.mask |= 1 << i
				if set {
					a.number |= 1 << i
				}
				rest, ok = strings.TrimPrefix(after, between), true
			}
		}
	}
	if !ok || a.mask == 0 {
		return fmt.Errorf("%s is none of %s, each with %q or %q before it", val, strings.Join(names, ", "), yes, no)
	}
	return nil
}
