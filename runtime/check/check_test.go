package check_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/builtins"
	"github.com/nsscript/nsscript/runtime/check"
)

// below reads all scripts in folders.
func below(t *testing.T, dirs ...string) (files []check.File) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(name) != ".star" {
				return err
			}
			src, err := os.ReadFile(name)
			files = append(files, check.File{Name: name, Source: src})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// wanted is "# want COLUMN: REGEXP" behind a mistake.
var wanted = regexp.MustCompile(`# want (\d+): (.*?)( # want|$)`)

// TestMistakes looks for every mistake in testdata at its place, and for nothing else there.
func TestMistakes(t *testing.T) {
	files := below(t, "testdata")
	type place struct {
		file      string
		line, col int
	}
	want := map[place]string{}
	for _, f := range files {
		for i, line := range strings.Split(string(f.Source), "\n") {
			for rest := line; ; {
				m := wanted.FindStringSubmatchIndex(rest)
				if m == nil {
					break
				}
				col, _ := strconv.Atoi(rest[m[2]:m[3]])
				want[place{f.Name, i + 1, col}] = rest[m[4]:m[5]]
				rest = rest[m[5]:]
			}
		}
	}
	if len(want) < 120 {
		t.Errorf("only %d mistakes are seeded", len(want))
	}
	rules := map[string]bool{}
	for _, f := range check.Files(builtins.All(), "", files...) {
		at := place{f.File, f.Line, f.Col}
		text := f.Message + " | " + f.Hint
		if re, ok := want[at]; !ok || !regexp.MustCompile(re).MatchString(text) {
			t.Errorf("%s:%d:%d: not wanted: %s (%s)", f.File, f.Line, f.Col, text, f.Rule)
		}
		rules[f.Rule] = true
		delete(want, at)
	}
	for at, re := range want {
		t.Errorf("%s:%d:%d: not found: %s", at.file, at.line, at.col, re)
	}
	if len(rules) != len(check.Rules) {
		t.Errorf("rules that were tested: %v", rules)
	}
}

// TestNoFalseAlarms checks all scripts that are to run, each alone and all together.
func TestNoFalseAlarms(t *testing.T) {
	files := below(t, "../../scripts", "../script/std", "../../builtins/testdata",
		"../../cmd/nsscript/testdata", "../../bench")
	meant := map[string]string{ // scripts of the tests that are wrong on purpose
		"wrong.star":     "got ':'",
		"functions.star": "did you mean \"bridge\"",
	}
	if len(files) < 30 {
		t.Fatalf("only %d scripts", len(files))
	}
	var sets [][]check.File
	for _, f := range files {
		sets = append(sets, []check.File{f})
	}
	for _, set := range append(sets, files) {
		for _, f := range check.Files(builtins.All(), "", set...) {
			if why := meant[filepath.Base(f.File)]; why == "" || !strings.Contains(f.Message, why) {
				t.Errorf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Message)
			}
		}
	}
}

// TestTry gives every parameter of every builtin a value of every type, without a run: none may need one.
func TestTry(t *testing.T) {
	voc := builtins.All()
	values := []starlark.Value{starlark.None, starlark.False, starlark.MakeInt(1), starlark.Float(1),
		starlark.String(""), starlark.String("x"), starlark.Tuple{starlark.String("x")},
		starlark.NewList([]starlark.Value{starlark.String("x"), starlark.None}), &starlark.Dict{}}
	for _, d := range voc.Decls {
		for _, p := range d.Params {
			for _, val := range values {
				func() {
					defer func() {
						if e := recover(); e != nil {
							t.Errorf("%s: %s = %v: %v", d.Name, p.Name, val, e)
						}
					}()
					_ = voc.Try(d, p, val, 0)
					for depth := 0; d.Several(p, depth); depth++ {
						_ = voc.Try(d, p, val, depth+1)
					}
				}()
			}
		}
	}
}

// TestRoot checks a script whose root is given, by a name of the other kind, and a library that is beyond its own
// folder's.
func TestRoot(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.star":     "load(\"lib/a.star\", \"a\")\na()\n",
		"lib/a.star":    "load(\"//b.star\", \"b\")\nload(\"../b.star\", c = \"b\")\n\ndef a():\n    return b, c\n",
		"b.star":        "b = 1\n",
		"other/up.star": "load(\"//b.star\", \"b\")\nprint(b)\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, c := range []struct {
		root  string
		files []string
		want  string
	}{
		{"", []string{"main.star", "lib/a.star", "b.star"}, ""},
		{"", []string{"lib/a.star", "b.star", "main.star"}, ""},
		{"", []string{"lib/a.star"}, "[lib/a.star:1 lib/a.star:2]"},
		{".", []string{"lib/a.star", "other/up.star"}, ""},
		{dir, []string{"lib/a.star", "other/up.star"}, ""},
		{".", []string{filepath.Join(dir, "lib/a.star")}, ""},
		{"", []string{"other/up.star"}, "[other/up.star:1]"},
	} {
		var files []check.File
		for _, name := range c.files {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, check.File{Name: name, Source: src})
		}
		var got []string
		for _, f := range check.Files(builtins.All(), c.root, files...) {
			got = append(got, fmt.Sprintf("%s:%d", f.File, f.Line))
		}
		if s := fmt.Sprint(got); s != c.want && !(c.want == "" && got == nil) {
			t.Errorf("root %q, %v: %s, want %s", c.root, c.files, s, c.want)
		}
	}
}

// FuzzFiles looks for a text that check does not survive.
func FuzzFiles(f *testing.F) {
	seeds, _ := filepath.Glob("testdata/*.star")
	for _, name := range seeds {
		if src, err := os.ReadFile(name); err == nil {
			f.Add(string(src))
		}
	}
	for _, s := range []string{"x = ", "a.b.c = a", "[x for x in x]", "def f(*, a): f = f", "x, (y, z) = veth(host)",
		"load(\"a.star\", \"b\")", "x = (x, x)\nx.y", "[x for x in\rx]"} {
		f.Add(s)
	}
	voc := builtins.All()
	f.Fuzz(func(t *testing.T, src string) {
		for _, found := range check.Files(voc, "", check.File{Name: "/nowhere/x.star", Source: []byte(src)}) {
			if found.Line < 1 || found.Col < 1 || found.Line > strings.Count(src, "\n")+strings.Count(src, "\r")+1 {
				t.Errorf("%+v is nowhere in %q", found, src)
			}
		}
	})
}
