package suite

import (
	"fmt"
	"strings"
	"testing"
)

// TestMerge puts runs of parts together.
func TestMerge(t *testing.T) {
	begin := func(second, part, parts int, cases ...string) string {
		return fmt.Sprintf(`{"event":"begin","time":"2026-01-01T00:00:%02dZ","part":%d,"parts":%d,"cases":["%s"],`+
			`"count":1}`+"\n", second, part, parts, strings.Join(cases, `","`))
	}
	on := func(event, test string) string {
		return fmt.Sprintf(`{"event":"%s","test":"%s","try":1}`, event, test) + "\n"
	}
	again := func(begin string) string { return strings.Replace(begin, `"count"`, `"again":true,"count"`, 1) }
	const end = `{"event":"end"}` + "\n"
	for _, c := range []struct {
		name            string
		files           []string
		passed, failed  int
		machine         int
		whole           bool
		notes, mistaken string
	}{
		{"whole", []string{begin(1, 1, 2, "a.star") + on("start", "a.star") + on("passed", "a.star") + end,
			begin(2, 2, 2, "b.star") + on("start", "b.star") + on("failed", "b.star") + end}, 1, 1, 0, true, "", ""},
		{"not divided", []string{begin(1, 0, 0, "a.star") + on("passed", "a.star") + end}, 1, 0, 0, true, "", ""},
		{"missing", []string{begin(1, 2, 4, "a.star") + on("passed", "a.star") + end}, 1, 0, 0, false,
			"missing: no results of part 1/4, 3/4, 4/4", ""},
		{"doubled", []string{begin(1, 1, 1, "a.star") + on("passed", "a.star") + end,
			begin(2, 1, 1, "a.star") + on("passed", "a.star") + end}, 1, 0, 0, true,
			"doubled: part 1/1 was run 2 times", ""},
		{"cut off", []string{begin(1, 1, 1, "a.star", "b.star", "c.star") + on("start", "a.star") +
			on("passed", "a.star") + on("start", "b.star") + `{"event":"pass`}, 1, 2, 2, false,
			"cut off: part 1/1 did not come to its end; under way: b.star", ""},
		{"cut off and retried", []string{begin(1, 1, 1, "a.star", "b.star") + on("start", "a.star") + "\n" +
			begin(3, 1, 1, "a.star", "b.star") + on("passed", "a.star") + on("passed", "b.star") + end}, 2, 0, 0, true,
			"retried: part 1/1 was run 2 times", ""},
		{"retried before it was cut off", []string{
			begin(1, 1, 1, "a.star", "b.star") + on("failed", "a.star") + on("passed", "b.star") + end,
			begin(3, 1, 1, "a.star", "b.star") + on("passed", "a.star") + on("start", "b.star")}, 2, 0, 0, true,
			"cut off: part 1/1 did not come to its end; under way: b.star\nflaky: a.star failed before it passed\n" +
				"retried: part 1/1 was run 2 times", ""},
		{"again", []string{begin(1, 1, 1, "a.star", "b.star") + on("failed", "a.star") + on("passed", "b.star") + end,
			again(begin(2, 0, 0, "a.star")) + on("passed", "a.star") + end},
			2, 0, 0, true, "flaky: a.star failed before it passed", ""},
		{"of two suites", []string{begin(1, 1, 2, "a.star"), begin(2, 1, 3, "a.star")}, 0, 0, 0, false, "",
			"file0 is of a suite in 2 parts, and file1 of one in 3"},
		{"of nothing", []string{""}, 0, 0, 0, false, "", "file0: there are none"},
		{"of something else", []string{on("passed", "a.star")}, 0, 0, 0, false, "", "does not begin with a run"},
		{"of no such part", []string{begin(1, 3, 2, "a.star")}, 0, 0, 0, false, "", "line 1: there is no part 3/2"},
		{"again alone", []string{again(begin(2, 0, 0, "a.star"))}, 0, 0, 0, false, "", "without the runs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &Merged{}
			var err error
			for i, text := range c.files {
				if err == nil {
					err = m.Read(fmt.Sprintf("file%d", i), strings.NewReader(text))
				}
			}
			if err == nil {
				err = m.Merge()
			}
			if c.mistaken != "" {
				if err == nil || !strings.Contains(err.Error(), c.mistaken) {
					t.Errorf("%v, want %s", err, c.mistaken)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s := m.Report()
			if s.Passed != c.passed || s.Failed != c.failed || s.Machine != c.machine || m.Whole != c.whole ||
				strings.Join(m.Notes, "\n") != c.notes {
				t.Errorf("%+v, whole: %t, %q", s, m.Whole, m.Notes)
			}
		})
	}
}

// FuzzMerge reads what may be in a file of results.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"event":"begin","time":"2026-01-01T00:00:01Z","part":1,"parts":2,"cases":["a.star"],"count":1}` +
		"\n" + `{"event":"start","test":"a.star","try":1}` + "\n" + `{"event":"passed","test":"a.star"}`))
	f.Add([]byte(`{"event":"begin","time":"2026-01-01T00:00:01Z","part":9,"parts":2,"cases":["a:b"],"count":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m := &Merged{}
		if m.Read("file", strings.NewReader(string(text))) == nil && m.Merge() == nil {
			m.Report()
		}
	})
}
