package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime/script"
	"github.com/nsscript/nsscript/runtime/suite"
	"github.com/nsscript/nsscript/runtime/vm"
)

// auto is the --kernel that is Debian's for what this machine's lacks.
const auto = "auto"

// divide says which cases run on this kernel, and which on that of --kernel.
func (o *testOptions) divide(cases []suite.Case) (here, there []suite.Case, err error) {
	switch o.kernel {
	case "":
		return cases, nil, nil
	case auto:
	default:
		return nil, cases, nil
	}
	o.kernel = vm.Debian
	found, err := examineInside()
	if err != nil {
		return nil, nil, err
	}
	files := map[string]bool{}
	for _, c := range cases {
		lacks, seen := files[c.File]
		if !seen {
			lacks = slices.ContainsFunc(required(c.File), func(name string) bool {
				return slices.ContainsFunc(found, func(f finding) bool { return f.Name == name && !f.OK })
			})
			files[c.File] = lacks
		}
		if lacks {
			there = append(there, c)
		} else {
			here = append(here, c)
		}
	}
	return here, there, nil
}

// required are the features that a file's text requires by name, wherever in it. What cannot be read, running it tells.
func required(file string) (features []string) {
	src, err := script.ReadScript(file)
	if err != nil {
		return nil
	}
	f, err := script.ParseFile(file, src)
	if err != nil {
		return nil
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) == 1 {
			fn, isName := call.Fn.(*syntax.Ident)
			lit, isLiteral := call.Args[0].(*syntax.Literal)
			if isName && isLiteral && fn.Name == "require" {
				if text, ok := lit.Value.(string); ok {
					features = append(features, text)
				}
			}
		}
		return true
	})
	return features
}

// testOnKernel runs cases in one virtual machine, each in a sandbox there.
func (o *testOptions) testOnKernel(ctx context.Context, cases []suite.Case,
	reporters []suite.Reporter) (suite.Summary, error) {
	args := []string{"test", "--json", fmt.Sprintf("--count=%d", o.count), fmt.Sprintf("--jobs=%d", o.Jobs),
		"--timeout=" + o.Timeout.String(), fmt.Sprintf("--memory=%d", o.memory),
		fmt.Sprintf("--failfast=%t", o.FailFast)}
	if o.Root != "" {
		args = append(args, "--root="+o.Root)
	}
	args = append(args, "--")
	var scenarios []scenario
	for _, c := range cases {
		if c.Try > 1 {
			continue
		}
		args = append(args, c.Name())
		if slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == c.File }) {
			continue
		}
		root := o.Root
		if root == "" {
			root = filepath.Dir(c.File)
		}
		src, err := script.ReadScript(c.File)
		if err != nil && c.Err == nil {
			return suite.Summary{}, err
		}
		scenarios = append(scenarios, scenario{c.File, root, src})
	}
	signals := make(chan os.Signal, 1)
	defer context.AfterFunc(ctx, func() {
		sig := signalError{syscall.SIGTERM}
		errors.As(context.Cause(ctx), &sig)
		signals <- sig.Signal
	})()
	read, write := io.Pipe()
	end := make(chan error, 1)
	go func() {
		code, err := o.kernelOptions.run(context.Background(), args, scenarios, nil, write, os.Stderr, signals)
		if err == nil && code > exitFailed && ctx.Err() == nil {
			err = fmt.Errorf("nsscript test ended with exit code %d in the virtual machine", code)
		}
		end <- err
		write.Close()
	}()
	var err error
	s := suite.Replay(read, cases, func() string {
		switch err = <-end; {
		case ctx.Err() != nil:
			err = nil
			return "interrupted"
		case err != nil:
			return err.Error()
		}
		return "the virtual machine did not tell of it"
	}, reporters...)
	return s, err
}
