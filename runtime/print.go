package runtime

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/script"
)

func (s *Session) printBuiltin(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	sep := " "
	if err := starlark.UnpackArgs("print", nil, kwargs, "sep?", &sep); err != nil {
		return nil, err
	}
	line, err := script.Join(sep, args)
	if err != nil {
		return nil, fmt.Errorf("print: %w", err)
	}
	return starlark.None, s.print(line)
}
