package builtins

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

// processValue is a process that was started beside the script.
type processValue struct {
	v  *runtime.View
	op *startProcess
}

var (
	_ starlark.HasAttrs   = (*processValue)(nil)
	_ starlark.Comparable = (*processValue)(nil)
)

func (p *processValue) Freeze()                                  {}
func (p *processValue) Truth() starlark.Bool                     { return true }
func (p *processValue) String() string                           { return p.op.Name }
func (p *processValue) Type() string                             { return "process" }
func (p *processValue) Hash() (uint32, error)                    { return starlark.String(p.op.Service).Hash() }
func (p *processValue) Attr(name string) (starlark.Value, error) { return p.v.Attr("process", p, name) }
func (p *processValue) AttrNames() []string                      { return p.v.AttrNames("process") }

func (p *processValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "process", p.op.Service == other.(*processValue).op.Service)
}

// fail words an error of the process, with the end of its log when said is true.
func (p *processValue) fail(op string, err error, said bool) error {
	if err == nil {
		return nil
	}
	e := &kernel.Error{Op: op, Object: "process " + p.op.Name, NS: p.op.NS.String(), Err: err}
	if !said {
		return e
	}
	// Without its log the error is the same.
	if text, _, _ := p.op.Service.Tail(lastLines); strings.TrimSpace(text) != "" {
		e.Hint = "it said: " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n        ")
	}
	return &proc.SaidError{Service: p.op.Service, Err: e}
}

// lastLines is how many lines of a log an error shows.
const lastLines = 10

// how is how a process ended, as an error.
func how(st proc.ServiceState) error {
	if st.Left && !st.Status.Signaled() {
		return fmt.Errorf("%s, and it left processes running, which were ended with it: it must stay in the foreground",
			st.How())
	}
	return errors.New(st.How())
}

// failed reports whether a process ended in a way that it was not to.
func (p *processValue) failed(st proc.ServiceState) bool {
	return !p.op.MayExit && !st.Asked && (st.Left || proc.ExitCode(st.Status) != 0)
}

// watch returns when the process has ended: an error when it failed and no step has waited for it.
func (p *processValue) watch(ctx context.Context) error {
	var last proc.ServiceState
	err := p.op.Service.Watch(ctx.Done(), func(st proc.ServiceState) bool {
		last = st
		return true
	})
	if err != nil {
		return p.fail("watch", err, false)
	}
	return p.failure(last)
}

// look is what watch is about to say of a process that has ended just now.
func (p *processValue) look() error {
	st, err := p.op.Service.State()
	if err != nil {
		return nil // it is being undone, or watch knows better
	}
	return p.failure(st)
}

func (p *processValue) failure(st proc.ServiceState) error {
	if st.Ended && p.failed(st) && p.op.waits.none() {
		return p.fail("run", how(st), true)
	}
	return nil
}

// until waits until reached says so. It is asked at each change of the process, and when polled is true also every few
// milliseconds. When the process ends before, or time is over, that is the error: late says what it did not do then.
func (p *processValue) until(op, late string, timeout time.Duration, polled bool,
	reached func(proc.ServiceState) (bool, error)) error {
	defer p.op.waits.begin()()
	ctx := p.v.Context()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it did not %s within %s", late, timeout))
		defer cancel()
	}
	states, ended := make(chan proc.ServiceState, 1), make(chan error, 1)
	quit := make(chan struct{})
	defer close(quit)
	go func() {
		ended <- p.op.Service.Watch(quit, func(st proc.ServiceState) bool {
			select {
			case <-states: // only the newest counts
			default:
			}
			states <- st
			return true
		})
	}()
	var st proc.ServiceState
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for pause := time.Millisecond; ; {
		var unwatched error
		var gone, over bool
		_ = p.v.Aside(func() error {
			select {
			case st = <-states:
			case <-again.C:
			case unwatched = <-ended:
				gone = true
			case <-ctx.Done():
				over = true
			}
			return nil
		})
		switch {
		case gone && unwatched == nil && len(states) > 0:
			ended <- nil // after its last state
			continue
		case gone:
			return p.fail(op, errors.Join(unwatched, errors.New("it is not watched any more")), false)
		case over && p.v.Context().Err() != nil:
			return context.Cause(ctx)
		case over:
			return p.fail(op, context.Cause(ctx), true)
		}
		ok, err := reached(st)
		switch {
		case err != nil || ok:
			return err
		case st.Ended:
			p.op.waits.tell()
			return p.fail(op, how(st), true)
		case polled: // there is no event of what it is asked for
			again.Reset(pause)
			pause = min(2*pause, 20*time.Millisecond)
		}
	}
}

// aside does what takes its time, while other parts of the script go on.
func (p *processValue) aside(op string, do func(context.Context) error) error {
	ctx := p.v.Context()
	err := p.v.Aside(func() error { return do(ctx) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return p.fail(op, err, true)
}

// match waits until the log matches, from where the last match ended.
func (p *processValue) match(op string, re *regexp.Regexp, timeout time.Duration) (all []string, err error) {
	begin := p.op.waits.place(p.v.Task())
	err = p.until(op, "come", timeout, false, func(proc.ServiceState) (bool, error) {
		text, next, err := p.op.Service.Log(begin)
		if err != nil {
			return false, p.fail(op, err, false)
		}
		at := re.FindSubmatchIndex(text)
		if at == nil {
			return false, nil
		}
		for i := 0; i < len(at); i += 2 {
			group := ""
			if at[i] >= 0 {
				group = string(text[at[i]:at[i+1]])
			}
			all = append(all, group)
		}
		p.op.waits.matched(p.v.Task(), next-int64(len(text))+int64(at[1]))
		return true, nil
	})
	return all, err
}

func processAttr(name, typ, doc string, get func(p *processValue) (starlark.Value, error)) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
			return get(&processValue{v, r.(*processValue).op})
		}}
}

// stateAttr is an attribute that is read from the process's state.
func stateAttr(name, typ, doc string, of func(st proc.ServiceState) starlark.Value) runtime.Attr {
	return processAttr(name, typ, doc, func(p *processValue) (starlark.Value, error) {
		st, err := p.op.Service.State()
		if err != nil {
			return nil, p.fail("look at", err, false)
		}
		return of(st), nil
	})
}

var processType = &runtime.Type{Name: "process",
	Doc: "A process that spawn() has started. All values of one are equal.",
	Attrs: []runtime.Attr{
		processAttr("name", "string", "its name", func(p *processValue) (starlark.Value, error) {
			return starlark.String(p.op.Name), nil
		}),
		processAttr("ns", "namespace", "the namespace that it is in", func(p *processValue) (starlark.Value, error) {
			return &nsValue{p.v, p.op.NS}, nil
		}),
		processAttr("pid", "int", "the number of its process, as the host sees it; None when it has ended, or is in a "+
			"PID namespace that is not seen from here",
			func(p *processValue) (starlark.Value, error) {
				pid, err := p.op.Service.Process()
				if errors.Is(err, proc.ErrEnded) || err == nil && pid == 0 {
					return starlark.None, nil
				}
				return starlark.MakeInt(pid), p.fail("look at", err, false)
			}),
		stateAttr("alive", "bool", "whether it has not ended", func(st proc.ServiceState) starlark.Value {
			return starlark.Bool(!st.Ended)
		}),
		stateAttr("code", "int", "its exit code, 128 and the signal's number when a signal ended it; None before that",
			func(st proc.ServiceState) starlark.Value {
				if !st.Ended {
					return starlark.None
				}
				return starlark.MakeInt(proc.ExitCode(st.Status))
			}),
		stateAttr("restarts", "int", "how often it was started again", func(st proc.ServiceState) starlark.Value {
			return starlark.MakeInt(st.Restarts)
		}),
		stateAttr("cpu", "float", "seconds of processors' time that it and all that it started have used; None when "+
			"it has ended", func(st proc.ServiceState) starlark.Value {
			if st.Usage == nil {
				return starlark.None
			}
			return seconds(st.Usage.CPU)
		}),
		stateAttr("rss", "int", "bytes of memory of it and of all that it started, shared ones counted in each; None "+
			"when it has ended", func(st proc.ServiceState) starlark.Value {
			if st.Usage == nil {
				return starlark.None
			}
			return starlark.MakeInt64(st.Usage.RSS)
		}),
	}}
