package script

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.starlark.net/syntax"
)

// A pattern is a regular expression that is compiled when it is first needed: most runs need none.
type lazyRegexp func() *regexp.Regexp

func Pattern(expr string) lazyRegexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// syntaxHint says what to write instead of what the parser did not understand.
func syntaxHint(err syntax.Error, source string) string {
	i, after := whichHint(err, source)
	switch {
	case i < 0:
		return ""
	case strings.HasPrefix(after, "from") && strings.Contains(syntaxMistakes[i].hint, "name an argument"):
		return "from is a reserved word and cannot name an argument: use src="
	}
	return syntaxMistakes[i].hint
}

// whichHint is the hint that fits an error, -1 when there is none, and the line from the error on.
func whichHint(err syntax.Error, source string) (i int, after string) {
	text := []rune(SourceLine(err.Pos, Sources{err.Pos.Filename(): source}))
	col := min(max(int(err.Pos.Col)-1, 0), len(text))
	before, after := string(text[:col]), string(text[col:])
	return slices.IndexFunc(compiledMistakes(), func(of [3]*regexp.Regexp) bool {
		return of[0].MatchString(err.Msg) && of[1].MatchString(before) && of[2].MatchString(after)
	}), after
}

// compiledMistakes are the regular expressions of syntaxMistakes: most runs need none.
var compiledMistakes = sync.OnceValue(func() (all [][3]*regexp.Regexp) {
	for _, m := range syntaxMistakes {
		of := [3]*regexp.Regexp{}
		for i, expr := range []string{m.msg, m.before, m.after} {
			of[i] = regexp.MustCompile(expr)
		}
		all = append(all, of)
	}
	return all
})

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
	if token == "" || !strings.HasSuffix(before, token) ||
		strings.HasPrefix(string(text[len([]rune(before)):]), token) {
		return err
	}
	return at(n, len([]rune(before))-len([]rune(token))+1)
}
