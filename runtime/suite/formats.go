package suite

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/nsscript/nsscript/runtime/script"
)

// JSON reports one event a line, for programs.
type JSON struct {
	W   io.Writer
	err error
}

type event struct {
	Event   string   `json:"event"` // "start", "passed", "failed", "skipped", "end"
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
}

func (j *JSON) write(e event) {
	e.Time = time.Now().UTC().Format(time.RFC3339Nano)
	if err := json.NewEncoder(j.W).Encode(e); err != nil && j.err == nil {
		j.err = err
	}
}

func (j *JSON) Start(c Case) { j.write(event{Event: "start", Test: c.Name(), Try: c.Try}) }

func (j *JSON) Done(r Result) {
	j.write(event{Event: string(r.Status), Test: r.Case.Name(), Try: r.Case.Try,
		Seconds: r.Elapsed.Seconds(), Error: r.Error, Output: r.Output, Changes: r.Changes, Dump: r.Dump, Lab: r.Lab})
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

// JUnit writes a JUnit XML report at the end, a suite for each file.
type JUnit struct {
	W      io.Writer
	Begin  time.Time
	suites map[string]*junit.Testsuite
	order  []string
	times  map[string]time.Duration
}

func (j *JUnit) Start(Case) {}

func (j *JUnit) Done(r Result) {
	if j.suites == nil {
		j.suites, j.times = map[string]*junit.Testsuite{}, map[string]time.Duration{}
	}
	suite := j.suites[r.Case.File]
	if suite == nil {
		suite = &junit.Testsuite{Name: r.Case.File, File: r.Case.File, ID: len(j.order)}
		suite.SetTimestamp(j.Begin)
		j.suites[r.Case.File] = suite
		j.order = append(j.order, r.Case.File)
	}
	tc := junit.Testcase{Name: r.Case.Func, Classname: r.Case.File, Time: seconds(r.Elapsed)}
	if tc.Name == "" {
		tc.Name = r.Case.File
	}
	if r.Case.Try > 1 {
		tc.Name += fmt.Sprintf(" (%d)", r.Case.Try)
	}
	first, _, _ := strings.Cut(r.Error, "\n")
	switch r.Status {
	case Failed:
		text := r.Error
		for _, part := range [][2]string{{"its changes", strings.Join(r.Changes, "\n")},
			{"the lab when it failed", r.Dump}} {
			if part[1] != "" {
				text += "\n" + part[0] + ":\n" + part[1]
			}
		}
		tc.Failure = &junit.Result{Message: xmlText(first), Data: xmlText(text)}
	case Skipped:
		tc.Skipped = &junit.Result{Message: xmlText(first)}
	}
	if r.Output != "" {
		tc.SystemOut = &junit.Output{Data: xmlText(r.Output)}
	}
	suite.AddTestcase(tc)
	j.times[r.Case.File] += r.Elapsed
}

func (j *JUnit) End(s Summary) error {
	all := junit.Testsuites{Name: "nsscript", Time: seconds(s.Elapsed)}
	for _, file := range j.order {
		suite := j.suites[file]
		suite.Time = seconds(j.times[file])
		all.AddSuite(*suite)
	}
	return all.WriteXML(j.W)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// xmlText replaces what XML 1.0 cannot hold: control characters, and bytes that are no text.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return 0xFFFD
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
