package script

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// MostDepth is how deep what is written out, or read, may be nested.
const MostDepth = 1000

// What is written out may have this many parts. The interpreter itself would try with anything: it takes quadratic time
// for a deep list, more stack than Go has for a deep tuple, and the age of the universe for a list that has another
// twice, which has another twice, and so on.
const (
	mostParts = 2_000_000
	mostBits  = 1 << 20 // of a number
)

// A Holder is a value of an embedding program's that writes other values out when it is written.
type Holder interface{ Held() []starlark.Value }

// Text is a value as print() writes it: a string as it is, anything else as repr() does. It is an error when that would
// be without end for all practical purposes.
func Text(v starlark.Value) (string, error) {
	if err := Writable(v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	}
	return v.String(), nil
}

// Show is a value as repr() writes it, for messages: one that is too large for that is named by its type.
func Show(v starlark.Value) string {
	if Writable(v) != nil {
		return "<a very large " + v.Type() + ">"
	}
	return v.String()
}

// Writable reports why a value cannot be written out.
func Writable(vs ...starlark.Value) error {
	m := measure{mostParts}
	for _, v := range vs {
		if err := m.add(v, 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// A measure is how many parts more a value may have.
type measure struct{ left int }

// add counts a value that is nested depth deep. Of those around it, path has the lists and dicts that the interpreter
// would know again and not write a second time.
func (m *measure) add(v starlark.Value, depth int, path []starlark.Value) error {
	m.left -= 1 + len(path)/16 // to look through the path takes time, too
	switch {
	case depth > MostDepth:
		return fmt.Errorf("the %s is nested more than %d deep", v.Type(), MostDepth)
	case m.left < 0:
		return fmt.Errorf("the %s has more than %d parts", v.Type(), mostParts)
	}
	all := func(vs ...starlark.Value) error {
		for _, e := range vs {
			if err := m.add(e, depth+1, path); err != nil {
				return err
			}
		}
		return nil
	}
	switch v := v.(type) {
	case starlark.Int:
		if _, small := v.Int64(); !small && v.BigInt().BitLen() > mostBits {
			return fmt.Errorf("the number has more than %d bits", mostBits)
		}
	case starlark.String:
		m.left -= len(v) / 64
	case starlark.Bytes:
		m.left -= len(v) / 64
	case starlark.Tuple:
		return all(v...)
	case *starlark.Set:
		for e := range v.Elements() {
			if err := all(e); err != nil {
				return err
			}
		}
	case *starlark.List:
		if slices.Contains(path, starlark.Value(v)) {
			return nil
		}
		path = append(path, v)
		for e := range v.Elements() {
			if err := all(e); err != nil {
				return err
			}
		}
	case *starlark.Dict:
		if slices.Contains(path, starlark.Value(v)) {
			return nil
		}
		path = append(path, v)
		for k, e := range v.Entries() {
			if err := all(k, e); err != nil {
				return err
			}
		}
	case *starlarkstruct.Struct:
		path = nil // what is around a struct is forgotten inside it
		for _, name := range v.AttrNames() {
			e, err := v.Attr(name)
			if err != nil {
				return err
			}
			if err := all(e); err != nil {
				return err
			}
		}
	case Holder:
		path = nil
		return all(v.Held()...)
	}
	return nil
}

// Count says how many there are: "1 change", "2 changes".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
