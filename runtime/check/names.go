package check

import (
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/assist"
	"github.com/nsscript/nsscript/runtime/script"
)

// Scope is what can be said at an offset of a file. The statement that is being written there need not be one yet.
func (x *Index) Scope(file string, at int) *assist.Scope {
	sc := assist.New(x.voc)
	sc.Own, sc.Functions = map[string]bool{}, map[string]*runtime.Decl{}
	u := x.units[filepath.Clean(file)]
	if u == nil {
		return sc
	}
	dir := filepath.Dir(u.name)
	sc.Files = func(sub string) []string { return script.Entries(filepath.Join(dir, sub)) }
	trial := u
	if u.file == nil || len(u.gaps) > 0 {
		trial = &unit{name: u.name, root: u.root}
		trial.source, at = without(u.source, at)
		trial.parse(x.voc)
	}
	a := x.analyse(trial)
	if a == nil {
		return sc
	}
	visible := map[*variable]bool{}
	for _, v := range a.order {
		visible[v] = v.scope == resolve.Global || v.bindings[0].way == loaded
	}
	syntax.Walk(a.u.file, func(n syntax.Node) bool {
		var locals []*resolve.Binding
		switch n := n.(type) {
		case *syntax.DefStmt:
			locals = bindings(n.Function)
		case *syntax.LambdaExpr:
			locals = bindings(n.Function)
		case nil:
			return true
		}
		if begin, end := n.Span(); locals != nil && trial.offset(begin) <= at && at <= trial.offset(end) {
			for _, b := range locals {
				visible[a.vars[b.First]] = true
			}
		}
		return true
	})
	for v, seen := range visible {
		if !seen || v == nil {
			continue
		}
		name := v.first.Name
		delete(sc.Names, name) // it is not the builtin here
		delete(sc.Functions, name)
		sc.Own[name], sc.Types[name] = true, a.identType(v.first)
		if d := a.declaredAs(v); d != nil {
			sc.Functions[name] = d
		}
	}
	namespaces, links := a.named()
	sc.Namespaces = func() []string { return namespaces }
	sc.Links = func() []string { return links }
	return sc
}

func bindings(function any) []*resolve.Binding {
	if f, ok := function.(*resolve.Function); ok {
		return f.Locals
	}
	return nil
}

// declaredAs is how a variable is called that is a function of a script's; nil when it is none.
func (a *analysis) declaredAs(v *variable) *runtime.Decl {
	if v.bindings[0].way == loaded {
		from, name := a.origin(v)
		b := a.analyse(from)
		if b == nil {
			return nil
		}
		for _, v := range b.order {
			if v.scope == resolve.Global && v.first.Name == name {
				if def := v.function(); def != nil {
					return from.declare(def)
				}
			}
		}
		return nil
	}
	if def := v.function(); def != nil {
		return a.u.declare(def)
	}
	return nil
}

// named lists the namespaces and links that the file names in calls of builtins.
func (a *analysis) named() (namespaces, links []string) {
	syntax.Walk(a.u.file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		d, method := a.decl(call.Fn)
		if d == nil {
			return true
		}
		params := d.Params
		if method {
			params = params[1:]
		}
		for i, arg := range call.Args {
			var p runtime.Param
			if named, ok := arg.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
				if k := slices.IndexFunc(params,
					func(p runtime.Param) bool { return p.Name == nameOf(named.X) }); k >= 0 {
					p = params[k]
				}
				arg = named.Y
			} else if i < len(params) {
				p = params[i]
			}
			lit, ok := arg.(*syntax.Literal)
			if !ok || lit.Token != syntax.STRING || p.Values != nil {
				continue
			}
			name, _ := lit.Value.(string) // it is a string's
			switch {
			case strings.Contains(p.Type, "namespace") || d.Result == "namespace":
				namespaces = append(namespaces, name)
			case strings.Contains(d.Result, "link") && p.Type == "string":
				links = append(links, name)
			}
		}
		return true
	})
	slices.Sort(namespaces)
	slices.Sort(links)
	return slices.Compact(namespaces), slices.Compact(links)
}

// without has a statement that does nothing in place of the line that is being written at an offset, and tells where
// that is. A line goes on while brackets are open.
func without(text string, at int) (trial string, there int) {
	begin, end := script.LineAt(text, at)
	indent := begin + len(text[begin:end]) - len(strings.TrimLeft(text[begin:end], " \t"))
	if at < indent {
		return text, at
	}
	stands := "pass"
	if strings.HasSuffix(strings.TrimRight(text[begin:end], " \t\r"), ":") {
		stands = "if True:"
	}
	// As many lines as before: positions stay what they are.
	return text[:indent] + stands + strings.Repeat("\n", strings.Count(text[indent:end], "\n")) + text[end:], indent
}
