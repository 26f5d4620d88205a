package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/sandbox"
)

// runSandboxed runs this command line once more, in a sandbox, and leaves that when the lab in it is kept.
func runSandboxed(o options, target string, args []string) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, endings...)
	return startSandboxed(o, target, true, folders(o, args), [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, signals)
}

// folders are those that a script is read from, beside the current one.
func folders(o options, args []string) (all []string) {
	if o.code == "" && len(args) > 0 && args[0] != "-" {
		all = append(all, filepath.Dir(args[0]))
	}
	if o.root != "" {
		all = append(all, o.root)
	}
	return all
}

// startSandboxed does that with the given standard descriptors, where the given folders are seen. A name that nobody
// has asked for may become another one.
func startSandboxed(o options, target string, chosen bool, folders []string, stdio [3]*os.File,
	signals <-chan os.Signal) error {
	if !chosen {
		return startNamed(target, folders, stdio, signals)
	}
	if sandboxed, err := lab.Reach(target); err == nil {
		if !o.replace {
			return taken(target, fmt.Errorf("lab %s is up or running in a sandbox", target))
		}
		if _, err := sandboxed.Down(); err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := sandbox.Listen(target)
	if errors.Is(err, sandbox.ErrTaken) {
		return taken(target, err)
	} else if err != nil {
		return err
	}
	return startAt(target, l, os.Args[1:], folders, stdio, signals)
}

// startNamed starts it with the next free name.
func startNamed(target string, folders []string, stdio [3]*os.File, signals <-chan os.Signal) error {
	name := target
	l, err := sandbox.Listen(name)
	for i := 2; errors.Is(err, sandbox.ErrTaken); i++ {
		name = fmt.Sprintf("%s%d", target, i)
		l, err = sandbox.Listen(name)
	}
	if err != nil {
		return err
	}
	return startAt(name, l, append([]string{"--lab", name}, os.Args[1:]...), folders, stdio, signals)
}

func startAt(target string, l *sandbox.Listener, args, folders []string, stdio [3]*os.File,
	signals <-chan os.Signal) error {
	s, err := sandbox.Start(sandbox.Spec{Argv: append([]string{"/proc/self/exe", "inside"}, args...),
		Stdin: stdio[0], Stdout: stdio[1], Stderr: stdio[2], Terminal: stdio[0] != os.Stdin, Listener: l,
		Folders: folders})
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	go func() {
		for sig := range signals {
			_ = s.Signal(sig) // it may have ended
		}
	}()
	killed := lab.Bound(s.Pid(), boundMemory()/2*3, func() error { return s.Signal(os.Kill) })
	reports := json.NewDecoder(s.Reports)
	for {
		var w lab.Word
		switch err := reports.Decode(&w); {
		case errors.Is(err, io.EOF):
			return sandboxEnded(s, target, killed)
		case err != nil:
			return errors.Join(fmt.Errorf("read from the sandbox: %w", err), s.Kill())
		case w.Kept:
			return s.Leave()
		}
		target = rename(target, w.Name)
	}
}

// rename answers a lab that asks for another name, and says what it is called then.
func rename(target, name string) string {
	sandboxed, err := lab.Reach(target)
	if err != nil {
		return target // it has ended
	}
	l, refused := sandbox.Listen(name)
	if errors.Is(refused, sandbox.ErrTaken) {
		refused = fmt.Errorf("there is a lab %s in a sandbox already", name)
	}
	if err := sandboxed.Name(l, refused); err == nil && refused == nil {
		target = name
	}
	if l != nil {
		l.Close()
	}
	return target
}

// sandboxEnded is the exit code of a sandbox as an error. killed tells why it was ended, if it was.
func sandboxEnded(s *sandbox.Sandbox, target string, killed <-chan string) error {
	code, sig, err := s.Wait()
	switch {
	case err != nil:
		return err
	case sig != 0:
		select {
		case why := <-killed:
			fmt.Fprintf(os.Stderr, "nsscript: the run of lab %s %s; nothing left behind\n", target, why)
			return exitError(128 + int(sig))
		default:
			return signalError{sig}
		}
	case code != 0:
		return exitError(code)
	}
	return nil
}

// endings are the signals that end a run.
var endings = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// taken says that a lab's name is taken.
func taken(target string, err error) error {
	fmt.Fprintf(os.Stderr, "nsscript: %v\n  hint: --replace takes it down first; `nsscript down %s` takes it down; "+
		"--lab NAME gives this one another name\n", err, target)
	return exitError(exitMachine)
}

// insideCommand is what the first process of a sandbox runs. It is not for people.
func insideCommand() *cobra.Command {
	return &cobra.Command{Use: "inside", Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			in, err := sandbox.Enter()
			if err != nil {
				return err
			}
			return command(in).execute(args)
		}}
}

// serve answers who reaches the lab from outside the sandbox, as long as it is there. What it returns gives the lab
// another name.
func serve(in *sandbox.Inside, target string) (rename func(name string) error) {
	voc := vocabulary()
	var name atomic.Value
	name.Store(target)
	server := lab.NewServer(in, helper, func() lab.Lab {
		target := name.Load().(string)
		found, err := lab.Open(voc.Ops, "").Find(target)
		if err != nil { // it has no journal yet, or none any more
			found = lab.Lab{Name: target, State: "running"}
		}
		return found
	})
	go func() { os.Exit(report(server.Serve())) }()
	return func(to string) error {
		err := server.Rename(to)
		if err == nil {
			name.Store(to)
		}
		return err
	}
}

// hold keeps a lab in its sandbox, whose first process this is.
func hold(in *sandbox.Inside) error {
	// Caught and not ignored, since what this process starts would ignore them, too.
	signal.Notify(make(chan os.Signal, 1), endings...)
	if err := in.Keep(lab.Word{Kept: true}); err != nil {
		return err
	}
	select {} // until it is taken down
}

// elsewhere runs a command about a lab inside the lab's sandbox, when it is in one: then done is true.
func elsewhere(target string) (done bool, err error) {
	sandboxed, err := lab.Reach(target)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return true, err
	}
	return true, runInside(sandboxed, os.Args[1:])
}
