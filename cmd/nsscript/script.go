package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/journal"
)

// signalError is the end of a run by a signal.
type signalError struct{ syscall.Signal }

func (e signalError) Error() string { return e.Signal.String() }

// runScript runs a script as a lab: kept when it succeeds, undone when it does not.
func runScript(cmd *cobra.Command, o options, args []string) error {
	name, lab, src, args, err := source(o, args)
	if err != nil {
		return err
	}
	if name == "" {
		return cmd.Help()
	}
	if o.lab != "" {
		lab = o.lab
	}
	if err := journal.ValidName(lab); err != nil {
		return usageError{fmt.Errorf("%w; --lab NAME gives it another name", err)}
	}
	voc := vocabulary()
	program, err := voc.Parse(name, src)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(o)
	defer stop()
	if err := prepare(voc, o, lab); err != nil {
		return err
	}
	events := &events{o: o}
	s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: lab, Script: absolute(name), Args: args, Root: o.root,
		Stdout: events.stdout(), Observe: events.observe, Watcher: []string{"/proc/self/exe", "watch"}})
	var taken *journal.TakenError
	if errors.As(err, &taken) {
		fmt.Fprintf(os.Stderr, "nsscript: %v\n  hint: --replace takes it down first; `nsscript down %s` takes it down; --lab NAME gives this one another name\n", err, lab)
		return exitError(exitMachine)
	} else if err != nil {
		return err
	}
	defer s.Close()
	err = s.Run(ctx, program)
	if err == nil && ctx.Err() != nil {
		err = &runtime.Interrupted{Cause: context.Cause(ctx)}
	}
	if err != nil {
		if o.json {
			events.error(s, err)
		} else {
			s.Report(os.Stderr, err)
		}
		return undoneAfter(o, events, s, codeOf(err))
	}
	if o.rm {
		return undoneAfter(o, events, s, 0)
	}
	if err := s.Keep(); err != nil {
		runtime.Report(os.Stderr, err, nil)
		return undoneAfter(o, events, s, codeOf(err))
	}
	if n := s.Changes(); n > 0 && !o.quiet {
		events.say(runtime.Event{Event: "kept", Text: fmt.Sprintf("lab %s is up, with %d changes; `nsscript down %s` takes it down", lab, n, lab)})
	}
	return nil
}

// undoneAfter rolls a session back and says how that went.
func undoneAfter(o options, events *events, s *runtime.Session, code int) error {
	u, err := s.Rollback()
	if e := reportUndoing(events, "", u, err); e != nil {
		return e
	}
	if code != 0 {
		return exitError(code)
	}
	return nil
}

// reportUndoing says what a rollback did; what it could not undo is an exit code of its own.
func reportUndoing(events *events, prefix string, u runtime.Undoing, err error) error {
	if err != nil || len(u.Left) > 0 {
		head := fmt.Sprintf("%srolled back %d changes, %d are left:", prefix, u.Undone, len(u.Left))
		if err == nil && u.Over() {
			head = fmt.Sprintf("%srolled back %d changes; what cannot be brought back:", prefix, u.Undone)
		}
		events.say(runtime.Event{Event: "leftover", Text: head})
		for _, l := range u.Left {
			events.say(runtime.Event{Event: "leftover", Seq: l.Seq, Command: l.Command, Pos: l.Pos, Text: fmt.Sprintf("  %s %s: %s", l.Pos, l.Command, l.Reason)})
		}
		if err != nil {
			events.say(runtime.Event{Event: "leftover", Text: "  " + err.Error()})
		}
		if err != nil || !u.Over() {
			events.say(runtime.Event{Event: "leftover", Text: "  hint: `nsscript recover` tries again"})
		}
		return exitError(exitLeftover)
	}
	if !events.o.quiet {
		events.say(runtime.Event{Event: "undone", Text: fmt.Sprintf("%srolled back %d changes; nothing left behind", prefix, u.Undone)})
	}
	return nil
}

// prepare undoes what dead runs left, and with --replace the lab of the same name.
func prepare(voc *runtime.Vocabulary, o options, lab string) error {
	labs, err := recovered(voc, &events{o: o})
	if err != nil || !o.replace {
		return err
	}
	if _, err := labs.Find(lab); err != nil {
		return nil // there is none to replace
	}
	u, err := labs.Down(lab)
	if err != nil || len(u.Left) > 0 {
		return errors.Join(err, reportUndoing(&events{o: o}, "lab "+lab+": ", u, err))
	}
	return nil
}

// recovered opens the labs after undoing, and saying, what dead runs left.
func recovered(voc *runtime.Vocabulary, e *events) (*runtime.Labs, error) {
	labs := runtime.OpenLabs(voc, "")
	found, err := labs.Recover()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, r := range found {
		errs = append(errs, reportRecovery(e, r))
	}
	return labs, errors.Join(errs...)
}

// reportRecovery says what was found of a run that died, and what became of it.
func reportRecovery(e *events, r runtime.Recovery) error {
	if r.Err != nil && len(r.Left) == 0 {
		fmt.Fprintf(os.Stderr, "nsscript: lab %s cannot be recovered: %v\n", r.Name, r.Err)
		return exitError(exitLeftover)
	}
	return reportUndoing(e, fmt.Sprintf("the run of lab %s had died: ", r.Name), r.Undoing, r.Err)
}

// watchCommand is what a run starts beside itself: it undoes the run when that is killed. It is not for people.
func watchCommand() *cobra.Command {
	return &cobra.Command{Use: "watch LAB", Hidden: true, Args: exactly(1), RunE: func(_ *cobra.Command, args []string) error {
		// Signals are for the run; what asks this one to end would leave the run unwatched.
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
		r, err := runtime.OpenLabs(vocabulary(), "").Watch(args[0])
		if err != nil || r == nil {
			return err
		}
		return reportRecovery(&events{}, *r)
	}}
}

// interruptible is a context that ends at a signal or at the timeout. A second signal does not stop the undoing.
func interruptible(o options) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	signal.Ignore(syscall.SIGPIPE) // a reader that went away is an error of the write, not an end without undoing
	go func() {
		for sig := range signals {
			if ctx.Err() != nil {
				fmt.Fprintln(os.Stderr, "nsscript: still undoing; SIGKILL leaves that to the next nsscript")
			}
			cancel(signalError{sig.(syscall.Signal)})
		}
	}()
	stop := func() { signal.Stop(signals) }
	if o.timeout > 0 {
		timed, release := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("the script ran longer than %s", o.timeout))
		return timed, func() { release(); stop() }
	}
	return ctx, stop
}

// events writes what happens: as text for people on stderr, or as JSON lines on stdout.
type events struct{ o options }

// stdout is where the script's own output goes: nowhere when it is among the events.
func (e *events) stdout() io.Writer {
	if e.o.json {
		return io.Discard
	}
	return os.Stdout
}

func (e *events) observe(ev runtime.Event) {
	switch {
	case e.o.json:
		e.say(ev)
	case e.o.trace && ev.Event == "change":
		line := "+ " + ev.Command
		if e.o.verbose {
			line += "  # " + ev.Pos
		}
		for _, lost := range ev.Lost {
			line += "  # lost for good: " + lost
		}
		fmt.Fprintln(os.Stderr, line)
	}
}

func (e *events) say(ev runtime.Event) {
	if !e.o.json {
		fmt.Fprintln(os.Stderr, ev.Text)
		return
	}
	line, err := json.Marshal(ev)
	if err == nil {
		fmt.Println(string(line))
	}
}

func (e *events) error(s *runtime.Session, err error) {
	var text stringWriter
	s.Report(&text, err)
	e.say(runtime.Event{Event: "error", Text: string(text)})
}

type stringWriter string

func (w *stringWriter) Write(p []byte) (int, error) { *w += stringWriter(p); return len(p), nil }
