package runtime

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// A UsageError is a call that does not fit its builtin's declaration.
type UsageError struct {
	Err  error
	Hint string
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Interrupted is the end of a run by a signal or a deadline.
type Interrupted struct {
	Cause error
	At    *starlark.EvalError // where the script was; nil when that is not known
	Stuck bool                // the interpreter did not stop there
}

func (e *Interrupted) Error() string {
	if e.Stuck {
		return "interrupted, and this does not stop: " + e.Cause.Error()
	}
	return "interrupted: " + e.Cause.Error()
}

func (e *Interrupted) Unwrap() error { return e.Cause }

// Report writes an error as people read it: file:line:col and the cause, the line with a caret, how the script got
// there, and a hint where one is known.
func (s *Session) Report(w io.Writer, err error) {
	sources := script.Sources{}
	if s != nil && s.loader != nil {
		sources = s.loader.texts()
	}
	Report(w, err, sources)
}

// Report is Session.Report for an error from before there was a session.
func Report(w io.Writer, err error, sources script.Sources) {
	var b strings.Builder
	report(&b, err, sources, nil, nil)
	io.WriteString(w, b.String())
}

// report writes an error. outer is how the script got to the module that it happened in; around is the error that it is a
// part of, and knows where that happened.
func report(b *strings.Builder, err error, sources script.Sources, outer starlark.CallStack, around *starlark.EvalError) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			report(b, e, sources, outer, around)
		}
		return
	}
	var syn *script.SyntaxError
	if errors.As(err, &syn) {
		for _, f := range syn.List {
			script.Excerpt(b, f.Pos, f.Msg, syn.Sources)
			hint(b, f.Hint)
		}
		return
	}
	cause := err
	var stop *Interrupted
	eval := around
	if errors.As(err, &stop) {
		eval = stop.At
	} else if errors.As(err, &eval) {
		cause = eval.Unwrap()
		if cause == nil {
			cause = errors.New(eval.Msg)
		}
		// A load that failed wraps the module's own error, which knows the better position.
		if inner := new(starlark.EvalError); errors.As(cause, &inner) {
			if elsewhere(eval, inner) {
				outer = append(slices.Clip(outer), eval.CallStack...)
			}
			report(b, cause, sources, outer, eval)
			return
		}
	}
	if eval == nil {
		fmt.Fprintf(b, "nsscript: %s\n", script.Printable(message(cause)))
	} else {
		trail(b, append(slices.Clip(outer), eval.CallStack...), message(cause), sources)
	}
	hint(b, Hint(cause))
	if p := script.AsPanic(err); p != nil {
		b.WriteString("  hint: this is a fault of nsscript itself; please report it with the script\n")
	}
}

// message is an error's text, with the errno by name where the error is not one of the kernel package's own.
func message(err error) string {
	var k *kernel.Error
	var stop *Interrupted
	var i *change.IrreversibleError
	if errors.As(err, &k) || errors.As(err, &stop) || errors.As(err, &i) {
		return err.Error()
	}
	return strings.TrimPrefix(kernel.Cause(err), "fail: ")
}

// trail writes the innermost frame of the script's own with its line, and the others below it.
func trail(b *strings.Builder, stack starlark.CallStack, msg string, sources script.Sources) {
	var frames []starlark.CallFrame
	for i := len(stack) - 1; i >= 0; i-- {
		if stack[i].Pos.Line > 0 && stack[i].Pos.Filename() != "<builtin>" {
			frames = append(frames, stack[i])
		}
	}
	if len(frames) == 0 {
		fmt.Fprintf(b, "nsscript: %s\n", script.Printable(msg))
		return
	}
	script.Excerpt(b, frames[0].Pos, msg, sources)
	if len(frames) > 1 {
		b.WriteString("  called from\n")
	}
	const shown = 8
	for i, f := range frames[1:] {
		if i == shown && len(frames) > shown+4 {
			fmt.Fprintf(b, "    ... %d more calls\n", len(frames)-1-shown-1)
		}
		if i < shown || i == len(frames)-2 || len(frames) <= shown+4 {
			fmt.Fprintf(b, "    %s: in %s: %s\n", f.Pos, f.Name, strings.TrimSpace(script.SourceLine(f.Pos, sources)))
		}
	}
}

func hint(b *strings.Builder, text string) {
	if text != "" {
		fmt.Fprintf(b, "  hint: %s\n", script.Printable(text))
	}
}
