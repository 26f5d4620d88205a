package runtime

import (
	"fmt"
	"reflect"
	"strings"

	"go.starlark.net/starlark"
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
	Also   string // what other programs call it, for who calls it so
	field  []int
	more   bool // the field is a More
}

// A More is a field that stands for parameters which others declare, each given by its name. It is tagged `arg:"..."`.
// Its value among the defaults says which they are.
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
		if more, ok := proto.FieldByIndex(f.Index).Addr().Interface().(More); ok {
			for _, p := range more.Params() {
				p.Keyword, p.Required, p.Default, p.field, p.more = true, false, "None", f.Index, true
				all = append(all, p)
			}
			continue
		}
		p := Param{Doc: f.Tag.Get("doc"), Also: f.Tag.Get("also"), Keyword: keyword, field: f.Index}
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
		one := f.Type
		if one.Kind() == reflect.Slice && !reflect.PointerTo(one).Implements(reflect.TypeFor[Chooser]()) {
			one = one.Elem() // of a list of them
		}
		if c, ok := reflect.New(one).Interface().(Chooser); ok {
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
