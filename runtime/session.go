package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// patience is how long a rollback waits for the kernel to destroy namespaces before it says who holds them.
const patience = 5 * time.Second

// Options say how to run. Vocabulary and Lab are needed.
type Options struct {
	Vocabulary *Vocabulary
	Lab        string // the name that the run is kept under
	Dir        string // where runs have their journals; DefaultDir when empty
	Script     string // for people: what made the lab
	Args       []string
	Root       string      // folder that load() may not leave; the script's own when empty
	Stdout     io.Writer   // what the script prints; os.Stdout when nil
	Observe    func(Event) // told of every change, before it is made; may be nil
	// Watcher is a command that, given the lab's name as one more argument, calls Labs.Watch: it undoes the run as soon
	// as its process was killed. Without one that waits for the next who calls Labs.Recover.
	Watcher []string
}

// DefaultDir is where runs have their journals: it ends with the boot, as the kernel's state does.
const DefaultDir = "/run/nsscript"

// An Event is something that a run did.
type Event struct {
	Event   string `json:"event"` // "change", "print", "recover"
	Seq     int    `json:"seq,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Command string `json:"command,omitempty"`
	Pos     string `json:"pos,omitempty"`
	Text    string `json:"text,omitempty"`
	// Of a change: what undoing it will not bring back. The script said irreversible=True.
	Lost []string `json:"lost,omitempty"`
}

// A Session is one run: the lab's journal, the machine, and what the script has changed so far. It belongs to one
// goroutine. Close it in any case; Keep or Rollback first.
type Session struct {
	o       Options
	voc     *Vocabulary
	m       *kernel.Machine
	log     *journal.Log
	globals starlark.StringDict
	loader  *loader
	ctx     context.Context

	changes []change
	born    map[kernel.Object]int // which of the changes made a link or namespace that is there
	frames  []int                 // where in changes each transaction that is running began
	exits   []func(*starlark.Thread) error
	watcher *kernel.Process
	left    []Leftover // of transactions inside the script, and of no change
	ended   bool
}

// NewSession claims the lab's name and opens the machine. The error is a *journal.TakenError when the name is taken.
func NewSession(o Options) (*Session, error) {
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	m, err := kernel.Open()
	if err != nil {
		return nil, err
	}
	s := &Session{o: o, voc: o.Vocabulary, m: m, frames: []int{0}, born: map[kernel.Object]int{}}
	boot, err := kernel.BootID()
	if err == nil {
		s.log, err = openDir(o.Dir).Create(journal.Header{Name: o.Lab, Boot: boot, Script: o.Script, Args: o.Args,
			PID: os.Getpid(), Start: time.Now(), HostNS: m.Host().Ref().Cookie})
	}
	if err != nil {
		m.Close()
		return nil, privileged(err)
	}
	if len(o.Watcher) > 0 {
		if s.watcher, err = kernel.Detach(append(slices.Clone(o.Watcher), o.Lab)); err != nil {
			err = errors.Join(err, s.log.Remove())
			m.Close()
			return nil, err
		}
	}
	s.globals = o.Vocabulary.globals(s)
	args := make([]starlark.Value, len(o.Args))
	for i, a := range o.Args {
		args[i] = starlark.String(a)
	}
	s.globals["args"] = starlark.NewList(args)
	s.globals["host"] = o.Vocabulary.host(s)
	return s, nil
}

func openDir(path string) *journal.Dir {
	if path == "" {
		path = DefaultDir
	}
	return journal.OpenDir(path)
}

// privileged says what to do when the folder of journals is refused.
func privileged(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return &kernel.Error{Op: "open", Object: "the labs", Err: err, Machine: true,
			Hint: "labs on the machine itself need root: run it with sudo"}
	}
	return err
}

// host is the value of the predeclared name host.
func (voc *Vocabulary) host(s *Session) starlark.Value {
	if voc.Host == nil {
		return starlark.None
	}
	return voc.Host(&View{s: s})
}

// Run executes a script that Parse accepted. Whatever it changed before it failed is still there: Rollback undoes it.
// A panic, a signal or a deadline (through ctx) end it like any error.
func (s *Session) Run(ctx context.Context, p *Program) (err error) {
	s.ctx = ctx
	s.loader = newLoader(s, p)
	thread := s.thread("main")
	defer func() {
		if e := s.runExits(); err == nil {
			err = e
		}
	}()
	stop := context.AfterFunc(ctx, func() { thread.Cancel("interrupted") })
	defer stop()
	defer recovered("nsscript", &err)
	_, err = p.prog.Init(thread, s.globals)
	return s.ending(err)
}

// ending replaces the interpreter's word for a cancelled run by the reason.
func (s *Session) ending(err error) error {
	if err != nil && s.ctx.Err() != nil {
		var eval *starlark.EvalError
		if errors.As(err, &eval) {
			return &Interrupted{Cause: context.Cause(s.ctx), At: eval}
		}
		return &Interrupted{Cause: context.Cause(s.ctx)}
	}
	return err
}

// thread makes a Starlark thread of this run.
func (s *Session) thread(name string) *starlark.Thread {
	return &starlark.Thread{Name: name, Load: s.loader.load, Print: func(_ *starlark.Thread, msg string) { s.print(msg) }}
}

func (s *Session) print(msg string) {
	if s.o.Observe != nil {
		s.o.Observe(Event{Event: "print", Text: msg})
	}
	if _, err := fmt.Fprintln(s.o.Stdout, msg); err != nil && s.ctx.Err() == nil {
		panic(fmt.Errorf("write to stdout: %w", err))
	}
}

// runExits calls what on_exit was given, newest first, each in a thread of its own: the script's may be cancelled.
func (s *Session) runExits() error {
	var errs []error
	ctx := s.ctx
	s.ctx = context.WithoutCancel(ctx)
	defer func() { s.ctx = ctx }()
	for len(s.exits) > 0 {
		fn := s.exits[len(s.exits)-1]
		s.exits = s.exits[:len(s.exits)-1]
		errs = append(errs, func() (err error) {
			defer recovered("on_exit", &err)
			return fn(s.thread("on_exit"))
		}())
	}
	return errors.Join(errs...)
}

// fresh reports whether all that an op touches was made by the transaction that is running: then its own undoing will
// never be called for.
func (s *Session) fresh(op Op) bool {
	begin := s.frames[len(s.frames)-1]
	within := func(o kernel.Object) bool {
		at, ok := s.born[o]
		return ok && at >= begin
	}
	for _, o := range op.Touches() {
		if !within(o) && !within(kernel.Object{Cookie: o.Cookie}) {
			return false
		}
	}
	return len(op.Touches()) > 0
}

// remember adds a change that was made.
func (s *Session) remember(c change) {
	at := len(s.changes)
	s.changes = append(s.changes, c)
	if maker, ok := c.op.(Maker); ok {
		for _, o := range maker.Makes() {
			s.born[o] = at
		}
	}
	if mover, ok := c.op.(Mover); ok {
		from, to := mover.Moves()
		if born, ok := s.born[from.Object()]; ok {
			s.born[to.Object()] = born
		}
	}
}

// forget drops the changes from one on, which were undone.
func (s *Session) forget(begin int) {
	s.changes = s.changes[:begin]
	for o, at := range s.born {
		if at >= begin {
			delete(s.born, o)
		}
	}
}

// Changes is how many changes are there to undo.
func (s *Session) Changes() int { return len(s.changes) }

// Keep makes the lab one that stays when the process ends. A run that changed nothing leaves nothing to keep. When it
// fails, Rollback is still to be called.
func (s *Session) Keep() error {
	if err := s.tidy(); err != nil {
		return err
	}
	if len(s.changes) == 0 {
		s.ended = true
		return errors.Join(s.unwatched(), s.log.Remove())
	}
	if err := s.m.Settle(); err != nil {
		return err
	}
	if err := s.log.Keep(); err != nil {
		return err
	}
	s.ended = true
	return errors.Join(s.unwatched(), s.log.Close())
}

// tidy undoes the changes that have come to nothing.
func (s *Session) tidy() error {
	for i := len(s.changes) - 1; i >= 0; i-- {
		c := s.changes[i]
		p, ok := c.op.(Passing)
		if !ok {
			continue
		}
		idle, err := p.Idle(s.m)
		if err == nil && idle {
			err = errors.Join(c.op.Undo(s.m), s.log.Undone(c.seq))
			s.changes = slices.Delete(s.changes, i, i+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unwatched ends the watcher: what happens to the run is decided. It would find nothing to do, but it would hold the
// journal for a moment, and nobody could take the lab down in that moment.
func (s *Session) unwatched() error {
	if s.watcher == nil {
		return nil
	}
	err := s.watcher.Kill()
	s.watcher = nil
	return err
}

// Rollback undoes all that the run changed. Its journal ends with it, but for what is left that could still be undone.
func (s *Session) Rollback() (Undoing, error) {
	u, err := undo(s.m, s.log, s.changes)
	u.Left = append(s.left, u.Left...)
	s.changes, s.ended = nil, true
	if err != nil || !u.Over() {
		return u, errors.Join(err, s.unwatched(), s.log.Close())
	}
	return u, errors.Join(s.log.Remove(), s.unwatched())
}

// Close releases the machine. A run that was neither kept nor rolled back is left to `nsscript recover`.
func (s *Session) Close() error {
	s.m.Close()
	if !s.ended {
		return errors.Join(s.unwatched(), s.log.Close())
	}
	return nil
}
