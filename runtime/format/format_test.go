package format_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/diff"
	"github.com/nsscript/nsscript/runtime/format"
	"github.com/nsscript/nsscript/runtime/script"
)

// TestTree checks that all scripts of the house are laid out, and TestMistakes' as well as they can be.
func TestTree(t *testing.T) {
	n := 0
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".star" {
			return err
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		out, err := format.Source(name, src)
		if errors.As(err, new(*script.SyntaxError)) {
			if strings.Contains(err.Error(), "cannot be laid out") && filepath.Base(name) != "bounds.star" {
				t.Error(err)
			}
			return nil // a test's
		} else if err != nil {
			t.Error(err)
			return nil
		}
		n++
		if string(out) != string(src) {
			t.Errorf("%s is not laid out: nsscript fmt %s\n%s", name, name,
				diff.Unified(name, string(src), name, string(out)))
		}
		return nil
	})
	if err != nil || n < 30 {
		t.Errorf("%d scripts, %v", n, err)
	}
}

var layouts = []struct{ src, want string }{
	{"", ""},
	{"x=1", "x = 1\n"},
	{"veth( a,b,name='x' )\n", "veth(a, b, name = \"x\")\n"},
	{"veth(a,\n  b)\n", "veth(\n    a,\n    b,\n)\n"},
	{"# first\nx = 1 # why\n\n\n\n\ny = 2\n# last\n", "# first\nx = 1  # why\n\ny = 2\n# last\n"},
	{"def f(a,b=1):\n  return a\nf(1)\n", "def f(a, b = 1):\n    return a\n\nf(1)\n"},
	{"load('b.star','z','a')\nprint(z,a)\n", "load(\"b.star\", \"z\", \"a\")\n\nprint(z, a)\n"},
	{"x = 'say \"hi\"'\n", "x = 'say \"hi\"'\n"},
	{"x = [i for i in range(3) if i]\r\ny = {1:2}\r\n", "x = [i for i in range(3) if i]\ny = {1: 2}\n"},
	{"x = r'\\d' + '\\t\\x1b' + \"\"\"a\n  b\"\"\"\n", "x = r\"\\d\" + \"\\t\\033\" + \"\"\"a\n  b\"\"\"\n"},
	{"if x: y()\nelif z: w()\n", "if x:\n    y()\nelif z:\n    w()\n"},
	{"f = lambda x,*a,**k:(x)\n", "f = lambda x, *a, **k: (x)\n"},
	{"t = (1,)\nx[0]+=-1\n", "t = (1,)\nx[0] += -1\n"},
}

// TestSource lays texts out, and then what comes out, which stays as it is.
func TestSource(t *testing.T) {
	for _, c := range layouts {
		out, err := format.Source("x.star", []byte(c.src))
		if err != nil || string(out) != c.want {
			t.Errorf("%q: %q, %v, want %q", c.src, out, err, c.want)
			continue
		}
		if again, err := format.Source("x.star", out); err != nil || string(again) != string(out) {
			t.Errorf("%q: laid out again %q, %v", c.src, again, err)
		}
	}
	for _, src := range []string{"x =", "def f(a: int):\n    pass\n", "\xff", "x = f'a'\n", "x = b'a'\n"} {
		if out, err := format.Source("x.star", []byte(src)); !errors.As(err, new(*script.SyntaxError)) {
			t.Errorf("%q: %q, %v, want a syntax error", src, out, err)
		}
	}
}

// FuzzSource looks for a text whose layout says something else, or is laid out otherwise itself.
func FuzzSource(f *testing.F) {
	for _, c := range layouts {
		f.Add(c.src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		out, err := format.Source("x.star", []byte(src))
		if err != nil {
			return
		}
		if again, err := format.Source("x.star", out); err != nil || string(again) != string(out) {
			t.Errorf("%q: %q, then %q, %v", src, out, again, err)
		}
	})
}

// TestDiff holds diffs against what patch makes of them.
