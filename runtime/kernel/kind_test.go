package kernel

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestKindsInTheirTable holds the package to asking the row of a kind, instead of naming the kind.
func TestKindsInTheirTable(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "kind.go" ||
			name == "encapline.go" || /* ip-route(8) calls some encapsulations as ip-link(8) calls kinds */
			name == "tcfilter.go" || /* and tc(8) some actions */
			name == "ruleset.go" /* and nft(8) a family */ {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if text, _ := strconv.Unquote(lit.Value); slices.ContainsFunc(kinds,
				func(k Kind) bool { return k.Name == text }) {
				t.Errorf("%s names the kind %s", fset.Position(lit.Pos()), text)
			}
			return true
		})
	}
}
