package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"unsafe"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/repl"
	"github.com/nsscript/nsscript/runtime/script"
)

// interactive reports whether a command line asks for the REPL.
func interactive(o options, args []string) bool {
	return o.interactive || o.code == "" && len(args) == 0 && term.IsTerminal(0)
}

// enters reports whether a REPL is to enter a lab that is up. In a new sandbox there is none: --lab is what it was
// given.
func enters(o options, args []string) bool {
	return o.in == nil && o.interactive && o.lab != "" && o.code == "" && len(args) == 0
}

// replLab is the name of the lab of a REPL which runs no script.
const replLab = "repl"

// runREPL has a REPL: in a lab of its own, after a script, or in a lab that is up.
func runREPL(cmd *cobra.Command, o options, args []string) error {
	target, chosen := o.lab, o.lab != ""
	if target == "" && (o.code != "" || len(args) > 0) {
		var err error
		if target, err = labName(o, args); err != nil {
			return err
		}
		chosen = true
	}
	if target == "" {
		target = replLab
	}
	if enters(o, args) {
		sandboxed, err := lab.Reach(target)
		if err == nil {
			return runInside(sandboxed, []string{"-i", "--lab", target})
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		} else if o.sandbox || os.Geteuid() != 0 {
			return fmt.Errorf("there is no lab %s in a sandbox", target)
		}
	} else if o.in == nil && (o.sandbox || os.Geteuid() != 0) {
		return onTerminal(func(stdio [3]*os.File, signals <-chan os.Signal) error {
			return startSandboxed(o, target, chosen, folders(o, args), stdio, signals)
		})
	}
	var name string
	var src []byte
	if o.code != "" || len(args) > 0 {
		var err error
		if name, src, args, err = source(cmd, o, args); err != nil {
			return err
		}
		if _, err := vocabulary().Parse(name, src); err != nil {
			return err
		}
	}
	return startREPL(o, target, chosen, name, src, args)
}

func startREPL(o options, target string, chosen bool, file string, src []byte, args []string) (err error) {
	voc := vocabulary()
	if o.in == nil {
		if err := prepare(voc, o, target); err != nil {
			return err
		}
	}
	r := &repl.REPL{Out: os.Stdout, Err: os.Stderr}
	if o.in != nil {
		r.Name = serve(o.in, target)
	}
	t := openConsole(func(line string) (string, []string) { return r.Complete(line) })
	defer t.Close()
	r.In, r.Size, r.Input, r.Piped = t, t.Size, t.Input, t.quiet
	if o.timeout > 0 {
		r.Input = func() (context.Context, func()) {
			ctx, done := t.Input()
			timed, release := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("it ran longer than %s", o.timeout))
			return timed, func() { release(); done() }
		}
	}
	if file != "" && o.root == "" {
		o.root = filepath.Dir(file)
	}
	s, err := begin(o, target, chosen, enters(o, args) && file == "",
		runtime.Options{Vocabulary: voc, Script: absolute(either(file, "<repl>")), Args: args,
			Root: o.root, Observe: r.Observe, Helper: helper, Sandboxed: o.in != nil, MaxMemory: boundMemory()})
	if err != nil {
		return err
	}
	defer s.Close()
	if t.before != nil {
		r.Shell = func(ns string) error { return shellIn(t, s.Lab(), ns) }
	}
	r.Trace(o.trace)
	if err := r.Start(s); err != nil {
		return errors.Join(err, undoneAfter(o, &events{o: o}, s, codeOf(err)))
	}
	if !t.quiet && !o.quiet {
		fmt.Fprintf(os.Stderr, "nsscript, %s: :help lists the commands, Ctrl-D leaves\n", r.Lab())
	}
	if file != "" {
		r.Execute(file, src)
	}
	keep, err := r.Run()
	t.Close()
	switch {
	case err != nil:
		if errors.As(err, new(*script.PanicError)) {
			runtime.Report(os.Stderr, err, nil)
		}
		return undoneAfter(o, &events{o: o}, s, codeOf(err))
	case !keep || o.rm:
		return left(o, s)
	}
	return keepLab(o, s)
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// left undoes what a REPL leaves.
func left(o options, s *runtime.Session) error {
	if s.Changes() == 0 {
		o.quiet = true
	}
	return undoneAfter(o, &events{o: o}, s, 0)
}

// begin makes the session: of a lab that is up, or of a new one; without a name that was asked for it has the next free
// one.
func begin(o options, target string, chosen, enter bool, ro runtime.Options) (*runtime.Session, error) {
	if ro.Lab = target; enter {
		if err := lab.Open(ro.Vocabulary.Ops, "").Exists(target); err != nil {
			return nil, err
		}
		return runtime.Enter(ro)
	}
	for i := 2; ; i++ {
		s, err := runtime.NewSession(ro)
		if taken := new(journal.TakenError); !errors.As(err, &taken) {
			return s, err
		} else if chosen {
			return nil, nameTaken(target, taken)
		}
		ro.Lab = fmt.Sprintf("%s%d", target, i)
	}
}

// shellIn runs a shell in a namespace of the lab.
func shellIn(t *console, target, ns string) error {
	shell := either(os.Getenv("SHELL"), "/bin/sh")
	argv := []string{shell}
	if ns != "host" {
		argv = []string{"/proc/self/exe", "exec", target, ns, "--", shell}
	}
	return t.Run(exec.Command(argv[0], argv[1:]...))
}

// foreground makes this process's group the terminal's foreground one again: a shell that was killed cannot give it
// back.
func foreground() {
	group := int32(syscall.Getpgrp())
	// it may have no terminal
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCSPGRP, uintptr(unsafe.Pointer(&group)))
}
