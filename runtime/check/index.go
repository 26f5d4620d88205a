package check

import (
	"path/filepath"
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// An Index is what is known of scripts and of what they load, for editors to ask.
type Index struct {
	checker
	root string
	seen map[*unit]bool
}

// NewIndex reads scripts. root, and what is loaded, is as Files has it.
func NewIndex(voc *runtime.Vocabulary, root string, files ...File) *Index {
	x := &Index{checker{voc: voc, units: map[string]*unit{}}, root, map[*unit]bool{}}
	var given []*unit
	for _, f := range files {
		if u := x.units[filepath.Clean(f.Name)]; u == nil {
			given = append(given, x.add(f.Name, f.Source))
		}
	}
	// A script that another one loads is seen from there: its root is the other's.
	for _, u := range given {
		x.follow(u, rootOf(root, u), nil, map[*unit]bool{}, false)
	}
	for _, all := range []bool{false, true} { // scripts that load each other in a circle have no first one
		for _, u := range given {
			if (all || !u.loaded) && !x.seen[u] {
				x.follow(u, rootOf(root, u), nil, x.seen, true)
			}
		}
	}
	return x
}

// A Place is a piece of a file. Lines and columns count from 1, columns in characters.
type Place struct {
	File       string
	Begin, End syntax.Position
}

// A Symbol is a function or a variable that a file defines.
type Symbol struct {
	Name     string
	Function bool
	Detail   string // how the function is called, or the type
	Whole    Place  // all of the definition
	At       Place  // the name
}

func (u *unit) place(n syntax.Node) Place {
	begin, end := n.Span()
	return Place{u.name, begin, end}
}

// analyse collects what a unit binds; nil when nothing of it could be parsed.
func (c *checker) analyse(u *unit) *analysis {
	if u == nil || u.file == nil {
		return nil
	}
	a := &analysis{checker: c, u: u, vars: map[*syntax.Ident]*variable{}, binds: map[*syntax.Ident]bool{},
		tests: map[*syntax.Ident]bool{}, quiet: map[syntax.Node]bool{}, types: map[syntax.Expr]string{}}
	a.collect()
	return a
}

// Symbols lists what a file defines at its top level.
func (x *Index) Symbols(file string) (all []Symbol) {
	a := x.analyse(x.units[filepath.Clean(file)])
	if a == nil {
		return nil
	}
	for _, v := range a.order {
		if v.scope != resolve.Global || v.bindings[0].way == loaded {
			continue
		}
		at := a.u.place(v.first)
		s := Symbol{Name: v.first.Name, Detail: a.identType(v.first), Whole: at, At: at}
		if def := v.function(); def != nil {
			s.Function, s.Detail, s.Whole = true, a.u.declare(def).Signature(), a.u.place(def)
		}
		all = append(all, s)
	}
	return all
}

// function is the def statement that a variable has its only value from; nil when it is no function, or not always the
// same.
func (v *variable) function() *syntax.DefStmt {
	if len(v.bindings) != 1 {
		return nil
	}
	return v.def
}

// declare declares a script's own function as builtins are.
func (u *unit) declare(def *syntax.DefStmt) *runtime.Decl {
	return runtime.Declare(def, func(e syntax.Expr) string {
		begin, end := e.Span()
		return u.source[u.offset(begin):u.offset(end)]
	})
}

func nameOf(e syntax.Expr) string {
	if id, ok := e.(*syntax.Ident); ok {
		return id.Name
	}
	return ""
}

// offset is where in the text a position is; the end when it is behind that.
func (u *unit) offset(pos syntax.Position) int {
	if u.lines == nil {
		u.lines = []int{0}
		for i := range len(u.source) {
			if u.source[i] == '\n' {
				u.lines = append(u.lines, i+1)
			}
		}
	}
	if int(pos.Line) > len(u.lines) {
		return len(u.source)
	}
	at := u.lines[max(pos.Line, 1)-1]
	for i := range u.source[at:] {
		if pos.Col--; pos.Col < 1 {
			return at + i
		}
	}
	return len(u.source)
}

// Definition finds where the name at an offset of a file gets its meaning, or the file that a load statement names. A
// file of the standard library is named as it is loaded.
func (x *Index) Definition(file string, at int) (p Place, ok bool) {
	a := x.analyse(x.units[filepath.Clean(file)])
	if a == nil {
		return p, false
	}
	covers := func(n syntax.Node) bool {
		begin, end := n.Span()
		return a.u.offset(begin) <= at && at <= a.u.offset(end)
	}
	syntax.Walk(a.u.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LoadStmt:
			from := x.loads(a.u, n)
			switch {
			case from == nil:
			case covers(n.Module):
				p, ok = Place{File: from.name}, true
			default:
				for i := range n.From {
					if covers(n.From[i]) || covers(n.To[i]) {
						p, ok = x.global(from, n.From[i].Name)
					}
				}
			}
			return false
		case *syntax.Ident:
			if v := a.variable(n); v != nil && covers(n) {
				p, ok = a.defined(v)
			}
		}
		return true
	})
	return p, ok
}

// defined is where a variable gets its value first.
func (a *analysis) defined(v *variable) (p Place, ok bool) {
	if v.bindings[0].way != loaded {
		return a.u.place(v.first), true
	}
	from, name := a.origin(v)
	if from == nil {
		return a.u.place(v.first), true
	}
	return a.global(from, name)
}

// origin is the file that a loaded variable comes from, and its name there; nil when it cannot be read.
func (a *analysis) origin(v *variable) (from *unit, name string) {
	for _, s := range a.u.file.Stmts {
		if load, ok := s.(*syntax.LoadStmt); ok {
			if i := slices.Index(load.To, v.first); i >= 0 {
				return a.loads(a.u, load), load.From[i].Name
			}
		}
	}
	return nil, ""
}

// global finds a file's global.
func (c *checker) global(u *unit, name string) (p Place, ok bool) {
	if a := c.analyse(u); a != nil {
		for _, v := range a.order {
			if v.scope == resolve.Global && v.first.Name == name && v.bindings[0].way != loaded {
				return u.place(v.first), true
			}
		}
	}
	return p, false
}

// loads is the file that a load statement loads; nil when that was not read.
func (c *checker) loads(u *unit, load *syntax.LoadStmt) *unit {
	if name, err := script.ResolveLoad(u.root, u.name, load.ModuleName()); err == nil {
		return c.units[filepath.Clean(name)]
	}
	return nil
}
