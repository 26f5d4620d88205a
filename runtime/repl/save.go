package repl

import (
	"errors"
	"fmt"
	"os"

	"github.com/nsscript/nsscript/runtime/script"
)

// save writes what stands as a script. An input that means nothing without one that was undone is left in as a comment.
func (r *REPL) save(file string) error {
	if file == "" {
		return errors.New("usage: :save FILE")
	}
	if _, err := os.Lstat(file); err == nil && r.saved != file {
		return fmt.Errorf("%s is there already", file)
	}
	text, left := r.in.Script()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	r.saved = file
	fmt.Fprintf(r.Err, "saved %s; `nsscript %s` runs it\n", script.Count(len(r.in.Done())-left, "input"), file)
	if left > 0 {
		fmt.Fprintf(r.Err, "%s cannot run in it and stand there as comments\n", script.Count(left, "input"))
	}
	return nil
}
