package runtime

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/sandbox"
)

// Hint is what to do about an error, "" when nothing is known.
func Hint(err error) string {
	var k *kernel.Error
	var u *UsageError
	var held *HeldError
	var refused *sandbox.Refusal
	var i *IrreversibleError
	var other *journal.VersionError
	var damage *journal.DamageError
	switch {
	case errors.As(err, &i):
		return i.Hint()
	case errors.As(err, &k) && k.Hint != "":
		return k.Hint
	case errors.As(err, &u):
		return u.Hint
	case errors.As(err, &refused):
		return refused.Why
	case errors.As(err, &held) && held.State == "up":
		return fmt.Sprintf("`nsscript down %s` gives it back", held.Lab)
	case errors.As(err, &held):
		return "it is given back when that run has ended and is undone"
	case errors.As(err, &other):
		return "the nsscript that made it can undo it; " + forgetting(other.File)
	case errors.As(err, &damage):
		return forgetting(damage.File)
	}
	return ""
}

// forgetting says how to give up a run whose journal cannot be read.
func forgetting(file string) string {
	return fmt.Sprintf("`nsscript recover --forget %s` gives it up, and all that it would put back", filepath.Base(filepath.Dir(file)))
}

// foreignNames are names that people bring from elsewhere, and what stands for them here.
var foreignNames = map[string]string{
	"true": "in Starlark it is True", "false": "in Starlark it is False", "none": "in Starlark it is None",
	"null": "in Starlark it is None", "nil": "in Starlark it is None",
	"sum": "there is no sum: add up in a loop", "map": "there is no map: write [f(x) for x in list]",
	"filter": "there is no filter: write [x for x in list if f(x)]", "isinstance": `there are no classes: compare type(x) == "list"`,
	"round": "it is math.round", "sleep": "there is no sleep: eventually(fn) waits until fn does not fail",
	"exit": "fail(msg) ends a script with an error; without one it ends at its end", "quit": "fail(msg) ends a script with an error; without one it ends at its end",
	"open": "there are no files: run(ns, [\"cat\", path]).stdout reads one", "input": "there is no input: the script's arguments are args",
	"sys": "there is no import: the script's arguments are args", "os": "there is no import: run(ns, argv) runs a command",
	"subprocess": "there is no import: run(ns, argv) runs a command", "Exception": "fail(msg) raises an error, attempt(fn) catches one",
	"self": "there are no classes: struct(name = value)", "object": "there are no classes: struct(name = value)",
}

// nameHint suggests a predeclared name for one that means nothing.
func nameHint(msg string, names map[string]bool) string {
	if strings.Contains(msg, "does not support while") {
		return noWhile
	}
	name, ok := strings.CutPrefix(msg, "undefined: ")
	if !ok || strings.Contains(name, " (did you mean ") {
		return ""
	}
	if h := foreignNames[name]; h != "" {
		return h
	}
	var all []string
	for n, meant := range names {
		if meant {
			all = append(all, n)
		}
	}
	for n := range starlark.Universe {
		all = append(all, n)
	}
	if near := Nearest(name, all); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

const (
	noStrings = `strings are not joined by standing side by side, and there are no f-strings: use + or "%s" % x`
	noTypes   = "there are no type annotations: leave them out, and say it in a comment"
	noWhile   = "there is no while: eventually(fn) repeats until fn does not fail, and for _ in range(n) repeats n times"
	noGlobal  = "there is no global: a function cannot assign to a global; return the value, or change a list or dict in place"
)

// syntaxHints knows what people who come from Python, a shell or C write: a pattern of the parser's message, one of the
// line before the error and one of the line from it on, and what to write instead. The first that fits holds.
var syntaxHints = []struct {
	msg, before, after pattern
	hint               string
}{
	{re("^got try|^got except|^got finally"), nil, nil, "there is no try: attempt(fn) is the language's try/except, on_exit(fn) its finally"},
	{re("^got import"), nil, nil, `there is no import: load("file.star", "name")`},
	{re("^got (from|class|import|with|global|is|as|del|raise|try|except|finally|yield|async|await|assert|nonlocal|in|not|and|or|if|else|for|def|return|pass|lambda|load|while|break|continue)"),
		re(`[(,]\s*$`), re(`^\w+\s*=[^=]`), "this is a reserved word and cannot name an argument"},
	{re("^got from"), re(`^\s*$`), nil, `there is no import: load("file.star", "name")`},
	{re("^got with"), nil, nil, "there is no with: on_exit(fn) runs at the end"},
	{re("^got class"), nil, nil, "there are no classes: struct(name = value)"},
	{re("^got while"), nil, nil, noWhile},
	{re("^got is"), nil, nil, "there is no is: compare with =="},
	{re("^got (global|nonlocal)"), nil, nil, noGlobal},
	{re("^got del"), nil, nil, "there is no del: dict.pop(key) and list.pop(index) take an element out, link.delete() a link"},
	{re("^got raise"), nil, nil, "there is no raise: fail(msg) ends with an error"},
	{re("^got (async|await|yield)"), nil, nil, "a script does one thing after the other; there are no generators and nothing is asynchronous"},
	{re("^got string literal"), re(`\bprint\s*$`), nil, "print is a function: print(x)"},
	{re("^got string literal"), nil, nil, noStrings},
	{re("^got ':'"), re(`\bdef\b[^)]*\w\s*$`), nil, noTypes},
	{re("^got ':'"), re(`\w\s*$`), re(`^:=`), "there is no :=: assign in a line of its own"},
	{re("^got ':'"), re(`^\s*[\w.]+\s*$`), nil, noTypes},
	{re("^got '-', want ':'"), re(`\bdef\b.*\)\s*$`), re(`^->`), noTypes},
	{re("does not associate with"), nil, nil, "comparisons do not chain: write a < b and b < c"},
	{re("'&'"), re(`&\s*$`), nil, "there is no &&: write and"},
	{re(`'\|'`), re(`\|\s*$`), nil, "there is no ||: write or"},
	{re("character '!'"), nil, nil, "there is no !: write not"},
	{re(`character '\?'`), nil, nil, "there is no ?: write a if condition else b"},
	{re("character '@'"), nil, nil, "there are no decorators: f = decorate(f)"},
	{re(`character '\$'`), nil, nil, `there is no $: a variable is its name alone, in a string "%s" % x`},
	{re("character '[\u201c\u201d\u2018\u2019]'"), nil, nil, `strings stand between straight quotes: "..."`},
	{re("got '>'"), re(`<\s*$`), nil, "there is no <>: write !="},
	{re("got (newline|end of file), want primary"), re(`\+\+\s*$|--\s*$`), nil, "there is no ++: write x += 1"},
	{re(`got '\*\*', want (newline|'\)'|',')`), nil, nil, "there is no **: math.pow(x, y)"},
	{re("got newline, want ':'"), nil, nil, "the line must end with a colon"},
	{re("got if, want ':'"), re(`else\s*$`), nil, "else if is written elif"},
	{re("got '=', want ':'"), nil, nil, "compare with =="},
	{re("got '=', want newline"), nil, nil, "one = a statement: an assignment has no value"},
	{re("got for, want"), nil, nil, "there are no generators: put the comprehension in brackets, [x for x in list]"},
	{re("got identifier, want newline"), re(`\bassert\s*$`), nil, "assert is a module: assert.eq(got, want), assert.true(x)"},
	{re("got identifier, want newline"), re(`\bprint\s*$`), nil, "print is a function: print(x)"},
	{re("got identifier"), re(`\d\s*$`), re(`^(n|u|m)?s\b|^(ms|min|h|[kmg]?bits?|[kmg]b)\b`), `a value with a unit is a string: "10ms"`},
	{re("got float literal"), nil, re(`^\d+\.\d+\.\d`), `an address is a string: "10.0.0.1/24"`},
	{re("got identifier, want (newline|',')"), re(`\d\s*$`), re(`^_`), "numbers have no _ in them"},
	{re("got (indent|outdent), want primary|unindent does not match"), nil, nil, "a line is indented as the others of its block are"},
	{re("want indent"), nil, nil, "a block needs a statement: pass"},
	{re("got [a-z ]+, want ','"), nil, nil, "is a comma missing before it, or a closing bracket?"},
}

// A pattern is a regular expression that is compiled when it is first needed: most runs need none.
type pattern func() *regexp.Regexp

func re(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// syntaxHint says what to write instead of what the parser did not understand.
func syntaxHint(err syntax.Error, source string) string {
	text := []rune(line(err.Pos, Sources{err.Pos.Filename(): source}))
	col := min(max(int(err.Pos.Col)-1, 0), len(text))
	before, after := string(text[:col]), string(text[col:])
	for _, h := range syntaxHints {
		if !h.msg().MatchString(err.Msg) || h.before != nil && !h.before().MatchString(before) || h.after != nil && !h.after().MatchString(after) {
			continue
		}
		if strings.HasPrefix(after, "from") && strings.Contains(h.hint, "name an argument") {
			return "from is a reserved word and cannot name an argument: use src="
		}
		return h.hint
	}
	return ""
}

// got is what the parser read instead of what it wanted.
var got = re(`^got (string literal|identifier|int literal|float literal|newline|'[^']+'|[a-z]+), want `)

// tokens are the texts of what the parser names by its kind, as they stand at the end of a line.
var tokens = map[string]pattern{
	"string literal": re(`[a-zA-Z]{0,2}("(\\.|[^"\\])*"|'(\\.|[^'\\])*')$`),
	"identifier":     re(`[A-Za-z_]\w*$`),
	"int literal":    re(`\w+$`),
	"float literal":  re(`[\w.]+$`),
}

// comment is one at the end of a line, for certain.
var comment = re(`#[^"']*$`)

// sharpen moves an error to where the token begins that it is about: the parser often says where it had come to.
func sharpen(err syntax.Error, source string) syntax.Error {
	m := got().FindStringSubmatch(err.Msg)
	if m == nil {
		return err
	}
	at := func(l, c int) syntax.Error {
		name := err.Pos.Filename()
		return syntax.Error{Pos: syntax.MakePosition(&name, int32(l), int32(c)), Msg: err.Msg}
	}
	lines := strings.Split(source, "\n")
	n := int(err.Pos.Line)
	if n < 1 || n > len(lines) {
		return err
	}
	if m[1] == "newline" {
		if err.Pos.Col == 1 && n > 1 {
			return at(n-1, len([]rune(strings.TrimRight(comment().ReplaceAllString(lines[n-2], ""), " \t\r")))+1)
		}
		return err
	}
	text := []rune(lines[n-1])
	before := string(text[:min(max(int(err.Pos.Col)-1, 0), len(text))])
	token := strings.Trim(m[1], "'")
	if kind := tokens[m[1]]; kind != nil {
		token = kind().FindString(before)
	}
	if token == "" || !strings.HasSuffix(before, token) || strings.HasPrefix(string(text[len([]rune(before)):]), token) {
		return err
	}
	return at(n, len([]rune(before))-len([]rune(token))+1)
}
