package assist

import (
	"maps"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// A Scope is what is known where a text is completed.
type Scope struct {
	Vocabulary *runtime.Vocabulary
	Names      starlark.StringDict      // what names mean
	Types      map[string]string        // the types of those whose value is not known
	Functions  map[string]*runtime.Decl // how those are called that are functions which were not run
	Own        map[string]bool          // which of them are not predeclared
	// What strings may name; each may be nil.
	Namespaces, Links func() []string
	Files             func(dir string) []string // a folder's files; folders end with a slash
}

// New is what a script can say anywhere.
func New(voc *runtime.Vocabulary) *Scope {
	return &Scope{Vocabulary: voc, Names: voc.Unbound(),
		Types: map[string]string{"args": "list of string", "host": "namespace"}}
}

// Complete finds what the word may become that a text ends with; from is where that word begins. It looks at what names
// mean and at declarations, and calls nothing.
func (sc *Scope) Complete(text string) (from int, candidates []string) {
	toks, open := script.Lex(text)
	word := script.Token{Kind: script.TokName, Pos: len(text)}
	if n := len(toks); n > 0 && toks[n-1].Pos+len(toks[n-1].Text) == len(text) {
		switch last := toks[n-1]; last.Kind {
		case script.TokOpen:
			quote := 1
			if strings.HasPrefix(last.Text, `"""`) || strings.HasPrefix(last.Text, "'''") {
				quote = 3
			}
			word = script.Token{Kind: script.TokOpen, Text: last.Text[quote:], Pos: last.Pos + quote}
			toks = toks[:n-1]
		case script.TokNumber, script.TokString, script.TokComment:
			return len(text), nil
		case script.TokName:
			word, toks = last, toks[:n-1]
		}
	}
	at := sc.argument(toks, open)
	switch {
	case word.Kind == script.TokOpen:
		candidates = sc.strings(at, word.Text)
	case len(toks) > 0 && toks[len(toks)-1].Text == ".":
		candidates = sc.Meaning(toks[:len(toks)-1]).attrs(sc.Vocabulary)
	default:
		first := len(toks) == 0 || toks[len(toks)-1].Kind == script.TokEnd ||
			toks[len(toks)-1].Text == ":" && len(open) == 0
		candidates = sc.operands(at, word.Text, first)
	}
	return word.Pos, script.Beginning(candidates, word.Text)
}

// operands are the names that can stand where a word begins: arguments of the call that it is in first.
func (sc *Scope) operands(at argument, word string, first bool) (all []string) {
	for _, p := range at.left {
		all = append(all, p.Name+"=")
	}
	if at.param != nil && at.param.Type == "bool" {
		all = append(all, "True", "False")
	}
	names := append(slices.Collect(maps.Keys(sc.Names)), slices.Collect(maps.Keys(sc.Types))...)
	names = append(names, slices.Collect(maps.Keys(sc.Functions))...)
	names = slices.DeleteFunc(names, func(n string) bool {
		// All that is predeclared is too much to show to who has typed nothing.
		return word == "" && !sc.Own[n] || strings.HasPrefix(n, script.Mark)
	})
	if word != "" {
		names = append(names, script.Operators...)
		names = append(names, slices.Collect(maps.Keys(starlark.Universe))...)
		if first {
			names = append(names, script.Statements...)
		}
	}
	slices.Sort(names)
	return append(all, names...)
}

// strings are what a string can be that is begun where it stands.
func (sc *Scope) strings(at argument, word string) []string {
	list := func(of func() []string) []string {
		if of == nil {
			return nil
		}
		return of()
	}
	switch {
	case at.load && sc.Files != nil:
		return sc.paths(word)
	case at.load:
		return nil
	case at.decl == nil:
		return append(list(sc.Namespaces), list(sc.Links)...)
	case at.param == nil:
		return nil
	case at.param.Values != nil:
		return at.param.Values(sc.Vocabulary)
	case strings.Contains(at.param.Type, "namespace"):
		return append(list(sc.Namespaces), "host")
	case strings.HasPrefix(at.decl.Name, "netns"):
		return list(sc.Namespaces)
	case at.param.Type == "string" || at.param.Type == "any":
		return append(list(sc.Links), list(sc.Namespaces)...)
	}
	return nil
}

// paths are what load() can load whose path begins as given.
func (sc *Scope) paths(word string) (all []string) {
	entries, _ := script.Std.ReadDir("std") // it is embedded
	for _, e := range entries {
		all = append(all, script.StdPrefix+e.Name())
	}
	dir, _ := path.Split(word)
	for _, f := range sc.Files(dir) {
		if strings.HasSuffix(f, "/") || strings.HasSuffix(f, ".star") {
			all = append(all, dir+f)
		}
	}
	return all
}

// An argument is where in a call a text ends.
type argument struct {
	load   bool            // in load(), at its path
	decl   *runtime.Decl   // what is called; nil when that is not known
	params []runtime.Param // of what is called
	param  *runtime.Param  // which parameter the argument is for
	left   []runtime.Param // those that can be given here by name
}

// argument finds the call that the text ends in, and what it was given already.
func (sc *Scope) argument(toks []script.Token, open []int) (at argument) {
	if len(open) == 0 {
		return at
	}
	i := open[len(open)-1]
	if toks[i].Text != "(" {
		return at
	}
	if i > 0 && toks[i-1].Text == "load" && (i < 2 || toks[i-2].Text != ".") {
		return argument{load: i == len(toks)-1}
	}
	callee := sc.Meaning(toks[:i])
	params := callee.params()
	at.decl, at.params = callee.Decl, params
	given := map[string]bool{}
	positional, first, depth := 0, i+1, 0
	for j := i + 1; j <= len(toks); j++ {
		if j < len(toks) {
			depth += strings.Count("([{", toks[j].Text) - strings.Count(")]}", toks[j].Text)
			if depth > 0 || toks[j].Text != "," {
				continue
			}
		}
		named := j > first+1 && toks[first].Kind == script.TokName && toks[first+1].Text == "="
		last := j == len(toks)
		switch {
		case named:
			given[toks[first].Text] = true
			if k := slices.IndexFunc(params,
				func(p runtime.Param) bool { return p.Name == toks[first].Text }); last && k >= 0 {
				at.param = &params[k]
			}
		case !last:
			positional++
		default:
			at.param = at.positional(params, positional)
			if j == first { // nothing of this argument is there yet, but the word
				for k, p := range params {
					if !given[p.Name] && p.Rest == "" && (p.Keyword || k >= positional && !callee.foreign) {
						at.left = append(at.left, p)
					}
				}
			}
		}
		first = j + 1
	}
	return at
}

// positional is the parameter that the nth positional argument is for.
func (argument) positional(params []runtime.Param, n int) *runtime.Param {
	for i := range params {
		if params[i].Rest == "*" || i == n && !params[i].Keyword {
			return &params[i]
		}
	}
	return nil
}
