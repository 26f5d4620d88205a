package suite

import (
	"encoding/json"
	"io"
	"strings"
	"time"
)

// Replay tells reporters what the JSON reporter of another nsscript writes of the same cases, and returns its summary.
// When that ends before it has told of all of them, they have failed; ended tells why.
func Replay(r io.Reader, cases []Case, ended func() string, reporters ...Reporter) Summary {
	begin, left := time.Now(), append([]Case(nil), cases...)
	var s Summary
	done := func(res Result) {
		s.count(res)
		for _, rep := range reporters {
			rep.Done(res)
		}
	}
	for lines := json.NewDecoder(r); ; {
		var e event
		if lines.Decode(&e) != nil {
			break // what is cut off is an end, too
		}
		if e.Event == "end" {
			left = nil // those that it did not start were not to be started
			continue
		}
		i := find(left, e)
		if i < 0 {
			continue
		}
		c := left[i]
		if e.Event == "start" {
			for _, rep := range reporters {
				rep.Start(c)
			}
			continue
		}
		left = append(left[:i], left[i+1:]...)
		done(Result{Case: c, Status: Status(e.Event), Error: e.Error, Output: e.Output, Changes: e.Changes,
			Dump: e.Dump, Machine: e.Machine, Elapsed: time.Duration(e.Seconds * float64(time.Second))})
	}
	if len(left) > 0 {
		why := strings.TrimRight(ended(), "\n") + "\n"
		for _, c := range left {
			done(Result{Case: c, Status: Failed, Error: why, Machine: true})
		}
	}
	s.Elapsed = time.Since(begin)
	return s
}

// find finds the case that an event is about.
func find(cases []Case, e event) int {
	for i, c := range cases {
		if c.Name() == e.Test && c.Try == max(e.Try, 1) {
			return i
		}
	}
	return -1
}
