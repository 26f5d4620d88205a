package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

var attemptDecl = runtime.Change("attempt", "attempt",
	"Calls a function in a transaction of its own: when it fails, its changes alone are undone, "+
		"and the script goes on. It never catches a signal, a timeout, an undoing that failed, "+
		"or a mistake of the script: a wrong argument, an attribute that there is none of.", &attemptArgs{})

type attemptArgs struct {
	Fn     starlark.Callable `arg:"fn" doc:"the function"`
	Args   []starlark.Value  `arg:"*args" doc:"arguments for it"`
	Kwargs []starlark.Tuple  `arg:"**kwargs" doc:"keyword arguments for it"`
}

func (a *attemptArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	val, err, stop := tx.Attempt(a.Fn, a.Args, a.Kwargs)
	if stop || runtime.Mistake(err) {
		return nil, err
	}
	return &attemptValue{tx.View, val, err}, nil
}

// attemptValue is what came of an attempt.
type attemptValue struct {
	v   *runtime.View
	val starlark.Value
	err error
}

var (
	_ starlark.HasAttrs = (*attemptValue)(nil)
	_ script.Holder     = (*attemptValue)(nil)
)

func (r *attemptValue) Freeze()              {}
func (r *attemptValue) Truth() starlark.Bool { return r.err == nil }
func (r *attemptValue) Type() string         { return "attempt" }
func (r *attemptValue) Hash() (uint32, error) {
	return 0, fmt.Errorf("unhashable type: attempt")
}
func (r *attemptValue) String() string {
	if r.err != nil {
		return "failed: " + message(r.err)
	}
	return "ok: " + script.Show(r.val)
}

func (r *attemptValue) Held() []starlark.Value {
	if r.err != nil {
		return nil
	}
	return []starlark.Value{r.val}
}
func (r *attemptValue) Attr(name string) (starlark.Value, error) { return r.v.Attr("attempt", r, name) }
func (r *attemptValue) AttrNames() []string                      { return r.v.AttrNames("attempt") }

var attemptType = &runtime.Type{Name: "attempt", Doc: "What came of an attempt; true when it did not fail.",
	Attrs: []runtime.Attr{
		{Name: "ok", Type: "bool", Doc: "whether it did not fail",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return r.Truth(), nil
			}},
		{Name: "value", Type: "any", Doc: "what the function returned; None when it failed",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				if a := r.(*attemptValue); a.val != nil {
					return a.val, nil
				}
				return starlark.None, nil
			}},
		{Name: "error", Type: "struct or None",
			Doc: "the error: msg, code (the errno's name, \"assert\", \"fail\" or \"error\"), op, object and hint",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return errorValue(r.(*attemptValue).err), nil
			}},
	}}

// errorValue is an error as a script sees it.
func errorValue(err error) starlark.Value {
	if err == nil {
		return starlark.None
	}
	code, op, object := "error", "", ""
	var k *kernel.Error
	if errors.As(err, &k) {
		op, object = k.Op, k.Object
	}
	var errno unix.Errno
	var failed *assertError
	switch {
	case errors.As(err, &errno):
		code = unix.ErrnoName(errno)
	case errors.As(err, &failed):
		code = failed.code
	}
	return newStruct("error",
		map[string]starlark.Value{"msg": starlark.String(message(err)), "code": starlark.String(code),
			"op": starlark.String(op), "object": starlark.String(object), "hint": starlark.String(runtime.Hint(err))})
}

// message is the cause of an error without Starlark's own frame around it.
func message(err error) string {
	var eval *starlark.EvalError
	if errors.As(err, &eval) && eval.Unwrap() != nil {
		err = eval.Unwrap()
	}
	return strings.TrimPrefix(err.Error(), "fail: ")
}

var unwrapDecl = runtime.Query("attempt.unwrap", "any",
	"Returns the value of the attempt, or fails with its error again.", &unwrapArgs{})

type unwrapArgs struct {
	Attempt *attemptValue `arg:"attempt" doc:"the attempt"`
}

func (a *unwrapArgs) Query(*runtime.View) (starlark.Value, error) {
	return a.Attempt.val, a.Attempt.err
}

var eventuallyDecl = runtime.Change("eventually", "any",
	"Calls a function until it does not fail, and returns its value. What a failed try changed is undone. "+
		"A mistake of the script (a wrong argument, an attribute that there is none of) ends it at once. "+
		"The last try's error is the failure when the time is over.",
	&eventuallyArgs{Timeout: durationArg(5 * time.Second), Interval: durationArg(50 * time.Millisecond)})

type eventuallyArgs struct {
	Fn       starlark.Callable `arg:"fn" doc:"the function, without parameters"`
	_        struct{}          `arg:"*"`
	Timeout  durationArg       `arg:"timeout?" doc:"how long to go on"`
	Interval durationArg       `arg:"interval?" doc:"pause between tries"`
}

func (a *eventuallyArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	interval := time.Duration(a.Interval)
	return again(tx, a.Fn, time.Duration(a.Timeout), interval, func(starlark.Value) bool { return true },
		func() error { return tx.Wait(interval) })
}

// again calls a function, each time in a transaction of its own, until it does not fail and its value is enough, or
// until the time is over that a pause would take up: then the last value or error stands.
func again(tx *runtime.Tx, fn starlark.Callable, timeout, pausing time.Duration, enough func(starlark.Value) bool,
	pause func() error) (starlark.Value, error) {
	for deadline := time.Now().Add(timeout); ; {
		val, err, stop := tx.Attempt(fn, nil, nil)
		if err == nil && enough(val) || stop || runtime.Mistake(err) || time.Until(deadline) < pausing {
			return val, err
		}
		if err := pause(); err != nil {
			return nil, err
		}
	}
}

var onExitDecl = runtime.Query("on_exit", "None",
	"Has a function called at the end of the run, whatever its outcome, before anything is taken down; "+
		"the newest first.", &onExitArgs{})

type onExitArgs struct {
	Fn     starlark.Callable `arg:"fn" doc:"the function"`
	Args   []starlark.Value  `arg:"*args" doc:"arguments for it"`
	Kwargs []starlark.Tuple  `arg:"**kwargs" doc:"keyword arguments for it"`
}

func (a *onExitArgs) Query(v *runtime.View) (starlark.Value, error) {
	v.OnExit(func(t *starlark.Thread) error {
		_, err := starlark.Call(t, a.Fn, a.Args, a.Kwargs)
		return err
	})
	return starlark.None, nil
}

var failDecl = runtime.Query("fail", "None", "Fails with a message.", &failArgs{})

type failArgs struct {
	Msg []starlark.Value `arg:"*msg" doc:"what to say; several values are joined by spaces"`
}

func (a *failArgs) Query(*runtime.View) (starlark.Value, error) {
	text, err := script.Join(" ", a.Msg)
	if err != nil {
		return nil, fmt.Errorf("fail: %w", err)
	}
	return nil, &assertError{"fail", "fail: " + cmp.Or(text, "it was told to")}
}

var structDecl = runtime.Query("struct", "struct", "Makes a value with the given attributes, which do not change: "+
	"s = struct(a = 1), then s.a. Two are equal when their attributes are.", &structArgs{})

type structArgs struct {
	Fields []starlark.Tuple `arg:"**fields" doc:"the attributes"`
}

func (a *structArgs) Query(*runtime.View) (starlark.Value, error) {
	return starlarkstruct.FromKeywords(starlarkstruct.Default, a.Fields), nil
}

// newStruct is a struct that prints with its own name.
func newStruct(name string, fields map[string]starlark.Value) starlark.Value {
	return starlarkstruct.FromStringDict(starlark.String(name), fields)
}

var helpDecl = runtime.Query("help", "None", "Prints what a builtin, a type, an attribute, a module or a file of the "+
	"standard library is; without a name, all but attributes in a line each.", &helpArgs{})

type helpArgs struct {
	Of starlark.Value `arg:"of?" doc:"a builtin, a value, or a name as a string"`
}

func (a *helpArgs) Query(v *runtime.View) (starlark.Value, error) {
	voc := v.Vocabulary()
	if a.Of == nil {
		for _, e := range voc.Index() {
			if err := v.Print(e.String()); err != nil {
				return nil, err
			}
		}
		return starlark.None, nil
	}
	text, what := "", a.Of.Type()
	if name, ok := starlark.AsString(a.Of); ok {
		text, what = voc.Help(name, false), fmt.Sprintf("%q", name)
	} else {
		text = voc.HelpOn(a.Of)
	}
	if text == "" {
		return nil, fmt.Errorf("help: nothing is known of %s", what)
	}
	return starlark.None, v.Print(strings.TrimSuffix(text, "\n"))
}
