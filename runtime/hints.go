package runtime

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/sandbox"
)

// Hint is what to do about an error, "" when nothing is known.
func Hint(err error) string {
	var k *kernel.Error
	var u *UsageError
	var held *HeldError
	var refused *sandbox.Refusal
	switch {
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
	}
	return ""
}

// nameHint suggests a predeclared name for one that means nothing. The resolver itself knows the script's own names, and
// may have found one of them near.
func nameHint(msg string, names map[string]bool) string {
	name, ok := strings.CutPrefix(msg, "undefined: ")
	if !ok || strings.Contains(name, "did you mean") {
		return ""
	}
	if meant, ok := map[string]string{"true": "True", "false": "False", "none": "None", "null": "None", "nil": "None"}[name]; ok {
		return "in Starlark it is " + meant
	}
	var all []string
	for n := range names {
		all = append(all, n)
	}
	for n := range starlark.Universe {
		all = append(all, n)
	}
	if near := nearest(name, all); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// statement is a name that is followed by an argument, without parentheses.
var statement = regexp.MustCompile(`^\s*([A-Za-z_][\w.]*)[ \t]+["'\w]`)

// syntaxHint knows what people who come from Python, C or a shell write.
func syntaxHint(err syntax.Error, source string) string {
	text := line(err.Pos, Sources{err.Pos.Filename(): source})
	keywords := []string{"return", "not", "lambda", "if", "elif", "else", "for", "in", "and", "or", "def", "pass", "is", "from"}
	if m := statement.FindStringSubmatch(text); m != nil && strings.HasSuffix(err.Msg, "want newline") && !slices.Contains(keywords, m[1]) {
		return fmt.Sprintf("arguments stand in parentheses: %s(...)", m[1])
	}
	for _, h := range []struct{ word, hint string }{
		{"got try", "there is no try: attempt(fn) is the language's try/except"},
		{"got except", "there is no except: attempt(fn) is the language's try/except"},
		{"got import", `there is no import: load("file.star", "name")`},
		{"got with", "there is no with: on_exit(fn) runs at the end"},
		{"got class", "there are no classes: struct(name = value)"},
		{"got while", "there is no while: eventually(fn) repeats until fn does not fail"},
		{"does not support while", "there is no while: eventually(fn) repeats until fn does not fail"},
		{"got is", "there is no is: compare with =="},
		{"got '&', want primary", "it is written: and"},
		{"got '|', want primary", "it is written: or"},
		{"character '!'", "it is written: not"},
		{"got ':', want ')'", "parameters have no types"},
		{"got string literal", `strings are not joined by standing side by side, and there are no f-strings: use + or "%s" % x`},
	} {
		if strings.Contains(err.Msg, h.word) {
			return h.hint
		}
	}
	if strings.HasSuffix(text, "++") || strings.HasSuffix(text, "--") {
		return "there is no " + text[len(text)-2:] + ": write += 1 or -= 1"
	}
	if strings.Contains(text, "from=") || strings.Contains(text, "from =") {
		return "from is a reserved word: use src="
	}
	return ""
}
