//go:build !race

package runtime

import "go.starlark.net/starlark"

// stackOf is where a thread stands that another goroutine runs, which does not come back from its last step. There is
// no way to ask that goroutine, so this looks without asking: it is for the last words about a run that is abandoned.
// Should the thread move after all, then it is to its end, and what is seen of its frames is less than there was.
func stackOf(thread *starlark.Thread) (at *starlark.EvalError) {
	defer func() { _ = recover() }() // a frame that was just left
	if thread == nil {
		return nil
	}
	return &starlark.EvalError{CallStack: thread.CallStack()}
}
