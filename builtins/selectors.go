package builtins

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// What packets are told apart by, as several builtins take it.

// devArg is a link, or the name of one that may come to be.
type devArg struct {
	name string
	link *kernel.LinkRef // nil when it was given as a name
}

func (devArg) ArgType() string { return "link or its name" }

func (a *devArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	if s, ok := val.(starlark.String); ok {
		a.name = string(s)
		return kernel.ValidLinkName(a.name)
	}
	var l linkArg
	if _, ok := val.(*linkValue); !ok {
		return want("link or its name", val)
	}
	err := l.UnpackIn(v, val)
	a.name, a.link = l.Name, &l.LinkRef
	return err
}

func (a *devArg) Beside() []kernel.LinkRef {
	if a.link == nil {
		return nil
	}
	return []kernel.LinkRef{*a.link}
}

func (a devArg) encode() []byte        { return append([]byte(a.name), 0) }
func (a *devArg) decode(data []byte)   { a.name = unix.ByteSliceToString(data) }
func (a devArg) ip(word string) string { return word + " " + a.name }
func (a devArg) value() starlark.Value { return starlark.String(a.name) }
func (a devArg) none() bool            { return a.name == "" }

// devName is a link of the same namespace, by its name.
type devName struct{ devArg }

func (devName) ArgType() string { return "link" }

func (a *devName) UnpackIn(v *runtime.View, val starlark.Value) error {
	if _, ok := val.(*linkValue); !ok {
		return want("link", val)
	}
	return a.devArg.UnpackIn(v, val)
}

// markArg is the mark of a packet, and which bits of it count.
type markArg struct{ mark, mask uint32 }

func (markArg) ArgType() string { return `int or "MARK/MASK"` }

func (a *markArg) Unpack(val starlark.Value) error {
	a.mask = math.MaxUint32
	if s, ok := starlark.AsString(val); ok {
		mark, mask, both := strings.Cut(s, "/")
		n, err := strconv.ParseUint(mark, 0, 32)
		a.mark = uint32(n)
		if both && err == nil {
			n, err = strconv.ParseUint(mask, 0, 32)
			a.mask = uint32(n)
		}
		if err != nil {
			return fmt.Errorf(`%q is no mark such as 7, "0x10" or "0x10/0xff"`, s)
		}
		return nil
	}
	n, err := number[int](val, 0, math.MaxUint32)
	a.mark = uint32(n)
	return err
}

func (a markArg) encode() []byte {
	return append(encodeNumber[width32](int(a.mark)), encodeNumber[width32](int(a.mask))...)
}

func (a *markArg) decode(data []byte) {
	half := len(data) / 2
	a.mark, a.mask = uint32(decodeNumber[width32](data[:half])), uint32(decodeNumber[width32](data[half:]))
}

func (a markArg) String() string {
	if a.mask == math.MaxUint32 {
		return fmt.Sprintf("%#x", a.mark)
	}
	return fmt.Sprintf("%#x/%#x", a.mark, a.mask)
}

func (a markArg) ip(word string) string { return word + " " + a.String() }
func (a markArg) value() starlark.Value { return starlark.String(a.String()) }

// ipProtoArg is the protocol of a packet.
type ipProtoArg byte

func (ipProtoArg) ArgType() string { return "string or int" }

func (a *ipProtoArg) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok {
		n, ok := ipProtocols[s]
		if *a = ipProtoArg(n); !ok {
			return fmt.Errorf("%q is no protocol that has a name here: give its number", s)
		}
		return nil
	}
	n, err := number[int](val, 1, math.MaxUint8)
	*a = ipProtoArg(n)
	return err
}

func (a ipProtoArg) encode() []byte        { return []byte{byte(a)} }
func (a *ipProtoArg) decode(data []byte)   { *a = ipProtoArg(decodeNumber[width8](data)) }
func (a ipProtoArg) ip(word string) string { return word + " " + a.String() }
func (a ipProtoArg) value() starlark.Value { return starlark.String(a.String()) }
func (a ipProtoArg) String() string {
	for word, n := range ipProtocols {
		if n == byte(a) {
			return word
		}
	}
	return itoa(int(a))
}

// ipProtocols are the protocols that have a name here, which is ip(8)'s.
var ipProtocols = map[string]byte{"icmp": unix.IPPROTO_ICMP, "tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP,
	"ipv6-icmp": unix.IPPROTO_ICMPV6, "sctp": unix.IPPROTO_SCTP, "esp": unix.IPPROTO_ESP}

// rangeArg is a number, or the first and the last of several.
type rangeArg[W width] struct{ first, last int }

func (rangeArg[W]) ArgType() string { return `int or "FIRST-LAST"` }

func (a *rangeArg[W]) Unpack(val starlark.Value) error {
	var w W
	_, least, most, _ := w.width()
	s, ok := starlark.AsString(val)
	if !ok {
		n, err := number[int](val, least, most)
		a.first, a.last = n, n
		return err
	}
	first, last, both := strings.Cut(s, "-")
	if !both {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 32)
	to, e := strconv.ParseUint(last, 10, 32)
	if err = errors.Join(err, e); err != nil || to < from {
		return fmt.Errorf(`%q is no range such as 80 or "80-90"`, s)
	}
	if a.first, a.last = int(from), int(to); a.first < least || a.last > most {
		return fmt.Errorf("%s is not from %d to %d", s, least, most)
	}
	return nil
}

func (a rangeArg[W]) encode() []byte {
	return append(encodeNumber[W](a.first), encodeNumber[W](a.last)...)
}
func (a *rangeArg[W]) decode(data []byte) {
	a.first, a.last = decodeNumber[W](data[:len(data)/2]), decodeNumber[W](data[len(data)/2:])
}
func (a rangeArg[W]) ip(word string) string { return word + " " + a.String() }
func (a rangeArg[W]) value() starlark.Value { return starlark.String(a.String()) }
func (a rangeArg[W]) String() string {
	var w W
	if size, _, _, _ := w.width(); a.first == a.last && size == 2 { // of users, ip-rule(8) always wants two
		return itoa(a.first)
	}
	return itoa(a.first) + "-" + itoa(a.last)
}
