package builtins

import (
	"encoding/binary"
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
type devArg string

func (devArg) ArgType() string { return "link or its name" }

func (a *devArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	if l, ok := val.(*linkValue); ok {
		*a = devArg(l.current().Name)
		return nil
	}
	var name linkNameArg
	err := name.Unpack(val)
	*a = devArg(name)
	return err
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

// attributes are the mark and its mask, as a rule has them.
func (a markArg) attributes() []byte {
	mark := kernel.AppendAttr(nil, unix.FRA_FWMARK, binary.NativeEndian.AppendUint32(nil, a.mark))
	return kernel.AppendAttr(mark, unix.FRA_FWMASK, binary.NativeEndian.AppendUint32(nil, a.mask))
}

// ipProtoArg is the protocol of a packet.
type ipProtoArg byte

func (ipProtoArg) ArgType() string { return "string or int" }

func (a *ipProtoArg) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok {
		n, ok := kernel.IPProtocol(s)
		if *a = ipProtoArg(n); !ok {
			return fmt.Errorf("%q is no protocol that has a name here: give its number", s)
		}
		return nil
	}
	n, err := number[int](val, 1, math.MaxUint8)
	*a = ipProtoArg(n)
	return err
}

// rangeArg is a number, or the first and the last of several.
type rangeArg struct{ first, last uint32 }

func (rangeArg) ArgType() string { return `int or "FIRST-LAST"` }

func (a *rangeArg) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok {
		first, last, both := strings.Cut(s, "-")
		if !both {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 32)
		to, e := strconv.ParseUint(last, 10, 32)
		if err = errors.Join(err, e); err != nil || to < from {
			return fmt.Errorf(`%q is no range such as 80 or "80-90"`, s)
		}
		a.first, a.last = uint32(from), uint32(to)
		return nil
	}
	n, err := number[int](val, 0, math.MaxUint32)
	a.first, a.last = uint32(n), uint32(n)
	return err
}

// attribute is the range in the kernel's form: two numbers of 16 or 32 bits.
func (a rangeArg) attribute(form string) ([]byte, error) {
	if form == "u32-u32" {
		return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, a.first), a.last), nil
	}
	if a.last > math.MaxUint16 {
		return nil, fmt.Errorf("%d is not from 0 to %d", a.last, math.MaxUint16)
	}
	return binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, uint16(a.first)), uint16(a.last)), nil
}
