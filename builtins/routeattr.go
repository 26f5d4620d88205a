package builtins

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// Units of a route's metrics.
type (
	inEighths  struct{}
	inQuarters struct{}
	inMillis   struct{}
	width8in32 struct{} // a number of 8 bits in 32
)

func (inEighths) unit() time.Duration                       { return time.Millisecond / 8 }
func (inQuarters) unit() time.Duration                      { return time.Millisecond / 4 }
func (inMillis) unit() time.Duration                        { return time.Millisecond }
func (width8in32) width() (size, least, most int, big bool) { return 4, 1, math.MaxUint8, false }

// textAttr is a word.
type textAttr string

func (textAttr) ArgType() string         { return "string" }
func (a textAttr) String() string        { return string(a) }
func (a textAttr) encode() []byte        { return append([]byte(a), 0) }
func (a *textAttr) decode(data []byte)   { *a = textAttr(unix.ByteSliceToString(data)) }
func (a textAttr) ip(word string) string { return word + " " + string(a) }
func (a textAttr) value() starlark.Value { return starlark.String(a) }
func (a *textAttr) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	if !plainWord(s) || len(s) > 15 {
		return fmt.Errorf("%q is no word of up to 15 small letters, digits and underscores", s)
	}
	*a = textAttr(s)
	return nil
}

// labelsArg is a stack of MPLS labels.
type labelsArg []uint32

func (labelsArg) ArgType() string         { return "int or list of int" }
func (a labelsArg) encode() []byte        { return kernel.Labels(a) }
func (a *labelsArg) decode(data []byte)   { *a = kernel.LabelsOf(data) }
func (a labelsArg) ip(word string) string { return word + " " + a.text() }
func (a labelsArg) text() string {
	var words []string
	for _, l := range a {
		words = append(words, itoa(int(l)))
	}
	return strings.Join(words, "/")
}
func (a labelsArg) value() starlark.Value {
	var all []starlark.Value
	for _, l := range a {
		all = append(all, starlark.MakeInt(int(l)))
	}
	return starlark.NewList(all)
}
func (a *labelsArg) Unpack(val starlark.Value) error {
	it, ok := val.(starlark.Sequence)
	if !ok {
		it = starlark.Tuple{val}
	}
	for e := range starlark.Elements(it) {
		n, err := number[int](e, 0, 1<<20-1)
		if err != nil {
			return fmt.Errorf("label: %w", err)
		}
		*a = append(*a, uint32(n))
	}
	if n := len(*a); n == 0 || n > 30 {
		return fmt.Errorf("%d labels are not from 1 to 30", n)
	}
	return nil
}

// lockArg are the words of metrics, a bit each to the kernel.
type lockArg []string

func (lockArg) ArgType() string { return "list of string" }
func (a lockArg) encode() []byte {
	bits := uint32(0)
	for _, w := range routeWords {
		if w.nest == unix.RTA_METRICS && slices.Contains(a, w.name) {
			bits |= 1 << w.number
		}
	}
	return binary.NativeEndian.AppendUint32(nil, bits)
}
func (a *lockArg) decode(data []byte) {
	for _, w := range routeWords {
		if w.nest == unix.RTA_METRICS && decodeNumber[width32](data)&(1<<w.number) != 0 {
			*a = append(*a, w.name)
		}
	}
}
func (a lockArg) ip(word string) string { return word + " " + strings.Join(a, " ") }
func (a lockArg) value() starlark.Value { return stringList(a) }
func (a *lockArg) Unpack(val starlark.Value) error {
	it, ok := val.(starlark.Sequence)
	if !ok {
		return want("list of string", val)
	}
	var words []string
	for _, w := range routeWords {
		if w.nest == unix.RTA_METRICS && w.number > 1 {
			words = append(words, w.name)
		}
	}
	for e := range starlark.Elements(it) {
		word, err := choice(e, words)
		if err != nil {
			return err
		}
		*a = append(*a, word)
	}
	return nil
}
