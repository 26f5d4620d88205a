package script

import (
	"regexp"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// foreignNames are names that people bring from elsewhere, and what stands for them here.
var foreignNames = map[string]string{
	"true": "in Starlark it is True", "false": "in Starlark it is False", "none": "in Starlark it is None",
	"null": "in Starlark it is None", "nil": "in Starlark it is None",
	"sum": "there is no sum: add up in a loop", "map": "there is no map: write [f(x) for x in list]",
	"filter": "there is no filter: write [x for x in list if f(x)]", "isinstance": `there are no classes: compare type(x) == "list"`,
	"round": "it is math.round", "format": `there is no format: write "%.2f" % x`,
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
	msg, before, after lazyRegexp
	hint               string
}{
	{Pattern("^got try|^got except|^got finally"), nil, nil, "there is no try: attempt(fn) is the language's try/except, on_exit(fn) its finally"},
	{Pattern("^got import"), nil, nil, `there is no import: load("file.star", "name")`},
	{Pattern("^got (from|class|import|with|global|is|as|del|raise|try|except|finally|yield|async|await|assert|nonlocal|in|not|and|or|if|else|for|def|return|pass|lambda|load|while|break|continue)"),
		Pattern(`[(,]\s*$`), Pattern(`^\w+\s*=[^=]`), "this is a reserved word and cannot name an argument"},
	{Pattern("^got from"), Pattern(`^\s*$`), nil, `there is no import: load("file.star", "name")`},
	{Pattern("^got with"), nil, nil, "there is no with: on_exit(fn) runs at the end"},
	{Pattern("^got class"), nil, nil, "there are no classes: struct(name = value)"},
	{Pattern("^got while"), nil, nil, noWhile},
	{Pattern("^got is"), nil, nil, "there is no is: compare with =="},
	{Pattern("^got (global|nonlocal)"), nil, nil, noGlobal},
	{Pattern("^got del"), nil, nil, "there is no del: dict.pop(key) and list.pop(index) take an element out, link.delete() a link"},
	{Pattern("^got raise"), nil, nil, "there is no raise: fail(msg) ends with an error"},
	{Pattern("^got (async|await|yield)"), nil, nil, "a script does one thing after the other; there are no generators and nothing is asynchronous"},
	{Pattern("^got string literal"), Pattern(`\bprint\s*$`), nil, "print is a function: print(x)"},
	{Pattern("^got string literal"), nil, nil, noStrings},
	{Pattern("^got ':'"), Pattern(`\bdef\b[^)]*\w\s*$`), nil, noTypes},
	{Pattern("^got ':'"), Pattern(`\w\s*$`), Pattern(`^:=`), "there is no :=: assign in a line of its own"},
	{Pattern("^got ':'"), Pattern(`^\s*[\w.]+\s*$`), nil, noTypes},
	{Pattern("^got '-', want ':'"), Pattern(`\bdef\b.*\)\s*$`), Pattern(`^->`), noTypes},
	{Pattern("does not associate with"), nil, nil, "comparisons do not chain: write a < b and b < c"},
	{Pattern("'&'"), Pattern(`&\s*$`), nil, "there is no &&: write and"},
	{Pattern(`'\|'`), Pattern(`\|\s*$`), nil, "there is no ||: write or"},
	{Pattern("character '!'"), nil, nil, "there is no !: write not"},
	{Pattern(`character '\?'`), nil, nil, "there is no ?: write a if condition else b"},
	{Pattern("character '@'"), nil, nil, "there are no decorators: f = decorate(f)"},
	{Pattern(`character '\$'`), nil, nil, `there is no $: a variable is its name alone, in a string "%s" % x`},
	{Pattern("character '[\u201c\u201d\u2018\u2019]'"), nil, nil, `strings stand between straight quotes: "..."`},
	{Pattern("got '>'"), Pattern(`<\s*$`), nil, "there is no <>: write !="},
	{Pattern("got (newline|end of file), want primary"), Pattern(`\+\+\s*$|--\s*$`), nil, "there is no ++: write x += 1"},
	{Pattern(`got '\*\*', want (newline|'\)'|',')`), nil, nil, "there is no **: math.pow(x, y)"},
	{Pattern("got newline, want ':'"), nil, nil, "the line must end with a colon"},
	{Pattern("got if, want ':'"), Pattern(`else\s*$`), nil, "else if is written elif"},
	{Pattern("got '=', want ':'"), nil, nil, "compare with =="},
	{Pattern("got '=', want newline"), nil, nil, "one = a statement: an assignment has no value"},
	{Pattern("got for, want"), nil, nil, "there are no generators: put the comprehension in brackets, [x for x in list]"},
	{Pattern("got identifier, want newline"), Pattern(`\bassert\s*$`), nil, "assert is a module: assert.eq(got, want), assert.true(x)"},
	{Pattern("got identifier, want newline"), Pattern(`\bprint\s*$`), nil, "print is a function: print(x)"},
	{Pattern("got identifier"), Pattern(`\d\s*$`), Pattern(`^(n|u|m)?s\b|^(ms|min|h|[kmg]?bits?|[kmg]b)\b`), `a value with a unit is a string: "10ms"`},
	{Pattern("got float literal"), nil, Pattern(`^\d+\.\d+\.\d`), `an address is a string: "10.0.0.1/24"`},
	{Pattern("got identifier, want (newline|',')"), Pattern(`\d\s*$`), Pattern(`^_`), "numbers have no _ in them"},
	{Pattern("got (indent|outdent), want primary|unindent does not match"), nil, nil, "a line is indented as the others of its block are"},
	{Pattern("want indent"), nil, nil, "a block needs a statement: pass"},
	{Pattern("got [a-z ]+, want ','"), nil, nil, "is a comma missing before it, or a closing bracket?"},
}

// A pattern is a regular expression that is compiled when it is first needed: most runs need none.
type lazyRegexp func() *regexp.Regexp

func Pattern(expr string) lazyRegexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// syntaxHint says what to write instead of what the parser did not understand.
func syntaxHint(err syntax.Error, source string) string {
	text := []rune(SourceLine(err.Pos, Sources{err.Pos.Filename(): source}))
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
var got = Pattern(`^got (string literal|identifier|int literal|float literal|newline|'[^']+'|[a-z]+), want `)

// tokens are the texts of what the parser names by its kind, as they stand at the end of a line.
var tokens = map[string]lazyRegexp{
	"string literal": Pattern(`[a-zA-Z]{0,2}("(\\.|[^"\\])*"|'(\\.|[^'\\])*')$`),
	"identifier":     Pattern(`[A-Za-z_]\w*$`),
	"int literal":    Pattern(`\w+$`),
	"float literal":  Pattern(`[\w.]+$`),
}

// comment is one at the end of a line, for certain.
var comment = Pattern(`#[^"']*$`)

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
