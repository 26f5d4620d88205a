package script

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Mark is a letter that no name in a script can have.
const Mark = "·"

// mostText is how many bytes of text may be made in one step, for the same reason as most.
const mostText = 1 << 28

// Limits are what stands in a script's syntax for what the language itself does without a limit, x * y and methods of
// strings, or does not do, x % y with widths, or says nothing of, a text in a list of links. No script can spell their
// names.
var Limits = starlark.StringDict{
	Mark + "times": starlark.NewBuiltin("*",
		func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return times(args[0], args[1])
		}),
	Mark + "percent": starlark.NewBuiltin("%",
		func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return percent(args[0], args[1])
		}),
	Mark + "in": starlark.NewBuiltin("in",
		func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return Among(args[0], args[1])
		}),
	Mark + "notin": starlark.NewBuiltin("not in",
		func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			found, err := Among(args[0], args[1])
			if err != nil {
				return nil, err
			}
			return !found.Truth(), nil
		}),
	Mark + "text": starlark.NewBuiltin("text",
		func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return limitedText(args[0]), nil
		}),
}

// limited are the operators that have one of Limits.
var limited = map[syntax.Token]string{
	syntax.STAR: "times", syntax.STAR_EQ: "times", syntax.PERCENT: "percent", syntax.PERCENT_EQ: "percent",
	syntax.IN: "in", syntax.NOT_IN: "notin",
}

// Limit has a file use limits.
func Limit(f *syntax.File) *syntax.File {
	call := func(name string, pos syntax.Position, args ...syntax.Expr) syntax.Expr {
		return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: Mark + name}, Lparen: pos,
			Args: args, Rparen: pos}
	}
	rewrite(reflect.ValueOf(f), func(e syntax.Expr) syntax.Expr {
		switch e := e.(type) {
		case *syntax.BinaryExpr:
			if name := limited[e.Op]; name != "" {
				return call(name, e.OpPos, e.X, e.Y)
			}
		case *syntax.DotExpr:
			if textMethods[e.Name.Name] != nil {
				e.X = call("text", e.Dot, e.X)
			}
		}
		return e
	}, func(s syntax.Stmt) {
		// Where the left side is more than a name, evaluating it twice could mean something else.
		if s, ok := s.(*syntax.AssignStmt); ok && limited[s.Op] != "" {
			if x, ok := s.LHS.(*syntax.Ident); ok {
				s.RHS = call(limited[s.Op], s.OpPos, &syntax.Ident{NamePos: x.NamePos, Name: x.Name}, s.RHS)
				s.Op = syntax.EQ
			}
		}
	})
	return f
}

// rewrite replaces the expressions below a node of the syntax, innermost first, and has each statement changed in
// place.
func rewrite(v reflect.Value, expr func(syntax.Expr) syntax.Expr, stmt func(syntax.Stmt)) {
	switch v.Kind() {
	case reflect.Interface:
		rewrite(v.Elem(), expr, stmt)
		switch n := v.Interface().(type) {
		case syntax.Expr:
			v.Set(reflect.ValueOf(expr(n)))
		case syntax.Stmt:
			stmt(n)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			rewrite(v.Elem(), expr, stmt)
		}
	case reflect.Slice:
		for i := range v.Len() {
			rewrite(v.Index(i), expr, stmt)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() &&
				(f.Type.Kind() != reflect.Interface || f.Type.NumMethod() > 0) {
				rewrite(v.Field(i), expr, stmt)
			}
		}
	}
}

// times is x * y.
func times(x, y starlark.Value) (starlark.Value, error) {
	of, n := x, y
	if _, ok := x.(starlark.Int); ok {
		of, n = y, x
	}
	if n, ok := n.(starlark.Int); ok {
		if many, ok := n.Uint64(); ok || n.Sign() > 0 {
			if !ok {
				many = 1 << 63
			}
			switch of := of.(type) {
			case starlark.String:
				if err := fits(len(of), many, mostText, "bytes"); err != nil {
					return nil, err
				}
			case starlark.Bytes:
				if err := fits(len(of), many, mostText, "bytes"); err != nil {
					return nil, err
				}
			case *starlark.List, starlark.Tuple:
				if err := fits(starlark.Len(of), many, MostElements, "elements"); err != nil {
					return nil, err
				}
			}
		}
	}
	return starlark.Binary(syntax.STAR, x, y)
}

// fits is an error when so many times so much is too much.
func fits(size int, times uint64, most uint64, what string) error {
	if over, n := bits.Mul64(uint64(size), times); over > 0 || n > most {
		text := fmt.Sprintf("%d %s", size, what)
		if times != 1 {
			text = fmt.Sprintf("%d times %s", times, text)
		}
		return fmt.Errorf("%s are too many, at most %d fit", text, most)
	}
	return nil
}

// textMethods are the methods of strings that can make much of little, with what is wrong with a call.
var textMethods = map[string]func(text string, args ...starlark.Value) error{
	"replace": func(text string, args ...starlark.Value) error {
		if len(args) < 2 {
			return nil // it says so itself
		}
		was, _ := starlark.AsString(args[0])
		is, _ := starlark.AsString(args[1])
		places := strings.Count(text, was)
		if len(args) > 2 {
			if n, err := starlark.AsInt32(args[2]); err == nil && n >= 0 {
				places = min(places, n)
			}
		}
		return fits(max(len(is)-len(was), 0), uint64(places), mostText, "bytes")
	},
	"join": func(text string, args ...starlark.Value) error {
		sum := 0
		for _, a := range args {
			if err := fits(len(text), uint64(max(starlark.Len(a), 0)), mostText, "bytes"); err != nil {
				return err
			}
			for _, e := range Elements(a) {
				if s, ok := starlark.AsString(e); ok {
					sum += len(s)
				}
			}
		}
		return fits(sum, 1, mostText, "bytes")
	},
	"split": pieces, "rsplit": pieces, "splitlines": pieces,
	"format": func(text string, args ...starlark.Value) error {
		if field := formatted().FindStringSubmatch(text); field != nil {
			return fmt.Errorf(`%s: a field has no format here, but "%%.2f" %% x has`, field[1])
		}
		return Writable(args...)
	},
}

// formatted is a field of a text with a format of its own, as "{:.2f}" has.
var formatted = Pattern(`(?:^|[^{])(?:\{\{)*(\{[^{}]*:[^{}]*\})`)

// pieces is what is wrong with cutting a text.
func pieces(text string, args ...starlark.Value) error {
	at := ""
	for _, a := range args[:min(1, len(args))] {
		at, _ = starlark.AsString(a)
	}
	if len(text) <= MostElements || at != "" && strings.Count(text, at) < MostElements {
		return nil
	}
	return fmt.Errorf("a text of %d bytes may have too many pieces, at most %d fit", len(text), MostElements)
}

// A boundedText is a string whose methods have limits. It is there only while one of them is looked up.
type boundedText struct{ starlark.HasAttrs }

var _ starlark.HasAttrs = boundedText{}

func limitedText(v starlark.Value) starlark.Value {
	if s, ok := v.(starlark.String); ok {
		return boundedText{s}
	}
	return v
}

func (t boundedText) Attr(name string) (starlark.Value, error) {
	text := t.HasAttrs.(starlark.String)
	val, err := text.Attr(name)
	method, ok := val.(*starlark.Builtin)
	if err != nil || !ok || textMethods[name] == nil {
		return val, err
	}
	return starlark.NewBuiltin(name,
		func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple,
			kwargs []starlark.Tuple) (starlark.Value, error) {
			given := slices.Clone(args)
			for _, kw := range kwargs {
				given = append(given, kw[1])
			}
			if err := textMethods[name](string(text), given...); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return method.CallInternal(thread, args, kwargs)
		}).BindReceiver(text), nil
}
