package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nsscript/nsscript/runtime/script"
	"github.com/nsscript/nsscript/runtime/vm"
)

// kernelOptions are the flags that say which kernel scenarios run on.
type kernelOptions struct {
	kernel, modules string
	with            []string
}

func (k *kernelOptions) flags(cmd *cobra.Command, also string) {
	f := cmd.Flags()
	f.StringVar(&k.kernel, "kernel", "", "run in a virtual machine with this `KERNEL`: debian, the name or file of a "+
		"package linux-image-..., or a bzImage"+also)
	f.StringVar(&k.modules, "modules", "", "folder `DIR` with the modules of a bzImage: lib/modules/RELEASE")
	f.StringArrayVar(&k.with, "with", nil, "bring this `PROGRAM`, file or folder into the virtual machine, too")
	completes(cmd, "kernel", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{cobra.CompletionWithDesc(vm.Debian, "Debian's newest for virtual machines")},
			cobra.ShellCompDirectiveDefault
	})
}

// check says what is wrong with the flags.
func (k *kernelOptions) check() error {
	if k.kernel == "" && (k.modules != "" || len(k.with) > 0) {
		return usageError{errors.New("--modules and --with are for --kernel")}
	}
	return nil
}

// A scenario is a script that is to run in a virtual machine.
type scenario struct {
	name, root string
	src        []byte
}

// run runs this program with other arguments in a virtual machine, with what the scenarios need.
func (k *kernelOptions) run(ctx context.Context, args []string, scenarios []scenario, stdin []byte,
	stdout, stderr io.Writer, signals <-chan os.Signal) (code int, err error) {
	spec := vm.Spec{Args: args, Stdin: stdin, Stdout: stdout, Stderr: stderr, Signals: signals,
		Init: []string{machineName}}
	for _, s := range scenarios {
		spec.Programs = append(spec.Programs, vm.Programs(s.root, s.name, s.src)...)
	}
	if err := k.bring(&spec); err != nil {
		return 0, err
	}
	spec.Kernel, code, err = k.find(ctx, stderr, signals)
	if err != nil || code != 0 {
		return code, err
	}
	spec.Folders = append(spec.Folders, foldersOf(scenarios)...)
	return vm.Run(ctx, spec)
}

// find finds the kernel. A signal ends that, with its exit code: nothing was begun.
func (k *kernelOptions) find(ctx context.Context, stderr io.Writer,
	signals <-chan os.Signal) (found vm.Kernel, code int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := make(chan struct{})
	go func() {
		defer close(end)
		found, err = vm.Find(ctx, k.kernel, k.modules, func(text string) {
			fmt.Fprintf(stderr, "nsscript: %s\n", text)
		})
	}()
	select {
	case <-end:
		return found, 0, err
	case sig := <-signals:
		cancel()
		<-end
		return vm.Kernel{}, 128 + int(sig.(syscall.Signal)), nil
	}
}

// bring adds what --with names: files and folders as they are, programs by the names that they are called by.
func (k *kernelOptions) bring(spec *vm.Spec) error {
	for _, name := range k.with {
		if st, err := os.Stat(name); err == nil && (st.IsDir() || st.Mode()&0o111 == 0) {
			spec.Folders = append(spec.Folders, name)
			continue
		}
		path, err := vm.Program(name)
		if err != nil {
			return usageError{fmt.Errorf("--with %s: %w", name, err)}
		}
		spec.Programs = append(spec.Programs, path)
	}
	return nil
}

// foldersOf are the folders that scenarios are in and load from.
func foldersOf(scenarios []scenario) (all []string) {
	for _, s := range scenarios {
		if s.name != "" && s.name[0] != '<' {
			all = append(all, absolute(filepath.Dir(s.name)))
		}
		if s.root != "" {
			all = append(all, absolute(s.root))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// runOnKernel runs a script in a virtual machine, with which its lab ends.
func runOnKernel(cmd *cobra.Command, o options, args []string) error {
	name, src, rest, err := source(cmd, o, args)
	if err != nil {
		return err
	}
	if _, err := vocabulary().Parse(name, src); err != nil {
		return err
	}
	inside := []string{"--rm"}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"kernel", "modules", "with", "rm", "replace"}, f.Name) {
			inside = append(inside, "--"+f.Name+"="+f.Value.String())
		}
	})
	var stdin []byte
	inside = append(inside, "--")
	if name == "<stdin>" {
		inside, stdin = append(inside, "-"), src
	} else if o.code == "" {
		inside = append(inside, name)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, endings...)
	defer signal.Stop(signals)
	survive()
	root := o.root
	if root == "" {
		root = filepath.Dir(absolute(name))
	}
	code, err := o.run(context.Background(), append(inside, rest...), []scenario{{name, root, src}}, stdin, os.Stdout,
		os.Stderr, signals)
	if err != nil {
		return err
	}
	if code != 0 {
		return exitError(code)
	}
	return nil
}

// reportMachine says what a virtual machine could not do.
func reportMachine(err *vm.Error) {
	fmt.Fprintf(os.Stderr, "nsscript: %s\n", script.Printable(err.Error()))
	if err.Hint != "" {
		fmt.Fprintf(os.Stderr, "  hint: %s\n", err.Hint)
	}
}

// machineName is the command that the first process of a virtual machine runs. It is not for people.
const machineName = "machine"

func machineCommand() *cobra.Command {
	return &cobra.Command{Use: machineName, Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error { return vm.Init() }}
}
