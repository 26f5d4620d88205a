package runtime

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// A UsageError is a call that does not fit its builtin's declaration.
type UsageError struct {
	Err  error
	Hint string
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// A Finding is something wrong in a script's text.
type Finding struct {
	Pos  syntax.Position
	Msg  string
	Hint string
}

// A SyntaxError is all that is wrong in a script's text. Nothing of such a script runs.
type SyntaxError struct {
	List    []Finding
	Sources Sources
}

func (e *SyntaxError) Error() string {
	var all []string
	for _, f := range e.List {
		all = append(all, f.Pos.String()+": "+f.Msg)
	}
	return strings.Join(all, "\n")
}

// Interrupted is the end of a run by a signal or a deadline.
type Interrupted struct {
	Cause error
	At    *starlark.EvalError // where the script was; nil when it was nowhere
}

func (e *Interrupted) Error() string { return "interrupted: " + e.Cause.Error() }
func (e *Interrupted) Unwrap() error { return e.Cause }

// Report writes an error as people read it: file:line:col and the cause, the line with a caret, how the script got
// there, and a hint where one is known.
func (s *Session) Report(w io.Writer, err error) {
	sources := Sources{}
	if s != nil && s.loader != nil {
		sources = s.loader.sources
	}
	Report(w, err, sources)
}

// Report is Session.Report for an error from before there was a session.
func Report(w io.Writer, err error, sources Sources) {
	var b strings.Builder
	report(&b, err, sources)
	io.WriteString(w, b.String())
}

func report(b *strings.Builder, err error, sources Sources) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			report(b, e, sources)
		}
		return
	}
	var syn *SyntaxError
	if errors.As(err, &syn) {
		for _, f := range syn.List {
			at(b, f.Pos, f.Msg, syn.Sources)
			hint(b, f.Hint)
		}
		return
	}
	cause := err
	var stop *Interrupted
	var eval *starlark.EvalError
	if errors.As(err, &stop) {
		eval = stop.At
	} else if errors.As(err, &eval) {
		cause = eval.Unwrap()
		if cause == nil {
			cause = errors.New(eval.Msg)
		}
		// A load that failed wraps the module's own error, which knows the better position.
		if inner := new(starlark.EvalError); errors.As(cause, &inner) {
			report(b, cause, sources)
			return
		}
	}
	if eval == nil {
		fmt.Fprintf(b, "nsscript: %s\n", printable(message(cause)))
	} else {
		trail(b, eval.CallStack, printable(message(cause)), sources)
	}
	hint(b, Hint(cause))
	if p := isPanic(err); p != nil {
		b.WriteString("  hint: this is a fault of nsscript itself; please report it with the script\n")
	}
}

// message is an error's text, with the errno by name where the error is not one of the kernel package's own.
func message(err error) string {
	var k *kernel.Error
	var stop *Interrupted
	var i *IrreversibleError
	if errors.As(err, &k) || errors.As(err, &stop) || errors.As(err, &i) {
		return err.Error()
	}
	return strings.TrimPrefix(kernel.Cause(err), "fail: ")
}

// trail writes the innermost frame of the script's own with its line, and the others below it.
func trail(b *strings.Builder, stack starlark.CallStack, msg string, sources Sources) {
	var frames []starlark.CallFrame
	for i := len(stack) - 1; i >= 0; i-- {
		if stack[i].Pos.Line > 0 && stack[i].Pos.Filename() != "<builtin>" {
			frames = append(frames, stack[i])
		}
	}
	if len(frames) == 0 {
		fmt.Fprintf(b, "nsscript: %s\n", msg)
		return
	}
	at(b, frames[0].Pos, msg, sources)
	if len(frames) > 1 {
		b.WriteString("  called from\n")
	}
	const shown = 8
	for i, f := range frames[1:] {
		if i == shown && len(frames) > shown+4 {
			fmt.Fprintf(b, "    ... %d more calls\n", len(frames)-1-shown-1)
		}
		if i < shown || i == len(frames)-2 || len(frames) <= shown+4 {
			fmt.Fprintf(b, "    %s: in %s: %s\n", f.Pos, f.Name, strings.TrimSpace(line(f.Pos, sources)))
		}
	}
}

func at(b *strings.Builder, pos syntax.Position, msg string, sources Sources) {
	fmt.Fprintf(b, "%s: %s\n", pos, msg)
	if text := line(pos, sources); text != "" {
		var caret strings.Builder
		for i, r := range []rune(text) {
			if i >= int(pos.Col)-1 {
				break
			}
			// Tabs stay tabs, so that the caret stands below its character on any terminal.
			caret.WriteRune(map[bool]rune{true: '\t', false: ' '}[r == '\t'])
		}
		fmt.Fprintf(b, "    %s\n    %s^\n", text, caret.String())
	}
}

func line(pos syntax.Position, sources Sources) string {
	lines := strings.Split(sources[pos.Filename()], "\n")
	if n := int(pos.Line); n >= 1 && n <= len(lines) {
		return printable(strings.TrimRight(lines[n-1], "\r"))
	}
	return ""
}

func hint(b *strings.Builder, text string) {
	if text != "" {
		fmt.Fprintf(b, "  hint: %s\n", printable(text))
	}
}

// Hint is what to do about an error, "" when nothing is known.
func Hint(err error) string {
	var k *kernel.Error
	var u *UsageError
	var i *IrreversibleError
	switch {
	case errors.As(err, &i):
		return i.Hint()
	case errors.As(err, &k) && k.Hint != "":
		return k.Hint
	case errors.As(err, &u):
		return u.Hint
	}
	return ""
}

// printable quotes what would move the cursor or change the colours of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// nameHint suggests a predeclared name for one that means nothing.
func nameHint(msg string, names map[string]bool) string {
	name, ok := strings.CutPrefix(msg, "undefined: ")
	if !ok {
		return ""
	}
	var all []string
	for n := range names {
		all = append(all, n)
	}
	for n := range starlark.Universe {
		all = append(all, n)
	}
	switch near := nearest(name, all); {
	case name == "true" || name == "false" || name == "none" || name == "null":
		return "in Starlark it is " + map[string]string{"true": "True", "false": "False"}[name] + map[bool]string{true: "None"}[name[0] == 'n']
	case near != "":
		return "did you mean " + near + "?"
	}
	return ""
}

// syntaxHint knows what people who come from Python or a shell write.
func syntaxHint(err syntax.Error, source string) string {
	text := line(err.Pos, Sources{err.Pos.Filename(): source})
	for _, h := range []struct{ word, hint string }{
		{"got try", "there is no try: attempt(fn) is the language's try/except"},
		{"got except", "there is no except: attempt(fn) is the language's try/except"},
		{"got import", `there is no import: load("file.star", "name")`},
		{"got with", "there is no with: on_exit(fn) runs at the end"},
		{"got class", "there are no classes: struct(name = value)"},
		{"got while", "there is no while: eventually(fn) repeats until fn does not fail"},
		{"does not support while", "there is no while: eventually(fn) repeats until fn does not fail"},
		{"got is", "there is no is: compare with =="},
		{"got string literal", `strings are not joined by standing side by side, and there are no f-strings: use + or "%s" % x`},
	} {
		if strings.Contains(err.Msg, h.word) {
			return h.hint
		}
	}
	if strings.Contains(text, "from=") || strings.Contains(text, "from =") {
		return "from is a reserved word: use src="
	}
	return ""
}
