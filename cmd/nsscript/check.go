package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/check"
	"github.com/nsscript/nsscript/runtime/script"
)

func checkCommand() *cobra.Command {
	var root string
	var asJSON bool
	cmd := &cobra.Command{Use: "check FILE|DIR...", Short: "Look for mistakes in scripts, without running anything",
		Long: `check reads scripts, all *.star files below folders, and what they load, and prints all mistakes that it finds: what is
no Starlark, names that mean nothing, loads that lead nowhere, calls that do not fit the builtin, values that no run would
accept, attributes that a value does not have, what is never used and what is never come to. It needs no privileges.

What a function does that assert.fails is given, and what a line "# fails: REGEXP" in the file speaks of, is meant.
The exit code is 2 when there is something to say, and 0 otherwise.`,
		Args: cobra.MinimumNArgs(1), RunE: func(_ *cobra.Command, args []string) error {
			names, err := scriptsIn(args)
			if err != nil {
				return usageError{err}
			}
			var files []check.File
			for _, name := range names {
				src, err := script.ReadScript(name)
				if err != nil {
					return usageError{err}
				}
				files = append(files, check.File{Name: name, Source: src})
			}
			found := check.Files(vocabulary(), root, files...)
			if asJSON {
				out := json.NewEncoder(os.Stdout)
				out.SetEscapeHTML(false)
				for _, f := range found {
					if err := out.Encode(f); err != nil {
						return err
					}
				}
			} else {
				runtime.Report(os.Stderr, findings(found, files), nil)
			}
			if len(found) > 0 {
				return exitError(exitUsage)
			}
			return nil
		}}
	cmd.Flags().StringVar(&root, "root", "",
		"folder that load() may not leave (default: that of the script which nobody loads)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one finding a line as JSON: file, line, col, message, hint, rule")
	return cmd
}

// scriptsIn lists the files that are named, and all *.star files below the folders that are, each once.
func scriptsIn(paths []string) ([]string, error) {
	var all []string
	seen := map[string]bool{}
	add := func(name string) {
		if name = filepath.Clean(name); !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	for _, path := range paths {
		st, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			add(path)
			continue
		}
		err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && name != path && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			case !d.IsDir() && filepath.Ext(name) == ".star":
				add(name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no *.star files below %s", strings.Join(paths, ", "))
	}
	return all, nil
}

// findings is an error that has findings with their lines.
func findings(found []check.Finding, files []check.File) error {
	sources := script.Sources{}
	for _, f := range files {
		sources[f.Name] = string(f.Source)
	}
	all := &script.SyntaxError{Sources: sources}
	for _, f := range found {
		if _, ok := sources[f.File]; !ok { // a file that is loaded
			src, err := script.ReadLoad(filepath.Dir(f.File), f.File)
			if err != nil {
				src = nil // it is shown without its line
			}
			sources[f.File] = string(src)
		}
		all.List = append(all.List,
			script.Finding{Pos: syntax.MakePosition(&f.File, int32(f.Line), int32(f.Col)),
				Msg: f.Message, Hint: f.Hint})
	}
	return all
}
