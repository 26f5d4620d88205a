package builtins

import (
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

// turnsDoc is what is to be known of functions that go on beside each other.
const turnsDoc = " One function runs at a time; another goes on while that one waits: in ping(), run(), sleep(), " +
	"wait() and their likes. So what happens between two waits happens as a whole, and values can be shared."

var parallelDecl = runtime.Query("parallel", "list",
	"Calls functions beside each other, begun in order, and returns their values in order. When one fails, those "+
		"after it in the list are ended, those before it are waited for, and the first failure in the order of the "+
		"list is the error. For one function and several values there is parallel_map(). "+
		"All have ended when it returns."+turnsDoc, &parallelArgs{})

type parallelArgs struct {
	Fns []starlark.Callable `arg:"fns" doc:"functions without parameters, such as lambda: ping(a, b)"`
	_   struct{}            `arg:"*"`
	besideArgs
}

// besideArgs are common to all that call several functions beside each other.
type besideArgs struct {
	Limit   limitArg `arg:"limit?" doc:"at most so many at a time; all when left out"`
	Timeout *waitArg `arg:"timeout?" doc:"fail when not all have ended in that time"`
}

// limitArg is how many there may be at a time, 0 for any number.
type limitArg int

func (limitArg) ArgType() string { return "int" }

func (a *limitArg) Unpack(val starlark.Value) (err error) {
	*a, err = number[limitArg](val, 1, 1<<20)
	return err
}

func (a *besideArgs) call(v *runtime.View, name string, calls []runtime.Call) (starlark.Value, error) {
	var timeout time.Duration
	if a.Timeout != nil {
		timeout = time.Duration(*a.Timeout)
	}
	vals, err := v.Parallel(name, calls, int(a.Limit), timeout)
	if err != nil {
		return nil, err
	}
	return starlark.NewList(vals), nil
}

func (a *parallelArgs) Query(v *runtime.View) (starlark.Value, error) {
	calls := make([]runtime.Call, len(a.Fns))
	for i, fn := range a.Fns {
		calls[i].Fn = fn
	}
	return a.call(v, "parallel", calls)
}

var parallelMapDecl = runtime.Query("parallel_map", "list",
	"Calls a function for each of several values, beside each other, begun in order, and returns what it returned, in "+
		"order. It fails as parallel() does."+turnsDoc, &parallelMapArgs{})

type parallelMapArgs struct {
	Fn    starlark.Callable `arg:"fn" doc:"a function with one parameter"`
	Items starlark.Iterable `arg:"items" doc:"what it is called with, one after the other"`
	_     struct{}          `arg:"*"`
	besideArgs
}

func (a *parallelMapArgs) Query(v *runtime.View) (starlark.Value, error) {
	var calls []runtime.Call
	for item := range starlark.Elements(a.Items) {
		calls = append(calls, runtime.Call{Fn: a.Fn, Args: starlark.Tuple{item}})
	}
	return a.call(v, "parallel_map", calls)
}

var atDecl = runtime.Query("at", "None",
	"Has a function called after a time, beside what goes on meanwhile. The script, the input of the prompt or "+
		"the attempt that it is called in ends when it has ended. What fails in it fails the run at once."+turnsDoc,
	&atArgs{})

type atArgs struct {
	After durationArg       `arg:"after" doc:"how long after this call"`
	Fn    starlark.Callable `arg:"fn" doc:"the function"`
	Args  []starlark.Value  `arg:"*args" doc:"arguments for it"`
}

func (a *atArgs) Query(v *runtime.View) (starlark.Value, error) {
	v.Begin("at", runtime.Call{Fn: a.Fn, Args: a.Args}, time.Duration(a.After), 0, 1)
	return nil, nil
}

var everyDecl = runtime.Query("every", "None",
	"Has a function called again and again, beside what goes on meanwhile: first after one interval. A call that "+
		"takes longer than the interval is not interrupted, and the next one follows at once. Without times= it goes "+
		"on until the script, or the attempt that it is called in, has nothing else to do. What fails in it fails the "+
		"run at once."+turnsDoc, &everyArgs{})

type everyArgs struct {
	Interval waitArg           `arg:"interval" doc:"time from one call to the next"`
	Fn       starlark.Callable `arg:"fn" doc:"the function, without parameters"`
	_        struct{}          `arg:"*"`
	Times    limitArg          `arg:"times?" doc:"how often; until all else has ended when left out"`
}

func (a *everyArgs) Query(v *runtime.View) (starlark.Value, error) {
	v.Begin("every", runtime.Call{Fn: a.Fn}, time.Duration(a.Interval), time.Duration(a.Interval), int(a.Times))
	return nil, nil
}
