package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/builtins"
	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/sandbox"
	"github.com/nsscript/nsscript/runtime/script"
	"github.com/nsscript/nsscript/runtime/vm"
)

// Exit codes.
const (
	exitFailed   = 1 // the script failed and was undone
	exitUsage    = 2 // usage or syntax; nothing was done
	exitLeftover = 3 // undone only in part
	exitMachine  = 4 // the machine cannot: privileges, a kernel feature, a name that is taken
)

// An exitError carries the exit code of a failure that has been reported already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// options are the flags of a run.
type options struct {
	code, lab, root    string
	rm, replace        bool
	timeout            time.Duration
	trace, json, quiet bool
	verbose            bool
	sandbox            bool
	interactive        bool
	kernelOptions
	in *sandbox.Inside // the sandbox that this process is the first of
}

// run runs the command line and returns the exit code.
func run(args []string) int {
	return report(command(nil).execute(args))
}

// report says what went wrong and returns the exit code.
func report(err error) int {
	var exit exitError
	var usage usageError
	var machine *vm.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "nsscript: %s\nRun 'nsscript --help' for usage.\n", kernel.Cause(err))
		return exitUsage
	case errors.As(err, &machine):
		reportMachine(machine)
		return exitMachine
	}
	runtime.Report(os.Stderr, err, nil)
	return codeOf(err)
}

// codeOf is the exit code that an error stands for.
func codeOf(err error) int {
	var syntax *script.SyntaxError
	var taken *journal.TakenError
	var damage *journal.DamageError
	var k *kernel.Error
	var claimed *change.ClaimedError
	var refused *sandbox.Refusal
	var sig signalError
	var other *journal.VersionError
	switch {
	case errors.As(err, &sig):
		return 128 + int(sig.Signal)
	case errors.As(err, &syntax):
		return exitUsage
	case errors.As(err, &taken), errors.Is(err, journal.ErrLive), errors.As(err, &claimed), errors.As(err, &refused),
		errors.As(err, &other), errors.As(err, &k) && k.Machine:
		return exitMachine
	case errors.As(err, &damage):
		return exitLeftover
	}
	return exitFailed
}

type cli struct{ *cobra.Command }

func (c cli) execute(args []string) error {
	if cmd, rest, err := c.Find(args); err == nil && cmd.Name() == "test" && len(rest) > 0 {
		args = append([]string{cmd.Name()}, likeGo(cmd, rest)...)
	}
	c.SetArgs(args)
	return c.Execute()
}

// likeGo lets whoever is used to `go test` write -run for --run.
func likeGo(cmd *cobra.Command, args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "-"), "=")
		if a == "--" {
			break
		}
		if len(name) > 1 && strings.HasPrefix(a, "-") && cmd.Flags().Lookup(name) != nil {
			args[i] = "-" + a
		}
	}
	return args
}

func command(in *sandbox.Inside) cli {
	o := options{in: in}
	root := &cobra.Command{
		Use:   "nsscript [flags] FILE.star [ARGS...] [-- ARGS...]",
		Short: "Labs of Linux network namespaces, written in Starlark",
		Long: `nsscript runs a Starlark script that builds a lab of network namespaces over netlink.

The script is one transaction: when it fails, is interrupted or killed, all that it changed is undone. When it
succeeds, the lab is kept under the file's name until 'nsscript down LAB'.

Without arguments, on a terminal, it is a REPL in which each input is a transaction of its own: ':help' lists its commands.

Exit codes: 0 ok; 1 the script failed and was undone; 2 usage or syntax, nothing was done; 3 undone only in part;
4 the machine cannot (privileges, a kernel feature, a name that is taken); 128+n after signal n.`,
		Version:           version(),
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeScript,
		SilenceErrors:     true,
		SilenceUsage:      true,
		RunE:              func(cmd *cobra.Command, args []string) error { return runScript(cmd, o, args) },
	}
	f := root.Flags()
	f.StringVarP(&o.code, "command", "c", "", "run this `CODE` instead of a file")
	f.StringVar(&o.lab, "lab", "", "`NAME` of the lab (default: the file's name)")
	f.StringVar(&o.root, "root", "", "folder that load() may not leave (default: the file's)")
	f.BoolVar(&o.rm, "rm", false, "take the lab down at the end, even when the script succeeds")
	f.BoolVar(&o.replace, "replace", false, "take the lab of the same name down first")
	f.DurationVar(&o.timeout, "timeout", 0, "end the script after this time and undo it; 0 is no limit")
	f.BoolVar(&o.trace, "trace", false, "print each change as the iproute2 command that would do the same")
	f.BoolVar(&o.json, "json", false, "print events as JSON lines")
	f.BoolVar(&o.sandbox, "sandbox", false,
		"run in private namespaces that need no privileges and leave nothing (always, when not root)")
	f.BoolVarP(&o.interactive, "interactive", "i", false,
		"the REPL after the script; without one, in the lab of --lab, which is up")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but errors")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say where in the script each traced change is")
	o.kernelOptions.flags(root, "")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmd.ValidateFlagGroups(); err != nil {
			return usageError{err}
		}
		return nil
	}
	root.SetVersionTemplate("nsscript {{.Version}}\n")
	completes(root, "lab", completeLabs)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(lsCommand(), showCommand(), downCommand(), execCommand(), shellCommand(), tmuxCommand(),
		psCommand(), logsCommand(), testCommand(),
		recoverCommand(), doctorCommand(), checkCommand(), fmtCommand(), lspCommand(), docCommand(), versionCommand(),
		completionCommand(), helperCommand(), insideCommand(), machineCommand(), caseCommand(in), probeCommand(in))
	return cli{root}
}

// exactly wants a number of arguments.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("usage: %s", cmd.UseLine())}
		}
		return nil
	}
}

// piped reports whether a script may come in through standard input.
func piped() bool {
	st, err := os.Stdin.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice == 0
}

// labName is the name of the lab that a command line runs, empty when it says nothing to run.
func labName(o options, args []string) (lab string, err error) {
	switch {
	case o.lab != "":
		lab = o.lab
	case o.code != "":
		lab = "command"
	case len(args) > 0 && args[0] != "-":
		lab = strings.TrimSuffix(filepath.Base(args[0]), ".star")
	case len(args) > 0 || piped():
		lab = "stdin"
	default:
		return "", nil
	}
	if err := journal.ValidName(lab); err != nil {
		return "", usageError{fmt.Errorf("%w; --lab NAME gives it another name", err)}
	}
	return lab, nil
}

// source reads what to run: the code of -c, a file, or what is piped in.
func source(cmd *cobra.Command, o options, args []string) (name string, src []byte, rest []string, err error) {
	switch {
	case o.code != "":
		return "<command>", []byte(o.code), args, nil
	case len(args) > 0 && args[0] != "-":
		name, rest = filepath.Clean(args[0]), args[1:]
		src, err = script.ReadScript(name)
		if errors.Is(err, os.ErrNotExist) && !strings.Contains(name, ".") {
			err = fmt.Errorf("there is no file and no command %s", name)
			if near := cmd.SuggestionsFor(name); len(near) > 0 {
				err = fmt.Errorf("%w, did you mean %s?", err, near[0])
			}
		}
	default:
		name = "<stdin>"
		src, err = script.ReadSource(name, os.Stdin)
		if len(args) > 0 {
			rest = args[1:]
		}
	}
	if err != nil {
		return "", nil, nil, usageError{err}
	}
	return name, src, rest, nil
}

func vocabulary() *runtime.Vocabulary { return builtins.All() }
