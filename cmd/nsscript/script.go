package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/check"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/script"
)

// signalError is the end of a run by a signal.
type signalError struct{ syscall.Signal }

func (e signalError) Error() string { return e.Signal.String() }

// runScript runs a script as a lab: kept when it succeeds, undone when it does not.
func runScript(cmd *cobra.Command, o options, args []string) error {
	if err := o.kernelOptions.check(); err != nil {
		return err
	}
	if o.kernel != "" && interactive(o, args) {
		return usageError{errors.New("--kernel is for scripts: the virtual machine ends with the script")}
	}
	if interactive(o, args) {
		return runREPL(cmd, o, args)
	}
	lab, err := labName(o, args)
	if err != nil {
		return err
	}
	if lab == "" {
		return cmd.Help()
	}
	if o.kernel != "" {
		return runOnKernel(cmd, o, args)
	}
	if o.in == nil && (o.sandbox || os.Geteuid() != 0) {
		return runSandboxed(o, lab, args)
	}
	name, src, args, err := source(cmd, o, args)
	if err != nil {
		return err
	}
	voc := vocabulary()
	program, err := voc.Parse(name, src)
	if err == nil {
		err = unreadable(voc, o.root, check.File{Name: name, Source: src})
	}
	if err != nil {
		return err
	}
	ctx, stop := interruptible(o)
	defer stop()
	if o.in == nil {
		if err := prepare(voc, o, lab); err != nil {
			return err
		}
	}
	events := &events{o: o}
	if o.in != nil {
		serve(o.in, lab)
	}
	s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: lab, Script: absolute(name),
		Args: args, Root: o.root, Stdout: events.stdout(), Observe: events.observe, Helper: helper,
		Sandboxed: o.in != nil, MaxMemory: boundMemory(),
		Abandon: func(s *runtime.Session, err *runtime.Interrupted) {
			events.error(s, err)
			if o.in != nil {
				os.Exit(codeOf(err)) // and the sandbox with this process
			}
			startOver(lab, codeOf(err))
		}})
	if taken := new(journal.TakenError); errors.As(err, &taken) {
		return nameTaken(lab, taken)
	} else if err != nil {
		return err
	}
	defer s.Close()
	err = s.Run(ctx, program)
	if err != nil {
		events.error(s, err)
		events.logs(lab, err)
		return undoneAfter(o, events, s, codeOf(err))
	}
	if o.rm {
		return undoneAfter(o, events, s, 0)
	}
	return keepLab(o, s)
}

// nameTaken says that a run's name is taken, and what can be done about it.
func nameTaken(lab string, err *journal.TakenError) error {
	hint := "--replace takes it down first; `nsscript down %s` takes it down"
	if !err.Kept {
		hint = "`nsscript recover` tries to undo what is left of it; `nsscript recover --forget %s` gives that up"
	}
	fmt.Fprintf(os.Stderr, "nsscript: %v\n  hint: "+hint+"; --lab NAME gives this one another name\n", err, lab)
	return exitError(exitMachine)
}

// keepLab keeps the lab of a run that has succeeded.
func keepLab(o options, s *runtime.Session) error {
	events := &events{o: o}
	if err := s.Keep(); err != nil {
		runtime.Report(os.Stderr, err, nil)
		return undoneAfter(o, events, s, codeOf(err))
	}
	if s.Changes() == 0 {
		return nil
	}
	if !o.quiet {
		events.say(change.Event{Event: "kept",
			Text: fmt.Sprintf("lab %s is up, with %s; `nsscript down %s` takes it down", s.Lab(),
				script.Count(s.Changes(), "change"), s.Lab())})
	}
	if o.in != nil {
		return hold(o.in)
	}
	return nil
}

// unreadable is what would keep a script, or what it loads, from being read: that is known before anything is done.
func unreadable(voc *runtime.Vocabulary, root string, f check.File) error {
	found := slices.DeleteFunc(check.Files(voc, root, f), func(f check.Finding) bool {
		return !slices.Contains([]string{"syntax", "name", "load"}, f.Rule)
	})
	if len(found) == 0 {
		return nil
	}
	return findings(found, []check.File{f})
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
func reportUndoing(events *events, prefix string, u change.Undoing, err error) error {
	if u.Unwritten != nil {
		events.say(change.Event{Event: "warning",
			Text: fmt.Sprintf("%s%v; the changes are undone without it", prefix, u.Unwritten)})
	}
	undone := "rolled back " + script.Count(u.Undone, "change")
	if err != nil || len(u.Left) > 0 {
		summary := fmt.Sprintf("%s, %d are left:", undone, len(u.Left))
		if len(u.Left) == 0 {
			summary = undone + ", but not all went well:"
		}
		if err == nil && u.Over() {
			summary = undone + "; what cannot be brought back:"
		}
		events.say(change.Event{Event: "leftover", Text: prefix + summary})
		for _, l := range u.Left {
			events.say(change.Event{Event: "leftover", Seq: l.Seq, Command: l.Command, Pos: l.Pos,
				Text: fmt.Sprintf("  %s %s: %s", l.Pos, l.Command, l.Reason)})
		}
		if err != nil {
			events.say(change.Event{Event: "leftover", Text: "  " + err.Error()})
		}
		if err != nil || !u.Over() {
			hint := "  hint: `nsscript recover` tries again"
			if u.Unwritten != nil { // that it is to be undone, for one
				hint = "  hint: when its journal can be written, `nsscript down` undoes the rest of a lab that was " +
					"up, and `nsscript recover` that of any other run"
			}
			events.say(change.Event{Event: "leftover", Text: hint})
		}
		return exitError(exitLeftover)
	}
	if !events.o.quiet {
		events.say(change.Event{Event: "undone", Text: prefix + undone + "; nothing left behind"})
	}
	return nil
}

// prepare undoes what dead runs left, and with --replace the lab of the same name.
func prepare(voc *runtime.Vocabulary, o options, lab string) error {
	labs, err := recovered(voc, &events{o: o})
	if err != nil || !o.replace {
		return err
	}
	if err := labs.Exists(lab); err != nil {
		return nil // there is none to replace
	}
	u, err := labs.Down(lab)
	if err != nil || len(u.Left) > 0 {
		return errors.Join(err, reportUndoing(&events{o: o}, "lab "+lab+": ", u, err))
	}
	return nil
}

// recovered opens the labs after undoing, and saying, what dead runs left. What cannot be undone is said, and does not
// keep others from their work: nobody can change it meanwhile.
func recovered(voc *runtime.Vocabulary, e *events) (*lab.Labs, error) {
	labs := lab.Open(voc.Ops, "")
	err := undoDead(labs, e, false)
	if left := exitError(0); errors.As(err, &left) {
		err = nil
	}
	return labs, err
}

// undoDead undoes, and says, what dead runs left; the error is an exitError when something is left still. What another
// nsscript made is its own to undo: that is said only to who has asked.
func undoDead(labs *lab.Labs, e *events, asked bool) error {
	found, err := labs.Recover()
	for _, r := range found {
		if asked || !errors.As(r.Err, new(*journal.VersionError)) {
			err = errors.Join(err, reportRecovery(e, r))
		}
	}
	return err
}

// reportRecovery says what was found of a run that died, and what became of it.
func reportRecovery(e *events, r lab.Recovery) error {
	if r.Err != nil && len(r.Left) == 0 {
		fmt.Fprintf(os.Stderr, "nsscript: lab %s cannot be recovered: %v\n", r.Name, r.Err)
		if damage := new(journal.DamageError); errors.As(r.Err, &damage) {
			fmt.Fprintf(os.Stderr,
				"  hint: nothing of it was undone; when what it made is removed by hand, `rm %s` gives it up\n",
				damage.File)
		} else if hint := runtime.Hint(r.Err); hint != "" {
			fmt.Fprintf(os.Stderr, "  hint: %s\n", hint)
		}
		return exitError(exitLeftover)
	}
	return reportUndoing(e, fmt.Sprintf("the run of lab %s %s: ", r.Name, cmp.Or(r.Killed, "had died")),
		r.Undoing, r.Err)
}

// interruptible is a context that ends at a signal or at the timeout. A second signal does not stop the undoing.
func interruptible(o options) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	survive()
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
		timed, release := context.WithTimeoutCause(ctx, o.timeout,
			fmt.Errorf("the script ran longer than %s", o.timeout))
		return timed, func() { release(); stop() }
	}
	return ctx, stop
}

// survive lets this process go on after a write to a reader that went away, which is an error and not an end without
// undoing. The signal is caught and not ignored, since what this process starts would ignore it, too.
func survive() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// events writes what happens: as text for people on stderr, or as JSON lines on stdout.
type events struct{ o options }

// stdout is where the script's own output goes: nowhere when it is among the events.
func (e *events) stdout() io.Writer {
	if e.o.json {
		return io.Discard
	}
	return os.Stdout
}

func (e *events) observe(ev change.Event) {
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
		fmt.Fprintln(os.Stderr, script.Printable(line))
	}
}

func (e *events) say(ev change.Event) {
	if !e.o.json {
		fmt.Fprintln(os.Stderr, script.Printable(ev.Text))
		return
	}
	lines := json.NewEncoder(os.Stdout)
	lines.SetEscapeHTML(false) // "<command>" is no mark-up
	_ = lines.Encode(ev)       // a reader who has gone away misses the rest
}

func (e *events) error(s *runtime.Session, err error) {
	if !e.o.json {
		s.Report(os.Stderr, err)
		if p := new(script.PanicError); errors.As(err, &p) && e.o.verbose {
			fmt.Fprintf(os.Stderr, "%s\n", p.Stack)
		} else if p.Stack != nil {
			fmt.Fprintln(os.Stderr, "  hint: -v prints where in nsscript it is")
		}
		return
	}
	var text stringWriter
	s.Report(&text, err)
	e.say(change.Event{Event: "error", Text: string(text)})
}

type stringWriter string

func (w *stringWriter) Write(p []byte) (int, error) { *w += stringWriter(p); return len(p), nil }
