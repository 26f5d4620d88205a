package suite

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nsscript/nsscript/runtime/script"
)

// JSON reports one event a line, for programs.
type JSON struct {
	W   io.Writer
	err error
}

type event struct {
	Event   string   `json:"event"` // "begin", "start", "passed", "failed", "skipped", "end"
	Time    string   `json:"time"`
	Test    string   `json:"test,omitempty"`
	Try     int      `json:"try,omitempty"`
	Seconds float64  `json:"seconds,omitempty"`
	Error   string   `json:"error,omitempty"`
	Output  string   `json:"output,omitempty"`
	Changes []string `json:"changes,omitempty"`
	Dump    string   `json:"dump,omitempty"`
	Lab     string   `json:"lab,omitempty"`
	Passed  int      `json:"passed,omitempty"`
	Failed  int      `json:"failed,omitempty"`
	Skipped int      `json:"skipped,omitempty"`
	Machine bool     `json:"machine,omitempty"` // this machine could not run it
	// Of "begin": which part of the suite these are, what is in it, and how many times each is to run.
	Part  int      `json:"part,omitempty"`
	Parts int      `json:"parts,omitempty"`
	Cases []string `json:"cases,omitempty"`
	Count int      `json:"count,omitempty"`
	Again bool     `json:"again,omitempty"` // what failed in an earlier run
}

func (j *JSON) write(e event) {
	e.Time = time.Now().UTC().Format(time.RFC3339Nano)
	if err := json.NewEncoder(j.W).Encode(e); err != nil && j.err == nil {
		j.err = err
	}
}

// Begin says what is to run, so that who reads of a run that was cut off knows what it did not come to.
func (j *JSON) Begin(cases []Case, sel Selection) {
	e := event{Event: "begin", Part: sel.Part.Index, Parts: sel.Part.Count, Count: max(sel.Count, 1),
		Again: sel.Only != nil}
	for _, c := range cases {
		if c.Try == 1 {
			e.Cases = append(e.Cases, c.Name())
		}
	}
	j.write(e)
}

func (j *JSON) Start(c Case) { j.write(event{Event: "start", Test: c.Name(), Try: c.Try}) }

func (j *JSON) Done(r Result) {
	j.write(event{Event: string(r.Status), Test: r.Case.Name(), Try: r.Case.Try,
		Seconds: r.Elapsed.Seconds(), Error: r.Error, Output: r.Output, Changes: r.Changes, Dump: r.Dump, Lab: r.Lab,
		Machine: r.Machine})
}

func (j *JSON) End(s Summary) error {
	j.write(event{Event: "end", Seconds: s.Elapsed.Seconds(), Passed: s.Passed, Failed: s.Failed, Skipped: s.Skipped})
	return j.err
}

// TAP reports in the Test Anything Protocol, version 14 (testanything.org).
type TAP struct {
	W io.Writer
	n int
}

func (t *TAP) Start(Case) { t.begin() }

func (t *TAP) begin() {
	if t.n == 0 {
		fmt.Fprintln(t.W, "TAP version 14")
		t.n = 1
	}
}

func (t *TAP) Done(r Result) {
	word := map[bool]string{true: "ok", false: "not ok"}[r.Status != Failed]
	name := strings.NewReplacer("#", `\#`, "\n", " ").Replace(script.Printable(r.Case.Name()))
	fmt.Fprintf(t.W, "%s %d - %s", word, t.n, name)
	if r.Status == Skipped {
		fmt.Fprintf(t.W, " # SKIP %s", strings.ReplaceAll(script.Printable(strings.TrimSpace(r.Error)), "\n", " "))
	}
	fmt.Fprintln(t.W)
	if r.Status == Failed {
		fmt.Fprintln(t.W, "  ---")
		for _, part := range [][2]string{{"error", r.Error}, {"output", r.Output},
			{"changes", strings.Join(r.Changes, "\n")}, {"lab", r.Dump}} {
			if text := strings.TrimRight(script.Printable(part[1]), "\n"); text != "" {
				fmt.Fprintf(t.W, "  %s: |\n    %s\n", part[0], strings.ReplaceAll(text, "\n", "\n    "))
			}
		}
		fmt.Fprintln(t.W, "  ...")
	}
	t.n++
}

func (t *TAP) End(Summary) error {
	t.begin()
	_, err := fmt.Fprintf(t.W, "1..%d\n", max(t.n-1, 0))
	return err
}
