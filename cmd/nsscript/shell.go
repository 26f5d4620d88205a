package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nsscript/nsscript/runtime/lab"
)

func shellCommand() *cobra.Command {
	return &cobra.Command{Use: "shell LAB NS", Short: "Start a shell in a namespace of a lab", Args: exactly(2),
		ValidArgsFunction: completeNS, RunE: func(_ *cobra.Command, args []string) error {
			shell := os.Getenv("SHELL")
			if shell == "" {
				shell = "/bin/sh"
			}
			sandboxed, err := lab.Reach(args[0])
			if err == nil {
				return runInside(sandboxed, []string{"exec", args[0], args[1], "--", shell})
			} else if !errors.Is(err, os.ErrNotExist) {
				return err
			}
			labs, err := recovered(vocabulary(), &events{})
			if err != nil {
				return err
			}
			lab, err := labs.Find(args[0])
			if err != nil {
				return err
			}
			return labs.Exec(lab, args[1], []string{shell})
		}}
}

// lastOutput is how long the output of a command in a sandbox is waited for that has ended itself.
const lastOutput = 100 * time.Millisecond

// runInside runs nsscript inside a lab's sandbox.
func runInside(sandboxed *lab.Sandboxed, args []string) error {
	return onTerminal(func(stdio [3]*os.File, signals <-chan os.Signal) error {
		return ended(sandboxed.Run(args, stdio, signals))
	})
}

// onTerminal calls run with the standard descriptors and the signals for something in another session. What is a
// terminal here is a new one there, and what is typed and shown goes from one to the other: this one has a session of
// its own already.
func onTerminal(run func(stdio [3]*os.File, signals <-chan os.Signal) error) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, endings...)
	defer signal.Stop(signals)
	stdio := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	if !term.IsTerminal(0) {
		return run(stdio, signals)
	}
	here, there, err := pty.Open()
	if err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	defer here.Close()
	for fd := range stdio {
		if term.IsTerminal(fd) {
			stdio[fd] = there
		}
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	_ = pty.InheritSize(os.Stdin, here) // a terminal without a size has none to pass on
	go func() {
		for range resized {
			_ = pty.InheritSize(os.Stdin, here)
		}
	}()
	before, err := term.MakeRaw(0)
	if err != nil {
		return fmt.Errorf("set the terminal: %w", err)
	}
	defer term.Restore(0, before)
	go io.Copy(here, os.Stdin)
	shown := make(chan struct{})
	go func() {
		_, _ = io.Copy(os.Stdout, here) // ends with an error when the last one there has closed it
		close(shown)
	}()
	err = run(stdio, signals)
	there.Close()
	select {
	case <-shown:
	case <-time.After(lastOutput):
	}
	return err
}

// ended is a command's exit code as an error.
func ended(code int, err error) error {
	if err == nil && code != 0 {
		err = exitError(code)
	}
	return err
}
