package house

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// retired are words that meant something in this repository alone. The field's own word is behind each.
var retired = map[string]string{
	"herd": "procs", "pen": "proc.Procs", "vanishing": "teardown", "frail": "unrestorable", "stake": "only",
	"grounded": "downByOthers", "restless": "awaitingCarrier", "strayed": "moved", "republish": "restoreName",
	"unpublish": "takeName", "unpublisher": "unnamer", "deviate": "differ", "baseline": "defaults",
	"moot": "covered by its maker", "guest": "a link that was moved in", "guests": "links that were moved in",
}

// unnamed are words that are good English, and were bad names.
var unnamed = map[string]string{
	"Home": "Restored", "Returned": "MarkRestored", "Elsewhere": "MovedOn", "Level": "SetDefaults",
	"Attended": "RestoresOthers", "Layered": "Supersedes", "Passing": "Temporary", "Wholly": "SetWhole",
	"ahead": "spares", "Held": "ClaimedError, or Sandboxed", "Door": "Server",
}

// TestWords checks that no word comes back which only this repository's first readers knew.
func TestWords(t *testing.T) {
	word := regexp.MustCompile(`[A-Za-z]+`)
	eachText(t, func(name, text string) {
		if name == "house_text_test.go" {
			return
		}
		for i, line := range strings.Split(text, "\n") {
			for _, w := range word.FindAllString(line, -1) {
				for _, part := range camel(w) {
					if better, is := retired[strings.ToLower(part)]; is {
						t.Errorf("%s:%d: %q is no word of the field: %s", name, i+1, part, better)
					}
				}
			}
		}
	})
	eachGo(t, func(name string, fset *token.FileSet, file *ast.File, _ []byte) {
		ast.Inspect(file, func(n ast.Node) bool {
			var names []*ast.Ident
			switch n := n.(type) {
			case *ast.FuncDecl:
				names = append(names, n.Name)
			case *ast.TypeSpec:
				names = append(names, n.Name)
			case *ast.ValueSpec:
				names = n.Names
			case *ast.Field:
				names = n.Names
			}
			for _, id := range names {
				if better, is := unnamed[id.Name]; is && !kept[name+" "+id.Name] {
					t.Errorf("%s: the name %s says too little: %s", fset.Position(id.Pos()), id.Name, better)
				}
			}
			return true
		})
	})
}

// kept are names that mean what they say.
var kept = map[string]bool{
	"runtime/change/op.go Held":   true, // a namespace that is held by somebody
	"runtime/script/text.go Held": true, // what a value holds
	"builtins/flow.go Held":       true,
}

// camel is the words of a name: NSRef is NS and Ref.
func camel(name string) (parts []string) {
	begin := 0
	for i, r := range name {
		after := name[i+1:]
		if i > begin && unicode.IsUpper(r) && (!unicode.IsUpper(rune(name[i-1])) ||
			after != "" && !unicode.IsUpper(rune(after[0]))) {
			parts = append(parts, name[begin:i])
			begin = i
		}
	}
	return append(parts, name[begin:])
}

// columns is how wide a line of Go may be, with 4 for a tab.
const columns = 120

// TestColumns checks that no line of Go is wider than that. A line inside a raw string, and one with a struct's tag,
// cannot be broken.
func TestColumns(t *testing.T) {
	eachGo(t, func(name string, fset *token.FileSet, file *ast.File, text []byte) {
		whole := map[int]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				first, last := fset.Position(n.Pos()).Line, fset.Position(n.End()).Line
				for line := first; line <= last && first < last; line++ {
					whole[line] = true
				}
			case *ast.Field:
				if n.Tag != nil {
					whole[fset.Position(n.Tag.Pos()).Line] = true
				}
			}
			return true
		})
		for i, line := range strings.Split(string(text), "\n") {
			width := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
			if width > columns && !whole[i+1] {
				t.Errorf("%s:%d: %d columns, at most %d are allowed", name, i+1, width, columns)
			}
		}
	})
}

// eachText calls fn with each file of code, of scripts and of documents.
func eachText(t *testing.T, fn func(name, text string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (name == "bin" || strings.HasPrefix(d.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !slices.Contains([]string{".go", ".md", ".star", ".txt"}, filepath.Ext(name)) {
			return err
		}
		text, err := os.ReadFile(name)
		fn(filepath.ToSlash(name), string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// eachGo calls fn with each file of Go.
func eachGo(t *testing.T, fn func(name string, fset *token.FileSet, file *ast.File, text []byte)) {
	t.Helper()
	eachText(t, func(name, text string) {
		if filepath.Ext(name) != ".go" {
			return
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		fn(name, fset, file, []byte(text))
	})
}

var update = flag.Bool("update", false, "write scripts/README.md anew")

// TestScriptsNamed holds scripts/README.md to what each script says of itself in its first paragraph, and README.md to
// scripts that there are.
func TestScriptsNamed(t *testing.T) {
	const page = "scripts/README.md"
	all, err := filepath.Glob("scripts/*.star")
	if err != nil || len(all) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	daemons, err := filepath.Glob("scripts/daemons/*.star")
	if err != nil || len(daemons) == 0 {
		t.Fatalf("no scripts with daemons: %v", err)
	}
	var b strings.Builder
	b.WriteString("# Scenarios\n\nEach shows one thing, is commented for a learner, and is a test: " +
		"`nsscript test scripts/`.\nWhat one needs that not every machine has is said; " +
		"[docs/kernels.md](../docs/kernels.md)\nsays how to run it all the same.\n\n")
	for _, file := range append(all, daemons...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var comment []string
		for line := range strings.Lines(string(text)) {
			words, is := strings.CutPrefix(line, "# ")
			if !is || strings.HasPrefix(words, "fails: ") {
				break
			}
			comment = append(comment, strings.TrimSpace(words))
		}
		if comment == nil {
			t.Errorf("%s does not begin with what it shows", file)
		}
		var needs []string
		for _, r := range required.FindAllStringSubmatch(string(text), -1) {
			needs = append(needs, strings.ReplaceAll(r[1], `"`, "`"))
		}
		fmt.Fprintf(&b, "- [%s](%[1]s): %s", strings.TrimPrefix(file, "scripts/"), strings.Join(comment, " "))
		if needs != nil {
			fmt.Fprintf(&b, " Needs %s.", strings.Join(needs, ", "))
		}
		b.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(page); err != nil || string(have) != b.String() {
		t.Errorf("%s is not what the scripts say of themselves (%v): go test . -run ScriptsNamed -update", page, err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\((scripts/[^)]*)\)`).FindAllStringSubmatch(string(readme), -1) {
		if _, err := os.Stat(link[1]); err != nil {
			t.Errorf("README.md: %v", err)
		}
	}
}

var required = regexp.MustCompile(`(?m)^require\((.*)\)$`)

// sleeps are the scripts that wait for a time and not for a state, and why.
var sleeps = map[string]string{
	"scripts/timeline.star":                  "it shows a timeline: what happens when",
	"builtins/testdata/parallel.star":        "functions that take a while are beside each other",
	"builtins/testdata/stream.star":          "a server that answers nobody for an hour is ended",
	"runtime/check/testdata/attributes.star": "a mistake that is told of, and not made",
}

// TestSleeps finds no script that sleeps where it could wait for what it is waiting for: wait(), eventually(), expect()
// and ready= end as soon as that is so, on a machine that is busy, too. What lasts minutes is a process that goes on.
func TestSleeps(t *testing.T) {
	naps, seen := regexp.MustCompile(`\bsleep(\(|"?,? *"?0*\.?\d{1,2}\b)`), map[string]bool{}
	eachText(t, func(name, text string) {
		if filepath.Ext(name) != ".star" {
			return
		}
		for i, line := range strings.Split(text, "\n") {
			code, _, _ := strings.Cut(line, "#")
			if naps.MatchString(code) && sleeps[name] == "" {
				t.Errorf("%s:%d: it sleeps: %s", name, i+1, strings.TrimSpace(line))
			}
			seen[name] = seen[name] || naps.MatchString(code)
		}
	})
	for name, why := range sleeps {
		if !seen[name] {
			t.Errorf("%s does not sleep (%s)", name, why)
		}
	}
}
