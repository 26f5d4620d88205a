package check

import (
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
)

// A way is how a variable gets a value.
type way int

const (
	assigned  way = iota // x = ...
	unpacked             // x, y = ...
	augmented            // x += ...
	looped               // for x in ...
	parameter
	defined // def x
	loaded
)

// A binding is one place where a variable gets a value.
type binding struct {
	way  way
	id   *syntax.Ident
	from syntax.Expr // what it gets, or what it gets an element of
	path []int       // which element of it, and of that, when it is unpacked
}

// A variable is a name in its scope.
type variable struct {
	first    *syntax.Ident
	scope    resolve.Scope
	bindings []binding
	uses     int
	grows    bool            // elements are added to it in place
	def      *syntax.DefStmt // the last that defines it

	typed, valued bool           // whether the following have been found out, or are being
	typ           string         // "" when it is not known
	val           starlark.Value // nil when it is not the same in every run
}

// An analysis is what is known of one file.
type analysis struct {
	*checker
	u     *unit
	vars  map[*syntax.Ident]*variable // by first binding use
	order []*variable
	binds map[*syntax.Ident]bool // identifiers that bind
	tests map[*syntax.Ident]bool // parameters that get the test
	quiet map[syntax.Node]bool   // calls that are there to fail

	types  map[syntax.Expr]string // of expressions, as far as they were asked for
	typing int                    // variables whose type is being found out
}

// inspect looks for all that can be found in a file alone.
func (c *checker) inspect(u *unit) {
	a := c.analyse(u)
	if a == nil {
		return
	}
	a.silence()
	a.unused()
	a.flow(u.file.Stmts)
	a.expressions()
}

// variable is what an identifier denotes; nil for what is predeclared or means nothing.
func (a *analysis) variable(id *syntax.Ident) *variable {
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b == nil || b.First == nil {
		return nil
	}
	return a.vars[b.First]
}

// predeclared reports whether an identifier is the builtin of its name, and not a variable.
func predeclared(e syntax.Expr) (name string, ok bool) {
	id, ok := e.(*syntax.Ident)
	if !ok {
		return "", false
	}
	b, ok := id.Binding.(*resolve.Binding)
	return id.Name, ok && b != nil && (b.Scope == resolve.Predeclared || b.Scope == resolve.Universal)
}

// collect finds the variables of the file, where they get their values, and how often they are used.
func (a *analysis) collect() {
	syntax.Walk(a.u.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			if n.Op == syntax.EQ {
				a.bind(n.LHS, assigned, n.RHS, nil)
			} else {
				a.bind(n.LHS, augmented, n.RHS, nil)
			}
			if x, ok := n.LHS.(*syntax.IndexExpr); ok {
				a.growing(x.X)
			}
		case *syntax.ForStmt:
			a.bind(n.Vars, looped, n.X, nil)
		case *syntax.ForClause:
			a.bind(n.Vars, looped, n.X, nil)
		case *syntax.DefStmt:
			a.bind(n.Name, defined, nil, nil)
			if v := a.variable(n.Name); v != nil {
				v.def = n
			}
			for _, p := range n.Params {
				a.param(p)
			}
			if name := n.Name.Name; len(n.Params) == 1 &&
				(name == "setup" || name == "teardown" || strings.HasPrefix(name, "test_")) {
				if id, ok := n.Params[0].(*syntax.Ident); ok {
					a.tests[id] = true
				}
			}
		case *syntax.LambdaExpr:
			for _, p := range n.Params {
				a.param(p)
			}
		case *syntax.LoadStmt:
			for _, id := range n.To {
				a.bind(id, loaded, nil, nil)
			}
		}
		return true
	})
	syntax.Walk(a.u.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Ident:
			if v := a.variable(n); v != nil && !a.binds[n] {
				v.uses++
			}
		case *syntax.DotExpr:
			switch n.Name.Name {
			case "append", "extend", "insert":
				a.growing(n.X)
			}
		}
		return true
	})
}

func (a *analysis) growing(e syntax.Expr) {
	if id, ok := e.(*syntax.Ident); ok {
		if v := a.variable(id); v != nil {
			v.grows = true
		}
	}
}

func (a *analysis) param(p syntax.Expr) {
	switch p := p.(type) {
	case *syntax.Ident:
		a.bind(p, parameter, nil, nil)
	case *syntax.BinaryExpr: // with a default
		a.bind(p.X, parameter, nil, nil)
	case *syntax.UnaryExpr: // *args; X is nil for a bare *
		if p.X != nil {
			a.bind(p.X, parameter, nil, nil)
		}
	}
}

// bind notes that what is on the left gets its value.
func (a *analysis) bind(left syntax.Expr, how way, from syntax.Expr, path []int) {
	switch left := left.(type) {
	case *syntax.ParenExpr:
		a.bind(left.X, how, from, path)
	case *syntax.TupleExpr:
		a.bindAll(left.List, how, from, path)
	case *syntax.ListExpr:
		a.bindAll(left.List, how, from, path)
	case *syntax.Ident:
		b, ok := left.Binding.(*resolve.Binding)
		if !ok || b == nil || b.First == nil {
			return
		}
		v := a.vars[b.First]
		if v == nil {
			v = &variable{first: b.First, scope: b.Scope}
			a.vars[b.First] = v
			a.order = append(a.order, v)
		}
		a.binds[left] = true
		v.bindings = append(v.bindings, binding{how, left, from, path})
	}
}

func (a *analysis) bindAll(list []syntax.Expr, how way, from syntax.Expr, path []int) {
	if how == assigned {
		how = unpacked
	}
	for i, e := range list {
		a.bind(e, how, from, append(path[:len(path):len(path)], i))
	}
}

// silence notes what is in functions that assert.fails is given: it is there to fail.
func (a *analysis) silence() {
	syntax.Walk(a.u.file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		if d, _ := a.decl(call.Fn); d == nil || d.Name != "assert.fails" {
			return true
		}
		mute := func(n syntax.Node) {
			syntax.Walk(n, func(n syntax.Node) bool {
				a.quiet[n] = n != nil
				return true
			})
		}
		mute(call.Args[0])
		if id, ok := call.Args[0].(*syntax.Ident); ok {
			if v := a.variable(id); v != nil {
				syntax.Walk(a.u.file, func(n syntax.Node) bool {
					if def, ok := n.(*syntax.DefStmt); ok && a.variable(def.Name) == v {
						mute(def)
					}
					return true
				})
			}
		}
		return true
	})
}

// decl is the declaration of what a call calls, and whether it is called on a value. nil: it is no builtin of ours, or
// that is not known.
func (a *analysis) decl(fn syntax.Expr) (d *runtime.Decl, method bool) {
	find := func(name string) *runtime.Decl {
		for _, d := range a.voc.Decls {
			if d.Name == name {
				return d
			}
		}
		return nil
	}
	if name, ok := predeclared(fn); ok {
		return find(name), false
	}
	dot, ok := fn.(*syntax.DotExpr)
	if !ok {
		return nil, false
	}
	if name, ok := predeclared(dot.X); ok && a.typeOf(dot.X) == moduleType {
		return find(name + "." + dot.Name.Name), false
	}
	typ := strings.TrimSuffix(a.typeOf(dot.X), orNone)
	if d := find(typ + "." + dot.Name.Name); d != nil && d.IsMethod() {
		return d, true
	}
	return nil, false
}
