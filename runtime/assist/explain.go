package assist

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// An Explanation is what is known of a word in a text.
type Explanation struct {
	Kind string // "builtin", "function", "attribute", "parameter", "module", "keyword" or "variable"
	Code string // as Starlark would have it: a signature, or a name and its type
	Doc  string // Markdown
}

// Explain tells what the word means that text ends with; rest is what stands behind it. Nothing is called.
func (sc *Scope) Explain(text, rest string) (e Explanation, ok bool) {
	toks, open := script.Lex(text)
	n := len(toks) - 1
	if n < 0 || toks[n].Pos+len(toks[n].Text) != len(text) {
		return e, false
	}
	name := toks[n].Text
	switch {
	case toks[n].Kind == script.TokString && sc.argument(toks[:n], open).load:
		name = strings.Trim(name, `"'`)
		doc, ok := sc.reference(name)
		return Explanation{"module", name, doc}, ok
	case toks[n].Kind != script.TokName:
		return e, false
	}
	if script.Keyword(name) {
		return Explanation{"keyword", name, "A word of Starlark."}, true
	}
	if n > 0 && toks[n-1].Text == "." {
		return sc.explainAttr(toks, name)
	}
	if rest = strings.TrimLeft(rest, " \t"); len(open) > 0 && strings.HasPrefix(rest, "=") &&
		!strings.HasPrefix(rest, "==") {
		for _, p := range sc.argument(toks[:n], open).params {
			if p.Name == name {
				return Explanation{"parameter", p.Name + ": " + p.How(), p.Doc}, true
			}
		}
		return e, false
	}
	m := sc.name(name)
	doc, known := "", false
	if !sc.Own[name] {
		doc, known = sc.reference(name)
	}
	switch v := m.Val.(type) {
	case *starlarkstruct.Module:
		if !known {
			doc = lines(v.AttrNames())
		}
		return Explanation{"module", name, doc}, true
	case *starlark.Builtin:
		return Explanation{"builtin", name + "(...)",
			"A function of [Starlark](https://github.com/bazelbuild/starlark/blob/master/spec.md#" + name +
				") itself."}, true
	}
	if _, known := sc.Types[name]; known && m.Decl == nil && m.Val == nil && m.typ == "" {
		return Explanation{"variable", name, ""}, true
	}
	e, ok = sc.explain(name, m)
	switch {
	case known && ok && m.Decl == nil:
		e.Doc = doc // of host and args
	case known && !ok:
		return Explanation{"keyword", name, doc}, true
	}
	return e, ok
}

// reference is what the reference says of a name that is no builtin, as Markdown: of a module, a statement, a file of
// the standard library.
func (sc *Scope) reference(name string) (doc string, ok bool) {
	var members []*runtime.Decl
	if t := sc.Vocabulary.Topic(name); t != nil {
		doc, members = t.Doc+"\n", t.Members
	} else {
		for _, d := range sc.Vocabulary.Decls {
			if strings.HasPrefix(d.Name, name+".") && !d.IsMethod() {
				members = append(members, d)
			}
		}
	}
	for i, d := range members {
		if i == 0 && doc != "" {
			doc += "\n"
		}
		doc += "- `" + d.Signature() + "`: " + runtime.Summary(d.Doc) + "\n"
	}
	return doc, doc != ""
}

// explainAttr explains the word behind a dot.
func (sc *Scope) explainAttr(toks []script.Token, name string) (e Explanation, ok bool) {
	typ := sc.Meaning(toks[:len(toks)-2]).TypeName()
	for _, t := range sc.Vocabulary.Types {
		for _, a := range t.Attrs {
			if t.Name == typ && a.Name == name {
				return Explanation{"attribute", typ + "." + name + ": " + a.Type, a.Doc}, true
			}
		}
	}
	return sc.explain(name, sc.Meaning(toks))
}

func (sc *Scope) explain(name string, m Meaning) (e Explanation, ok bool) {
	switch d := m.Decl; {
	case d != nil && sc.Functions[name] == d:
		return Explanation{"function", d.Signature(), d.Doc}, true
	case d != nil:
		return Explanation{"builtin", d.Signature(), d.Text()}, true
	}
	typ := m.TypeName()
	if typ == "" {
		return e, false
	}
	e = Explanation{Kind: "variable", Code: name + ": " + typ}
	for _, t := range sc.Vocabulary.Types {
		if t.Name == typ {
			e.Doc = t.Doc
		}
	}
	return e, true
}

func lines(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

// A Call is a call that a text ends in.
type Call struct {
	Signature  string
	Doc        string   // Markdown
	Parameters [][2]int // where in the signature each begins and ends
	Docs       []string // theirs
	Active     int      // which of them the text is about to give; -1 for none
}

// Call finds the call that a text ends in; false when it ends in none whose function is known.
func (sc *Scope) Call(text string) (c Call, ok bool) {
	toks, open := script.Lex(text)
	at := sc.argument(toks, open)
	if at.decl == nil {
		return c, false
	}
	c = Call{Doc: at.decl.Doc, Active: -1}
	c.Signature, c.Parameters = at.decl.Spans()
	for i, p := range at.decl.Given() {
		c.Docs = append(c.Docs, p.Doc)
		if at.param != nil && at.param.Name == p.Name {
			c.Active = i
		}
	}
	return c, true
}
