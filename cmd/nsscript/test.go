package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	goruntime "runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/sandbox"
	"github.com/nsscript/nsscript/runtime/suite"
)

// testOptions are the flags of `nsscript test`.
type testOptions struct {
	suite.Options
	run, shard, timings      string
	junit, results, rerun    string
	count, memory            int
	verbose, list, json, tap bool
	strict                   bool
	kernelOptions
}

func testCommand() *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{Use: "test PATH...",
		Short: "Run scenarios as tests, each in a sandbox of its own, several at once",
		Long: `test runs the scenarios in files, and in all *.star files below folders but those in a folder named lib.

A file with functions whose names begin with test_ is a case for each of them: the file's top level runs first, then
setup if there is one, the function, and teardown. Any other file is one case; one with a line "# fails: REGEXP" passes when
it fails with an error that matches. Every case has a sandbox of its own, so all of them can use the same names at the
same time, and nothing is ever left.`,
		Args: cobra.MinimumNArgs(1), RunE: func(_ *cobra.Command, args []string) error { return o.test(args) }}
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "only the cases whose names match this `REGEXP`")
	f.IntVarP(&o.Jobs, "jobs", "j", goruntime.NumCPU(), "how many cases run at once")
	f.DurationVar(&o.Timeout, "timeout", time.Minute, "end each case after this time")
	f.IntVar(&o.count, "count", 1, "run each case this many times")
	f.BoolVar(&o.FailFast, "failfast", false, "start no more cases after the first that failed")
	f.StringVar(&o.shard, "shard", "",
		"only part `I/N` of the cases, from 1/N to N/N; auto, or auto/N: the one that the engine's variables tell")
	f.StringVar(&o.timings, "timings", "",
		"divide into parts by how long the cases took, as merge wrote it to `FILE`; by name when it is missing")
	f.StringVar(&o.results, "results", "", "add what happens to `FILE`, one JSON event a line, for merge")
	f.StringVar(&o.rerun, "rerun", "", "only the cases that failed, or did not end, in the results in `FILE|DIR`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show also what passing cases print")
	f.BoolVar(&o.list, "list", false, "list the cases, and run none")
	f.BoolVar(&o.strict, "strict", false, "a skipped case is a failure")
	f.StringVar(&o.junit, "junit", "", "write a JUnit XML report to `FILE`")
	f.BoolVar(&o.json, "json", false, "report as JSON, one event a line")
	f.BoolVar(&o.tap, "tap", false, "report in the Test Anything Protocol")
	f.BoolVar(&o.KeepFailed, "keep-failed", false, "leave the labs of failed cases up, to enter with `nsscript shell`")
	f.IntVar(&o.memory, "memory", 2048, "how many `MiB` of data each process of a case may have, at least 256")
	f.StringVar(&o.Root, "root", "", "folder that load() may not leave (default: the file's)")
	o.kernelOptions.flags(cmd, "; auto: Debian's, for the files that require() what this kernel lacks")
	cmd.MarkFlagsMutuallyExclusive("json", "tap")
	cmd.MarkFlagsMutuallyExclusive("kernel", "keep-failed")
	cmd.MarkFlagsMutuallyExclusive("rerun", "shard")
	cmd.AddCommand(mergeCommand())
	return cmd
}

// selection is what the flags say of which cases to run.
func (o *testOptions) selection() (sel suite.Selection, err error) {
	sel.Count = o.count
	if o.count < 1 {
		return sel, fmt.Errorf("--count %d: want 1 or more", o.count)
	}
	if o.run != "" {
		if sel.Run, err = regexp.Compile(o.run); err != nil {
			return sel, fmt.Errorf("--run: %w", err)
		}
	}
	if o.shard != "" {
		if sel.Part, err = parsePart(o.shard); err != nil {
			return sel, err
		}
	}
	if o.timings != "" {
		sel.Timings, err = suite.ReadTimings(o.timings)
	}
	if o.rerun != "" && err == nil {
		var m *suite.Merged
		if m, err = readResults([]string{o.rerun}); err == nil {
			sel.Only = m.Failed()
		}
	}
	return sel, err
}

func (o *testOptions) test(paths []string) error {
	ended, err := o.underBazel()
	if err == nil {
		err = o.runCases(paths)
	}
	code := 0
	if exit := exitError(0); errors.As(err, &exit) {
		code = int(exit)
	} else if err != nil {
		code = codeOf(err)
	}
	return errors.Join(err, ended(code))
}

func (o *testOptions) runCases(paths []string) error {
	voc := vocabulary()
	sel, err := o.selection()
	if err == nil {
		err = o.kernelOptions.check()
	}
	if err == nil && o.memory < 256 {
		err = fmt.Errorf("--memory %d: want 256 or more", o.memory)
	}
	o.Memory = uint64(o.memory) << 20
	if err == nil && sel.Only != nil && len(sel.Only) == 0 {
		fmt.Printf("nothing to run again: all in %s passed\n", o.rerun)
		return nil
	}
	var cases []suite.Case
	if err == nil {
		cases, err = suite.Find(voc, paths, sel)
	}
	if err != nil {
		return usageError{err}
	}
	if o.list {
		for _, c := range cases {
			if c.Try == 1 {
				fmt.Println(c.Name())
			}
		}
		return nil
	}
	reporters, finish, err := o.reporters()
	if err != nil {
		return err
	}
	for _, r := range reporters {
		if j, ok := r.(*suite.JSON); ok {
			j.Begin(cases, sel)
		}
	}
	ctx, stop := interruptible(options{})
	defer stop()
	o.Vocabulary, o.Inside = voc, []string{"/proc/self/exe", "inside", "case"}
	var s suite.Summary
	here, there, err := o.divide(cases)
	if err == nil {
		s = suite.Run(ctx, here, o.Options, reporters...)
	}
	if len(there) > 0 {
		var more suite.Summary
		more, err = o.testOnKernel(ctx, there, reporters)
		s.Add(more)
	}
	if err := errors.Join(err, suite.End(s, reporters...), finish()); err != nil {
		return err
	}
	var sig signalError
	switch {
	case errors.As(context.Cause(ctx), &sig):
		return exitError(128 + int(sig.Signal))
	case s.Failed > s.Machine || o.strict && s.Skipped > 0:
		return exitError(exitFailed)
	case s.Machine > 0:
		return exitError(exitMachine)
	}
	return nil
}

// reporters are those that the flags ask for. finish is to be called at the end.
func (o *testOptions) reporters() (all []suite.Reporter, finish func() error, err error) {
	finish = func() error { return nil }
	text := suite.Text{W: os.Stdout, Verbose: o.verbose, Tries: o.count > 1}
	switch {
	case o.json:
		all = append(all, &suite.JSON{W: os.Stdout})
	case o.tap:
		all = append(all, &suite.TAP{W: os.Stdout})
	case term.IsTerminal(1) && os.Getenv("TERM") != "dumb":
		all = append(all, &suite.Live{Text: text, Width: func() int {
			width, _, err := term.GetSize(1)
			if err != nil {
				return 80
			}
			return width
		}})
	default:
		all = append(all, &text)
	}
	if o.results != "" {
		f, err := openResults(o.results)
		if err != nil {
			return nil, nil, err
		}
		all, finish = append(all, &suite.JSON{W: f}), f.Close
	}
	if o.junit != "" {
		j, err := suite.NewJUnit(o.junit, time.Now())
		if err != nil {
			return nil, nil, err
		}
		all = append(all, j)
	}
	return all, finish, nil
}

// caseCommand is what a test's sandbox runs. It is not for people.
func caseCommand(in *sandbox.Inside) *cobra.Command {
	return &cobra.Command{Use: "case JOB", Hidden: true, Args: exactly(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var j suite.Job
			if err := json.Unmarshal([]byte(args[0]), &j); err != nil || in == nil {
				return usageError{errors.New("this is for `nsscript test` only")}
			}
			if in.Reached() != nil {
				serve(in, j.Lab)
			}
			kept, err := suite.RunInside(in, vocabulary(), helper, j)
			if err != nil {
				runtime.Report(os.Stderr, err, nil)
				return exitError(codeOf(err))
			}
			if kept {
				select {} // until it is taken down
			}
			return nil
		}}
}
