// Package runtime runs scenarios: it binds a vocabulary of declared builtins to Starlark, makes every change through a
// journal so that it can be undone, and says what went wrong in words and positions that a person can use.
//
// It owns the run ([Session]), the declaration of builtins ([Change], [Query], [Type]) and the transaction ([Tx]). What
// a change is, and how it is undone, it leaves to package change. It does not know a single builtin: the vocabulary is
// passed in, and a program that embeds this package adds its own to that table.
package runtime

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// A Vocabulary is the table of all that a scenario can say. It is passed in; there is no registry.
type Vocabulary struct {
	Decls   []*Decl
	Types   []*Type
	Ops     []change.Op                // a prototype of every kind of change, to read journals with
	Modules starlark.StringDict        // whole modules of other people's, such as json
	Host    func(*View) starlark.Value // makes the value of the name host
	// Test makes the value that a test function gets, with the test's name.
	Test     func(v *View, name string) starlark.Value
	Features []*Feature // what a kernel may lack
	Topics   []*Topic   // what else the reference explains, besides the standard library
}

// A Type declares a type of values: what attributes they have. Its methods are the builtins named after it.
type Type struct {
	Name, Doc string
	Attrs     []Attr
	Elem      string // the type of the elements, for one whose values are lists
}

// An Attr is an attribute that is read anew each time it is asked for.
type Attr struct {
	Name, Type, Doc string
	Get             func(v *View, recv starlark.Value) (starlark.Value, error)
	Aside           bool // a table of several values leaves it out: what all have tells nothing there
}

// Attr gives a declared type's value its attributes and methods; it is what HasAttrs.Attr of such a value calls.
func (v *View) Attr(typ string, recv starlark.Value, name string) (starlark.Value, error) {
	for _, t := range v.s.voc.Types {
		if t.Name != typ {
			continue
		}
		for _, a := range t.Attrs {
			if a.Name == name {
				return a.Get(v, recv)
			}
		}
	}
	for _, d := range v.s.voc.Decls {
		if method, ok := d.Method(typ); ok && method == name {
			return &Func{d: d, s: v.s, recv: recv}, nil
		}
	}
	return nil, nil
}

// AttrNames lists a declared type's attributes and methods.
func (v *View) AttrNames(typ string) []string { return v.s.voc.AttrNames(typ) }

// AttrNames lists a declared type's attributes and methods.
func (voc *Vocabulary) AttrNames(typ string) []string {
	var names []string
	for _, t := range voc.Types {
		if t.Name == typ {
			for _, a := range t.Attrs {
				names = append(names, a.Name)
			}
		}
	}
	for _, d := range voc.Decls {
		if method, ok := d.Method(typ); ok {
			names = append(names, method)
		}
	}
	slices.Sort(names)
	return names
}

// Unbound is what its names mean, bound to no run: for those who look and do not call.
func (voc *Vocabulary) Unbound() starlark.StringDict { return voc.globals(nil) }

// globals binds the vocabulary to a session. A name with a dot that is no type's is a member of a module.
func (voc *Vocabulary) globals(s *Session) starlark.StringDict {
	all := starlark.StringDict{}
	for name, m := range voc.Modules {
		all[name] = m
	}
	for name, fn := range script.Bounded() {
		all[name] = fn
	}
	all["print"] = starlark.NewBuiltin("print", s.printBuiltin)
	modules := map[string]starlark.StringDict{}
	for _, d := range voc.Decls {
		prefix, member, dotted := strings.Cut(d.Name, ".")
		switch {
		case !dotted:
			all[d.Name] = &Func{d: d, s: s}
		case !slices.ContainsFunc(voc.Types, func(t *Type) bool { return t.Name == prefix }):
			if modules[prefix] == nil {
				modules[prefix] = starlark.StringDict{}
			}
			modules[prefix][member] = &Func{d: d, s: s}
		}
	}
	for name, members := range modules {
		all[name] = &starlarkstruct.Module{Name: name, Members: members}
	}
	return all
}

// A Func is a declared builtin, bound to a session and, when it is a method, to its receiver.
type Func struct {
	d    *Decl
	s    *Session
	recv starlark.Value
}

var _ starlark.Callable = (*Func)(nil)

// Decl is the builtin's declaration.
func (f *Func) Decl() *Decl { return f.d }

func (f *Func) Name() string          { return f.d.Name }
func (f *Func) String() string        { return "<builtin " + f.d.Signature() + ">" }
func (f *Func) Type() string          { return "builtin" }
func (f *Func) Freeze()               {}
func (f *Func) Truth() starlark.Bool  { return true }
func (f *Func) Hash() (uint32, error) { return starlark.String(f.d.Name).Hash() }

// CallInternal binds the arguments and runs the builtin. A Go panic in it becomes an error here, while the position is
// still known and everything can be undone.
func (f *Func) CallInternal(thread *starlark.Thread, args starlark.Tuple,
	kwargs []starlark.Tuple) (val starlark.Value, err error) {
	defer script.Recovered(f.d.Name, &err)
	view := &View{s: f.s, thread: thread}
	bound, err := f.d.bind(view, f.recv, args, kwargs)
	if err != nil {
		return nil, err
	}
	if q, ok := bound.(Querier); ok {
		val, err = q.Query(view)
	} else {
		tx := &Tx{View: view}
		if w, ok := bound.(waiving); ok {
			tx.waiver = w.waives()
		}
		val, err = bound.(Changer).Change(tx)
	}
	if val == nil && err == nil {
		val = starlark.None
	}
	return val, err
}

// An Outputter is a value that has a text of several lines besides its own one.
type Outputter interface {
	starlark.Value
	// Output is that text, and the attribute which has all of it.
	Output() (text, attr string)
}

// A Feature is something of the machine that a builtin needs and that not every machine has. It is found out by doing
// it.
type Feature struct {
	Name, Doc string
	Remedy    string // how to get it
	Optional  bool   // most scenarios do without it
	// Probe tries it in a namespace of its own, and leaves nothing.
	Probe func(m *kernel.Machine) error
}

// Needing declares which features a builtin needs.
func (d *Decl) Needing(features ...string) *Decl {
	d.Needs = append(d.Needs, features...)
	return d
}

// Feature finds a feature by its name.
func (voc *Vocabulary) Feature(name string) (*Feature, error) {
	var names []string
	for _, f := range voc.Features {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	if near := script.Nearest(name, names); near != "" {
		return nil, fmt.Errorf("there is no feature %q, did you mean %q?", name, near)
	}
	return nil, fmt.Errorf("there is no feature %q: they are %q", name, names)
}

// NeededBy lists the builtins that need a feature.
func (voc *Vocabulary) NeededBy(feature string) (names []string) {
	for _, d := range voc.Decls {
		if slices.Contains(d.Needs, feature) {
			names = append(names, d.Name)
		}
	}
	return names
}

func (s *Session) printBuiltin(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple,
	kwargs []starlark.Tuple) (starlark.Value, error) {
	sep := " "
	if err := starlark.UnpackArgs("print", nil, kwargs, "sep?", &sep); err != nil {
		return nil, err
	}
	line, err := script.Join(sep, args)
	if err != nil {
		return nil, fmt.Errorf("print: %w", err)
	}
	return starlark.None, s.print(line)
}
