package check

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
)

// A type is written as declarations write it: "link", "list of link", "(link, link)", "link or None". "" is unknown.
const (
	orNone     = " or None"
	listOf     = "list of "
	moduleType = "module"
)

// typeOf is the type of an expression's value; "" when it cannot be known without running it. It is remembered, since
// that of each part of a chain is asked for.
func (a *analysis) typeOf(e syntax.Expr) string {
	typ, ok := a.types[e]
	if !ok {
		typ = a.findType(e)
		if a.typing == 0 { // else what it is made of may be known better later
			a.types[e] = typ
		}
	}
	return typ
}

func (a *analysis) findType(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.Literal:
		switch e.Token {
		case syntax.STRING:
			return "string"
		case syntax.INT:
			return "int"
		case syntax.FLOAT:
			return "float"
		}
	case *syntax.ParenExpr:
		return a.typeOf(e.X)
	case *syntax.Ident:
		return a.identType(e)
	case *syntax.CallExpr:
		return a.callType(e)
	case *syntax.DotExpr:
		typ := strings.TrimSuffix(a.typeOf(e.X), orNone)
		if t := a.declared(typ); t != nil {
			for _, attr := range t.Attrs {
				if attr.Name == e.Name.Name {
					return known(attr.Type)
				}
			}
		}
	case *syntax.IndexExpr:
		typ := a.typeOf(e.X)
		if elem, ok := a.elemOf(typ); ok {
			return elem
		}
		if all := elements(typ); all != nil {
			if i, ok := small(e.Y); ok && i < len(all) {
				return all[i]
			}
		}
		if typ == "string" {
			return typ
		}
	case *syntax.SliceExpr:
		if typ := a.typeOf(e.X); elements(typ) == nil {
			return typ
		}
	case *syntax.BinaryExpr:
		return a.binaryType(e)
	case *syntax.UnaryExpr:
		switch e.Op {
		case syntax.NOT:
			return "bool"
		case syntax.MINUS, syntax.PLUS:
			return a.typeOf(e.X)
		}
	case *syntax.CondExpr:
		return same(a.typeOf(e.True), a.typeOf(e.False))
	case *syntax.ListExpr:
		return a.listType(e.List)
	case *syntax.Comprehension:
		if e.Curly {
			return "" // a dict or a set
		}
		return a.listType([]syntax.Expr{e.Body})
	case *syntax.DictExpr:
		return "dict"
	case *syntax.LambdaExpr:
		return "function"
	case *syntax.TupleExpr:
		var all []string
		for _, x := range e.List {
			all = append(all, a.typeOf(x))
		}
		if slices.Contains(all, "") {
			return "tuple"
		}
		return "(" + strings.Join(all, ", ") + ")"
	}
	return ""
}

// elemOf is the type of a list's elements.
func (a *analysis) elemOf(typ string) (elem string, ok bool) {
	if t := a.declared(typ); t != nil && t.Elem != "" {
		return t.Elem, true
	}
	return strings.CutPrefix(typ, listOf)
}

func (a *analysis) listType(list []syntax.Expr) string {
	typ := ""
	for i, x := range list {
		t := a.typeOf(x)
		if i > 0 && t != typ || t == "" || strings.HasPrefix(t, "(") || strings.HasSuffix(t, orNone) {
			return "list"
		}
		typ = t
	}
	if typ == "" {
		return "list"
	}
	return listOf + typ
}

func (a *analysis) binaryType(e *syntax.BinaryExpr) string {
	x, y := a.typeOf(e.X), a.typeOf(e.Y)
	switch e.Op {
	case syntax.PERCENT:
		if x == "string" || x == "int" && y == "int" {
			return x
		}
	case syntax.PLUS:
		if x == y && (x == "string" || x == "int") {
			return x
		}
	case syntax.AND, syntax.OR:
		return same(x, y)
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE, syntax.IN, syntax.NOT_IN:
		return "bool"
	}
	return ""
}

func (a *analysis) callType(e *syntax.CallExpr) string {
	if d, method := a.decl(e.Fn); d != nil {
		return known(resultType(d, method, e))
	}
	name, ok := predeclared(e.Fn)
	if !ok || a.voc.Predeclared()[name] && !starlark.Universe.Has(name) {
		return ""
	}
	switch name {
	case "str", "repr", "type", "chr":
		return "string"
	case "len", "int", "ord", "hash":
		return "int"
	case "float", "bool", "range", "dict", "set":
		return name
	case "sorted", "reversed", "list":
		if len(e.Args) > 0 {
			if elem, ok := a.elemOf(a.typeOf(e.Args[0])); ok {
				return listOf + elem
			}
		}
		return "list"
	case "enumerate":
		if len(e.Args) == 1 {
			if elem, ok := a.elemOf(a.typeOf(e.Args[0])); ok {
				return listOf + "(int, " + elem + ")"
			}
		}
	}
	return ""
}

// resultType is the type that a call of a builtin returns. One whose result is "link or list of link" takes several,
// and returns a list when it gets them.
func resultType(d *runtime.Decl, method bool, call *syntax.CallExpr) string {
	one, list, ok := strings.Cut(d.Result, " or "+listOf)
	if !ok || one != list {
		return d.Result
	}
	most := slices.IndexFunc(d.Params, func(p runtime.Param) bool { return p.Rest == "*" })
	if method {
		most--
	}
	n := 0
	for _, arg := range call.Args {
		switch arg := arg.(type) {
		case *syntax.UnaryExpr:
			if arg.Op == syntax.STAR || arg.Op == syntax.STARSTAR {
				return ""
			}
		case *syntax.BinaryExpr:
			if arg.Op == syntax.EQ {
				continue
			}
		}
		n++
	}
	if n > most {
		return listOf + one
	}
	return one
}

// elements are the types in "(link, link)"; nil for what is no such type.
func elements(typ string) []string {
	if !strings.HasPrefix(typ, "(") || !strings.HasSuffix(typ, ")") {
		return nil
	}
	var all []string
	depth, from := 0, 1
	for i := 1; i < len(typ); i++ {
		switch c := typ[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0 && (c == ',' || c == ')'):
			all = append(all, strings.TrimSpace(typ[from:i]))
			from = i + 1
		}
	}
	return all
}

func known(typ string) string {
	if typ == "any" || typ == "struct" {
		return ""
	}
	return typ
}

func same(x, y string) string {
	if x == y {
		return x
	}
	return ""
}

func unparen(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}

func small(e syntax.Expr) (int, bool) {
	if lit, ok := e.(*syntax.Literal); ok {
		n, ok := lit.Value.(int64)
		return int(n), ok && n >= 0 && n < 1<<16
	}
	return 0, false
}
