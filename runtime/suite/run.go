package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/sandbox"
)

// A Status is what became of a case.
type Status string

const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// A Result is what became of a case, and what is known about it.
type Result struct {
	Case    Case
	Status  Status
	Error   string // of a failed case, as a run would print it; why a case was skipped
	Output  string // what it printed
	Changes []string
	Dump    string // the lab when it failed
	Lab     string // the lab that was left up
	Machine bool   // it failed because this machine could not run it
	Elapsed time.Duration
}

// Options say how to run cases.
type Options struct {
	Vocabulary *runtime.Vocabulary
	// Inside is a command of this program that enters a sandbox and calls RunInside with the Job after it, as JSON.
	Inside     []string
	Root       string
	Jobs       int           // at once
	Timeout    time.Duration // of each case
	Memory     uint64        // bytes that each process of a case may have
	FailFast   bool          // start no more cases after the first that failed
	KeepFailed bool          // leave the labs of failed cases up
}

// A Reporter is told what happens; one call at a time.
type Reporter interface {
	Start(c Case)
	Done(r Result)
	End(s Summary) error
}

// A Summary is what became of all cases.
type Summary struct {
	Passed, Failed, Skipped int
	Machine                 int // of those that failed, how many this machine could not run
	Elapsed                 time.Duration
}

const (
	maxOutput = 1 << 20
	// maxNamesakes bounds how many labs of one name are left up.
	maxNamesakes = 999
	// grace is how long a case may take to tell of its own timeout.
	grace = 2 * time.Second
)

// Run runs cases and reports them; End is for the caller to call. It ends early with ctx; the cases that were running
// then have failed.
func Run(ctx context.Context, cases []Case, o Options, reporters ...Reporter) Summary {
	var s Summary
	var mu sync.Mutex // of s and the reporters
	var wg sync.WaitGroup
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	begin, next := time.Now(), make(chan Case, len(cases))
	for _, c := range cases {
		next <- c
	}
	close(next)
	for range max(o.Jobs, 1) {
		wg.Go(func() {
			for c := range next {
				mu.Lock()
				enough := o.FailFast && s.Failed > 0 || ctx.Err() != nil
				for _, r := range reporters {
					if !enough {
						r.Start(c)
					}
				}
				mu.Unlock()
				if enough {
					return
				}
				res := o.one(ctx, c)
				mu.Lock()
				s.count(res)
				for _, r := range reporters {
					r.Done(res)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.Elapsed = time.Since(begin)
	return s
}

// count counts a case.
func (s *Summary) count(r Result) {
	switch r.Status {
	case Passed:
		s.Passed++
	case Skipped:
		s.Skipped++
	default:
		s.Failed++
		if r.Machine {
			s.Machine++
		}
	}
}

// Add counts the cases of another summary, too.
func (s *Summary) Add(other Summary) {
	s.Passed, s.Failed, s.Skipped = s.Passed+other.Passed, s.Failed+other.Failed, s.Skipped+other.Skipped
	s.Machine += other.Machine
	s.Elapsed += other.Elapsed
}

// End tells reporters that all cases have been told of.
func End(s Summary, reporters ...Reporter) error {
	var errs []error
	for _, r := range reporters {
		errs = append(errs, r.End(s))
	}
	return errors.Join(errs...)
}

// one runs one case in a sandbox, and ends that.
func (o *Options) one(ctx context.Context, c Case) (res Result) {
	res = Result{Case: c, Status: Failed}
	begin := time.Now()
	defer func() { res.Elapsed = time.Since(begin) }()
	if c.Err != nil {
		var text bytes.Buffer
		runtime.Report(&text, c.Err, nil)
		res.Error = text.String()
		return res
	}
	if err := o.sandboxed(ctx, c, &res); err != nil {
		var text bytes.Buffer
		runtime.Report(&text, err, nil)
		res.Status, res.Error, res.Machine = Failed, res.Error+text.String(), true
	}
	return res
}

func (o *Options) sandboxed(ctx context.Context, c Case, res *Result) (err error) {
	j := Job{File: c.File, Func: c.Func, Root: o.Root, Timeout: o.Timeout, Lab: labOf(c)}
	spec := sandbox.Spec{Memory: o.Memory, Folders: []string{filepath.Dir(c.File)}}
	if o.Root != "" {
		spec.Folders = append(spec.Folders, o.Root)
	}
	if o.KeepFailed {
		j.Keep = true
		if spec.Listener, j.Lab, err = listen(j.Lab); err != nil {
			return err
		}
		defer spec.Listener.Close()
	}
	job, err := json.Marshal(j)
	if err != nil {
		return err
	}
	spec.Argv = append(o.Inside[:len(o.Inside):len(o.Inside)], string(job))
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	spec.Stdout, spec.Stderr = write, write
	s, err := sandbox.Start(spec)
	write.Close()
	if err != nil {
		return err
	}
	output := make(chan string, 1)
	go func() { output <- collect(read) }()
	hard, cancel := context.WithCancel(ctx)
	if o.Timeout > 0 {
		hard, cancel = context.WithTimeout(ctx, o.Timeout+grace)
	}
	defer cancel()
	killed := context.AfterFunc(hard, func() { _ = s.Signal(os.Kill) }) // it may have ended
	var out outcome
	err = json.NewDecoder(s.Reports).Decode(&out)
	killed()
	res.Status, res.Changes, res.Dump = out.Status, out.Changes, out.Dump
	res.Error, res.Machine = out.Error, out.Machine
	if err == nil && out.Kept {
		res.Lab = j.Lab
		res.Output = <-output
		return s.Leave()
	}
	if err == nil {
		err = s.Kill() // what it left running ends with it
		res.Output = <-output
		return err
	}
	if !errors.Is(err, io.EOF) {
		return errors.Join(err, s.Kill())
	}
	code, sig, err := s.Wait()
	res.Output = <-output
	if err != nil {
		return err
	}
	res.Status = Failed
	res.Error = o.unreported(ctx, hard, code, sig, res)
	return nil
}

// listen claims a name for a lab that may be kept: its own, or the next one that is free. Other folders may have a test
// of the same name, and so may a lab that an earlier run has left.
func listen(lab string) (l *sandbox.Listener, name string, err error) {
	for i := 1; ; i++ {
		if name = lab; i > 1 {
			name = fmt.Sprintf("%s-%d", lab[:min(len(lab), 60)], i)
		}
		if l, err = sandbox.Listen(name); !errors.Is(err, sandbox.ErrTaken) || i == maxNamesakes {
			return l, name, err
		}
	}
}

// outOfMemory is what Go says at its end when it gets no more memory, also for the stack of a thread.
var outOfMemory = regexp.MustCompile(`(?s)(fatal error: runtime: (cannot allocate|out of) memory|runtime: ` +
	`out of memory|fatal error: out of memory|` +
	`runtime/cgo: pthread_create failed|runtime: failed to create new OS thread).*`)

// unreported says why a case ended without a word.
func (o *Options) unreported(ctx, hard context.Context, code int, sig syscall.Signal, res *Result) string {
	switch {
	case ctx.Err() != nil:
		return "interrupted\n"
	case hard.Err() != nil:
		return fmt.Sprintf("the test did not end %s after its timeout of %s, and was killed\n", grace, o.Timeout)
	case sig != 0:
		return fmt.Sprintf("the test's process was ended by %s\n", sig)
	case outOfMemory.MatchString(res.Output):
		res.Output = outOfMemory.ReplaceAllString(res.Output, "")
		return fmt.Sprintf("the test took more memory than its limit of %d MiB\n", o.Memory>>20)
	}
	return fmt.Sprintf("the test's process ended with exit code %d, and said so little\n", code)
}

// labOf is the name of the lab that a case is.
func labOf(c Case) string {
	name := strings.TrimSuffix(c.File[strings.LastIndexByte(c.File, '/')+1:], ".star")
	if c.Func != "" {
		name += "." + c.Func
	}
	if c.Try > 1 {
		name += fmt.Sprintf(".%d", c.Try)
	}
	valid := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' ||
			strings.ContainsRune("._-", r)) {
			return r
		}
		return '-'
	}, name)
	return ("t-" + valid)[:min(len(valid)+2, 64)]
}

// collect reads what a case prints, to its end, and keeps the beginning of it.
func collect(r io.Reader) string {
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, maxOutput)); err != nil {
		return b.String() // the end of the sandbox
	}
	if n, _ := io.Copy(io.Discard, r); n > 0 {
		fmt.Fprintf(&b, "\n... and %d bytes more\n", n)
	}
	return b.String()
}
