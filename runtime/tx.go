package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// A View is what a builtin that only reads gets: the machine to look at, and the run that it is called in.
type View struct {
	s      *Session
	thread *starlark.Thread
}

// Machine is the kernel's namespaces, for reading.
func (v *View) Machine() *kernel.Machine { return v.s.m }

// Context ends when the run is interrupted; whatever blocks must end with it.
func (v *View) Context() context.Context { return v.s.ctx }

// Print writes a line to the script's output.
func (v *View) Print(msg string) error { return v.s.print(msg) }

// Vocabulary is the table that the run was given.
func (v *View) Vocabulary() *Vocabulary { return v.s.voc }

// Call calls a Starlark function.
func (v *View) Call(fn starlark.Callable, args starlark.Tuple,
	kwargs []starlark.Tuple) (val starlark.Value, err error) {
	defer script.Recovered(fn.Name(), &err)
	return starlark.Call(v.thread, fn, args, kwargs)
}

// Namespaces lists the namespaces that the run has made and not deleted, oldest first.
func (v *View) Namespaces() []kernel.NSRef { return v.s.Namespaces() }

// Named finds the namespace of the run's that has a name now.
func (v *View) Named(name string) (kernel.NSRef, error) {
	var names []string
	for _, ref := range slices.Backward(v.Namespaces()) {
		if ref.Name == name {
			return ref, nil
		}
		names = append(names, ref.Name)
	}
	for _, c := range v.s.changes {
		if u, ok := c.Op.(change.Unnamer); ok && u.Unnames().Name == name {
			return kernel.NSRef{}, deleted(u.Unnames())
		}
	}
	slices.Reverse(names)
	return kernel.NSRef{}, fmt.Errorf("this lab has no namespace %s (it has: %s)", name, strings.Join(names, " "))
}

// Reachable is an error when the run has deleted a namespace. What is in it lives on until the lab goes down, to be
// given back, but to the script it is gone.
func (v *View) Reachable(ref kernel.NSRef) error { return v.s.reachable(ref.Object()) }

// OnExit has fn called at the end of the run, whatever its outcome, before anything is undone.
func (v *View) OnExit(fn func(*starlark.Thread) error) { v.s.exits = append(v.s.exits, fn) }

// A Tx is what a builtin that changes the machine gets. Nothing else can apply an op.
type Tx struct {
	*View
	waiver *Irreversible // nil for a builtin without that parameter
}

// Apply makes one change: looks, writes the intent to the journal, does it. A change that could not be undone whole is
// made only when the call says irreversible=True.
func (tx *Tx) Apply(op change.Op) error {
	s := tx.s
	if err := s.ctx.Err(); err != nil {
		return context.Cause(s.ctx)
	}
	for _, o := range op.Touches() {
		if err := s.reachable(o); err != nil {
			return err
		}
	}
	c, err := s.intend(op, tx.position(), tx.waiver)
	if err != nil {
		return err
	}
	if s.o.Observe != nil {
		s.o.Observe(c.Event())
	}
	failpoint.Hit("change: before it is made")
	err = op.Do(s.m)
	failpoint.Hit("change: after it was made")
	if kernel.Unsettled(err) {
		// It stays among the changes: undoing it does the right thing whether it was made or not.
		s.remember(c)
		return err
	} else if err != nil {
		return errors.Join(err, s.log.Failed(c.Seq))
	}
	s.remember(c)
	if n, ok := op.(change.Noter); ok {
		fields, err := n.Note(s.m)
		if err == nil && fields != nil {
			err = change.Blamed(s.log.Note(c.Seq, fields))
		}
		return err
	}
	return nil
}

// Made finds the newest op of a type that the transaction which is running has made itself.
func Made[T change.Op](tx *Tx) (op T, ok bool) {
	for _, c := range slices.Backward(tx.s.changes) {
		if op, ok = c.Op.(T); ok && tx.s.within[c.Seq].running() == tx.s.frame {
			return op, true
		}
	}
	return op, false
}

// Standing lists the ops of a type that the run has made and not undone, oldest first.
func Standing[T change.Op](v *View) (all []T) {
	for _, c := range v.s.changes {
		if op, ok := c.Op.(T); ok {
			all = append(all, op)
		}
	}
	return all
}

// position is where in the script the innermost call stands that is the script's own.
func (tx *Tx) position() string {
	if pos := tx.callPosition(); pos.IsValid() {
		return pos.String()
	}
	return ""
}

// Attempt calls fn in a transaction of its own: when it fails, its changes alone are undone. A run that is interrupted
// or that could not be undone whole is no failure to catch: then stop is set and the error must be passed on.
func (tx *Tx) Attempt(fn starlark.Callable, args starlark.Tuple,
	kwargs []starlark.Tuple) (val starlark.Value, err error, stop bool) {
	s := tx.s
	f := &frame{outer: s.frame}
	s.frame = f
	val, err = tx.Call(fn, args, kwargs)
	s.join(f, err != nil)
	s.frame = f.outer
	if err == nil && s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	if err == nil {
		f.ended = true
		return val, nil, false
	}
	if s.ctx.Err() != nil || errors.As(err, new(*SkipError)) {
		return nil, err, true
	}
	s.release(f)
	var undone []change.Made
	for _, c := range s.changes {
		if s.within[c.Seq].inside(f) {
			undone = append(undone, c)
		}
	}
	u := s.undo(undone)
	for _, c := range slices.Backward(undone) {
		if s.o.Observe != nil && !slices.ContainsFunc(u.Left, func(l change.Leftover) bool { return l.Seq == c.Seq }) {
			e := c.Event()
			e.Event = "undo"
			s.o.Observe(e)
		}
	}
	if u.Unwritten != nil {
		err, stop = errors.Join(err, u.Unwritten), true
	}
	if len(u.Left) > 0 {
		err, stop = errors.Join(err,
			fmt.Errorf("%s of the attempt could not be undone", script.Count(len(u.Left), "change"))), true
	}
	return nil, err, stop
}

// undo undoes some of the changes. Those that could not be undone stay among the changes: the transaction around this
// one tries once more, before it undoes anything older.
func (s *Session) undo(some []change.Made) change.Undoing {
	some = slices.Clone(some)
	u, open := change.Undo(s.m, s.log, some)
	s.forget(some)
	if len(u.Left) > 0 {
		for _, c := range open {
			s.within[c.Seq] = s.frame
		}
		s.changes = append(s.changes, open...)
	}
	return u
}

// Wait waits, or ends early with the run.
func (v *View) Wait(d time.Duration) error {
	ctx, at := v.s.ctx, time.Now().Add(d)
	return v.Aside(func() error {
		if !waitUntil(ctx, at) {
			return context.Cause(ctx)
		}
		return nil
	})
}
