package check

import (
	"strings"

	"go.starlark.net/syntax"
)

func (a *analysis) identType(id *syntax.Ident) string {
	if name, ok := predeclared(id); ok {
		switch {
		case name == "True" || name == "False":
			return "bool"
		case name == "None":
			return "None"
		case name == "args":
			return listOf + "string"
		case name == "host" && a.declared("namespace") != nil:
			return "namespace"
		case a.members(name) != nil:
			return moduleType
		}
		return ""
	}
	if a.tests[id] {
		return known("test")
	}
	v := a.variable(id)
	if v == nil {
		return ""
	}
	if !v.typed {
		v.typed = true // what goes round in a circle has no type
		a.typing++
		v.typ = a.variableType(v)
		a.typing--
	}
	return v.typ
}

// variableType is the one type of all that a variable is given.
func (a *analysis) variableType(v *variable) string {
	if a.tests[v.first] && len(v.bindings) == 1 {
		return known("test")
	}
	typ := ""
	for i, b := range v.bindings {
		t := a.bindingType(b)
		if i > 0 && t != typ || t == "" {
			return ""
		}
		typ = t
	}
	const long = 200 // tuples of tuples can double it with every line
	switch {
	case len(typ) > long:
		return ""
	case v.grows && strings.HasPrefix(typ, listOf):
		return "list"
	}
	return typ
}

func (a *analysis) bindingType(b binding) string {
	if b.way == defined {
		return "function"
	}
	if b.from == nil || b.way == augmented {
		return ""
	}
	if b.way == unpacked {
		from := b.from
		for i, at := range b.path { // x, y = 1, 2
			list, ok := unparen(from).(*syntax.TupleExpr)
			if !ok || at >= len(list.List) {
				return part(a.typeOf(from), b.path[i:])
			}
			from = list.List[at]
		}
		return a.typeOf(from)
	}
	typ := a.typeOf(b.from)
	if b.way == looped {
		switch elem, ok := a.elemOf(typ); {
		case ok:
			typ = elem
		case typ == "range":
			typ = "int"
		default:
			return ""
		}
	}
	return part(typ, b.path)
}

// part is the type of an element of an element.
func part(typ string, path []int) string {
	for _, at := range path {
		if elem, ok := strings.CutPrefix(typ, listOf); ok {
			typ = elem
			continue
		}
		all := elements(typ)
		if at >= len(all) {
			return ""
		}
		typ = all[at]
	}
	return typ
}
