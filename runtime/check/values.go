package check

import (
	"math/big"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
)

// declared is the declaration of a type.
func (c *checker) declared(name string) *runtime.Type {
	for _, t := range c.voc.Types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// attributes lists what values of a type have; false when that is not known.
func (c *checker) attributes(typ string) ([]string, bool) {
	t := c.declared(typ)
	if t == nil {
		val := sample(typ)
		if val == nil {
			return nil, false
		}
		if has, ok := val.(starlark.HasAttrs); ok {
			return has.AttrNames(), true
		}
		return nil, true
	}
	var all []string
	for _, attr := range t.Attrs {
		all = append(all, attr.Name)
	}
	for _, d := range c.voc.Decls {
		if name, ok := d.Method(typ); ok {
			all = append(all, name)
		}
	}
	return all, true
}

// members lists what a predeclared module has; nil for what is no module.
func (c *checker) members(module string) []string {
	if c.declared(module) != nil && !slices.ContainsFunc(c.voc.Decls, func(d *runtime.Decl) bool {
		return strings.HasPrefix(d.Name, module+".") && !d.IsMethod()
	}) {
		return nil
	}
	if m, ok := c.voc.Modules[module].(starlark.HasAttrs); ok {
		return m.AttrNames()
	}
	var all []string
	for _, d := range c.voc.Decls {
		if name, ok := strings.CutPrefix(d.Name, module+"."); ok {
			all = append(all, name)
		}
	}
	return all
}

// sample is some value of a type of the language; nil for other types.
func sample(typ string) starlark.Value {
	switch {
	case typ == "string":
		return starlark.String("")
	case typ == "int":
		return starlark.MakeInt(0)
	case typ == "float":
		return starlark.Float(0)
	case typ == "bool":
		return starlark.False
	case typ == "None":
		return starlark.None
	case typ == "dict":
		return &starlark.Dict{}
	case typ == "set":
		return &starlark.Set{}
	case typ == "list" || strings.HasPrefix(typ, listOf):
		return starlark.NewList(nil)
	case typ == "tuple" || elements(typ) != nil:
		return starlark.Tuple{}
	}
	return nil
}

// A stranger is a value of which only the type is known.
type stranger string

var _ starlark.Value = stranger("")

func (s stranger) String() string        { return string(s) }
func (s stranger) Type() string          { return string(s) }
func (s stranger) Freeze()               {}
func (s stranger) Truth() starlark.Bool  { return true }
func (s stranger) Hash() (uint32, error) { return 0, nil }

// constant is the value of an expression that has the same one in every run.
func (a *analysis) constant(e syntax.Expr) (starlark.Value, bool) {
	switch e := e.(type) {
	case *syntax.Literal:
		switch v := e.Value.(type) {
		case string:
			return starlark.String(v), e.Token == syntax.STRING
		case int64:
			return starlark.MakeInt64(v), true
		case *big.Int:
			return starlark.MakeBigInt(v), true
		case float64:
			return starlark.Float(v), true
		}
	case *syntax.ParenExpr:
		return a.constant(e.X)
	case *syntax.UnaryExpr:
		if e.Op == syntax.MINUS {
			if x, ok := a.constant(e.X); ok {
				val, err := starlark.Unary(syntax.MINUS, x)
				return val, err == nil
			}
		}
	case *syntax.BinaryExpr:
		if e.Op != syntax.PLUS {
			return nil, false
		}
		x, ok1 := a.constant(e.X)
		y, ok2 := a.constant(e.Y)
		if ok1 && ok2 {
			val, err := starlark.Binary(syntax.PLUS, x, y)
			return val, err == nil
		}
	case *syntax.ListExpr:
		all, ok := a.constants(e.List)
		return starlark.NewList(all), ok
	case *syntax.TupleExpr:
		all, ok := a.constants(e.List)
		return starlark.Tuple(all), ok
	case *syntax.Ident:
		if name, ok := predeclared(e); ok {
			val, ok := starlark.Universe[name]
			return val, ok && (name == "True" || name == "False" || name == "None")
		}
		// A variable that gets one value, and once.
		v := a.variable(e)
		if v == nil || len(v.bindings) != 1 || v.bindings[0].way != assigned {
			return nil, false
		}
		if !v.valued {
			v.valued = true
			// A list can be changed, and a text can double with every line.
			switch val, _ := a.constant(v.bindings[0].from); val := val.(type) {
			case starlark.String:
				if len(val) < 1<<12 {
					v.val = val
				}
			case starlark.Int, starlark.Float, starlark.Bool, starlark.NoneType:
				v.val = val
			}
		}
		return v.val, v.val != nil
	}
	return nil, false
}

func (a *analysis) constants(list []syntax.Expr) ([]starlark.Value, bool) {
	var all []starlark.Value
	for _, e := range list {
		val, ok := a.constant(e)
		if !ok {
			return nil, false
		}
		all = append(all, val)
	}
	return all, true
}
