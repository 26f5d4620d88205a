package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/lab"
)

func tmuxCommand() *cobra.Command {
	return &cobra.Command{Use: "tmux LAB", Short: "Open tmux(1) with a shell in a window for each namespace of a lab",
		Long: "Opens tmux(1) with a shell in a window for each namespace of a lab. The session is called " +
			"nsscript-LAB: a second call comes back to it. Without a terminal it is only made.",
		Args: exactly(1), ValidArgsFunction: completeLab, RunE: func(_ *cobra.Command, args []string) error {
			tmux, err := exec.LookPath("tmux")
			if err != nil {
				return &kernel.Error{Op: "find", Object: "tmux", Err: err, Machine: true,
					Hint: "it is a package of most distributions: `apt install tmux`"}
			}
			found, err := labAnywhere(args[0])
			if err != nil {
				return err
			}
			if len(found.Namespaces) == 0 {
				return fmt.Errorf("lab %s has no namespace", found.Name)
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			// tmux(1) takes no dots in the name of a session.
			name := "nsscript-" + strings.ReplaceAll(found.Name, ".", "_")
			if exec.Command(tmux, "has-session", "-t", "="+name).Run() != nil {
				if err := newSession(tmux, name, self, found); err != nil {
					return err
				}
			}
			return attach(tmux, name)
		}}
}

// labAnywhere finds a lab, on the machine or in a sandbox.
func labAnywhere(name string) (lab.Lab, error) {
	sandboxed, err := lab.Reach(name)
	if err == nil {
		return sandboxed.Describe()
	} else if !errors.Is(err, os.ErrNotExist) {
		return lab.Lab{}, err
	}
	return findLab(name)
}

// newSession makes a session of tmux with the windows.
func newSession(tmux, name, self string, found lab.Lab) error {
	var args []string
	for i, ns := range found.Namespaces {
		if i == 0 {
			args = append(args, "new-session", "-d", "-s", name)
		} else {
			args = append(args, ";", "new-window", "-d", "-t", name+":")
		}
		args = append(args, "-n", ns, self, "shell", found.Name, ns)
	}
	if out, err := exec.Command(tmux, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("open session %s of tmux: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// attach makes this process tmux, on this terminal.
func attach(tmux, name string) error {
	verb := "attach-session"
	switch {
	case !term.IsTerminal(0) || !term.IsTerminal(1):
		fmt.Fprintf(os.Stderr, "`tmux attach -t %s` shows it\n", name)
		return nil
	case os.Getenv("TMUX") != "":
		verb = "switch-client" // it is one already
	}
	return syscall.Exec(tmux, []string{"tmux", verb, "-t", "=" + name}, os.Environ())
}
