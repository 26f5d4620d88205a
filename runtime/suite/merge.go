package suite

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Merged is what runs of the parts of a suite have come to, together.
type Merged struct {
	Results []Result // of each case and try, by its name
	Timings Timings  // of those that ran to their end
	Begin   time.Time
	Notes   []string // missing and doubled parts, what was run again, and what then passed
	Whole   bool     // each part has been run to its end
	runs    []*ran
}

// ran is one run of a part, as its events tell of it.
type ran struct {
	from    string // the file
	begin   event
	at      time.Time
	results map[string]event
	started []event
	ended   bool
}

// Read reads the events that runs have written to a file with --results, one run behind the other. Lines that a kill
// has cut off are left out: they are about what was under way.
func (m *Merged) Read(from string, r io.Reader) error {
	var run *ran
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read results of %s: %w", from, err)
		}
		var e event
		if json.Unmarshal(line, &e) == nil {
			switch {
			case e.Event == "begin":
				run = &ran{from: from, begin: e, results: map[string]event{}}
				var bad error
				if run.at, bad = time.Parse(time.RFC3339Nano, e.Time); bad == nil {
					bad = e.validBegin()
				}
				if bad != nil {
					return fmt.Errorf("read results of %s: line %d: %w", from, n, bad)
				}
				m.runs = append(m.runs, run)
			case run == nil:
				return fmt.Errorf("read results of %s: line %d: it does not begin with a run of cases", from, n)
			default:
				run.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
	}
	if run == nil {
		return fmt.Errorf("read results of %s: there are none", from)
	}
	return nil
}

// maxTries and maxParts bound what a file can have Merge go through.
const (
	maxTries = 1 << 20
	maxParts = 1 << 16
)

// validBegin says what is wrong with the part or the tries that a run began with.
func (e event) validBegin() error {
	switch p := (Part{e.Part, e.Parts}); {
	case (p != Part{}) && (p.Count < 1 || p.Count > maxParts || p.Index < 1 || p.Index > p.Count):
		return fmt.Errorf("there is no part %s", p)
	case e.Count < 1 || e.Count > maxTries/max(len(e.Cases), 1):
		return fmt.Errorf("%d tries of %d cases", e.Count, len(e.Cases))
	}
	return nil
}

func (r *ran) take(e event) {
	switch e.Event {
	case "start":
		r.started = append(r.started, e)
	case "end":
		r.ended = true
	default:
		r.results[tryOf(e.Test, e.Try)] = e
	}
}

// tryOf names one try of a case.
func tryOf(name string, try int) string {
	if try > 1 {
		return fmt.Sprintf("%s (%d)", name, try)
	}
	return name
}

func (r *ran) part() Part { return Part{max(r.begin.Part, 1), max(r.begin.Parts, 1)} }

// Merge puts together what was read. The last result of a case counts. A case without one failed: it was under way when
// its run was cut off, or was never come to.
func (m *Merged) Merge() error {
	slices.SortStableFunc(m.runs, func(a, b *ran) int { return a.at.Compare(b.at) })
	parts := map[int][]*ran{}
	count := 0
	for _, r := range m.runs {
		p := r.part()
		switch {
		case r.begin.Again:
			continue
		case count == 0:
			count, m.Begin = p.Count, r.at
		case p.Count != count:
			return fmt.Errorf("%s is of a suite in %d parts, and %s of one in %d", m.runs[0].from, count, r.from,
				p.Count)
		}
		parts[p.Index] = append(parts[p.Index], r)
	}
	if count == 0 {
		return errors.New("these are runs of what had failed alone, without the runs in which it did")
	}
	m.Whole = true
	var missing []string
	for i := range count {
		runs := parts[i+1]
		if len(runs) == 0 {
			missing = append(missing, Part{i + 1, count}.String())
			continue
		}
		m.again(runs)
	}
	if missing != nil {
		m.Whole = false
		m.note("missing: no results of part %s", strings.Join(missing, ", "))
	}
	m.collect()
	return nil
}

func (m *Merged) note(format string, args ...any) {
	m.Notes = append(m.Notes, fmt.Sprintf(format, args...))
}

// again says what there is to say of the runs of one part: an engine runs one again that failed or was cut off.
func (m *Merged) again(runs []*ran) {
	last := runs[len(runs)-1]
	if len(runs) > 1 {
		word := "doubled"
		if before := runs[len(runs)-2]; !before.ended || before.failed() {
			word = "retried"
		}
		m.note("%s: part %s was run %d times", word, last.part(), len(runs))
	}
	if !last.ended {
		m.note("cut off: part %s did not come to its end%s", last.part(), last.underWay())
	}
}

// failed reports whether a case of the run failed.
func (r *ran) failed() bool {
	for _, e := range r.results {
		if e.Event == string(Failed) {
			return true
		}
	}
	return false
}

// underWay names the cases that had begun and had not ended.
func (r *ran) underWay() string {
	var names []string
	for _, e := range r.started {
		if _, done := r.results[tryOf(e.Test, e.Try)]; !done {
			names = append(names, tryOf(e.Test, e.Try))
		}
	}
	if names == nil {
		return ""
	}
	return "; under way: " + strings.Join(names, ", ")
}

// collect takes the last result of each case of each run.
func (m *Merged) collect() {
	m.Timings = Timings{}
	results, flaky := map[string]Result{}, map[string]bool{}
	for _, r := range m.runs {
		for _, name := range r.begin.Cases {
			for try := range r.begin.Count {
				key := tryOf(name, try+1)
				e, done := r.results[key]
				before, known := results[key]
				switch {
				case done:
					flaky[key] = known && (flaky[key] || before.Status == Failed && !before.Machine)
					results[key] = e.result(name, try+1)
					if e.Event != string(Skipped) {
						m.Timings[name] = results[key].Elapsed
					}
				case !known:
					results[key] = Result{Case: caseNamed(name, try+1), Status: Failed, Machine: true,
						Error: fmt.Sprintf("part %s ended before this had\n", r.part())}
				}
			}
		}
	}
	for key, res := range results {
		if m.Results = append(m.Results, res); flaky[key] && res.Status != Failed {
			m.note("flaky: %s failed before it passed", key)
		}
		m.Whole = m.Whole && !(res.Status == Failed && res.Machine)
	}
	slices.SortFunc(m.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Case.Name(), b.Case.Name()), cmp.Compare(a.Case.Try, b.Case.Try))
	})
	slices.Sort(m.Notes)
}

// result is what an event tells of a case.
func (e event) result(name string, try int) Result {
	return Result{Case: caseNamed(name, try), Status: Status(e.Event), Error: e.Error, Output: e.Output,
		Changes: e.Changes, Dump: e.Dump, Lab: e.Lab, Machine: e.Machine,
		Elapsed: time.Duration(e.Seconds * float64(time.Second))}
}

// caseNamed is the case of a name as it is printed.
func caseNamed(name string, try int) Case {
	c := Case{File: name, Try: try}
	if i := strings.LastIndexByte(name, ':'); i > 0 && strings.HasSuffix(name[:i], ".star") {
		c.File, c.Func = name[:i], name[i+1:]
	}
	return c
}

// Failed are the names of the cases that did not pass, to be run again.
func (m *Merged) Failed() map[string]bool {
	names := map[string]bool{}
	for _, r := range m.Results {
		if r.Status == Failed {
			names[r.Case.Name()] = true
		}
	}
	return names
}

// Report tells reporters of all results, and sums them up. Elapsed is what all cases took together.
func (m *Merged) Report(reporters ...Reporter) (s Summary) {
	for _, r := range m.Results {
		s.count(r)
		s.Elapsed += r.Elapsed
		for _, rep := range reporters {
			rep.Done(r)
		}
	}
	return s
}
