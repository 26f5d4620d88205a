package vm

import (
	"strings"

	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/script"
)

// started are the programs that builtins start.
var started = map[string]string{"nft": "nft"}

// Programs finds the programs of this machine's that a script and what it loads start, as far as the text says so: the
// words of all lists that begin with a program's name, such as ["ip", "link"] and ["sh", "-c", "ip link | tee log"],
// and those that the builtins start which it calls.
// Words that mean something else and are also programs are found, too, which does no harm. root is the folder that
// load() does not leave.
func Programs(root, name string, src []byte) []string {
	found := map[string]string{}
	programs(root, name, src, map[string]bool{}, found)
	var all []string
	for _, path := range found {
		all = append(all, path)
	}
	return all
}

// programs looks into a file and those that it loads. What cannot be read is for the run to tell.
func programs(root, name string, src []byte, seen map[string]bool, found map[string]string) {
	if seen[name] {
		return
	}
	seen[name] = true
	f, err := script.ParseFile(name, src)
	if err != nil {
		return
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LoadStmt:
			to, err := script.ResolveLoad(root, name, n.ModuleName())
			if err != nil {
				return true
			}
			if src, err := script.ReadLoad(root, to); err == nil {
				programs(root, to, src, seen, found)
			}
		case *syntax.CallExpr:
			name, ok := n.Fn.(*syntax.Ident)
			if !ok || started[name.Name] == "" {
				return true
			}
			if path, err := Program(started[name.Name]); err == nil {
				found[name.Name] = path
			}
		case *syntax.ListExpr:
			words := wordsOf(n)
			if len(words) == 0 {
				return true
			}
			if _, err := Program(words[0]); err != nil {
				return true
			}
			for _, w := range words {
				path, err := Program(w)
				if err == nil {
					found[w] = path
				}
			}
		}
		return true
	})
}

// wordsOf are the words in a list whose first element is a string.
func wordsOf(list *syntax.ListExpr) (words []string) {
	for i, e := range list.List {
		lit, ok := e.(*syntax.Literal)
		text, isString := "", false
		if ok {
			text, isString = lit.Value.(string)
		}
		if isString {
			words = append(words, strings.FieldsFunc(text, func(r rune) bool {
				return strings.ContainsRune(" \t\n;|&()<>`$'\"", r)
			})...)
		} else if i == 0 {
			return nil
		}
	}
	return words
}
