package suite

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Text reports to people, a line a case, and more about those that failed.
type Text struct {
	W       io.Writer
	Verbose bool // also what passing cases printed
	Tries   bool // each case runs several times
}

func (t *Text) Start(Case) {}

func (t *Text) Done(r Result) {
	word := map[Status]string{Passed: "ok  ", Failed: "FAIL", Skipped: "skip"}[r.Status]
	line := fmt.Sprintf("%s %s", word, r.Case.Name())
	if t.Tries {
		line += fmt.Sprintf(" (%d)", r.Case.Try)
	}
	line += fmt.Sprintf(" %.2fs", r.Elapsed.Seconds())
	if r.Status == Skipped {
		line += ": " + strings.TrimSpace(r.Error)
	}
	fmt.Fprintln(t.W, line)
	if r.Status == Failed {
		t.part("", r.Error)
		t.part("it printed", r.Output)
		t.part("its changes", strings.Join(r.Changes, "\n"))
		t.part("the lab when it failed", r.Dump)
		if r.Lab != "" {
			t.part("", fmt.Sprintf("the lab is up: `nsscript shell %s NS` enters it, `nsscript down %s` takes it down", r.Lab, r.Lab))
		}
	} else if t.Verbose {
		t.part("", r.Output)
	}
}

// part writes lines indented, below a heading.
func (t *Text) part(heading, text string) {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return
	}
	indent := "    "
	if heading != "" {
		fmt.Fprintf(t.W, "    %s:\n", heading)
		indent += "  "
	}
	fmt.Fprintln(t.W, indent+strings.ReplaceAll(text, "\n", "\n"+indent))
}

func (t *Text) End(s Summary) error {
	_, err := fmt.Fprintf(t.W, "%d passed, %d failed, %d skipped in %s\n", s.Passed, s.Failed, s.Skipped, s.Elapsed.Round(10*time.Millisecond))
	return err
}
