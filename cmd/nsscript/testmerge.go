package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime/suite"
)

// mergeOptions are the flags of `nsscript test merge`.
type mergeOptions struct {
	junit, timings string
	verbose        bool
}

func mergeCommand() *cobra.Command {
	var o mergeOptions
	cmd := &cobra.Command{Use: "merge FILE|DIR...",
		Short: "Put the results of the parts of a suite together",
		Long: `merge reads what runs with --results have written, in files and in all *.jsonl files below folders, and says what
became of the suite: what failed, which parts are missing or came twice, what was under way when a run was cut off, what
was run again, and what then passed.

The exit code is 1 when a case failed, and 4 when none did but not all could be run to its end.`,
		Args: cobra.MinimumNArgs(1), RunE: func(_ *cobra.Command, args []string) error { return o.merge(args) }}
	f := cmd.Flags()
	f.StringVar(&o.junit, "junit", "", "write one JUnit XML report to `FILE`")
	f.StringVar(&o.timings, "timings", "", "write to `FILE` how long each case took, for `nsscript test --timings`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "name also what passed, and show all that is known of what failed")
	return cmd
}

func (o *mergeOptions) merge(paths []string) error {
	m, err := readResults(paths)
	if err != nil {
		return usageError{err}
	}
	text := &suite.Text{W: os.Stdout, Verbose: o.verbose, Failures: !o.verbose}
	reporters := []suite.Reporter{text}
	if o.junit != "" {
		j, err := suite.NewJUnit(o.junit, m.Begin)
		if err != nil {
			return err
		}
		reporters = append(reporters, j)
	}
	s := m.Report(reporters...)
	err = suite.End(s, reporters...)
	for _, note := range m.Notes {
		fmt.Println(note)
	}
	if o.timings != "" {
		err = errors.Join(err, suite.WriteTimings(o.timings, m.Timings))
	}
	switch {
	case err != nil:
		return err
	case s.Failed > s.Machine:
		return exitError(exitFailed)
	case !m.Whole:
		return exitError(exitMachine)
	}
	return nil
}

// readResults reads and merges files of results, and those in folders.
func readResults(paths []string) (*suite.Merged, error) {
	m := &suite.Merged{}
	var files []string
	for _, path := range paths {
		found := len(files)
		err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (file == path || filepath.Ext(file) == ".jsonl") {
				files = append(files, file)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(files) == found {
			return nil, fmt.Errorf("%s has no *.jsonl files", path)
		}
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(m.Read(file, f), f.Close()); err != nil {
			return nil, err
		}
	}
	return m, m.Merge()
}

// openResults opens a file for the events of one more run. What a kill cut off of the one before stays a line of its
// own.
func openResults(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Mode().IsRegular() && st.Size() > 0 {
		last := make([]byte, 1)
		if _, err = f.ReadAt(last, st.Size()-1); err == nil && last[0] != '\n' {
			_, err = f.WriteString("\n")
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
