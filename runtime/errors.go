package runtime

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/sandbox"
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

// report writes an error. outer is how the script got to the module that it happened in; around is the error that it is
// a part of, and knows where that happened.
func report(b *strings.Builder, err error, sources script.Sources, outer starlark.CallStack,
	around *starlark.EvalError) {
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
	var beside *taskError
	eval := around
	if errors.As(err, &stop) {
		eval = stop.At
	} else if errors.As(err, &beside) && beside.at != nil {
		eval = beside.at
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
		stack := append(slices.Clip(outer), eval.CallStack...)
		if at := new(At); errors.As(cause, &at) {
			stack = at.in(stack)
		}
		trail(b, stack, message(cause), sources)
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

// Hint is what to do about an error, "" when nothing is known.
func Hint(err error) string {
	var k *kernel.Error
	var u *UsageError
	var claimed *change.ClaimedError
	var refused *sandbox.Refusal
	var i *change.IrreversibleError
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
	case errors.As(err, &claimed) && claimed.State == "up":
		return fmt.Sprintf("`nsscript down %s` gives it back", claimed.Lab)
	case errors.As(err, &claimed):
		return "it is given back when that run has ended and is undone"
	case errors.As(err, &other):
		return "the nsscript that made it can undo it; " + forgetting(other.File)
	case errors.As(err, &damage):
		return forgetting(damage.File)
	}
	if at := innermost(err); at != nil {
		return script.RunHint(at.Msg)
	} else if err != nil {
		return script.RunHint(err.Error())
	}
	return ""
}

// forgetting says how to give up a run whose journal cannot be read.
func forgetting(file string) string {
	return fmt.Sprintf("`nsscript recover --forget %s` gives it up, and all that it would put back",
		filepath.Base(filepath.Dir(file)))
}

// mistakes are what the interpreter says of code that can never work, whatever the state of the machine.
var mistakes = script.Pattern(`has no \.\w+ (field or method|attribute)|^unknown (binary|unary) op: ` +
	`|^invalid call of non-function` +
	`|^function \S+ (accepts|missing|got) |referenced before assignment$|^unhandled index operation|^unhashable ` +
	`type: ` +
	`| not implemented$|is not iterable|cannot .* frozen (list|hash table)$|^[\w.]+: ` +
	`(for parameter|got \d+ arguments|missing argument|unexpected keyword)`)

// Mistake reports whether an error is one of the script's own making that trying again cannot mend: a wrong argument,
// an attribute that there is none of, an operation that the types do not have. What is not there, or is None, may be
// there later.
func Mistake(err error) bool {
	if errors.As(err, new(*UsageError)) {
		return !errors.As(err, new(*kernel.Error)) && !errors.Is(err, kernel.ErrGone)
	}
	var eval *starlark.EvalError
	for errors.As(err, &eval) && eval.Unwrap() != nil {
		err = eval.Unwrap()
	}
	if eval == nil || errors.As(err, new(*kernel.Error)) {
		return false
	}
	return mistakes().MatchString(err.Error()) && !strings.Contains(err.Error(), "NoneType")
}

// At is an error of a place in the script other than that of the call that failed: in a text that the call was given.
type At struct {
	Pos syntax.Position
	Err error
}

func (e *At) Error() string { return e.Err.Error() }
func (e *At) Unwrap() error { return e.Err }

// in is a call stack whose innermost frame of the script's is at the place.
func (e *At) in(stack starlark.CallStack) starlark.CallStack {
	stack = slices.Clone(stack)
	for i := len(stack) - 1; i >= 0; i-- {
		if stack[i].Pos.Line > 0 && stack[i].Pos.Filename() == e.Pos.Filename() {
			stack[i].Pos = e.Pos
			break
		}
	}
	return stack
}

// InText finds where in the script a line and a column of a text stand, which count from 1, when the innermost call of
// the script's own gives that text as it is: as the argument of a name, or at a place.
func (v *View) InText(name string, place, line, col int) (pos syntax.Position, ok bool) {
	call := v.callPosition()
	if v.s.loader == nil || !call.IsValid() {
		return pos, false
	}
	f, err := script.ParseFile(call.Filename(), []byte(v.s.loader.texts()[call.Filename()]))
	if err != nil {
		return pos, false
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		if c, is := n.(*syntax.CallExpr); is && c.Lparen.Line == call.Line && c.Lparen.Col == call.Col {
			for i, arg := range c.Args {
				if b, named := arg.(*syntax.BinaryExpr); named && b.Op == syntax.EQ {
					if id, is := b.X.(*syntax.Ident); !is || id.Name != name {
						continue
					}
					arg = b.Y
				} else if i != place {
					continue
				}
				if lit, is := arg.(*syntax.Literal); is && lit.Token == syntax.STRING {
					pos, ok = script.InLiteral(lit, line, col), true
				}
			}
		}
		return !ok
	})
	return pos, ok
}

// callPosition is where in the script the innermost call stands that is the script's own.
func (v *View) callPosition() syntax.Position {
	for i := range v.thread.CallStackDepth() {
		if pos := v.thread.DebugFrame(i).Position(); pos.Line > 0 &&
			!strings.HasPrefix(pos.Filename(), script.StdPrefix) {
			return pos
		}
	}
	return syntax.Position{}
}

// OfMachine reports whether an error says that this machine cannot do what a script wants that has a sandbox of its
// own. That a name is taken is the script's own doing there.
func OfMachine(err error) bool {
	var k *kernel.Error
	return errors.As(err, &k) && k.Machine && !errors.Is(err, syscall.EEXIST)
}
