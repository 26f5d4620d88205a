package builtins

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

// A kindAttr is an argument that is an attribute of a kind of link: as the kernel takes and shows it, as ip-link(8)
// does, and as a script reads it, which is what it could give.
type kindAttr interface {
	encode() []byte
	decode(data []byte)
	ip(word string) string
	value() starlark.Value
}

// A width is how a number is written: its bytes, the smallest and the greatest, and whether in network byte order.
type width interface {
	width() (size, least, most int, big bool)
}

// A bitField is a width of some bits of a number, whose other bits are other attributes: how many are below.
type bitField interface{ below() int }

type (
	width8    struct{}
	width16   struct{}
	width24   struct{}
	width32   struct{}
	width64   struct{}
	widthPort struct{}
	widthSome struct{} // a number that is not 0, which stands for the default
)

func (width8) width() (size, least, most int, big bool)    { return 1, 0, 1<<8 - 1, false }
func (width16) width() (size, least, most int, big bool)   { return 2, 0, 1<<16 - 1, false }
func (width24) width() (size, least, most int, big bool)   { return 4, 0, 1<<24 - 1, false }
func (width32) width() (size, least, most int, big bool)   { return 4, 0, 1<<32 - 1, false }
func (width64) width() (size, least, most int, big bool)   { return 8, 0, 1<<63 - 1, false }
func (widthSome) width() (size, least, most int, big bool) { return 4, 1, 1<<32 - 1, false }
func (widthPort) width() (size, least, most int, big bool) { return 2, 1, 1<<16 - 1, true }

// encodeNumber writes a number as wide as it is to be.
func encodeNumber[W width](n int) []byte {
	var w W
	if p, ok := any(w).(bitField); ok {
		n <<= p.below()
	}
	size, _, _, big := w.width()
	data := make([]byte, 8)
	if big {
		binary.BigEndian.PutUint64(data, uint64(n))
		return data[8-size:]
	}
	binary.NativeEndian.PutUint64(data, uint64(n))
	return data[:size] // every machine that it runs on is little-endian
}

func decodeNumber[W width](data []byte) (n int) {
	var w W
	if _, _, _, big := w.width(); !big {
		data = slices.Clone(data)
		slices.Reverse(data)
	}
	for _, b := range data {
		n = n<<8 | int(b)
	}
	if p, ok := any(w).(bitField); ok {
		_, _, most, _ := w.width()
		n = n >> p.below() & most
	}
	return n
}

// whole is a number.
type whole[W width] int

func (whole[W]) ArgType() string         { return "int" }
func (a whole[W]) encode() []byte        { return encodeNumber[W](int(a)) }
func (a *whole[W]) decode(data []byte)   { *a = whole[W](decodeNumber[W](data)) }
func (a whole[W]) ip(word string) string { return word + " " + itoa(int(a)) }
func (a whole[W]) value() starlark.Value { return starlark.MakeInt(int(a)) }
func (a *whole[W]) Unpack(val starlark.Value) (err error) {
	var w W
	_, least, most, _ := w.width()
	*a, err = number[whole[W]](val, least, most)
	return err
}

// onOff is what ip-link(8) writes as 1 or 0.
type onOff[W width] bool

func (onOff[W]) ArgType() string         { return "bool" }
func (a onOff[W]) encode() []byte        { return encodeNumber[W](a.number()) }
func (a *onOff[W]) decode(data []byte)   { *a = decodeNumber[W](data) != 0 }
func (a onOff[W]) ip(word string) string { return word + " " + itoa(a.number()) }
func (a onOff[W]) value() starlark.Value { return starlark.Bool(a) }
func (a onOff[W]) number() int {
	if a {
		return 1
	}
	return 0
}

// toggle is what ip-link(8) writes as a word, or with "no" before it.
type toggle = toggleIn[width8]

type toggleIn[W width] bool

func (toggleIn[W]) ArgType() string         { return "bool" }
func (a toggleIn[W]) encode() []byte        { return onOff[W](a).encode() }
func (a *toggleIn[W]) decode(data []byte)   { (*onOff[W])(a).decode(data) }
func (a toggleIn[W]) ip(word string) string { return map[bool]string{false: "no"}[bool(a)] + word }
func (a toggleIn[W]) value() starlark.Value { return starlark.Bool(a) }

// present is what is on by being there, though some are shown as 0 when they are not.
type present bool

func (present) ArgType() string         { return "bool" }
func (present) encode() []byte          { return nil }
func (a *present) decode(data []byte)   { *a = len(data) == 0 || data[0] != 0 }
func (a present) ip(word string) string { return word }
func (a present) value() starlark.Value { return starlark.Bool(a) }

// switched is what ip-link(8) writes as a word and on or off.
type switched bool

func (switched) ArgType() string       { return "bool" }
func (a switched) encode() []byte      { return onOff[width8](a).encode() }
func (a *switched) decode(data []byte) { (*onOff[width8])(a).decode(data) }
func (a switched) ip(word string) string {
	return word + map[bool]string{true: " on", false: " off"}[bool(a)]
}
func (a switched) value() starlark.Value { return starlark.Bool(a) }

// wordSet is what an attribute can be that is one of a few words.
type wordSet interface{ words() map[string]int }

// oneOf is one of a few words, a number to the kernel.
type oneOf[S wordSet, W width] string

func (oneOf[S, W]) ArgType() string { return "string" }
func (oneOf[S, W]) Choices(*runtime.Vocabulary) []string {
	var s S
	var all []string
	for word := range s.words() {
		all = append(all, word)
	}
	slices.SortFunc(all, func(a, b string) int { return s.words()[a] - s.words()[b] })
	return all
}
func (a oneOf[S, W]) encode() []byte {
	var s S
	return encodeNumber[W](s.words()[string(a)])
}
func (a *oneOf[S, W]) decode(data []byte) {
	var s S
	n := decodeNumber[W](data)
	*a = oneOf[S, W](itoa(n)) // of a kernel that knows more
	for word, of := range s.words() {
		if of == n {
			*a = oneOf[S, W](word)
		}
	}
}
func (a oneOf[S, W]) String() string        { return string(a) }
func (a oneOf[S, W]) ip(word string) string { return word + " " + string(a) }
func (a oneOf[S, W]) value() starlark.Value { return starlark.String(a) }
func (a *oneOf[S, W]) Unpack(val starlark.Value) error {
	s, err := choice(val, a.Choices(nil))
	*a = oneOf[S, W](s)
	return err
}

// A unit is the one that the kernel counts a time in.
type unit interface{ unit() time.Duration }

type (
	inSeconds      struct{}
	inMilliseconds struct{}
	inCentiseconds struct{}
)

func (inSeconds) unit() time.Duration      { return time.Second }
func (inMilliseconds) unit() time.Duration { return time.Millisecond }
func (inCentiseconds) unit() time.Duration { return 10 * time.Millisecond }

// lasting is a time, a number of its units to the kernel and to ip-link(8).
type lasting[U unit, W width] int

func (lasting[U, W]) ArgType() string         { return "duration" }
func (a lasting[U, W]) encode() []byte        { return encodeNumber[W](int(a)) }
func (a *lasting[U, W]) decode(data []byte)   { *a = lasting[U, W](decodeNumber[W](data)) }
func (a lasting[U, W]) ip(word string) string { return word + " " + itoa(int(a)) }
func (a lasting[U, W]) value() starlark.Value { return starlark.String(a.duration().String()) }
func (a lasting[U, W]) duration() time.Duration {
	var u U
	return time.Duration(a) * u.unit()
}

// ticks is how many units it is.
func (a lasting[U, W]) ticks() int { return int(a) }

func (a *lasting[U, W]) Unpack(val starlark.Value) error {
	var d durationArg
	if err := d.Unpack(val); err != nil {
		return err
	}
	var u U
	var w W
	_, least, most, _ := w.width()
	if time.Duration(d)/u.unit() < time.Duration(least) {
		return fmt.Errorf("%s is less than %s", time.Duration(d), time.Duration(least)*u.unit())
	}
	if time.Duration(d)%u.unit() != 0 || time.Duration(d)/u.unit() > time.Duration(most) {
		return fmt.Errorf("%s is no multiple of %s, or too long", time.Duration(d), u.unit())
	}
	*a = lasting[U, W](time.Duration(d) / u.unit())
	return nil
}

// addrAttr is an address of either family.
type addrAttr struct{ ipArg }

func (a addrAttr) encode() []byte        { return a.AsSlice() }
func (a addrAttr) ip(word string) string { return word + " " + a.String() }
func (a *addrAttr) decode(data []byte) {
	a.Addr, _ = netip.AddrFromSlice(data)
}
func (a addrAttr) value() starlark.Value {
	if a.IsUnspecified() {
		return starlark.None
	}
	return starlark.String(a.String())
}

// family4 and family6 are addresses of one family.
type (
	family4 struct{ addrAttr }
	family6 struct{ addrAttr }
)

func (a *family4) Unpack(val starlark.Value) error {
	if err := a.addrAttr.Unpack(val); err != nil || a.Is4() {
		return err
	}
	return fmt.Errorf("%s is no IPv4 address", a)
}

func (a *family6) Unpack(val starlark.Value) error {
	if err := a.addrAttr.Unpack(val); err != nil || a.Is6() {
		return err
	}
	return fmt.Errorf("%s is no IPv6 address", a)
}

// plainWord is a word of a command.
func plainWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
