package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

// MostElements is how many elements a builtin of the language may build or look at in one step, which nothing
// interrupts: more cannot be meant, and Go cannot recover from running out of memory.
const MostElements = 50_000_000

// mostDigits is how long a number may be that is read: the time that it takes is quadratic.
const mostDigits = 200_000

// Bounded are those of the language's own builtins that a script could keep busy for ever, with limits; see limits for
// operators and methods. What has none is left to the watch: it sees what grows step by step.
func Bounded() starlark.StringDict {
	all := starlark.StringDict{"getattr": starlark.NewBuiltin("getattr", limitedAttr)}
	for names, check := range map[string]func(args ...starlark.Value) error{
		"list tuple sorted reversed enumerate set dict any all min max bytes": countable,
		"zip":      zippable,
		"str repr": Writable,
		"int":      readable,
	} {
		for _, name := range strings.Fields(names) {
			all[name] = starlark.NewBuiltin(name, Checked(starlark.Universe[name].(*starlark.Builtin), check))
		}
	}
	return all
}

// Checked is what a builtin of other people's does, once its arguments have passed a check. A Go panic in it is an
// error.
func Checked(inner *starlark.Builtin, check func(args ...starlark.Value) error) func(*starlark.Thread,
	*starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple,
		kwargs []starlark.Tuple) (val starlark.Value, err error) {
		defer Recovered(inner.Name(), &err)
		err = check(args...)
		for _, kw := range kwargs {
			if err == nil {
				err = check(kw[1])
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", inner.Name(), err)
		}
		return inner.CallInternal(thread, args, kwargs)
	}
}

func countable(args ...starlark.Value) error {
	for _, a := range args {
		if n := starlark.Len(a); n > MostElements {
			return fmt.Errorf("%d elements are too many, at most %d fit", n, MostElements)
		}
	}
	return nil
}

func zippable(args ...starlark.Value) error {
	rows := 0
	for i, a := range args {
		if n := starlark.Len(a); i == 0 || n < rows {
			rows = n
		}
	}
	return fits(max(rows, 0), uint64(len(args)), MostElements, "elements")
}

func limitedAttr(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple,
	kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 0 {
		args = append(starlark.Tuple{limitedText(args[0])}, args[1:]...)
	}
	return starlark.Universe["getattr"].(*starlark.Builtin).CallInternal(thread, args, kwargs)
}

func readable(args ...starlark.Value) error {
	for _, a := range args {
		if s, ok := starlark.AsString(a); ok && len(s) > mostDigits {
			return fmt.Errorf("a number of %d digits is too long", len(s))
		}
	}
	return nil
}

// Join is the text of values one after the other.
func Join(sep string, vals []starlark.Value) (string, error) {
	var b strings.Builder
	for i, v := range vals {
		text, err := Text(v)
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// Elements are the values in a list or a tuple, nil for others.
func Elements(v starlark.Value) (all []starlark.Value) {
	switch v.(type) {
	case *starlark.List, starlark.Tuple:
		for e := range starlark.Elements(v.(starlark.Iterable)) {
			all = append(all, e)
		}
	}
	return all
}
