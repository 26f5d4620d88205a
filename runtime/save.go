package runtime

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

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
	text, left := r.in.script()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	r.saved = file
	fmt.Fprintf(r.Err, "saved %s; `nsscript %s` runs it\n", script.Count(len(r.in.done)-left, "input"), file)
	if left > 0 {
		fmt.Fprintf(r.Err, "%s cannot run in it and stand there as comments\n", script.Count(left, "input"))
	}
	return nil
}

// script is what stands as a script, and how many inputs could not be part of it.
func (in *inputs) script() (text string, left int) {
	texts := make([]string, len(in.done))
	for i, input := range in.done {
		texts[i] = strings.TrimRight(input.text, "\n") + "\n"
		if !usesLast(input.text) {
			continue
		}
		for j := i - 1; j >= 0; j-- { // the last value is that of the last input which is an expression
			if expr, err := replDialect.ParseExpr(in.done[j].name, in.done[j].text, 0); err == nil && expr != nil {
				texts[j] = lastValue + " = " + strings.TrimPrefix(texts[j], lastValue+" = ")
				break
			}
		}
	}
	for _, t := range texts {
		if _, err := in.s.voc.Parse("saved", []byte(text+t)); err == nil {
			text += t
			continue
		}
		left++
		text += "# " + strings.ReplaceAll(strings.TrimRight(t, "\n"), "\n", "\n# ") + "\n"
	}
	return text, left
}

// usesLast reports whether a text uses the last value.
func usesLast(text string) bool {
	toks, _ := script.Lex(text)
	return slices.ContainsFunc(toks, func(t script.Token) bool { return t.Kind == script.TokName && t.Text == lastValue })
}
