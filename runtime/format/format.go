// Package format lays scripts out in the one way that all are laid out in: that of buildifier, which Bazel's users
// know.
//
// It knows the language alone. What a script says is never changed, only how it looks.
package format

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/bazelbuild/buildtools/build"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/script"
)

// Source lays a script's text out. The error is a *runtime.SyntaxError when the text is no Starlark, or has a
// literal of bytes.
func Source(name string, src []byte) ([]byte, error) {
	before, err := script.ParseFile(name, src)
	if err != nil {
		return nil, err
	}
	f, err := build.ParseDefault(name, src)
	if err != nil {
		return nil, unlike(before, src, err)
	}
	out := build.FormatWithoutRewriting(f)
	after, err := script.ParseFile(name, out)
	if err != nil || meaning(before) != meaning(after) {
		return nil, fmt.Errorf("lay out %s: the layout would change what it says; this is a fault of nsscript, "+
			"please report it with the script", name)
	}
	return out, nil
}

// unlike is the error about a text whose grammar buildifier does not know: it has no literals of bytes.
func unlike(f *syntax.File, src []byte, err error) error {
	finding := script.Finding{Pos: syntax.MakePosition(&f.Path, 1, 1), Msg: "cannot be laid out: " + err.Error()}
	syntax.Walk(f, func(n syntax.Node) bool {
		if lit, ok := n.(*syntax.Literal); ok && lit.Token == syntax.BYTES && finding.Hint == "" {
			finding = script.Finding{Pos: lit.TokenPos, Msg: "a literal of bytes cannot be laid out",
				Hint: `write bytes("...")`}
		}
		return true
	})
	return &script.SyntaxError{Sources: script.Sources{f.Path: string(src)}, List: []script.Finding{finding}}
}

// meaning is a script's syntax without its looks.
func meaning(f *syntax.File) string {
	var b strings.Builder
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case nil:
			b.WriteByte(')')
			return false
		case *syntax.ParenExpr: // brackets that change nothing come and go
		case *syntax.Ident:
			fmt.Fprintf(&b, "%s", n.Name)
		case *syntax.Literal:
			fmt.Fprintf(&b, "%v %#v", n.Token, n.Value)
		case *syntax.BinaryExpr:
			fmt.Fprintf(&b, "%v", n.Op)
		case *syntax.UnaryExpr:
			fmt.Fprintf(&b, "%v", n.Op)
		case *syntax.AssignStmt:
			fmt.Fprintf(&b, "%v", n.Op)
		case *syntax.BranchStmt:
			fmt.Fprintf(&b, "%v", n.Token)
		}
		if _, paren := n.(*syntax.ParenExpr); paren {
			b.WriteString("(")
		} else {
			fmt.Fprintf(&b, "(%v ", reflect.TypeOf(n))
		}
		return true
	})
	return b.String()
}
