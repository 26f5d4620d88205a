package runtime

import (
	"fmt"
	"reflect"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// bind makes a fresh struct of arguments from a call's.
func (d *Decl) bind(v *View, recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (any, error) {
	if recv != nil {
		args = append(starlark.Tuple{recv}, args...)
	}
	target := reflect.New(d.proto.Type())
	target.Elem().Set(d.proto)
	given := map[string]bool{}
	positional, rest := 0, -1
	for i, p := range d.Params {
		switch {
		case p.Rest == "*":
			rest = i
		case !p.Keyword && p.Rest == "" && rest < 0:
			positional++
		}
	}
	set := func(p Param, val starlark.Value) error {
		if given[p.Name] {
			return d.usage("got two values for parameter %q", p.Name)
		}
		given[p.Name] = true
		if val == starlark.None && !p.Required {
			return nil
		}
		if err := p.unpack(v, target.Elem().FieldByIndex(p.field), val); err != nil {
			err = d.usage("parameter %q: %w", p.Name, err)
			if len(d.Signature()) > longSignature {
				err.(*UsageError).Hint = p.Name + ": " + p.Doc
			}
			return err
		}
		return nil
	}
	for i, a := range args {
		switch {
		case i < positional:
			if err := set(d.Params[i], a); err != nil {
				return nil, err
			}
		case rest >= 0:
			field := target.Elem().FieldByIndex(d.Params[rest].field)
			item := reflect.New(field.Type().Elem()).Elem()
			if err := unpack(v, item, a); err != nil {
				return nil, d.usage("argument %d: %w", i+1, err)
			}
			field.Set(reflect.Append(field, item))
		default:
			hidden := 0
			if recv != nil {
				hidden = 1
			}
			return nil, d.usage("got %d positional arguments, want at most %d", len(args)-hidden, positional-hidden)
		}
	}
	for _, kw := range kwargs {
		name := string(kw[0].(starlark.String))
		if p := d.param(name, recv != nil); p != nil {
			if err := set(*p, kw[1]); err != nil {
				return nil, err
			}
		} else if last := d.Params[max(len(d.Params)-1, 0):]; len(last) == 1 && last[0].Rest == "**" {
			field := target.Elem().FieldByIndex(last[0].field)
			field.Set(reflect.Append(field, reflect.ValueOf(kw)))
		} else {
			return nil, d.unknown(name, recv != nil)
		}
	}
	var missing []string
	for _, p := range d.Params {
		if p.Required && !given[p.Name] {
			missing = append(missing, p.Name)
		}
	}
	switch len(missing) {
	case 0:
	case 1:
		return nil, d.usage("missing argument for %s", missing[0])
	default:
		return nil, d.usage("missing arguments for %s", strings.Join(missing, ", "))
	}
	return target.Interface(), d.beside(target.Elem())
}

type (
	// A Located is the first argument of a builtin when it is a namespace, or is in one.
	Located interface{ Located() kernel.NSRef }
	// A Beside is an argument that names links in the namespace of the first one, by their index or their name.
	Beside interface{ Beside() []kernel.LinkRef }
)

// beside is an error when a link that is named is in another namespace: another link may have its index, or its name.
func (d *Decl) beside(args reflect.Value) error {
	var where kernel.NSRef
	for i, p := range d.Params {
		field := args.FieldByIndex(p.field)
		if field.Kind() == reflect.Pointer {
			if field.IsNil() {
				continue
			}
			field = field.Elem()
		}
		if i == 0 {
			first, ok := field.Addr().Interface().(Located)
			if !ok {
				return nil
			}
			where = first.Located()
		}
		named, ok := field.Addr().Interface().(Beside)
		if !ok {
			continue
		}
		for _, l := range named.Beside() {
			if l.NS.Cookie != where.Cookie {
				param := fmt.Sprintf("parameter %q: ", p.Name)
				if p.more { // it is one of several words
					param = ""
				}
				return fmt.Errorf("%s: %s%s is in another namespace, %s", d.Name, param, l.Name, l.NS)
			}
		}
	}
	return nil
}

// named lists the parameters that can be given by name: not a method's receiver, and not what takes the rest.
func (d *Decl) named(method bool) (all []*Param) {
	for i := range d.Params {
		if p := &d.Params[i]; p.Rest == "" && (i > 0 || !method) {
			all = append(all, p)
		}
	}
	return all
}

func (d *Decl) param(name string, method bool) *Param {
	for _, p := range d.named(method) {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (d *Decl) unknown(name string, method bool) error {
	if near := Nearest(name, d.named(method)); near != "" {
		return d.usage("unexpected keyword argument %q, did you mean %s=?", name, near)
	}
	return d.usage("unexpected keyword argument %q", name)
}

// Nearest is the parameter that a name which is none of theirs may stand for, "" when there is none.
func Nearest(name string, params []*Param) string {
	var names []string
	for _, p := range params {
		if p.Also == name {
			return p.Name
		}
		names = append(names, p.Name)
	}
	return script.Nearest(name, names)
}

// unpack puts a parameter's value into its field, or into one of the same type.
func (p Param) unpack(v *View, field reflect.Value, val starlark.Value) error {
	if p.more {
		return field.Addr().Interface().(More).Give(v, p.Name, val)
	}
	return unpack(v, field, val)
}

// unpack puts a Starlark value into a field.
func unpack(v *View, field reflect.Value, val starlark.Value) error {
	if field.Kind() == reflect.Pointer {
		if _, ok := field.Interface().(starlark.Value); !ok {
			field.Set(reflect.New(field.Type().Elem()))
			return unpack(v, field.Elem(), val)
		}
	}
	switch u := field.Addr().Interface().(type) {
	case Unpacker:
		return u.UnpackIn(v, val)
	case starlark.Unpacker:
		return u.Unpack(val)
	}
	want := func() error {
		return fmt.Errorf("got %s, want %s%s", val.Type(), typeName(field.Type()), meant(field.Type(), val))
	}
	switch field.Kind() {
	case reflect.String:
		s, ok := starlark.AsString(val)
		if !ok {
			return want()
		}
		field.SetString(s)
	case reflect.Bool:
		b, ok := val.(starlark.Bool)
		if !ok {
			return want()
		}
		field.SetBool(bool(b))
	case reflect.Int:
		n, ok := val.(starlark.Int)
		if !ok {
			return want()
		}
		i, ok := n.Int64()
		if !ok {
			return fmt.Errorf("%s is out of range", n)
		}
		field.SetInt(i)
	case reflect.Slice:
		it, ok := val.(starlark.Iterable)
		if !ok {
			return want()
		}
		if n := starlark.Len(val); n > script.MostElements {
			return fmt.Errorf("%d elements are too many", n)
		}
		i := 0
		for e := range starlark.Elements(it) {
			item := reflect.New(field.Type().Elem()).Elem()
			if err := unpack(v, item, e); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
			i++
			field.Set(reflect.Append(field, item))
		}
	default:
		if !reflect.TypeOf(val).AssignableTo(field.Type()) {
			return want()
		}
		field.Set(reflect.ValueOf(val))
	}
	return nil
}

// meant says how to write a value that is no list, or no function, as one.
func meant(typ reflect.Type, val starlark.Value) string {
	text, isText := starlark.AsString(val)
	fn, isFn := val.(starlark.Callable)
	switch function := reflect.TypeFor[starlark.Callable](); {
	case typ == function:
		return ": name it and do not call it, or write lambda: f(x)"
	case typ.Kind() != reflect.Slice:
	case isText && typ.Elem().Kind() == reflect.String:
		var words []string
		for _, w := range strings.Fields(text) {
			words = append(words, script.Show(starlark.String(w)))
		}
		return ": write [" + strings.Join(words, ", ") + "]"
	case isFn && typ.Elem() == function:
		return ": write [" + fn.Name() + "]"
	}
	return ""
}

// Dry reports whether there is no run: a script is being checked. Then the vocabulary is all that the view knows.
func (v *View) Dry() bool { return v.s.m == nil }

// A Lister is a type of argument that unpacks itself and is an array or a slice all the same, whose elements can be
// tried one by one.
type Lister interface{ ElementsAlone() }

// Try tells whether a value fits a parameter, as far as that can be known without a run. It is what a call does with
// the value, and its error is the call's. With a depth of 1 the value is one of several that the parameter takes as a
// list, with 2 one of several in such an element.
func (voc *Vocabulary) Try(d *Decl, p Param, val starlark.Value, depth int) error {
	if val == starlark.None && !p.Required && depth == 0 {
		return nil
	}
	field := reflect.New(d.elem(p, depth)).Elem()
	if p.more {
		field.Set(d.proto.FieldByIndex(p.field))
	}
	return p.unpack(&View{s: &Session{voc: voc}}, field, val)
}

// elem is the type of a parameter, of its elements, or of theirs.
func (d *Decl) elem(p Param, depth int) reflect.Type {
	typ := d.proto.Type().FieldByIndex(p.field).Type
	for range depth {
		typ = typ.Elem()
	}
	return typ
}

// Several reports whether a parameter takes a list whose elements can be tried one by one; with a depth of 1, whether
// such an element does.
func (d *Decl) Several(p Param, depth int) bool {
	if p.more {
		return false
	}
	typ := d.elem(p, depth)
	if _, lister := reflect.New(typ).Interface().(Lister); lister {
		return true
	}
	_, own := reflect.New(typ).Interface().(Unpacker)
	_, plain := reflect.New(typ).Interface().(starlark.Unpacker)
	return typ.Kind() == reflect.Slice && !own && !plain
}

// IsMethod reports whether the builtin is called on a value, which is then its first parameter.
func (d *Decl) IsMethod() bool { return d.isMethod() }
