package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/sandbox"
	"github.com/nsscript/nsscript/runtime/script"
)

// A Job is what the first process of a test's sandbox is told to do.
type Job struct {
	File    string        `json:"file"`
	Func    string        `json:"func,omitempty"`
	Root    string        `json:"root,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
	Lab     string        `json:"lab"`
	Keep    bool          `json:"keep,omitempty"` // leave the lab up when the test fails
}

// An outcome is what it reports.
type outcome struct {
	Status  Status   `json:"status"`
	Error   string   `json:"error,omitempty"`
	Changes []string `json:"changes,omitempty"`
	Dump    string   `json:"dump,omitempty"`
	Kept    bool     `json:"kept,omitempty"`
	Machine bool     `json:"machine,omitempty"`
}

// RunInside runs one case in the sandbox that this process is the first of. It reports what became of it, and returns;
// when the lab is to be kept, with kept set. Nothing is undone: all of it ends with the process.
func RunInside(in *sandbox.Inside, voc *runtime.Vocabulary, helper []string, j Job) (kept bool, err error) {
	src, err := script.ReadScript(j.File)
	if err != nil {
		return false, err
	}
	p, err := voc.Parse(j.File, src)
	if err != nil {
		return false, err
	}
	var o outcome
	changes := map[int]int{} // which of them it is, by its number in the journal
	s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: j.Lab, Script: j.File, Root: j.Root,
		Stdout: os.Stdout, Helper: helper, Sandboxed: true, Observe: func(e change.Event) {
			switch e.Event {
			case "change":
				changes[e.Seq] = len(o.Changes)
				o.Changes = append(o.Changes, e.Command)
			case "undo":
				o.Changes[changes[e.Seq]] += "   # undone"
			}
		}})
	if err != nil {
		return false, err
	}
	ctx := context.Background()
	if j.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, j.Timeout, fmt.Errorf("the test ran longer than %s", j.Timeout))
		defer cancel()
	}
	if j.Func == "" {
		err = s.Run(ctx, p)
	} else {
		err = s.RunTest(ctx, p, j.Func)
	}
	var skip *runtime.SkipError
	fails, bad := p.Fails()
	if bad == nil && fails != nil {
		if err == nil {
			err = fmt.Errorf("it succeeded, and was to fail with %q", fails)
		} else if fails.MatchString(err.Error()) && ctx.Err() == nil {
			err = nil
		}
	}
	err = errors.Join(err, bad)
	switch {
	case err == nil:
		o = outcome{Status: Passed}
	case errors.As(err, &skip):
		o = outcome{Status: Skipped, Error: skip.Reason}
	default:
		o.Status = Failed
		var text bytes.Buffer
		s.Report(&text, err)
		o.Error, o.Dump, o.Machine = text.String(), dump(voc, j.Lab), runtime.OfMachine(err)
		if j.Keep && s.Changes() > 0 { // without one there is no lab
			o.Kept = true
			if err := s.Keep(); err != nil {
				return false, err
			}
		}
	}
	if o.Kept {
		return true, in.Keep(o)
	}
	return false, json.NewEncoder(in.Reports).Encode(o)
}

// dump is the lab as it is at the moment of failure.
func dump(voc *runtime.Vocabulary, name string) string {
	labs := lab.Open(voc.Ops, "")
	var text bytes.Buffer
	found, err := labs.Find(name)
	if err == nil {
		err = errors.Join(labs.ShowAll(&text, found), found.ShowLogs(&text, nil))
	}
	if err != nil {
		fmt.Fprintf(&text, "the lab cannot be shown: %v\n", err)
	}
	return text.String()
}
