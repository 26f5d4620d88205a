package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/check"
	"github.com/nsscript/nsscript/runtime/diff"
	"github.com/nsscript/nsscript/runtime/format"
	"github.com/nsscript/nsscript/runtime/script"
)

// layout is what `nsscript fmt` is to do.
type layout struct{ diff, list bool }

func fmtCommand() *cobra.Command {
	var o layout
	cmd := &cobra.Command{Use: "fmt [FILE|DIR...|-]", Short: "Lay scripts out in the one way that all are laid out in",
		Long: `fmt lays scripts out, all *.star files below folders too, as buildifier does: in place, or from standard input to
standard output when it is given no file, or -. What a script says is not changed; a file keeps its owner, its mode and its links.
A file that is no Starlark is left as it is,
its mistakes are printed, and the exit code is 2. With --check the exit code is 1 when a file is laid out otherwise.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 1 && args[0] == "-" {
				return o.pipe()
			}
			names, err := scriptsIn(args)
			if err != nil {
				return usageError{err}
			}
			code := 0
			for _, name := range names {
				differs, err := o.file(name)
				if err != nil {
					runtime.Report(os.Stderr, err, nil)
					code = max(code, exitUsage)
				} else if differs && o.list {
					code = max(code, exitFailed)
				}
			}
			if code != 0 {
				return exitError(code)
			}
			return nil
		}}
	cmd.Flags().BoolVarP(&o.diff, "diff", "d", false, "print what would change, and change nothing")
	cmd.Flags().BoolVar(&o.list, "check", false,
		"list the files that are laid out otherwise, change nothing, and exit with 1 if there are any")
	return cmd
}

// pipe lays out what comes in.
func (o layout) pipe() error {
	src, err := script.ReadSource("<stdin>", os.Stdin)
	if err != nil {
		return usageError{err}
	}
	out, err := o.lay("<stdin>", src)
	if err != nil {
		return err
	}
	if o.diff || o.list {
		if differs := o.show("<stdin>", src, out); differs && o.list {
			return exitError(exitFailed)
		}
		return nil
	}
	_, err = os.Stdout.Write(out)
	return err
}

// lay lays out a text. The error has all that check says of a text that is no Starlark.
func (o layout) lay(name string, src []byte) ([]byte, error) {
	out, err := format.Source(name, src)
	if !errors.As(err, new(*script.SyntaxError)) {
		return out, err
	}
	files := []check.File{{Name: name, Source: src}}
	var wrong []check.Finding
	for _, f := range check.Files(vocabulary(), "", files...) {
		if f.Rule == "syntax" && f.File == name {
			wrong = append(wrong, f)
		}
	}
	if wrong == nil {
		return nil, err // it is Starlark, but cannot be laid out
	}
	return nil, findings(wrong, files)
}

// show prints what is to be printed of a difference.
func (o layout) show(name string, src, out []byte) (differs bool) {
	text := diff.Unified(name, string(src), name+" (laid out)", string(out))
	if text != "" && o.list {
		fmt.Println(name)
	}
	if o.diff {
		fmt.Print(text)
	}
	return text != ""
}

// file lays out a file.
func (o layout) file(name string) (differs bool, err error) {
	src, err := script.ReadScript(name)
	if err != nil {
		return false, err
	}
	out, err := o.lay(name, src)
	if err != nil {
		return false, err
	}
	if o.diff || o.list || string(src) == string(out) {
		return o.show(name, src, out), nil
	}
	return true, replace(name, out)
}

// replace gives a file a new text, and leaves it its owner, its mode and its links. Where that can be done in one step,
// whoever reads it has the old one or the new one. Until it is done, there is a whole copy beside it.
func replace(name string, text []byte) (err error) {
	if name, err = filepath.EvalSymlinks(name); err != nil {
		return err
	}
	st, err := os.Stat(name)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	copied := tmp.Name()
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	inStep := err == nil && alike(tmp, st)
	if err = errors.Join(err, tmp.Close()); err == nil && inStep {
		err = os.Rename(copied, name)
	} else if err == nil {
		if err = os.WriteFile(name, text, 0); err != nil {
			return fmt.Errorf("%w; its new text is in %s", err, copied)
		}
		return os.Remove(copied)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(copied))
	}
	return err
}

// alike makes a new file one that can take the place of another, and reports whether it can: that one has no other
// name, and the new one has its owner and mode.
func alike(f *os.File, st os.FileInfo) bool {
	sys := st.Sys().(*syscall.Stat_t)
	return sys.Nlink == 1 && f.Chown(int(sys.Uid), int(sys.Gid)) == nil && f.Chmod(st.Mode()) == nil
}
