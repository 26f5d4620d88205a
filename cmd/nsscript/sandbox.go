package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/sandbox"
)

// runSandboxed runs this command line once more, in a sandbox, and leaves that when the lab in it is kept.
func runSandboxed(o options, lab string) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, endings...)
	return startSandboxed(o, lab, true, [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, signals)
}

// startSandboxed does that with the given standard descriptors. A name that nobody has asked for may become another one.
func startSandboxed(o options, lab string, chosen bool, stdio [3]*os.File, signals <-chan os.Signal) error {
	if !chosen {
		return startNamed(lab, stdio, signals)
	}
	if held, err := runtime.Reach(lab); err == nil {
		if !o.replace {
			return taken(lab, fmt.Errorf("lab %s is up or running in a sandbox", lab))
		}
		if _, err := held.Down(); err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := sandbox.Listen(lab)
	if errors.Is(err, sandbox.ErrTaken) {
		return taken(lab, err)
	} else if err != nil {
		return err
	}
	return startAt(l, os.Args[1:], stdio, signals)
}

// startNamed starts it with the next free name.
func startNamed(lab string, stdio [3]*os.File, signals <-chan os.Signal) error {
	name := lab
	l, err := sandbox.Listen(name)
	for i := 2; errors.Is(err, sandbox.ErrTaken); i++ {
		name = fmt.Sprintf("%s%d", lab, i)
		l, err = sandbox.Listen(name)
	}
	if err != nil {
		return err
	}
	return startAt(l, append([]string{"--lab", name}, os.Args[1:]...), stdio, signals)
}

func startAt(l *sandbox.Listener, args []string, stdio [3]*os.File, signals <-chan os.Signal) error {
	s, err := sandbox.Start(sandbox.Spec{Argv: append([]string{"/proc/self/exe", "inside"}, args...),
		Stdin: stdio[0], Stdout: stdio[1], Stderr: stdio[2], Terminal: stdio[0] != os.Stdin, Listener: l})
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	go func() {
		for sig := range signals {
			_ = s.Signal(sig) // it may have ended
		}
	}()
	var kept keeping
	if err := json.NewDecoder(s.Reports).Decode(&kept); err == nil {
		return s.Leave()
	} else if !errors.Is(err, io.EOF) {
		return errors.Join(fmt.Errorf("read from the sandbox: %w", err), s.Kill())
	}
	code, sig, err := s.Wait()
	switch {
	case err != nil:
		return err
	case sig != 0:
		return signalError{sig}
	case code != 0:
		return exitError(code)
	}
	return nil
}

// endings are the signals that end a run.
var endings = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// taken says that a lab's name is taken.
func taken(lab string, err error) error {
	fmt.Fprintf(os.Stderr, "nsscript: %v\n  hint: --replace takes it down first; `nsscript down %s` takes it down; --lab NAME gives this one another name\n", err, lab)
	return exitError(exitMachine)
}

// keeping is what a sandbox reports when the lab in it is kept.
type keeping struct {
	Kept bool `json:"kept"`
}

// insideCommand is what the first process of a sandbox runs. It is not for people.
func insideCommand() *cobra.Command {
	return &cobra.Command{Use: "inside", Hidden: true, DisableFlagParsing: true, RunE: func(_ *cobra.Command, args []string) error {
		in, err := sandbox.Enter()
		if err != nil {
			return err
		}
		return command(in).execute(args)
	}}
}

// serve answers who reaches the lab from outside the sandbox, as long as it is there.
func serve(in *sandbox.Inside, lab string) {
	voc := vocabulary()
	go func() {
		err := runtime.Serve(in, helper, func() runtime.Lab {
			found, err := runtime.OpenLabs(voc, "").Find(lab)
			if err != nil { // it has no journal yet, or none any more
				found = runtime.Lab{Name: lab, State: "running"}
			}
			return found
		})
		os.Exit(report(err))
	}()
}

// hold keeps a lab in its sandbox, whose first process this is.
func hold(in *sandbox.Inside) error {
	// Caught and not ignored, since what this process starts would ignore them, too.
	signal.Notify(make(chan os.Signal, 1), endings...)
	if err := in.Keep(keeping{true}); err != nil {
		return err
	}
	select {} // until it is taken down
}

// elsewhere runs a command about a lab inside the lab's sandbox, when it is in one: then done is true.
func elsewhere(lab string) (done bool, err error) {
	held, err := runtime.Reach(lab)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return true, err
	}
	return true, runInside(held, os.Args[1:])
}
