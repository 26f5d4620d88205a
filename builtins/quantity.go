package builtins

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/script"
)

// Quantities in tc(8)'s notation: rates in bits or bytes a second, sizes in bytes, parts of a hundred. Each one that is
// read from the kernel is written so that it is read as the same again.

// A scale has the units of a quantity, lower case, and how much each one is.
type scale map[string]int64

// tc(8) takes the prefixes of a rate for powers of 1000, and those of a size for powers of 1024.
var (
	rateUnits = scale{"bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12,
		"kibit": 1 << 10, "mibit": 1 << 20, "gibit": 1 << 30, "tibit": 1 << 40,
		"bps": 8, "kbps": 8e3, "mbps": 8e6, "gbps": 8e9, "tbps": 8e12,
		"kibps": 8 << 10, "mibps": 8 << 20, "gibps": 8 << 30, "tibps": 8 << 40}
	sizeUnits = scale{"b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30,
		"kbit": 1 << 7, "mbit": 1 << 17, "gbit": 1 << 27}
)

// quantity is the number before the unit, and the unit.
func quantity(s string) (n *big.Rat, unit string, ok bool) {
	unit = strings.TrimLeft(s, "0123456789.")
	digits := strings.TrimSuffix(s, unit)
	if len(digits) > 40 {
		return nil, "", false
	}
	n, ok = new(big.Rat).SetString(digits)
	return n, strings.ToLower(unit), ok
}

// parse reads a quantity, as a multiple of a part of the smallest unit.
func (units scale) parse(s string, part int64) (uint64, error) {
	n, unit, ok := quantity(s)
	factor, known := units[unit]
	if !ok || !known {
		return 0, errors.New("")
	}
	n.Mul(n, big.NewRat(factor, part))
	if !n.IsInt() || !n.Num().IsUint64() {
		return 0, strconv.ErrRange
	}
	return n.Num().Uint64(), nil
}

// format writes a quantity in the greatest of some units that it is a multiple of.
func (units scale) format(n *big.Int, words ...string) string {
	for _, word := range words {
		whole, rest := new(big.Int).QuoRem(n, big.NewInt(units[word]), new(big.Int))
		if rest.Sign() == 0 && n.Sign() != 0 || word == words[len(words)-1] {
			return whole.String() + word
		}
	}
	return ""
}

// rateIn is a rate, in bytes a second to the kernel.
type rateIn[W width] uint64

func (rateIn[W]) ArgType() string         { return "rate" }
func (a rateIn[W]) encode() []byte        { return encodeNumber[W](int(a)) }
func (a *rateIn[W]) decode(data []byte)   { *a = rateIn[W](decodeNumber[W](data)) }
func (a rateIn[W]) ip(word string) string { return word + " " + a.String() }
func (a rateIn[W]) value() starlark.Value { return starlark.String(a.String()) }

func (a rateIn[W]) String() string {
	bits := new(big.Int).Lsh(new(big.Int).SetUint64(uint64(a)), 3)
	return rateUnits.format(bits, "tbit", "gbit", "mbit", "kbit", "bit")
}

func (a *rateIn[W]) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return fmt.Errorf(`got %s %s, want a rate with its unit, such as "10mbit"`, val.Type(), script.Show(val))
	}
	var w W
	_, _, most, _ := w.width()
	n, err := rateUnits.parse(s, 8)
	switch {
	case err == strconv.ErrRange || err == nil && n > uint64(most):
		return fmt.Errorf("%q is no whole number of bytes a second that the kernel could count", s)
	case err != nil:
		return fmt.Errorf(`%q is no rate such as "10mbit", "64kbit" or "1.5mbps" (bytes a second)`, s)
	case n == 0:
		return fmt.Errorf("%q is no rate: want more than 0", s)
	}
	*a = rateIn[W](n)
	return nil
}

// sizeIn is a number of bytes.
type sizeIn[W width] uint64

func (sizeIn[W]) ArgType() string         { return "size" }
func (a sizeIn[W]) encode() []byte        { return encodeNumber[W](int(a)) }
func (a *sizeIn[W]) decode(data []byte)   { *a = sizeIn[W](decodeNumber[W](data)) }
func (a sizeIn[W]) ip(word string) string { return word + " " + a.String() }
func (a sizeIn[W]) value() starlark.Value { return starlark.String(a.String()) }

func (a sizeIn[W]) String() string {
	return sizeUnits.format(new(big.Int).SetUint64(uint64(a)), "mb", "kb", "b")
}

func (a *sizeIn[W]) Unpack(val starlark.Value) error {
	var w W
	_, _, most, _ := w.width()
	if n, ok := val.(starlark.Int); ok {
		n, err := number[int](n, 0, most)
		*a = sizeIn[W](n)
		return err
	}
	s, ok := starlark.AsString(val)
	if !ok {
		return fmt.Errorf(`got %s %s, want a size such as "64kb", or a number of bytes`, val.Type(), script.Show(val))
	}
	n, err := sizeUnits.parse(s, 1)
	switch {
	case err == strconv.ErrRange || err == nil && n > uint64(most):
		return fmt.Errorf("%q is no whole number of bytes up to %d", s, most)
	case err != nil:
		return fmt.Errorf(`%q is no size such as "64kb" or "1500b"`, s)
	}
	*a = sizeIn[W](n)
	return nil
}

// percent is a part of a hundred, of 2^32-1 to the kernel.
type percent uint32

const wholePercent = 1<<32 - 1

func (percent) ArgType() string         { return "percentage" }
func (a percent) encode() []byte        { return encodeNumber[width32](int(a)) }
func (a *percent) decode(data []byte)   { *a = percent(decodeNumber[width32](data)) }
func (a percent) ip(word string) string { return word + " " + a.String() }
func (a percent) value() starlark.Value { return starlark.String(a.String()) }

// String is the shortest one that stands for the same part.
func (a percent) String() string {
	exact := new(big.Rat).SetFrac64(100*int64(a), wholePercent)
	for digits := 0; ; digits++ {
		text := exact.FloatString(digits)
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		var b percent
		if b.parse(text+"%") == nil && b == a || digits == 12 {
			return text + "%"
		}
	}
}

func (a *percent) parse(s string) error {
	n, unit, ok := quantity(s)
	if !ok || unit != "%" {
		return fmt.Errorf(`%q is no percentage such as "1%%" or "0.5%%"`, s)
	}
	if n.Cmp(big.NewRat(100, 1)) > 0 {
		return fmt.Errorf("%q is more than 100%%", s)
	}
	n.Mul(n, big.NewRat(wholePercent, 100))
	n.Add(n, big.NewRat(1, 2)) // to the nearest
	*a = percent(new(big.Int).Quo(n.Num(), n.Denom()).Uint64())
	return nil
}

func (a *percent) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return fmt.Errorf(`got %s %s, want a percentage such as "1%%"`, val.Type(), script.Show(val))
	}
	return a.parse(s)
}

// Units of times that only queueing disciplines count in.
type (
	inMicroseconds struct{}
	inNanoseconds  struct{}
)

func (inMicroseconds) unit() time.Duration { return time.Microsecond }
func (inNanoseconds) unit() time.Duration  { return time.Nanosecond }

// tcTime is a time, a number of its units to the kernel, which tc(8) takes with a unit.
type tcTime[U unit, W width] struct{ lasting[U, W] }

func (a tcTime[U, W]) ip(word string) string { return word + " " + tcDuration(a.duration()) }
func (a tcTime[U, W]) String() string        { return tcDuration(a.duration()) }
func (a tcTime[U, W]) value() starlark.Value { return starlark.String(tcDuration(a.duration())) }

// tcDuration writes a time in one unit, as tc(8) takes it.
func tcDuration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		word string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"}} {
		if d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.word
		}
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}
