package assist

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// A meaning is what is known of an expression that was not evaluated.
type Meaning struct {
	Val  starlark.Value // itself, or
	typ  string         // the name of its type, or
	Decl *runtime.Decl  // the builtin that it is

	foreign bool // the builtin is of a module of other people's, most of which take their arguments by position alone
}

// Meaning finds what the primary expression means that the tokens end with.
func (sc *Scope) Meaning(toks []script.Token) (m Meaning) {
	start := len(toks)
	for start > 0 {
		switch t := toks[start-1]; {
		case t.Text == ")" || t.Text == "]":
			depth := 0
			for start--; start >= 0; start-- {
				depth += strings.Count(")]}", toks[start].Text) - strings.Count("([{", toks[start].Text)
				if depth == 0 {
					break
				}
			}
			if start < 0 {
				return m
			}
			continue
		case t.Kind == script.TokName && script.Keyword(t.Text):
			return m
		case t.Kind == script.TokName || t.Kind == script.TokString:
			start--
		default:
			return m
		}
		if start > 0 && toks[start-1].Text == "." {
			start--
			continue
		}
		break
	}
	if start == len(toks) {
		return m
	}
	switch first := toks[start]; first.Kind {
	case script.TokString:
		m = Meaning{typ: "string"}
	case script.TokName:
		m = sc.name(first.Text)
	default:
		return m
	}
	for i := start + 1; i < len(toks); i++ {
		switch toks[i].Text {
		case ".":
			if i++; i < len(toks) {
				m = m.attr(sc.Vocabulary, toks[i].Text)
			}
		case "(", "[":
			if toks[i].Text == "(" {
				m = m.result()
			} else {
				m = m.item(sc.Vocabulary)
			}
			for depth := 0; i < len(toks); i++ {
				if depth += strings.Count("([{", toks[i].Text) - strings.Count(")]}", toks[i].Text); depth == 0 {
					break
				}
			}
		}
	}
	return m
}

func (sc *Scope) name(name string) Meaning {
	if d := sc.Functions[name]; d != nil {
		return Meaning{Decl: d}
	}
	switch v := sc.Names[name].(type) {
	case nil:
		if typ := sc.Types[name]; typ != "" {
			return typed(typ)
		}
		return Meaning{Val: starlark.Universe[name]}
	case *runtime.Func:
		return Meaning{Decl: v.Decl()}
	default:
		return Meaning{Val: v}
	}
}

func typed(name string) Meaning {
	name, _, _ = strings.Cut(name, " or ")
	return Meaning{typ: name}
}

// TypeName is the name of the type, empty when it is not known.
func (m Meaning) TypeName() string {
	if m.Val != nil {
		return m.Val.Type()
	}
	return m.typ
}

func (m Meaning) attr(voc *runtime.Vocabulary, name string) Meaning {
	switch v := m.Val.(type) {
	case *starlarkstruct.Module:
		if f, ok := v.Members[name].(*runtime.Func); ok {
			return Meaning{Decl: f.Decl()}
		}
		if t := voc.Topic(v.Name); t != nil {
			if d := t.Member(v.Name + "." + name); d != nil {
				return Meaning{Decl: d, foreign: true}
			}
		}
		return Meaning{Val: v.Members[name]}
	case *starlarkstruct.Struct:
		val, _ := v.Attr(name) // it has none of that name: then nothing is known
		return Meaning{Val: val}
	}
	typ := m.TypeName()
	for _, d := range voc.Decls {
		if typ != "" && d.Name == typ+"."+name {
			return Meaning{Decl: d}
		}
	}
	for _, t := range voc.Types {
		for _, a := range t.Attrs {
			if t.Name == typ && a.Name == name {
				return typed(a.Type)
			}
		}
	}
	return Meaning{}
}

// result is what a call returns.
func (m Meaning) result() Meaning {
	if m.Decl != nil {
		return typed(m.Decl.Result)
	}
	return Meaning{}
}

// item is an element.
func (m Meaning) item(voc *runtime.Vocabulary) Meaning {
	if list, ok := m.Val.(starlark.Indexable); ok && list.Len() > 0 {
		return Meaning{Val: list.Index(0)}
	}
	if of, ok := strings.CutPrefix(m.typ, "list of "); ok {
		return typed(of)
	}
	if of, ok := strings.CutPrefix(m.typ, "("); ok {
		of, _, _ = strings.Cut(of, ",")
		return typed(of)
	}
	for _, t := range voc.Types {
		if t.Name == m.typ && t.Elem != "" {
			return typed(t.Elem)
		}
	}
	return Meaning{}
}

// attrs lists the attributes and methods.
func (m Meaning) attrs(voc *runtime.Vocabulary) (names []string) {
	typ := m.TypeName()
	for _, t := range voc.Types {
		if t.Name == typ {
			return voc.AttrNames(typ)
		}
	}
	if v, ok := m.Val.(starlark.HasAttrs); ok {
		return v.AttrNames()
	}
	kind, _, _ := strings.Cut(typ, " ")
	if v, ok := map[string]starlark.HasAttrs{"string": starlark.String(""), "list": new(starlark.List),
		"dict": new(starlark.Dict), "set": new(starlark.Set)}[kind]; ok {
		return v.AttrNames()
	}
	return nil
}

// params lists what can be given in a call, without the receiver.
func (m Meaning) params() (params []runtime.Param) {
	if m.Decl != nil {
		return m.Decl.Given()
	}
	if f, ok := m.Val.(*starlark.Function); ok {
		for i := range f.NumParams() {
			name, _ := f.Param(i)
			params = append(params, runtime.Param{Name: name})
		}
	}
	return params
}
