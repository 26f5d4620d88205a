package runtime

import (
	"fmt"
	"reflect"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/script"
)

// A Changer is the arguments of a builtin that changes the machine: a struct whose tagged fields are its parameters.
type Changer interface {
	Change(tx *Tx) (starlark.Value, error)
}

// A Querier is the arguments of a builtin that only reads.
type Querier interface {
	Query(v *View) (starlark.Value, error)
}

// A Decl is a builtin, declared once: its name, its doc, its parameters with their docs and defaults, and what runs.
// The binding of arguments, the errors about them, help and the reference are all computed from it.
type Decl struct {
	Name    string // "veth"; "link.set" for a method; "assert.eq" for a member of a module
	Result  string // the type of what it returns
	Doc     string // the first sentence is its summary
	Params  []Param
	Changes bool     // whether it can change the machine
	Needs   []string // features that it needs; see Needing

	proto reflect.Value // the struct with the defaults
}

// A Param is a parameter of a builtin.
type Param struct {
	Name     string
	Type     string // in the user's words: "prefix", "duration", "namespace or name"
	Doc      string
	Default  string // as it would be written in a script; empty when the parameter is required
	Required bool
	Keyword  bool   // can be given by name only
	Rest     string // "*" or "**" when it takes all that is left over
	// Values lists what it can be, when that is one of a few strings; nil otherwise.
	Values func(*Vocabulary) []string
	field  []int
	more   bool // the field is a More
}

// A More is a field that stands for parameters which others declare, each given by its name. It is tagged `arg:"..."`.
type More interface {
	Params() []Param
	Give(v *View, name string, val starlark.Value) error
}

// An Unpacker is a type of argument that needs the run to be understood, such as a namespace given by its name. When
// the view is dry it says what is wrong with the value's form alone.
type Unpacker interface {
	UnpackIn(v *View, value starlark.Value) error
}

// A Typer names its type of argument for people.
type Typer interface{ ArgType() string }

// A Chooser is a type of argument that is one of a few strings.
type Chooser interface {
	Choices(voc *Vocabulary) []string
}

// Change declares a builtin that changes the machine. args is a pointer to a struct; its fields tagged
// `arg:"name"` are the parameters in order ("name?" is optional, "*name" and "**name" take the rest, a field tagged
// `arg:"*"` makes those after it keyword-only), each with a `doc:"..."`; the values in it are the defaults.
// A method's first field is its receiver. The parameters of an embedded struct are the builtin's own.
func Change(name, result, doc string, args Changer) *Decl {
	d := declare(name, result, doc, args)
	d.Changes = true
	return d
}

// Query declares a builtin that only reads. See Change.
func Query(name, result, doc string, args Querier) *Decl {
	return declare(name, result, doc, args)
}

func declare(name, result, doc string, args any) *Decl {
	d := &Decl{Name: name, Result: result, Doc: doc, proto: reflect.ValueOf(args).Elem()}
	if doc == "" {
		panic("runtime: builtin " + name + " has no doc")
	}
	d.Params = Params(name, args)
	return d
}

// Params are the parameters that a pointer to a struct of arguments declares, of a builtin or of a More. See Change.
func Params(name string, args any) (all []Param) {
	proto, keyword := reflect.ValueOf(args).Elem(), false
	for _, f := range reflect.VisibleFields(proto.Type()) {
		tag, ok := f.Tag.Lookup("arg")
		if !ok {
			continue
		}
		if tag == "*" {
			keyword = true
			continue
		}
		if more, ok := reflect.New(f.Type).Interface().(More); ok {
			for _, p := range more.Params() {
				p.Keyword, p.Required, p.Default, p.field, p.more = true, false, "None", f.Index, true
				all = append(all, p)
			}
			continue
		}
		p := Param{Doc: f.Tag.Get("doc"), Keyword: keyword, field: f.Index}
		p.Name, p.Rest = strings.TrimLeft(tag, "*"), tag[:len(tag)-len(strings.TrimLeft(tag, "*"))]
		if recv, _, dotted := strings.Cut(name, "."); dotted && p.Name == "self" {
			p.Name = recv // of arguments that methods of several types share
		}
		optional := strings.HasSuffix(p.Name, "?")
		p.Name = strings.TrimSuffix(p.Name, "?")
		p.Required = !optional && p.Rest == ""
		if p.Doc == "" {
			panic("runtime: parameter " + p.Name + " of builtin " + name + " has no doc")
		}
		p.Type = typeName(f.Type)
		if c, ok := reflect.New(f.Type).Interface().(Chooser); ok {
			p.Values = c.Choices
		}
		if !p.Required {
			p.Default = defaultText(proto.FieldByIndex(f.Index))
		}
		all = append(all, p)
	}
	return all
}

func typeName(t reflect.Type) string {
	if typer, ok := reflect.New(t).Interface().(Typer); ok {
		return typer.ArgType()
	}
	if v, ok := reflect.New(t).Elem().Interface().(starlark.Value); ok && t.Kind() == reflect.Pointer {
		return v.Type()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "dict"
	case reflect.Interface:
		if t == reflect.TypeFor[starlark.Callable]() {
			return "function"
		}
		return "any"
	}
	return t.Kind().String()
}

func defaultText(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok && (!v.IsZero() || v.Kind() == reflect.Int64) {
		// a duration of 0s is one
		return fmt.Sprintf("%q", s.String())
	}
	switch v.Kind() {
	case reflect.Bool:
		return map[bool]string{true: "True", false: "False"}[v.Bool()]
	case reflect.String:
		if v.String() != "" {
			return fmt.Sprintf("%q", v.String())
		}
	case reflect.Int:
		if v.Int() != 0 {
			return fmt.Sprint(v.Int())
		}
	}
	return "None"
}

// Method reports whether the builtin belongs to a value of the named type, and its name there.
func (d *Decl) Method(typ string) (string, bool) { return strings.CutPrefix(d.Name, typ+".") }

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
	return target.Interface(), nil
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
	var names []string
	for _, p := range d.named(method) {
		names = append(names, p.Name)
	}
	if near := script.Nearest(name, names); near != "" {
		return d.usage("unexpected keyword argument %q, did you mean %s=?", name, near)
	}
	return d.usage("unexpected keyword argument %q", name)
}

// longSignature is how long a signature can be that helps somebody who has made one mistake.
const longSignature = 300

// Usage is a hint how it is called: the signature, or where it is to be read when that is long.
func (d *Decl) Usage() string {
	if s := d.Signature(); len(s) <= longSignature {
		return "usage: " + s
	}
	return "`nsscript doc " + d.Name + "` lists its parameters"
}

// usage is an error about the arguments of a call.
func (d *Decl) usage(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(d.Name+": "+format, args...), Hint: d.Usage()}
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
	want := func() error { return fmt.Errorf("got %s, want %s", val.Type(), typeName(field.Type())) }
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
	return p.unpack(&View{s: &Session{voc: voc}}, reflect.New(d.elem(p, depth)).Elem(), val)
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
