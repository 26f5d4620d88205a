package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/script"
)

// A task is a part of the run that goes on beside others: the script itself, and each function that was given to
// parallel() or at(). One task runs at a time, the one that has the turn; another one gets it when that waits. So
// nothing of a session, and no value of the script, is ever used by two at once, and between two waits a task sees
// nothing of the others.
type task struct {
	ctx    context.Context
	frame  *frame
	thread *starlark.Thread // nil before it runs
	id     any              // tells it from others; nil for the script itself
}

// A frame is a transaction that is running: the script's own, or an attempt in another one.
type frame struct {
	outer *frame
	ended bool // well: what was made in it is the outer one's now
	// What at() began in it. Its end waits for theirs.
	begun []*begun
}

// inside reports whether a transaction is another one, or a part of it.
func (f *frame) inside(other *frame) bool {
	for ; f != nil; f = f.outer {
		if f == other {
			return true
		}
	}
	return false
}

// running is the transaction itself, or the one that it has become a part of.
func (f *frame) running() *frame {
	for f != nil && f.ended {
		f = f.outer
	}
	return f
}

// begun is a task that goes on beside the one that began it.
type begun struct {
	cancel  context.CancelCauseFunc
	done    chan struct{}
	endless bool // it goes on until everything else has ended
}

// errEnded is why a task is cancelled that nobody needs any more.
var errEnded = errors.New("what it was a part of has ended")

// aside has other tasks run while wait waits for something. That may use nothing of the session.
func (s *Session) aside(wait func() error) error {
	mine := task{s.ctx, s.frame, s.thread.Load(), s.task}
	s.turn <- struct{}{}
	defer func() {
		<-s.turn
		s.ctx, s.frame, s.task = mine.ctx, mine.frame, mine.id
		s.thread.Store(mine.thread)
	}()
	return wait()
}

// Aside lets other parts of the script run while wait waits for something, such as a packet or the end of a process. It
// may look at nothing of the machine, for the others change it.
func (v *View) Aside(wait func() error) error { return v.s.aside(wait) }

// Task tells the part of the script that is running from others: nil is the script itself.
func (v *View) Task() any { return v.s.task }

// perform has a task run fn, with a thread of its own, as it gets its turns.
func (s *Session) perform(t task, name string, fn func(*starlark.Thread) error) error {
	<-s.turn
	return s.taken(t, name, fn)
}

// taken is perform with the turn, which it gives back.
func (s *Session) taken(t task, name string, fn func(*starlark.Thread) error) error {
	defer func() { s.turn <- struct{}{} }()
	s.ctx, s.frame, s.task = t.ctx, t.frame.running(), &t
	s.thread.Store(nil)
	_, err := s.call(name, func(thread *starlark.Thread) (_ starlark.StringDict, err error) {
		defer script.Recovered(name, &err)
		return nil, fn(thread)
	})
	return err
}

// A Call is a function of the script's and what it is called with.
type Call struct {
	Fn   starlark.Callable
	Args starlark.Tuple
}

// Parallel makes calls beside each other, begun in order, at most limit at a time (0 for all), and returns their values
// in order. When one fails, those after it are cancelled, and those before it are waited for: the error is always that
// of the first in order that fails. A timeout of 0 is none.
func (v *View) Parallel(name string, calls []Call, limit int, timeout time.Duration) ([]starlark.Value, error) {
	s := v.s
	ctx, frame := s.ctx, s.frame
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%s took longer than %s", name, timeout))
		defer cancel()
	}
	vals, errs := make([]starlark.Value, len(calls)), make([]error, len(calls))
	cancels := make([]context.CancelCauseFunc, len(calls))
	tasks := make([]task, len(calls))
	for i := range calls {
		tasks[i].frame = frame
		tasks[i].ctx, cancels[i] = context.WithCancelCause(ctx)
	}
	ended := make(chan struct{}, len(calls))
	err := s.aside(func() error {
		running := 0
		for i, c := range calls {
			for ; running > 0 && running == limit; running-- {
				<-ended
			}
			running++
			begun := make(chan struct{})
			go func() {
				defer func() { ended <- struct{}{} }()
				of := fmt.Sprintf("%s[%d]", name, i)
				errs[i] = s.perform(tasks[i], of, func(thread *starlark.Thread) (err error) {
					close(begun)
					if tasks[i].ctx.Err() != nil {
						return context.Cause(tasks[i].ctx)
					}
					vals[i], err = starlark.Call(thread, c.Fn, c.Args, nil)
					return err
				})
				if errs[i] != nil {
					for _, cancel := range cancels[i+1:] {
						cancel(errEnded)
					}
				}
				cancels[i](nil)
			}()
			<-begun
		}
		for ; running > 0; running-- {
			<-ended
		}
		return nil
	})
	for _, e := range errs {
		if e != nil && err == nil {
			err = e
		}
	}
	if err != nil && ctx.Err() != nil && s.ctx.Err() == nil {
		var going []string // and not that a function was cancelled
		for i, e := range errs {
			if e != nil {
				going = append(going, fmt.Sprintf("%s[%d]", name, i))
			}
		}
		err = fmt.Errorf("%w: %s had not ended", context.Cause(ctx), strings.Join(going, ", "))
	}
	return vals, err
}

// Begin has a function called beside what goes on, first after a time and then, while times is not used up, every so
// often; times 0 is for ever, which is until the transaction that it was begun in has nothing else to do. What fails in
// it ends the run.
func (v *View) Begin(name string, c Call, after, every time.Duration, times int) {
	s := v.s
	b := &begun{done: make(chan struct{}), endless: times == 0}
	f := s.frame
	t := task{frame: f}
	t.ctx, b.cancel = context.WithCancelCause(s.ctx)
	f.begun = append(f.begun, b)
	fail := s.end
	next := time.Now().Add(after)
	go func() {
		defer func() {
			<-s.turn
			f.begun = slices.DeleteFunc(f.begun, func(o *begun) bool { return o == b })
			s.turn <- struct{}{}
			b.cancel(nil)
			close(b.done)
		}()
		for i := 0; times == 0 || i < times; i++ {
			if !waitUntil(t.ctx, next) {
				return
			}
			next = next.Add(every)
			err := s.perform(t, name, func(thread *starlark.Thread) error {
				if t.ctx.Err() != nil {
					return nil
				}
				_, err := starlark.Call(thread, c.Fn, c.Args, nil)
				return err
			})
			if t.ctx.Err() != nil {
				return
			}
			if err != nil {
				fail(&taskError{err: err})
				return
			}
		}
	}()
}

// waitUntil waits for a time, and reports whether it came before the end of ctx.
func waitUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// A taskError ends the run because of what failed beside the script.
type taskError struct {
	err error
	at  *starlark.EvalError // where that was begun; nil when err knows its place
}

func (e *taskError) Error() string { return e.err.Error() }
func (e *taskError) Unwrap() error { return e.err }

// join waits for what was begun in a transaction, or ends it when that has failed. What goes on for ever ends last.
func (s *Session) join(f *frame, failed bool) {
	for len(f.begun) > 0 { // what is begun meanwhile is waited for, too
		next := max(0, slices.IndexFunc(f.begun, func(b *begun) bool { return !b.endless }))
		b := f.begun[next]
		f.begun = slices.Delete(f.begun, next, next+1)
		if failed || b.endless {
			b.cancel(errEnded)
		}
		_ = s.aside(func() error {
			<-b.done
			return nil
		})
	}
}
