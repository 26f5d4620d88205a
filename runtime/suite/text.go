package suite

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nsscript/nsscript/runtime/script"
)

// Text reports to people, a line a case, and more about those that failed.
type Text struct {
	W       io.Writer
	Verbose bool // also what passing cases printed, and all that is known of those that failed
	Tries   bool // each case runs several times
	// Failures leaves out the lines of cases that passed or were skipped.
	Failures bool
	failed   []string
}

func (t *Text) Start(Case) {}

func (t *Text) Done(r Result) {
	if t.Failures && r.Status != Failed {
		return
	}
	word := map[Status]string{Passed: "ok  ", Failed: "FAIL", Skipped: "skip"}[r.Status]
	line := word + " " + t.name(r.Case)
	line += fmt.Sprintf(" %.2fs", r.Elapsed.Seconds())
	if r.Status == Skipped {
		line += ": " + script.Printable(strings.TrimSpace(r.Error))
	}
	fmt.Fprintln(t.W, line)
	if r.Status == Failed {
		t.failed = append(t.failed, t.name(r.Case))
		t.more(r)
	} else if t.Verbose {
		t.print(part{text: r.Output})
	}
}

func (t *Text) name(c Case) string {
	name := script.Printable(c.Name())
	if t.Tries {
		name += fmt.Sprintf(" (%d)", c.Try)
	}
	return name
}

// A part is something that is known of a case. Of much of it only so many lines are shown, the first ones or the last.
type part struct {
	heading, text string
	first, last   int
}

func (p part) lines() []string {
	text := strings.TrimRight(script.Printable(p.text), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// enough is how many lines about a failure fit on a screen. What matters comes first.
const enough = 30

// more tells about a failure: all that is known when that is little, or wanted.
func (t *Text) more(r Result) {
	parts := []part{{"", r.Error, 12, 0}, {"it printed", r.Output, 0, 5},
		{"its changes", strings.Join(r.Changes, "\n"), 0, 5}, {"the lab when it failed", r.Dump, 0, 0}}
	lines := 0
	for _, p := range parts {
		lines += 1 + len(p.lines())
	}
	for _, p := range parts {
		if lines > enough && !t.Verbose {
			p = p.short()
		}
		t.print(p)
	}
	if r.Lab != "" {
		t.print(
			part{text: fmt.Sprintf("the lab is up: `nsscript shell %s NS` enters it, `nsscript down %s` takes it down",
				r.Lab, r.Lab)})
	}
}

// short is a part with no more than its share of lines.
func (p part) short() part {
	lines := p.lines()
	left := len(lines) - p.first - p.last
	if left <= 1 {
		return p
	}
	gap := fmt.Sprintf("... %d lines more: -v shows them", left)
	p.text = strings.Join(append(append(lines[:p.first:p.first], gap), lines[len(lines)-p.last:]...), "\n")
	return p
}

// print writes lines indented, below a heading.
func (t *Text) print(p part) {
	lines := p.lines()
	if len(lines) == 0 {
		return
	}
	indent := "    "
	if p.heading != "" {
		fmt.Fprintf(t.W, "    %s:\n", p.heading)
		indent += "  "
	}
	fmt.Fprintln(t.W, indent+strings.Join(lines, "\n"+indent))
}

// End names those that failed once more, for what was said of them may be far above.
func (t *Text) End(s Summary) error {
	if s.Passed+s.Failed+s.Skipped > 1 {
		for _, name := range t.failed {
			fmt.Fprintln(t.W, "FAIL "+name)
		}
	}
	failed := fmt.Sprintf("%d failed", s.Failed)
	if s.Machine > 0 {
		failed += fmt.Sprintf(" (%d that could not run here)", s.Machine)
	}
	_, err := fmt.Fprintf(t.W, "%d passed, %s, %d skipped in %s\n", s.Passed, failed, s.Skipped,
		s.Elapsed.Round(10*time.Millisecond))
	return err
}
