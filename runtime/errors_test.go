package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// broken is a builtin that fails in a way of its own.
type broken struct {
	How string `arg:"how" doc:"in which"`
}

func (b *broken) Query(v *View) (starlark.Value, error) {
	switch b.How {
	case "kernel":
		return nil, &kernel.Error{Op: "add address", Object: "10.0.0.1/24 to eth0", NS: "n1", Err: syscall.EEXIST,
			Hint: "the link has this address already"}
	case "errno":
		return nil, fmt.Errorf("open thing: %w", syscall.ENOENT)
	case "path":
		return nil, &os.PathError{Op: "open", Path: "/run/x", Err: syscall.EACCES}
	case "control":
		return nil, errors.New("got \x1b[31mred\x07\r\u202e and\nanother line")
	case "several":
		return nil, errors.Join(errors.New("one"), errors.New("two"))
	case "panic":
		panic("a fault")
	}
	return nil, errors.New(b.How)
}

// again calls a function and passes its error on.
type again struct {
	Fn starlark.Callable `arg:"fn" doc:"the function"`
}

func (a *again) Query(v *View) (starlark.Value, error) { return v.Call(a.Fn, nil, nil) }

// wrap calls a function and passes its error on with more words.
type wrap struct {
	Fn starlark.Callable `arg:"fn" doc:"the function"`
}

func (w *wrap) Query(v *View) (starlark.Value, error) {
	_, err := v.Call(w.Fn, nil, nil)
	return nil, errors.Join(err, errors.New("and it could not be undone"))
}

func breakable() *Vocabulary {
	return &Vocabulary{Decls: []*Decl{Query("broken", "None", "Fails.", &broken{}),
		Query("again", "any", "Calls.", &again{}),
		Query("wrap", "any", "Calls.", &wrap{}), callDecl}}
}

// reported runs a script without a lab, and returns what is said of its error.
func reported(t *testing.T, name, src string) string {
	t.Helper()
	voc := breakable()
	var b strings.Builder
	p, err := voc.Parse(name, []byte(src))
	if err != nil {
		Report(&b, err, nil)
		return b.String()
	}
	s := &Session{voc: voc, frame: &frame{}, o: Options{Stdout: &b}}
	s.globals = voc.globals(s)
	if err := s.Run(context.Background(), p); err != nil {
		s.Report(&b, err)
	}
	return b.String()
}

// TestReport compares what is said of errors, word for word.
func TestReport(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"kernel", `broken("kernel")`, `x.star:1:7: add address 10.0.0.1/24 to eth0 in n1: file exists (EEXIST)
    broken("kernel")
          ^
  hint: the link has this address already
`},
		{"errno", `broken("errno")`, `x.star:1:7: open thing: no such file or directory (ENOENT)
    broken("errno")
          ^
`},
		{"path", `broken("path")`, `x.star:1:7: /run/x: permission denied (EACCES)
    broken("path")
          ^
`},
		{"usage", `again(fnn = 2)`, `x.star:1:6: again: unexpected keyword argument "fnn", did you mean fn=?
    again(fnn = 2)
         ^
  hint: usage: again(fn) -> any
`},
		{"control characters", `broken("control")`, "x.star:1:7: got \ufffd[31mred\ufffd\ufffd\ufffd and\nanother " +
			"line\n    broken(\"control\")\n          ^\n"},
		{"of the script's own", "x = '\x1b[31m\u202e'; broken(x)",
			"x.star:1:21: \ufffd[31m\ufffd\n    x = '\ufffd[31m\ufffd'; broken(x)\n                        ^\n"},
		{"several", `broken("several")`, "x.star:1:7: one; two\n    broken(\"several\")\n          ^\n"},
		{"panic", `broken("panic")`, `x.star:1:7: broken: internal error: a fault
    broken("panic")
          ^
  hint: this is a fault of nsscript itself; please report it with the script
`},
		{"tabs", "if True:\n\tx = 'a\tb' - 1",
			"x.star:2:12: unknown binary op: string - int\n    \tx = 'a\tb' - 1\n    \t      \t   ^\n"},
		{"wide", "x = '日本語' - 1",
			"x.star:1:11: unknown binary op: string - int\n    x = '日本語' - 1\n                 ^\n"},
		{"emoji and combining", "x = '🚀e\u0301' - 1",
			"x.star:1:11: unknown binary op: string - int\n    x = '🚀e\u0301' - 1\n              ^\n"},
		{"carriage return", "x = 1 - ''\r\ny = 2",
			"x.star:1:7: unknown binary op: int - string\n    x = 1 - ''\n          ^\n"},
		{"last line", "\n\n\n1 - ''", "x.star:4:3: unknown binary op: int - string\n    1 - ''\n      ^\n"},
		{"backtrace", `
def f():
    return g()

def g():
    return 1 // 0

f()`, `x.star:6:14: floored division by zero
        return 1 // 0
                 ^
  called from
    x.star:3:13: in f: return g()
    x.star:8:2: in <toplevel>: f()
`},
		{"through builtins", `
def f():
    broken("deep")

again(lambda: again(f))`, `x.star:3:11: deep
        broken("deep")
              ^
  called from
    x.star:5:20: in lambda: again(lambda: again(f))
    x.star:5:6: in <toplevel>: again(lambda: again(f))
`},
		{"with more words", `
def f():
    broken("deep")

wrap(f)`, `x.star:3:11: deep
        broken("deep")
              ^
  called from
    x.star:5:5: in <toplevel>: wrap(f)
x.star:5:5: and it could not be undone
    wrap(f)
        ^
`},
		{"recursion", `
def f(n):
    return f(n + 1) if n < 20 else broken("deep")

f(0)`, `x.star:3:42: deep
        return f(n + 1) if n < 20 else broken("deep")
                                             ^
  called from
    x.star:3:13: in f: return f(n + 1) if n < 20 else broken("deep")
    x.star:3:13: in f: return f(n + 1) if n < 20 else broken("deep")
    x.star:3:13: in f: return f(n + 1) if n < 20 else broken("deep")
    x.star:3:13: in f: return f(n + 1) if n < 20 else broken("deep")
    x.star:3:13: in f: return f(n + 1) if n < 20 else broken("deep")
    x.star:3:13: in f: return f(n + 1) if n < 20 else broken("deep")
    x.star:3:13: in f: return f(n + 1) if n < 20 else broken("deep")
    x.star:3:13: in f: return f(n + 1) if n < 20 else broken("deep")
    ... 12 more calls
    x.star:5:2: in <toplevel>: f(0)
`},
		{"undefined, all of them", "brokn(1)\nnone\nlenght = 1\nprint(lenghth, qwertz)", `x.star:1:1: undefined: brokn
    brokn(1)
    ^
  hint: did you mean broken?
x.star:2:1: undefined: none
    none
    ^
  hint: in Starlark it is None
x.star:4:7: undefined: lenghth (did you mean lenght?)
    print(lenghth, qwertz)
          ^
x.star:4:16: undefined: qwertz
    print(lenghth, qwertz)
                   ^
`},
		{"binary", "\xff\xfe\x00", "x.star:1:1: this is no text: a script is UTF-8\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := reported(t, "x.star", c.src); got != c.want {
				t.Errorf("got\n%s\nwant\n%s\n%q", got, c.want, got)
			}
		})
	}
}

// TestReportLoad checks that an error in a module is shown where it is, with the way there.
func TestReportLoad(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.star": "load('sub/b.star', 'b')\n",
		"sub/b.star": "def f():\n    broken('kernel')\nf()\nb = 1\n", "c.star": "c = = 1\n", "d.star": "d = e\n"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for src, want := range map[string]string{
		"load('a.star', 'b')": `DIR/sub/b.star:2:11: add address 10.0.0.1/24 to eth0 in n1: file exists (EEXIST)
        broken('kernel')
              ^
  called from
    DIR/sub/b.star:3:2: in <toplevel>: f()
    DIR/a.star:1:1: in <toplevel>: load('sub/b.star', 'b')
    DIR/x.star:1:1: in <toplevel>: load('a.star', 'b')
  hint: the link has this address already
`,
		"load('c.star', 'c')": "DIR/c.star:1:5: got '=', want primary expression\n    c = = 1\n        ^\n",
		"load('d.star', 'd')": "DIR/d.star:1:5: undefined: e\n    d = e\n        ^\n",
		"load('nope.star', 'd')": `DIR/x.star:1:1: cannot load nope.star: no such file or directory (ENOENT)
    load('nope.star', 'd')
    ^
`,
	} {
		if got := strings.ReplaceAll(reported(t, filepath.Join(dir, "x.star"), src), dir, "DIR"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", src, got, want)
		}
	}
}

// TestExcerpt shows parts of long lines, with the caret below its character.
func TestExcerpt(t *testing.T) {
	long := strings.Repeat("a", 500) + "X" + strings.Repeat("b", 500)
	for _, c := range []struct {
		text          string
		line, col     int32
		before, after string
	}{
		{long, 1, 501, "... ", " ..."},
		{long, 1, 1, "", " ..."},
		{long, 1, 1001, "... ", ""},
		{"short X", 1, 7, "", ""},
		{"short", 1, 99, "", ""}, // behind the end
	} {
		name := "x.star"
		var b strings.Builder
		script.Excerpt(&b, syntax.MakePosition(&name, c.line, c.col), "m", script.Sources{name: c.text})
		lines := strings.Split(b.String(), "\n")
		text, caret := strings.TrimPrefix(lines[1], "    "), strings.TrimPrefix(lines[2], "    ")
		if !strings.HasPrefix(text, c.before) || !strings.HasSuffix(text, c.after) || len(text) > script.Widest+8 {
			t.Errorf("column %d: %q", c.col, text)
		}
		under := len(caret) - 1
		if c.col == 501 && text[under] != 'X' || c.col == 7 && text[under] != 'X' ||
			c.col == 99 && under != len(text) || c.col == 1 && under != 0 {
			t.Errorf("column %d: the caret is at %d of %q", c.col, under, text)
		}
	}
	for _, pos := range [][2]int32{{0, 0}, {2, 1}, {-1, 3}} {
		name := "x.star"
		var b strings.Builder
		script.Excerpt(&b, syntax.MakePosition(&name, pos[0], pos[1]), "m", script.Sources{name: "one line"})
		if strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%v: %q", pos, b.String())
		}
	}
}

// TestReportEarly is of errors from before there is a script.
func TestReportEarly(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "nsscript: plain\n"},
		{&kernel.Error{Op: "open", Object: "the labs", Err: syscall.EACCES, Hint: "use sudo"},
			"nsscript: open the labs: permission denied (EACCES)\n  hint: use sudo\n"},
		{errors.Join(errors.New("one"), syscall.EBUSY), "nsscript: one\nnsscript: device or resource busy (EBUSY)\n"},
		{&Interrupted{Cause: errors.New("terminated")}, "nsscript: interrupted: terminated\n"},
		{&Interrupted{Cause: errors.New("terminated"), Stuck: true},
			"nsscript: interrupted, and this does not stop: terminated\n"},
		{errors.New("bell\a"), "nsscript: bell\ufffd\n"},
	} {
		var b strings.Builder
		Report(&b, c.err, nil)
		if b.String() != c.want {
			t.Errorf("got %q, want %q", b.String(), c.want)
		}
	}
}
