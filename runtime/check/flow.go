package check

import (
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// flow looks for statements that are never come to.
func (a *analysis) flow(block []syntax.Stmt) {
	for i, s := range block {
		switch s := s.(type) {
		case *syntax.DefStmt:
			a.flow(s.Body)
		case *syntax.ForStmt:
			a.flow(s.Body)
		case *syntax.WhileStmt:
			a.flow(s.Body)
		case *syntax.IfStmt:
			a.flow(s.True)
			a.flow(s.False)
		}
		if why := a.ends(s); why != "" && i+1 < len(block) {
			a.u.report(syntax.Start(block[i+1]), "unreachable", "this is never come to", "it stands behind "+why)
			return
		}
	}
}

// ends is the word by which a statement never goes on to the next; "" when it can.
func (a *analysis) ends(s syntax.Stmt) string {
	switch s := s.(type) {
	case *syntax.ReturnStmt:
		return "return"
	case *syntax.BranchStmt:
		if s.Token != syntax.PASS {
			return s.Token.String()
		}
	case *syntax.ExprStmt:
		if call, ok := s.X.(*syntax.CallExpr); ok {
			if name, ok := predeclared(call.Fn); ok && name == "fail" {
				return "fail()"
			}
		}
	case *syntax.IfStmt:
		if len(s.True) > 0 && len(s.False) > 0 && a.ends(s.False[len(s.False)-1]) != "" {
			return a.ends(s.True[len(s.True)-1])
		}
	}
	return ""
}

// unused looks for variables that nothing reads, and for those that are read before they have a value.
func (a *analysis) unused() {
	library := a.u.loaded || !a.acts()
	globals := map[string]bool{}
	for _, v := range a.order {
		if v.scope == resolve.Global {
			globals[v.first.Name] = true
		}
	}
	for _, v := range a.order {
		name := v.first.Name
		local := v.scope == resolve.Local || v.scope == resolve.Cell
		if local && a.valueless(v) {
			hint := ""
			if globals[name] {
				hint = "a function cannot assign to the global " + name +
					": return the value, or change a list or dict in place"
			}
			a.u.report(v.bindings[0].id.NamePos, "unset",
				name+" is a variable of this function and has no value yet", hint)
			continue
		}
		if v.uses > 0 || strings.HasPrefix(name, "_") || a.u.gaps[name] {
			continue
		}
		what := ""
		for _, b := range v.bindings {
			switch {
			case b.way == loaded:
				what = "load"
			case b.way == defined && local:
				what = "function"
			case (b.way == assigned || b.way == augmented) && (local || !library):
				what = "variable"
			default:
				what = "-" // parts of a value, loop variables and parameters say what is there
			}
			if what == "-" {
				break
			}
		}
		if what == "-" {
			continue
		}
		hint := "a name that begins with _ may stay unused"
		if local && what == "variable" && globals[name] {
			hint = "it is the function's own: a function cannot assign to the global " + name
		}
		a.u.report(v.first.NamePos, "unused", name+" is never used", hint)
	}
}

// valueless reports whether a local variable is read by what first gives it a value.
func (a *analysis) valueless(v *variable) bool {
	for _, b := range v.bindings {
		if b.way == augmented {
			continue
		}
		if b.way != assigned || len(v.bindings) > 1 || b.from == nil {
			return false
		}
		reads := false
		syntax.Walk(b.from, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.LambdaExpr, *syntax.Comprehension:
				return false
			case *syntax.Ident:
				reads = reads || a.variable(n) == v
			}
			return true
		})
		return reads
	}
	return true
}

// acts reports whether a file does something by itself. One that does not is there to be loaded, and what it defines is
// for others.
func (a *analysis) acts() bool {
	acts := false
	for _, s := range a.u.file.Stmts {
		switch s := s.(type) {
		case *syntax.DefStmt:
			acts = acts || strings.HasPrefix(s.Name.Name, "test_")
			continue
		case *syntax.LoadStmt:
			continue
		case *syntax.ExprStmt:
			if _, text := s.X.(*syntax.Literal); !text {
				return true
			}
		}
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr:
				return false
			case *syntax.CallExpr:
				d, _ := a.decl(n.Fn)
				acts = acts || d != nil && d.Changes
			}
			return true
		})
	}
	return acts
}
