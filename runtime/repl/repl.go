package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/script"
)

// A LineReader is what a REPL reads from.
type LineReader interface {
	// Prompt reads a line. The error is io.EOF at the end, ErrAborted when the line was given up, and anything else
	// when there is nobody any more to read from: then the REPL ends with that.
	Prompt(prompt string) (string, error)
	// AppendHistory remembers an input, which may have several lines.
	AppendHistory(input string)
}

// ErrAborted says that a line is not to be used.
var ErrAborted = errors.New("aborted")

// A REPL reads inputs, runs each as a transaction of its own, and shows what came of it. Make one with the fields that
// are exported, then a session that it observes, then call Run.
type REPL struct {
	In       LineReader
	Out, Err io.Writer // what is asked for, and the rest
	// Size is that of the terminal that Out is shown on; 0 is unknown.
	Size func() (lines, columns int)
	// Piped says that nobody types: then an empty line ends no block, as in a script.
	Piped bool
	// Input makes the context of one input. It ends when the user interrupts that.
	Input func() (ctx context.Context, done func())
	// Shell starts a shell in a namespace of the lab and returns when it has ended; nil when there can be none.
	Shell func(ns string) error
	// Name claims a name that the lab is to be kept under, where the journal's is not the only one; may be nil.
	Name func(name string) error

	s        *runtime.Session
	in       *runtime.Inputs
	n        int      // inputs so far
	unread   []string // lines that were read before their turn
	typed    string   // the lines of the block that is being typed
	def      string   // the input before, when it defined a function
	more     bool     // the input is that once more, and goes on where it ended
	trace    bool
	rows     int // how many of a table are shown; 0 is as many as fit
	interval time.Duration
	saved    string // what :save wrote last
	leaving  bool
	keep     bool
}

// bindingsName is the name of the input that binds what is in a lab that was entered.
const bindingsName = "<lab>"

// Trace says whether changes are shown as the commands that would do the same.
func (r *REPL) Trace(on bool) { r.trace = on }

// Observe is for the session's Options.
func (r *REPL) Observe(ev change.Event) {
	if r.trace && ev.Event == "change" {
		fmt.Fprintf(r.Err, "+ %s\n", ev.Command)
	}
}

// Start makes the REPL one of a session; then Execute and Run can be called. In a lab that was entered, what is there
// is bound to its names.
func (r *REPL) Start(s *runtime.Session) error {
	r.s, r.in, r.interval = s, runtime.NewInputs(s), time.Second
	if r.Size == nil {
		r.Size = func() (int, int) { return 0, 0 }
	}
	if !s.Entered() {
		return nil
	}
	text, err := bindings(s)
	if err == nil {
		_, _, err = r.in.Eval(context.Background(), bindingsName, text)
	}
	return err
}

// Lab says in a line what the lab is.
func (r *REPL) Lab() string {
	return fmt.Sprintf("lab %s, %s", r.s.Lab(), script.Count(r.s.Changes(), "change"))
}

const (
	prompt     = ">>> "
	promptMore = "... "
)

// Run reads until the end. It says whether the lab is to be kept; the error is one of the reader's.
func (r *REPL) Run() (keep bool, err error) {
	for !r.leaving {
		for _, err := range r.in.Failures() {
			r.s.Report(r.Err, err)
		}
		text, err := r.read()
		switch {
		case errors.Is(err, ErrAborted):
			continue
		case errors.Is(err, io.EOF):
			r.leave()
			continue
		case err != nil:
			return false, err
		}
		r.In.AppendHistory(text)
		if err := r.Type(text); err != nil {
			return false, err
		}
	}
	if err := r.s.RunExits(); err != nil {
		r.s.Report(r.Err, err)
	}
	return r.keep, nil
}

// Type does what was typed, as Run does with what it reads.
func (r *REPL) Type(text string) error {
	switch name, bare := strings.CutSuffix(strings.TrimSuffix(strings.TrimSpace(text), "()"), ";"); {
	case strings.HasPrefix(text, ":"):
		return r.command(text)
	case !bare && (name == "quit" || name == "exit") && !r.in.Globals().Has(name):
		r.leave()
		return nil
	}
	if m := question.FindStringSubmatch(text); m != nil {
		r.help(m[1] + m[2])
		return nil
	}
	if r.n++; r.more {
		r.in.ForgetLast(r.def)
	}
	if r.def = ""; strings.HasPrefix(text, "def ") {
		r.def = text
	}
	r.execute(fmt.Sprintf("<repl:%d>", r.n), text)
	return nil
}

// question is the form of x? and ?x.
var question = regexp.MustCompile(`^\s*(?:\?\s*([\w.]+)|([\w.]+)\s*\?+)\s*$`)

// Execute runs a script as an input, and says what is wrong with it.
func (r *REPL) Execute(name string, src []byte) (ok bool) {
	r.n++
	_, ok = r.eval(name, string(src))
	return ok
}

// execute runs an input and shows its value.
func (r *REPL) execute(name, text string) bool {
	val, ok := r.eval(name, text)
	if ok && val != nil && val != starlark.None {
		r.guarded(func() error { r.show(val); return nil })
	}
	return ok
}

// eval runs an input that can be interrupted.
func (r *REPL) eval(name, text string) (starlark.Value, bool) {
	ctx, done := r.Input()
	defer done()
	val, u, err := r.in.Eval(ctx, name, text)
	if err != nil {
		r.s.Report(r.Err, err)
		r.said(u)
	}
	return val, err == nil
}

// guarded runs what looks at the machine, and can be interrupted.
func (r *REPL) guarded(fn func() error) {
	ctx, done := r.Input()
	defer done()
	if err := r.s.Within(ctx, fn); err != nil {
		r.s.Report(r.Err, err)
	}
}

// said tells how an undoing went.
func (r *REPL) said(u change.Undoing) {
	if u.Unwritten != nil {
		fmt.Fprintf(r.Err, "%v; the changes are undone without it\n", u.Unwritten)
	}
	if len(u.Left) > 0 {
		fmt.Fprintf(r.Err, "undid %s, %d are left:\n", script.Count(u.Undone, "change"), len(u.Left))
		for _, l := range u.Left {
			fmt.Fprintf(r.Err, "  %s: %s\n", l.Command, l.Reason)
		}
		fmt.Fprintln(r.Err, "  hint: :undo tries again")
	} else if u.Undone > 0 {
		fmt.Fprintf(r.Err, "undid %s\n", script.Count(u.Undone, "change"))
	}
}

// leave ends the REPL. What is there is kept only when the user says so.
func (r *REPL) leave() {
	r.leaving = true
	n := r.s.Changes() - r.s.Before()
	if n == 0 {
		return
	}
	question := fmt.Sprintf("keep lab %s with %s? [y/N or a name] ", r.s.Lab(), script.Count(n, "change"))
	if r.s.Entered() {
		question = fmt.Sprintf("keep %s in lab %s? [y/N] ", script.Count(n, "change"), r.s.Lab())
	}
	for {
		line, err := r.In.Prompt(question)
		if err != nil {
			r.leaving = !errors.Is(err, ErrAborted)
			return
		}
		switch answer := strings.TrimSpace(line); strings.ToLower(answer) {
		case "", "n", "no":
			return
		case "y", "yes":
			r.keep = true
			return
		default:
			if r.rename(answer) {
				r.keep = true
				return
			}
		}
	}
}

// rename gives the lab another name.
func (r *REPL) rename(name string) bool {
	if name == r.s.Lab() {
		return true
	}
	err := journal.ValidName(name)
	if err == nil && r.s.Entered() {
		err = fmt.Errorf("lab %s has its name already", r.s.Lab())
	}
	if err == nil && r.Name != nil {
		err = r.Name(name)
	}
	if err == nil {
		err = r.s.Rename(name)
	}
	if err != nil {
		runtime.Report(r.Err, err, nil)
	}
	return err == nil
}
