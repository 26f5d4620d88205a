package script

import (
	"strings"

	"go.starlark.net/syntax"
)

// A Finding is something wrong in a script's text.
type Finding struct {
	Pos  syntax.Position
	Msg  string
	Hint string
}

// A SyntaxError is all that is wrong in a script's text. Nothing of such a script runs.
type SyntaxError struct {
	List    []Finding
	Sources Sources
}

func (e *SyntaxError) Error() string {
	var all []string
	for _, f := range e.List {
		all = append(all, f.Pos.String()+": "+f.Msg)
	}
	return strings.Join(all, "\n")
}
