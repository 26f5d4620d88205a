package suite

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"
)

// JUnit writes a JUnit XML report, a suite for each file. The report is whole after every case: whatever ends the run
// leaves one of the cases until then.
type JUnit struct {
	file   string
	begin  time.Time
	suites map[string]*junit.Testsuite
	order  []string
	times  map[string]time.Duration
	texts  map[string][]byte // of suites, as they were encoded last
	behind int               // cases that the file does not have yet
	err    error
}

// NewJUnit writes a report of no cases.
func NewJUnit(file string, begin time.Time) (*JUnit, error) {
	j := &JUnit{file: file, begin: begin, suites: map[string]*junit.Testsuite{}, times: map[string]time.Duration{},
		texts: map[string][]byte{}}
	return j, j.write(0)
}

func (j *JUnit) Start(Case) {}

func (j *JUnit) Done(r Result) {
	suite := j.suites[r.Case.File]
	if suite == nil {
		suite = &junit.Testsuite{Name: r.Case.File, File: r.Case.File, ID: len(j.order)}
		suite.SetTimestamp(j.begin)
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
		why := &junit.Result{Message: xmlText(first), Data: xmlText(text)}
		if r.Machine {
			tc.Error = why
		} else {
			tc.Failure = why
		}
	case Skipped:
		tc.Skipped = &junit.Result{Message: xmlText(first)}
	}
	if r.Output != "" {
		tc.SystemOut = &junit.Output{Data: xmlText(r.Output)}
	}
	suite.AddTestcase(tc)
	j.times[r.Case.File] += r.Elapsed
	suite.Time = seconds(j.times[r.Case.File])
	var text bytes.Buffer
	x := xml.NewEncoder(&text)
	x.Indent("\t", "\t")
	err := x.EncodeElement(suite, xml.StartElement{Name: xml.Name{Local: "testsuite"}})
	j.texts[r.Case.File], j.err = text.Bytes(), errors.Join(j.err, err, x.Close())
	j.behind++
	if st, err := os.Stat(j.file); err == nil && (!st.Mode().IsRegular() || st.Size() > int64(j.behind)*dear) {
		return // at the end
	}
	j.err = errors.Join(j.err, j.write(time.Since(j.begin)))
}

// dear is how many bytes of a report are not written again for one more case.
const dear = 4 << 20

func (j *JUnit) End(s Summary) error { return errors.Join(j.err, j.write(s.Elapsed)) }

// write puts a whole report in the place of the one before.
func (j *JUnit) write(elapsed time.Duration) error {
	all := junit.Testsuites{Name: "nsscript", Time: seconds(elapsed)}
	for _, file := range j.order {
		all.AddSuite(*j.suites[file])
	}
	all.Suites = nil
	head, err := xml.Marshal(all)
	if err != nil {
		return err
	}
	head, tail, _ := bytes.Cut(head, []byte("</"))
	parts := [][]byte{head, []byte("\n")}
	for _, file := range j.order {
		parts = append(parts, j.texts[file], []byte("\n"))
	}
	text := bytes.Join(append(parts, []byte("</"), tail, []byte("\n")), nil)
	j.behind = 0
	if st, err := os.Stat(j.file); err == nil && !st.Mode().IsRegular() {
		return os.WriteFile(j.file, text, 0o666)
	}
	return replaceFile(j.file, text)
}

// replaceFile writes a file anew: whoever reads it sees all of the one or of the other.
func replaceFile(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
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
