package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.starlark.net/starlark"
)

const (
	// grace is how long a run that was told to end may take for that.
	grace = 2 * time.Second
	// glance is how often the process's memory is looked at.
	glance = 25 * time.Millisecond
	// mostStack is four times what 100,000 calls of Starlark functions need, which is where the interpreter itself
	// draws the line. More is a function of its own that follows a value down, until Go ends the process at twice as
	// much.
	mostStack = 1000 << 20
)

// watch ends a phase of the run that takes too much memory, and abandons one that was told to end and does not. The
// phase ends it by calling stop.
func (s *Session) watch(ctx context.Context, end context.CancelCauseFunc) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticks := time.NewTicker(glance)
		defer ticks.Stop()
		var told time.Time
		for {
			select {
			case <-quit:
				return
			case <-ticks.C:
			}
			heap, stack := inUse()
			most, now := s.o.MaxMemory, false
			switch {
			case stack > mostStack && s.o.Abandon != nil:
				now = true
				end(fmt.Errorf("a value is nested too deep for what the script does with it"))
			case most > 0 && heap > most:
				now = heap > most+most/2
				end(fmt.Errorf("the script uses more than %d MiB of memory", most>>20))
			}
			if told.IsZero() && ctx.Err() != nil {
				told = time.Now()
			}
			if !told.IsZero() && (now || time.Since(told) > grace) && s.o.Abandon != nil {
				s.o.Abandon(s, &Interrupted{Cause: context.Cause(ctx), At: stackOf(s.thread.Load()), Stuck: true})
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// inUse is how many bytes the process has in use.
func inUse() (heap, stack uint64) {
	of := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(of)
	return of[0].Value.Uint64(), of[1].Value.Uint64()
}

// innermost is where an error first happened: a load passes on the error of what it loaded.
func innermost(err error) (at *starlark.EvalError) {
	var outer starlark.CallStack
	for e := new(starlark.EvalError); errors.As(err, &e); err = e.Unwrap() {
		if at != nil && elsewhere(at, e) {
			outer = append(outer, at.CallStack...)
		}
		at = e
	}
	if at != nil {
		at = &starlark.EvalError{Msg: at.Msg, CallStack: append(outer, at.CallStack...)}
	}
	return at
}

// elsewhere reports whether an error happened in another thread than the one that passed it on: in a module.
func elsewhere(outer, inner *starlark.EvalError) bool {
	return len(outer.CallStack) > 0 && len(inner.CallStack) > 0 && outer.CallStack[0] != inner.CallStack[0]
}

// watchArgs are what a run's helper is told to watch: the run of a lab, and for how much memory to kill which process.
func watchArgs(o Options) []string {
	args := []string{"watch", o.Lab}
	if o.MaxMemory > 0 {
		args = append(args, strconv.Itoa(os.Getpid()), strconv.FormatUint(o.MaxMemory/2*3, 10))
	}
	return args
}

// beside is what goes on beside the script: what is started there goes on from one phase of the run to the next.
type beside struct {
	life    context.Context // ends with the session
	close   context.CancelFunc
	mu      sync.Mutex
	end     context.CancelCauseFunc // of the phase that is running
	broken  error                   // why the next phase is to fail; nil when nothing has failed
	forgive bool                    // what fails is said, and ends nothing
	said    []error
	looks   []*look
	tasks   map[*context.CancelCauseFunc]bool // that others began
}

// A look is at what goes on beside the script.
type look struct {
	at    func() error
	begun *starlark.EvalError // where in the script
	said  bool                // what it told is known
}

func (b *beside) open() {
	b.life, b.close = context.WithCancel(context.Background())
	b.tasks = map[*context.CancelCauseFunc]bool{}
}

// Beside runs fn beside the script. An error of it ends the run at once; at a prompt it is said before the next input.
// Its context ends with the session. When the script has come to its end, at tells the error that fn has not returned
// yet.
func (v *View) Beside(fn func(context.Context) error, at func() error) {
	b, l := &v.s.beside, &look{at: at, begun: &starlark.EvalError{CallStack: v.thread.CallStack()}}
	b.mu.Lock()
	b.looks = append(b.looks, l)
	b.mu.Unlock()
	go func() {
		if err := fn(b.life); err != nil && b.life.Err() == nil {
			b.fail(l, err)
		}
	}()
}

// look tells what has failed beside the script just now.
func (b *beside) look() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.looks {
		if b.forgive || l.said {
			continue
		}
		if err := l.at(); err != nil {
			l.said = true
			return &taskError{err, l.begun}
		}
	}
	return nil
}

func (b *beside) fail(l *look, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.said {
		return
	}
	l.said = true
	failed := &taskError{err, l.begun}
	switch {
	case b.forgive:
		b.said = append(b.said, err)
	case b.end != nil:
		b.end(failed)
	case b.broken == nil:
		b.broken = failed
	}
}

// during has what fails beside the script end the phase that begins; a failure from before ends it now. What it returns
// is called when the phase has ended.
func (b *beside) during(end context.CancelCauseFunc) (done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end = end; b.broken != nil {
		end(b.broken)
		b.broken = nil
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.end = nil
	}
}

// failed is what has failed since the last phase.
func (b *beside) failed() (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err, b.broken = b.broken, nil
	return err
}

// Failures are what has failed beside the inputs since they were asked for last.
func (in *Inputs) Failures() (all []error) {
	b := &in.s.beside
	b.mu.Lock()
	defer b.mu.Unlock()
	all, b.said = b.said, nil
	return all
}

// Tasks are parts of the script that others begin, at any time: those who ask a server that it has. Each has its turns
// as all tasks have. A failure of one ends the run.
type Tasks struct {
	s     *Session
	frame *frame
	ctx   context.Context
	end   context.CancelCauseFunc
}

// Tasks makes tasks possible, in the transaction that is running, until End is called.
func (v *View) Tasks() *Tasks {
	t := &Tasks{s: v.s, frame: v.s.frame}
	t.ctx, t.end = context.WithCancelCause(v.s.beside.life)
	return t
}

// Run has fn be a task, from a goroutine of its own, and returns when it has ended.
func (t *Tasks) Run(name string, fn func(*View) error) {
	s, b := t.s, &t.s.beside
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	b.mu.Lock()
	b.tasks[&cancel] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.tasks, &cancel)
	}()
	select {
	case <-s.turn:
	case <-ctx.Done():
		return
	}
	err := s.taken(task{ctx: ctx, frame: t.frame}, name, func(thread *starlark.Thread) error {
		return fn(&View{s, thread})
	})
	if err != nil && ctx.Err() == nil {
		b.fail(&look{}, err)
	}
}

// End ends those that are running, and has no more begin.
func (t *Tasks) End() { t.end(errEnded) }

// interrupt ends the tasks that others began, with the phase.
func (b *beside) interrupt(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for cancel := range b.tasks {
		(*cancel)(cause)
	}
}

// An owned thing is closed with the transaction that it was opened in. No journal need know of it: it ends with the
// process, as a socket does.
type owned struct {
	frame *frame
	close func()
}

// Own has something be closed when the transaction that is running is undone, and with the run at the latest. Whoever
// closes it before calls over.
func (v *View) Own(close func()) (over func()) {
	s, o := v.s, &owned{v.s.frame, close}
	s.owned = append(s.owned, o)
	return func() { s.owned = slices.DeleteFunc(s.owned, func(other *owned) bool { return other == o }) }
}

// owns reports whether something is open that was opened in a transaction.
func (s *Session) owns(f *frame) bool {
	return slices.ContainsFunc(s.owned, func(o *owned) bool { return o.frame.inside(f) })
}

// release closes what was opened in a transaction, the newest first; in all for nil.
func (s *Session) release(f *frame) {
	for {
		i := len(s.owned) - 1
		for i >= 0 && f != nil && !s.owned[i].frame.inside(f) {
			i--
		}
		if i < 0 {
			return
		}
		o := s.owned[i]
		s.owned = slices.Delete(s.owned, i, i+1)
		o.close()
	}
}
