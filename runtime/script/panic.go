package script

import (
	"errors"
	"fmt"
	"runtime/debug"
)

func Recovered(name string, err *error) {
	if p := recover(); p != nil {
		*err = &PanicError{Builtin: name, Value: p, Stack: debug.Stack()}
	}
}

// A PanicError is a fault of nsscript itself.
type PanicError struct {
	Builtin string
	Value   any
	Stack   []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s: internal error: %v", e.Builtin, e.Value) }

// AsPanic tells whether an error is nsscript's own fault.
func AsPanic(err error) *PanicError {
	var p *PanicError
	errors.As(err, &p)
	return p
}
