package builtins

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.starlark.net/lib/math"
	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/nsscript/nsscript/runtime"
)

// TestPythonPage runs all that the page for those who know Python shows: what Python has fails, what to write instead
// does not.
func TestPythonPage(t *testing.T) {
	page, err := os.ReadFile("../docs/python.md")
	if err != nil {
		t.Fatal(err)
	}
	const before = "items, d, x, total = [1, 2, 3], {\"a\": 1}, 3, [0]\nh = struct(name = \"h1\", " +
		"mtu = 1400)\ndef answers(): return True\n"
	code := regexp.MustCompile("`([^`]+)`")
	rows, blocks := 0, 0
	for _, line := range strings.Split(string(page), "\n") {
		python, here, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !ok || !strings.HasPrefix(line, "| `") {
			continue
		}
		rows++
		theirs := code.FindStringSubmatch(python)[1]
		if _, err := runScript(t, "python.star", before+theirs+"\n"); err == nil {
			t.Errorf("%s does not fail", theirs)
		}
		ours := code.FindAllStringSubmatch(strings.ReplaceAll(here, `\|`, "|"), -1)
		for _, m := range ours {
			if _, err := runScript(t, "python.star", before+m[1]+"\n"); err != nil && !bare.MatchString(m[1]) {
				t.Errorf("%s: %v", m[1], err)
			}
		}
		if len(ours) == 0 {
			t.Errorf("nothing to write for %s", theirs)
		}
	}
	for _, m := range regexp.MustCompile("(?s)```python\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		blocks++
		if _, err := runScript(t, "python.star", m[1]); err != nil {
			t.Errorf("%s%v", m[1], err)
		}
	}
	if rows < 25 || blocks < 6 {
		t.Errorf("%d rows and %d examples were found", rows, blocks)
	}
}

// bare is a word of the language or the vocabulary, which is no example.
var bare = regexp.MustCompile(`^(break|fail|yield|assert|json|math|time)$`)

// TestTopics compares what is said of the modules with what they have.
func TestTopics(t *testing.T) {
	voc := All()
	for name, m := range map[string]*starlarkstruct.Module{"json": jsonModule(), "math": math.Module,
		"time": time.Module} {
		text := voc.Help(name, false)
		for member := range m.Members {
			if !strings.Contains(text, "    "+name+"."+member+"(") && !strings.Contains(text, "`"+name+"."+member+"`") {
				t.Errorf("nothing is said of %s.%s", name, member)
			}
		}
		for _, topic := range voc.Topics {
			for _, d := range topic.Members {
				if member, of := strings.CutPrefix(d.Name, name+"."); of && m.Members[member] == nil {
					t.Errorf("%s does not exist", d.Name)
				}
			}
		}
	}
	for name := range starlark.Universe {
		if words := regexp.MustCompile(`\b` + name + `\b`); name != "None" && name != "True" && name != "False" &&
			!words.MatchString(voc.Help("starlark", false)) {
			t.Errorf("nothing is said of %s", name)
		}
	}
	for name, want := range map[string]string{
		"ring":            "3 at least.\n\n    load(\"@std//topo.star\", \"ring\")\n",
		"@std//topo.star": `    tree(depth, fanout, prefix="n"`,
		"math.ceil":       "math.ceil(x)\n",
		"load":            "standard library",
		"host":            "namespace",
		"args":            "command line",
		"tests":           "# fails: REGEXP",
		"ping.errors":     `"fragmentation needed", `,
		"starlark":        "reversed",
	} {
		if text := voc.Help(name, false); !strings.Contains(text, want) {
			t.Errorf("help of %s has no %q:\n%s", name, want, text)
		}
	}
	out, err := runScript(t, "help.star",
		"help(math)\nhelp(math.ceil)\nhelp(json.encode)\nhelp(time.now)\nhelp('topo')\n")
	if err == nil || !strings.Contains(err.Error(), `nothing is known of "topo"`) {
		t.Errorf("help('topo'): %v", err)
	}
	for _, want := range []string{"math.atan2(y, x)\n", "math.ceil(x)\n\n    The smallest",
		"json.encode(x)\n\n    The value", "time.now()\n\n    The time"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
}

// TestLoadedValues tries to change what a loaded file defines. That is refused as a mistake, with what to do instead,
// and what a function of the file makes can be changed.
func TestLoadedValues(t *testing.T) {
	dir := t.TempDir()
	lib := `items = []
table = {"a": [1]}

def add(x, to = items):
    to.append(x)

def count():
    table["n"] = 1

def fresh():
    made = list(items)
    return struct(add = made.append, all = made)
`
	if err := os.WriteFile(filepath.Join(dir, "lib.star"), []byte(lib), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(src string) error {
		_, err := runScript(t, filepath.Join(dir, "main.star"),
			"load(\"lib.star\", \"add\", \"count\", \"fresh\", \"table\", mine = \"items\")\n"+src)
		return err
	}
	for _, call := range []string{"add(1)", "mine.append(1)", "count()", `table["a"].append(1)`, `table["a"][0] = 2`,
		"add(1)", `table.pop("a")`} {
		for _, src := range []string{call, "def f():\n    " + call + "\nattempt(f)",
			"def f():\n    " + call + "\neventually(f)"} {
			if err := run(src); err == nil || !strings.Contains(err.Error(), "frozen") ||
				!strings.Contains(runtime.Hint(err), "make and return") {
				t.Errorf("%s: %v, hint %q", src, err, runtime.Hint(err))
			}
		}
	}
	if err :=
		run("f = fresh()\nf.add(3)\nassert.eq(f.all, [3])\nadd(4, to = f.all)\nassert.eq(f.all, [3, 4])\n"); err !=
		nil {
		t.Error(err)
	}
}
