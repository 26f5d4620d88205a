package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/script"
)

// Options say how to run. Vocabulary and Lab are needed.
type Options struct {
	Vocabulary *Vocabulary
	Lab        string // the name that the run is kept under
	Dir        string // where runs have their journals; journal.DefaultDir when empty
	Script     string // for people: what made the lab
	Args       []string
	Root       string             // folder that load() may not leave; the script's own when empty
	Stdout     io.Writer          // what the script prints; os.Stdout when nil
	Observe    func(change.Event) // told of every change, before it is made; may be nil
	// Helper is a command of the embedding program's that calls Labs.Help with the arguments after it. With it the run
	// has a watcher, a process which undoes it as soon as its own was killed; without it that waits for the next who
	// calls Labs.Recover. And where there are no cgroups, it holds together what a command of run() starts.
	Helper []string
	// Sandboxed says that all the run makes ends with its process, which is the first of a sandbox: nobody need watch
	// it.
	Sandboxed bool
	// MaxMemory ends a run whose process has more bytes in use: Go cannot recover from a machine that has no more. A
	// helper kills one that has half as many again and does not end. debug.SetMemoryLimit somewhat below it keeps
	// garbage from counting. 0 is no limit.
	MaxMemory uint64
	// Abandon is called, from a goroutine of its own, when the run was told to end and did not: the interpreter is at
	// something that nothing interrupts, such as a comparison of two huge lists. It must replace or end the process;
	// the journal tells others what to undo. Without it the run ends when the interpreter comes back.
	Abandon func(*Session, *Interrupted)
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
	thread  atomic.Pointer[starlark.Thread] // the one that is running

	changes []change.Made
	within  map[int]*frame          // the transaction that each of them was made in
	born    map[kernel.Object]int   // which of them made a link or namespace that is there
	movedIn map[kernel.Object]int   // which of them moved a link there that none of them made
	deleted map[kernel.Object]int   // which of them deleted a namespace
	frame   *frame                  // the innermost transaction that is running
	task    any                     // which task is running; nil for the script itself
	turn    chan struct{}           // what a task takes out that runs, and puts back when it waits
	end     context.CancelCauseFunc // ends the phase that is running
	entered bool                    // the lab was there before: see Enter
	base    int                     // how many of the changes are its own
	exits   []func(*starlark.Thread) error
	watcher *proc.Process
	ended   bool
	beside  beside
	owned   []*owned
}

// NewSession claims the lab's name and opens the machine. The error is a *journal.TakenError when the name is taken.
func NewSession(o Options) (*Session, error) {
	return newSession(o, false, func(host kernel.NSRef, boot string) (*journal.Log, error) {
		return journal.OpenDir(o.Dir).Create(journal.Header{Name: o.Lab, Boot: boot, Script: o.Script, Args: o.Args,
			PID: os.Getpid(), Start: time.Now(), HostNS: host.Cookie})
	})
}

func newSession(o Options, entered bool,
	open func(host kernel.NSRef, boot string) (*journal.Log, error)) (*Session, error) {
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	m, err := kernel.Open()
	if err != nil {
		return nil, err
	}
	s := &Session{o: o, entered: entered, voc: o.Vocabulary, m: m, within: map[int]*frame{},
		born: map[kernel.Object]int{}, movedIn: map[kernel.Object]int{}, deleted: map[kernel.Object]int{},
		frame: &frame{}, turn: make(chan struct{}, 1)}
	boot, err := kernel.BootID()
	if err == nil {
		s.log, err = open(m.Host().Ref(), boot)
	}
	if err != nil {
		m.Close()
		return nil, change.Blamed(err)
	}
	m.Helper, m.Folder = o.Helper, cmp.Or(o.Dir, journal.DefaultDir)
	switch {
	case o.Sandboxed:
		err = m.SetDefaults()
	case len(o.Helper) > 0:
		if s.watcher, err = proc.Detach(append(slices.Clone(o.Helper), watchArgs(o)...)); err != nil {
			err = &kernel.Error{Op: "start", Object: "watcher of the run", Err: err, Machine: true}
		}
	}
	if err != nil {
		err = errors.Join(err, s.abandon())
		m.Close()
		return nil, err
	}
	s.beside.open()
	s.globals = o.Vocabulary.globals(s)
	maps.Copy(s.globals, script.Limits)
	args := make([]starlark.Value, len(o.Args))
	for i, a := range o.Args {
		args[i] = starlark.String(a)
	}
	s.globals["args"] = starlark.NewList(args)
	s.globals["host"] = o.Vocabulary.host(s)
	return s, nil
}

// host is the value of the predeclared name host.
func (voc *Vocabulary) host(s *Session) starlark.Value {
	if voc.Host == nil {
		return starlark.None
	}
	return voc.Host(&View{s: s})
}

// exitPatience is how long functions given to on_exit may take after the run was interrupted.
const exitPatience = 5 * time.Second

// Run executes a script that Parse accepted. Whatever it changed before it failed is still there: Rollback undoes it.
// A panic, a signal or a deadline (through ctx) end it like any error.
func (s *Session) Run(ctx context.Context, p *Program) error {
	return s.run(ctx, p, func(*starlark.Thread, starlark.StringDict) error { return nil })
}

// run executes a script, and then what is to be done with what it defined.
func (s *Session) run(ctx context.Context, p *Program, then func(*starlark.Thread, starlark.StringDict) error) error {
	s.loader = newLoader(s, p)
	err := s.phase(ctx, func() error {
		_, err := s.call("main", func(t *starlark.Thread) (starlark.StringDict, error) {
			globals, err := p.prog.Init(t, s.globals)
			if err == nil {
				err = then(t, globals)
			}
			return globals, err
		})
		return err
	})
	if len(s.exits) == 0 {
		return err
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(context.WithoutCancel(ctx), exitPatience,
			fmt.Errorf("on_exit had %s after the interruption", exitPatience))
		defer cancel()
	}
	if e := s.phase(ctx, s.RunExits); e != nil {
		return errors.Join(err, e)
	}
	return err
}

// phase is a part of the run that ends early when ctx does.
func (s *Session) phase(ctx context.Context, part func() error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.ctx, s.end = ctx, cancel
	defer s.watch(ctx, cancel)()
	defer s.beside.during(cancel)()
	defer context.AfterFunc(ctx, func() { s.beside.interrupt(context.Cause(ctx)) })()
	defer script.Recovered("the interpreter", &err)
	err = part()
	s.join(s.frame, err != nil)
	if err == nil && s.ctx.Err() == nil {
		err = s.beside.look()
	}
	return s.ending(err)
}

// ending replaces the interpreter's word for a cancelled run by the reason. A run that was told to end and came to its
// own end first counts as interrupted, too.
func (s *Session) ending(err error) error {
	if beside := new(taskError); s.ctx.Err() != nil && errors.As(context.Cause(s.ctx), &beside) {
		return beside
	}
	if s.ctx.Err() != nil {
		return &Interrupted{Cause: context.Cause(s.ctx), At: innermost(err)}
	}
	return err
}

// call has a function use a Starlark thread of this run, which is cancelled when the run is to end.
func (s *Session) call(name string,
	fn func(*starlark.Thread) (starlark.StringDict, error)) (starlark.StringDict, error) {
	thread := &starlark.Thread{Name: name, Load: s.loader.load}
	defer context.AfterFunc(s.ctx, func() { thread.Cancel("interrupted") })()
	defer s.thread.Store(s.thread.Swap(thread))
	return fn(thread)
}

// print writes a line to the script's output.
func (s *Session) print(line string) error {
	if s.o.Observe != nil {
		s.o.Observe(change.Event{Event: "print", Text: line})
	}
	_, err := fmt.Fprintln(s.o.Stdout, line)
	if err == nil {
		return nil
	}
	if path := new(fs.PathError); errors.As(err, &path) {
		err = path.Err
	}
	return &kernel.Error{Op: "write", Object: "to standard output", Err: err}
}

// RunExits calls what on_exit was given, newest first.
func (s *Session) RunExits() error {
	var errs []error
	for len(s.exits) > 0 {
		fn := s.exits[len(s.exits)-1]
		s.exits = s.exits[:len(s.exits)-1]
		_, err := s.call("on_exit", func(t *starlark.Thread) (_ starlark.StringDict, err error) {
			defer script.Recovered("on_exit", &err)
			return nil, fn(t)
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Before is how many of the changes were there when the lab was entered.
func (s *Session) Before() int { return s.base }

// Entered reports whether the lab was up before.
func (s *Session) Entered() bool { return s.entered }

// Sandboxed reports whether all that the run makes ends with its process.
func (s *Session) Sandboxed() bool { return s.o.Sandboxed }

// Lab is the lab's name.
func (s *Session) Lab() string { return s.o.Lab }

// Vocabulary is what its scripts can say.
func (s *Session) Vocabulary() *Vocabulary { return s.voc }

// Predeclared is what the names mean that a script need not define.
func (s *Session) Predeclared() starlark.StringDict { return s.globals }

// Machine is the kernel's namespaces, for reading.
func (s *Session) Machine() *kernel.Machine { return s.m }

// Root is the folder that load() may not leave.
func (s *Session) Root() string { return s.loader.root }

// Within has what looks at the machine end with a context.
func (s *Session) Within(ctx context.Context, fn func() error) (err error) {
	s.ctx = ctx
	defer func() { s.ctx = context.Background() }()
	defer script.Recovered("nsscript", &err)
	return fn()
}
