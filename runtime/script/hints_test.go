package script

import (
	"errors"
	"strings"
	"testing"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// mistakes are scripts as people write them who come from elsewhere, each with a part of the hint that it gets.
var mistakes = []struct{ src, hint string }{
	// Python
	{"try:\n    x = 1", "attempt(fn)"},
	{"if True:\n    pass\nexcept:\n x", "attempt(fn)"},
	{"finally:\n    pass", "on_exit(fn)"},
	{"import os", "load("},
	{"import os.path as p", "load("},
	{"from os import path", "load("},
	{"with x: pass", "on_exit(fn)"},
	{"class A: pass", "struct("},
	{"class A(B):\n    x = 1", "struct("},
	{"while True: pass", "eventually(fn)"},
	{"def f():\n    while True:\n        pass", "eventually(fn)"},
	{"for i in []:\n    pass\nelse:\n    pass", "a loop has no else"},
	{"if 1 is 2: pass", "compare with =="},
	{"if 1 is not 2: pass", "compare with !="},
	{"return 'x' 'y'", "side by side"},
	{"x = 'a' 'b'", "side by side"},
	{"print f'x'", "print is a function"},
	{"print 'x'", "print is a function"},
	{"print x", "print is a function"},
	{"x = f'x'", "no f-strings"},
	{`print(F"{x}")`, "no f-strings"},
	{`print(rf"{x}")`, "no f-strings"},
	{`x = u"a"`, "leave the u out"},
	{"if (n := 3) > 2: pass", "assign in a line of its own"},
	{"x := 3", "assigned to with ="},
	{"f = lambda x: return x", "a lambda is one expression"},
	{"f = lambda: x = 3", "a lambda is one expression"},
	{"f = lambda x: (y = x)", "a lambda is one expression"},
	{"f = lambda:\n    pass", "a lambda is one expression"},
	{"first, *rest = [1, 2]", "first, rest = items[0], items[1:]"},
	{"*first, last = [1, 2]", "no *rest"},
	{"[a, *b] = [1, 2]", "no *rest"},
	{"(a, *b) = [1, 2]", "no *rest"},
	{"for a, *b in []: pass", "no *rest"},
	{"x = [*[1], 2]", "joined by +"},
	{"x = 1, *[2]", "joined by +"},
	{"d = {**{}}", "d | e"},
	{"d = {1: 2, **{}}", "d | e"},
	{"s = {1, 2}", "set([1, 2])"},
	{"s = {1}", "set([1, 2])"},
	{"s = {\n    1,\n    2,\n}", "set([1, 2])"},
	{"s = {x for x in []}", "set([x for x in list])"},
	{"d = {1: 2, 3}", "a value for each key"},
	{"s = {'a'\n}", "set([1, 2])"},
	{"x = 2 ** 3", "math.pow"},
	{"def f():\n    yield 1", "no generators"},
	{"async def f(): pass", "asynchronous"},
	{"x = await f", "asynchronous"},
	{"sum(i for i in [])", "in brackets"},
	{"del d['a']", "dict.pop(key)"},
	{"raise ValueError('x')", "fail(msg)"},
	{"def f():\n    global x", "no global"},
	{"def f():\n    nonlocal x", "no global"},
	{"assert 1 == 1", "assert.eq(got, want)"},
	{"assert x, 'no'", "assert.eq(got, want)"},
	{"assert not x", "assert.false(x)"},
	{"match x:\n    case 1: pass", "no match"},
	{"def f(a: int): pass", "no type annotations"},
	{"def f(a) -> int: pass", "no type annotations"},
	{"x: int = 3", "no type annotations"},
	{"type X = int", "no type annotations"},
	{"def f(a, /): pass", "positional-only"},
	{"@cached\ndef f(): pass", "no decorators"},
	{"x = ...", "write pass"},
	{"x = 1 < 2 < 3", "do not chain"},
	{"x = 1_000", "no _ in them"},
	{"x = y = 3", "one = a statement"},
	{"x = 1 if True", "a if condition else b"},
	{"[i if i for i in []]", "a if condition else b"},
	{"[i for i in [] if i else 2]", "chooses its elements"},
	{"if True: pass\nelse if False: pass", "elif"},
	{"else if False: pass", "elif"},
	{"if True\n    pass", "must end with a colon"},
	{"if x = 3: pass", "compare with =="},
	{"if True:\nx = 1", "pass"},
	{"if True:\n    x = 1\n  y = 2", "indented as the others"},
	{"def f: pass", "between parentheses"},
	{"x = 'a\n'", "has no end in its line"},
	{"x = '''a", "the string has no end"},
	{"f() = 3", "left of ="},
	{"x + 1 = 3", "left of ="},
	{"return 3", "ends a script with an error"},
	{"print(1 2)", "comma missing"},
	{"broken(from=1)", "use src="},
	{"broken(in=1)", "cannot name an argument"},
	// C, JavaScript, Go and others
	{"x = 1 && 2", "write and"},
	{"x = 1 || 2", "write or"},
	{"x = !True", "write not"},
	{"x = 1 ? 2 : 3", "a if condition else b"},
	{"x = 1\nx++", "+= 1"},
	{"x = 1 <> 2", "write !="},
	{"x = 1 === 2", "compare with =="},
	{"x = 1 !== 2", "compare with =="},
	{"x = y => y + 1", "lambda"},
	{"x = y -> y + 1", "lambda"},
	{"if (x) {\n}", "no braces"},
	{"// why", "begins with #"},
	{"/* why */", "begins with #"},
	{"var x = 3", "not declared"},
	{"let x = 3", "not declared"},
	{"function f() {\n}", "def f(x):"},
	{"func f() {\n}", "def f(x):"},
	{"switch x", "if, elif and else"},
	{"unless x: pass", "if not"},
	{"elsif x: pass", "elif"},
	{"x = “a”", "straight quotes"},
	// a shell
	{"x = $HOME", "there is no $"},
	{"x = `ls`", "what a command prints"},
	{"echo 'x'", "print(x)"},
	{"export x=3", "not declared"},
	{"if True then\n    pass", "no then"},
	{"ip link add a type veth", `run(ns, ["ip", "link"])`},
	{"sudo ls", `run(ns, ["ip", "link"])`},
	{"ping -c 1 x", `run(ns, ["ip", "link"])`},
	// values of the field
	{"ping(n, 10.0.0.1)", "an address is a string"},
	{"ping(n, fd00::1)", "an address is a string"},
	{"ping(n, ::1)", "an address is a string"},
	{"veth(n, mac = 52:54:00:00:00:01)", "a MAC address is a string"},
	{"veth(n, mac = 02:00:00:00:00:01)", "a MAC address is a string"},
	{"ping(n, timeout = 10ms)", "with a unit"},
	// what says enough by itself, or nothing that is known
	{"x = 1 +", ""},
	{"x = (", ""},
	{"def f(x, x): pass", ""},
	// names
	{"true", "True"},
	{"false", "False"},
	{"null", "None"},
	{"re.match(1)", "assert.matches"},
	{"exit(1)", "fail(msg)"},
	{"brokn(1)", "did you mean broken?"},
	{"qwertz", ""},
}

// TestHints has each mistake get its hint, and each hint of syntax a mistake.
func TestHints(t *testing.T) {
	used := map[int]bool{}
	for _, c := range mistakes {
		found := found(c.src)
		if found == nil {
			t.Errorf("%q is no mistake", c.src)
			continue
		}
		if hint := found.List[0].Hint; (hint == "") != (c.hint == "") || !strings.Contains(hint, c.hint) {
			t.Errorf("%q: %+v: hint %q, want %q", c.src, found.List[0], hint, c.hint)
		}
		i, _ := whichHint(syntax.Error{Pos: found.List[0].Pos, Msg: found.List[0].Msg}, c.src)
		used[i] = true
	}
	for i, h := range syntaxMistakes {
		if !used[i] {
			t.Errorf("no mistake gets the hint %q", h.hint)
		}
	}
	for name, hint := range foreignNames {
		if strings.Contains(name, ".") {
			continue
		}
		if found := found(name); found == nil || found.List[0].Hint != hint {
			t.Errorf("%s gets no hint", name)
		}
	}
}

// found is what is wrong with a script, nil when nothing is.
func found(src string) *SyntaxError {
	f, err := ParseFile("x.star", []byte(src))
	if err == nil {
		names := map[string]bool{"broken": true}
		if e := resolve.File(f, func(n string) bool { return names[n] }, starlark.Universe.Has); e != nil {
			err = NewSyntaxError(e, "x.star", src, names)
		}
	}
	var found *SyntaxError
	errors.As(err, &found)
	return found
}
