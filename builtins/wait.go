package builtins

import (
	"context"
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

var waitDecl = runtime.Change("wait", "any",
	"Calls a function until it returns something true, and returns that. It is called again whenever the kernel tells "+
		"of a change of links, addresses, routes, rules or neighbours in a namespace of the lab or in the host's, and "+
		"at least every so often. A call that fails counts as not yet, and what it changed is undone; a mistake of "+
		"the script ends it at once. When the time is over, the last call's error is the failure. To wait for a "+
		"function that only must not fail there is eventually().",
	&waitForArgs{Timeout: waitArg(10 * time.Second), Every: waitArg(50 * time.Millisecond)})

type waitForArgs struct {
	Fn      starlark.Callable `arg:"fn" doc:"the function, without parameters"`
	_       struct{}          `arg:"*"`
	Timeout waitArg           `arg:"timeout?" doc:"how long to go on"`
	Every   waitArg           `arg:"every?" doc:"call it at least so often, for what the kernel does not tell of"`
}

func (a *waitForArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	heard, err := tx.Machine().Listen(everywhere(tx.View), false)
	if err != nil {
		return nil, err
	}
	defer heard.Close()
	deadline, least := time.Now().Add(time.Duration(a.Timeout)), time.Duration(0)
	val, err := again(tx, a.Fn, time.Duration(a.Timeout), 0, func(val starlark.Value) bool { return bool(val.Truth()) },
		func() error {
			// What a call changes wakes it, too: it is not to be called without a pause.
			if err := tx.Wait(min(least, time.Until(deadline))); err != nil {
				return err
			}
			least = min(max(2*least, time.Millisecond), time.Duration(a.Every), 50*time.Millisecond)
			return pause(tx.View, heard, min(time.Duration(a.Every), time.Until(deadline)))
		})
	if err == nil && !val.Truth() {
		return nil, fmt.Errorf("wait: not true within %s, the last value was %s", a.Timeout, script.Show(val))
	}
	return val, err
}

// everywhere is the host's namespace and all that the run has made.
func everywhere(v *runtime.View) []kernel.NSRef {
	return append(v.Namespaces(), v.Machine().Host().Ref())
}

// pause waits for an event, or for a time at most.
func pause(v *runtime.View, heard *kernel.Events, most time.Duration) error {
	ctx := v.Context()
	return v.Aside(func() error {
		timer := time.NewTimer(most)
		defer timer.Stop()
		select {
		case <-heard.Wake:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return nil
	})
}
