package script

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// mostWidth is how wide a value may be set: more is no layout.
const mostWidth = 10_000

// percent is x % y: a remainder, or a text with values put into it. The language itself knows no flags, widths and
// precisions there; here they are what they are in Python.
func percent(x, y starlark.Value) (starlark.Value, error) {
	format, ok := x.(starlark.String)
	if !ok {
		return starlark.Binary(syntax.PERCENT, x, y)
	}
	text, err := interpolate(string(format), y)
	if err != nil {
		return nil, err
	}
	return starlark.String(text), nil
}

func interpolate(format string, y starlark.Value) (string, error) {
	in := newOperands(y)
	var b strings.Builder
	for {
		plain, rest, more := strings.Cut(format, "%")
		b.WriteString(plain)
		if !more {
			break
		}
		if format, more = strings.CutPrefix(rest, "%"); more {
			b.WriteByte('%')
			continue
		}
		c, arg, rest, err := in.conversion(rest)
		if err != nil {
			return "", err
		}
		text, err := c.text(arg)
		if err == nil {
			err = fits(b.Len()+len(text), 1, mostText, "bytes")
		}
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		format = rest
	}
	return b.String(), in.rest()
}

// operands are the values that are put into a text.
type operands struct {
	all  starlark.Tuple
	dict starlark.Mapping // nil when the operand is none
	used int
}

func newOperands(y starlark.Value) *operands {
	in := &operands{all: starlark.Tuple{y}}
	if t, ok := y.(starlark.Tuple); ok {
		in.all = t
	}
	in.dict, _ = y.(starlark.Mapping)
	return in
}

func (in *operands) next() (starlark.Value, error) {
	if in.used == len(in.all) {
		return nil, fmt.Errorf("not enough arguments for format string: it has more than %s",
			Count(in.used, "conversion"))
	}
	in.used++
	return in.all[in.used-1], nil
}

// number is the value of a *, which says a width or a precision.
func (in *operands) number() (int, error) {
	v, err := in.next()
	if err != nil {
		return 0, err
	}
	n, err := starlark.AsInt32(v)
	if err != nil {
		return 0, fmt.Errorf("* wants int, not %s", v.Type())
	}
	return n, nil
}

func (in *operands) key(name string) (starlark.Value, error) {
	if in.dict == nil {
		return nil, errors.New("format requires a mapping")
	}
	in.used = 1
	v, found, err := in.dict.Get(starlark.String(name))
	if err == nil && !found {
		err = fmt.Errorf("key not found: %s", name)
	}
	return v, err
}

// rest is an error when there are values that were not put in.
func (in *operands) rest() error {
	if in.used < len(in.all) && in.dict == nil {
		return fmt.Errorf("too many arguments for format string: it has %s, and there are %d",
			Count(in.used, "conversion"), len(in.all))
	}
	return nil
}

// A conversion is how a value is put into a text: "%-8.2f".
type conversion struct {
	left, sign, space, zero, alternate bool
	width, precision                   int // of no precision: -1
	letter                             byte
}

// conversion reads what stands behind a %, and finds the value for it.
func (in *operands) conversion(format string) (c conversion, arg starlark.Value, rest string, err error) {
	if keyed, ok := strings.CutPrefix(format, "("); ok {
		key, rest, ok := strings.Cut(keyed, ")")
		if !ok {
			return c, nil, "", errors.New("incomplete format key")
		}
		if arg, err = in.key(key); err != nil {
			return c, nil, "", err
		}
		format = rest
	}
	for format != "" && c.flag(format[0]) {
		format = format[1:]
	}
	if c.width, format, err = in.digits(format); err != nil {
		return c, nil, "", err
	}
	if c.width < 0 {
		c.left, c.width = true, -c.width
	}
	c.precision = -1
	if after, ok := strings.CutPrefix(format, "."); ok {
		if c.precision, format, err = in.digits(after); err != nil {
			return c, nil, "", err
		}
	}
	switch {
	case format == "":
		return c, nil, "", errors.New("incomplete format")
	case c.width > mostWidth || c.precision > mostWidth:
		return c, nil, "", fmt.Errorf("a width of %d is too much, at most %d fit", max(c.width, c.precision), mostWidth)
	}
	c.letter = format[0]
	if arg == nil {
		arg, err = in.next()
	}
	return c, arg, format[1:], err
}

func (c *conversion) flag(b byte) bool {
	switch b {
	case '-':
		c.left = true
	case '+':
		c.sign = true
	case ' ':
		c.space = true
	case '0':
		c.zero = true
	case '#':
		c.alternate = true
	default:
		return false
	}
	return true
}

// digits reads a number, or takes the next value for a *.
func (in *operands) digits(format string) (n int, rest string, err error) {
	if rest, ok := strings.CutPrefix(format, "*"); ok {
		n, err = in.number()
		return n, rest, err
	}
	rest = strings.TrimLeft(format, "0123456789")
	if digits := format[:len(format)-len(rest)]; digits != "" {
		if n, err = strconv.Atoi(digits); err != nil {
			n, err = math.MaxInt, nil // it is too much in any case
		}
	}
	return n, rest, err
}

// text is a value as the conversion writes it.
func (c conversion) text(v starlark.Value) (string, error) {
	// Most are these, and the way below takes five times as long.
	if n, ok := v.(starlark.Int); ok && c == (conversion{letter: 'd', precision: -1}) {
		return n.String(), nil
	}
	if s, ok := v.(starlark.String); ok && c == (conversion{letter: 's', precision: -1}) {
		return string(s), nil
	}
	if err := Writable(v); err != nil {
		return "", err
	}
	val, err := starlark.Binary(syntax.PERCENT, starlark.String("%"+string(rune(c.letter))), starlark.Tuple{v})
	if err != nil {
		return "", err
	}
	text, _ := starlark.AsString(val) // it is one
	whole, float := strings.IndexByte("dioxX", c.letter) >= 0, strings.IndexByte("eEfFgG", c.letter) >= 0
	f, _ := starlark.AsFloat(v)
	finite := whole || float && !math.IsInf(f, 0) && !math.IsNaN(f)
	if c.precision >= 0 {
		switch {
		case float && finite:
			text = strconv.FormatFloat(f, strings.Replace(string(rune(c.letter)), "F", "f", 1)[0], c.precision, 64)
		case c.letter == 's' || c.letter == 'r':
			text = firstRunes(text, c.precision)
		}
	}
	if !whole && !float {
		return c.pad("", text, false), nil
	}
	digits := strings.TrimLeft(text, "+-")
	sign := strings.TrimSuffix(text, digits)
	if whole {
		digits = strings.Repeat("0", max(c.precision-len(digits), 0)) + digits
	}
	switch {
	case sign == "-":
	case c.sign:
		sign = "+"
	case c.space:
		sign = " "
	}
	if c.alternate {
		prefix, ok := map[byte]string{'o': "0o", 'x': "0x", 'X': "0X"}[c.letter]
		if !ok {
			return "", fmt.Errorf("# goes with %%o, %%x and %%X, not with %%%c", c.letter)
		}
		sign += prefix
	}
	return c.pad(sign, digits, c.zero && finite), nil
}

// pad makes a text as wide as it is to be, with zeros behind its sign or spaces around it.
func (c conversion) pad(sign, text string, zeros bool) string {
	missing := max(c.width-utf8.RuneCountInString(sign+text), 0)
	switch {
	case c.left:
		return sign + text + strings.Repeat(" ", missing)
	case zeros:
		return sign + strings.Repeat("0", missing) + text
	}
	return strings.Repeat(" ", missing) + sign + text
}

// firstRunes is a text's beginning.
func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
