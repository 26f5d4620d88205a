package builtins

import (
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var sleepDecl = runtime.Query("sleep", "None",
	"Waits for a time; it ends early with the run. To wait until something is so, eventually(fn) is quicker and "+
		"surer: it goes on as soon as fn does not fail.", &sleepArgs{})

type sleepArgs struct {
	Duration durationArg `arg:"duration" doc:"how long"`
}

func (a *sleepArgs) Query(v *runtime.View) (starlark.Value, error) {
	return nil, v.Wait(time.Duration(a.Duration))
}
