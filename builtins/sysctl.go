package builtins

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var sysctlDecl = runtime.Change("sysctl", "string",
	"Reads a sysctl of a namespace, or sets it when a value is given (sysctl(8)). Only keys below net belong to a "+
		"namespace.", &sysctlArgs{})

type sysctlArgs struct {
	NS    nsArg          `arg:"ns" doc:"the namespace"`
	Key   sysctlKeyArg   `arg:"key" doc:"key such as net.ipv4.ip_forward; with slashes when a name in it has a dot"`
	Value sysctlValueArg `arg:"value?" doc:"string or int to set"`
	_     struct{}       `arg:"*"`
	runtime.Irreversible
}

// sysctlKeyArg is the key of a sysctl that belongs to a namespace.
type sysctlKeyArg string

func (sysctlKeyArg) ArgType() string { return "string" }

func (a *sysctlKeyArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	*a = sysctlKeyArg(s)
	_, err := kernel.SysctlPath(s)
	return err
}

// sysctlValueArg is what a sysctl is set to, if it is.
type sysctlValueArg struct {
	text  string
	given bool
}

func (sysctlValueArg) ArgType() string { return "string or int" }

func (a *sysctlValueArg) Unpack(val starlark.Value) error {
	switch val := val.(type) {
	case starlark.String:
		a.text = string(val)
	case starlark.Int:
		a.text = val.String()
	default:
		return want("string or int", val)
	}
	a.given = true
	return nil
}

func (a *sysctlArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.Value.given {
		if err := tx.Apply(&setSysctl{NS: a.NS.NSRef, Key: string(a.Key), Value: a.Value.text}); err != nil {
			return nil, err
		}
	}
	n, err := tx.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	value, err := n.Sysctl(string(a.Key))
	if a.Value.given && kernel.Unreadable(err) {
		return starlark.None, nil // it can only be written
	}
	return starlark.String(value), err
}

func unlessGone(err error) error {
	if errors.Is(err, kernel.ErrGone) {
		return nil
	}
	return err
}
