package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// expressions checks the calls, the attributes and the loops.
func (a *analysis) expressions() {
	syntax.Walk(a.u.file, func(n syntax.Node) bool {
		if a.quiet[n] {
			return true
		}
		switch n := n.(type) {
		case *syntax.CallExpr:
			if d, method := a.decl(n.Fn); d != nil {
				a.call(d, method, n)
				if (d.Name == "assert.contains" || d.Name == "assert.not_contains") && len(n.Args) > 1 {
					a.membership(syntax.Start(n.Args[1]), n.Args[1], n.Args[0])
				}
			}
		case *syntax.DotExpr:
			a.attribute(n)
		case *syntax.ForStmt:
			a.iterates(n.X)
		case *syntax.ForClause:
			a.iterates(n.X)
		case *syntax.BinaryExpr:
			if n.Op == syntax.IN || n.Op == syntax.NOT_IN {
				a.membership(n.OpPos, n.X, n.Y)
			}
		case *syntax.AssignStmt:
			if n.Op == syntax.EQ {
				a.unpacks(n)
			}
		}
		return true
	})
}

// attribute checks that a value has what is asked of it.
func (a *analysis) attribute(e *syntax.DotExpr) {
	name := e.Name.Name
	var all []string
	what := ""
	if module, ok := predeclared(e.X); ok && a.typeOf(e.X) == moduleType {
		all, what = a.members(module), module
	} else {
		typ := strings.TrimSuffix(a.typeOf(e.X), orNone)
		names, ok := a.attributes(typ)
		if typ == "" || !ok {
			return
		}
		all, what = names, typ
		if val := sample(typ); val != nil {
			what = val.Type()
		}
		if parts := elements(typ); parts != nil {
			a.u.report(e.Name.NamePos, "attribute", "tuple has no attribute "+name,
				fmt.Sprintf("it is %d values %s: take it apart, x, y = ..., or index it, [0]", len(parts), typ))
			return
		}
	}
	if slices.Contains(all, name) {
		return
	}
	hint := cmp.Or(script.ForeignName(what+"."+name), didYouMean(name, all))
	if hint == "" && len(all) > 0 {
		slices.Sort(all)
		hint = "it has " + strings.Join(all, ", ")
	}
	a.u.report(e.Name.NamePos, "attribute", what+" has no attribute "+name, hint)
}

// iterates checks that something can be gone through.
func (a *analysis) iterates(e syntax.Expr) {
	hint := ""
	typ := a.typeOf(e)
	switch typ {
	case "string":
		hint = "its characters are s.elems(), its lines s.splitlines()"
	case "int":
		hint = "numbers from 0 are range(n)"
	case "float", "bool", "None", "function":
	default:
		return
	}
	a.u.report(syntax.Start(e), "type", typ+" cannot be iterated", hint)
}

// membership checks that no text is looked for among values that are no texts.
func (a *analysis) membership(at syntax.Position, item, container syntax.Expr) {
	typ, list := strings.CutPrefix(a.typeOf(container), listOf)
	if list && a.typeOf(item) == "string" && (typ == "struct" || a.declared(typ) != nil) {
		a.u.report(at, "type", "a string is never in a list of "+typ,
			"their texts are [str(x) for x in ...]; or compare an attribute of them")
	}
}

// unpacks checks that as many values are there as are named.
func (a *analysis) unpacks(s *syntax.AssignStmt) {
	var left int
	switch l := unparen(s.LHS).(type) {
	case *syntax.TupleExpr:
		left = len(l.List)
	case *syntax.ListExpr:
		left = len(l.List)
	default:
		return
	}
	typ := a.typeOf(s.RHS)
	if all := elements(typ); all != nil && len(all) != left {
		a.u.report(syntax.Start(s.LHS), "type", fmt.Sprintf("%d names for %d values", left, len(all)),
			"the right side is "+typ)
	} else if val := sample(typ); val != nil && starlark.Len(val) < 0 || typ == "string" {
		a.u.report(syntax.Start(s.LHS), "type",
			fmt.Sprintf("%d names for one value: %s cannot be taken apart", left, typ), "")
	}
}

// call checks a call of a builtin against its declaration, as binding its arguments would.
func (a *analysis) call(d *runtime.Decl, method bool, call *syntax.CallExpr) {
	params := d.Params
	if method {
		params = params[1:]
	}
	usage := d.Usage()
	var positional []runtime.Param
	var rest, kwargs *runtime.Param
	for i, p := range params {
		switch {
		case p.Rest == "*":
			rest = &params[i]
		case p.Rest == "**":
			kwargs = &params[i]
		case !p.Keyword && rest == nil:
			positional = append(positional, p)
		}
	}
	given := map[string]bool{}
	open, many := false, false // whether it is given arguments that cannot be known; more than it takes
	n := 0
	for _, arg := range call.Args {
		if u, ok := arg.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			open = true
			continue
		}
		if b, ok := arg.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
			a.keyword(d, params, kwargs != nil, given, b)
			continue
		}
		switch {
		case n < len(positional):
			given[positional[n].Name] = true
			a.value(d, positional[n], arg, 0)
		case rest != nil:
			a.value(d, *rest, arg, 1)
		case !many:
			many = true
			a.u.report(syntax.Start(arg), "call",
				fmt.Sprintf("%s takes at most %d positional arguments", d.Name, len(positional)), usage)
		}
		n++
	}
	for _, p := range params {
		if p.Required && !given[p.Name] && !open && !many {
			pos := syntax.Start(call.Fn)
			if dot, ok := call.Fn.(*syntax.DotExpr); ok {
				pos = dot.Name.NamePos
			}
			a.u.report(pos, "call", d.Name+" is missing its argument "+p.Name, usage)
		}
	}
}

// keyword checks an argument that is given by name.
func (a *analysis) keyword(d *runtime.Decl, params []runtime.Param, takesAny bool, given map[string]bool,
	arg *syntax.BinaryExpr) {
	id, ok := arg.X.(*syntax.Ident)
	if !ok {
		return
	}
	var others []*runtime.Param
	for _, p := range params {
		if p.Rest != "" {
			continue
		}
		if p.Name != id.Name {
			others = append(others, &p)
			continue
		}
		if given[p.Name] {
			a.u.report(id.NamePos, "call", fmt.Sprintf("%s gets two values for its parameter %s", d.Name, p.Name),
				d.Usage())
			return
		}
		given[p.Name] = true
		a.value(d, p, arg.Y, 0)
		return
	}
	if takesAny {
		return
	}
	hint := d.Usage()
	if near := runtime.Nearest(id.Name, others); near != "" {
		hint = "did you mean " + near + "=?"
	}
	a.u.report(id.NamePos, "call", fmt.Sprintf("%s has no parameter %s", d.Name, id.Name), hint)
}

// value checks an argument, as far as it is known, by what unpacks it in a run, and reports whether nothing is wrong.
// With a depth it is an element of an argument, as in Vocabulary.Try.
func (a *analysis) value(d *runtime.Decl, p runtime.Param, e syntax.Expr, depth int) bool {
	e = unparen(e)
	if c, ok := e.(*syntax.CondExpr); ok {
		first := a.value(d, p, c.True, depth)
		return a.value(d, p, c.False, depth) && first
	}
	if d.Several(p, depth) {
		right := true
		for _, element := range literal(e) {
			right = a.value(d, p, element, depth+1) && right
		}
		if !right {
			return false
		}
	}
	val, exact := a.constant(e)
	typ := ""
	if !exact {
		if typ = a.typeOf(e); typ == "" || strings.HasSuffix(typ, orNone) {
			return true
		}
		if val = sample(typ); val == nil {
			single := depth > 0 || !strings.HasPrefix(p.Type, listOf)
			if single && accepts(p, typ) || a.declared(typ) == nil && typ != "function" {
				return true
			}
			val = stranger(typ)
		}
	}
	err := a.voc.Try(d, p, val, depth)
	// Of a value whose type alone is known, an error says something only when it is about the type.
	wrongType := err != nil && strings.HasPrefix(err.Error(), "got "+val.Type())
	if err == nil || !exact && !wrongType {
		return true
	}
	hint := ""
	if wrongType {
		hint = d.Usage()
	}
	a.u.report(syntax.Start(e), "value", fmt.Sprintf("%s: %s: %s", d.Name, p.Name, err), hint)
	return false
}

// literal are the elements of a list or a tuple that is written out.
func literal(e syntax.Expr) []syntax.Expr {
	switch e := e.(type) {
	case *syntax.ListExpr:
		return e.List
	case *syntax.TupleExpr:
		return e.List
	}
	return nil
}

// accepts reports whether a parameter's type, as it is said to people, names another.
func accepts(p runtime.Param, typ string) bool {
	return slices.Contains(word().FindAllString(p.Type, -1), typ)
}
