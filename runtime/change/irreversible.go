package change

import (
	"slices"
	"strings"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// An IrreversibleError is the refusal of a change that could not be undone whole.
type IrreversibleError struct {
	Command string
	Lost    []*kernel.Loss

	Offered bool // the builtin has a parameter to have its way
}

func (e *IrreversibleError) Error() string {
	var all []string
	for _, l := range e.Lost {
		all = append(all, l.What+" ("+l.Why+")")
	}
	return e.Command + ": undoing it would not bring back " + strings.Join(all, ", nor ")
}

// Hint says how to do it without a loss, and how to do it all the same.
func (e *IrreversibleError) Hint() string {
	var all []string
	for _, l := range e.Lost {
		if l.Hint != "" && !slices.Contains(all, l.Hint) {
			all = append(all, l.Hint)
		}
	}
	if e.Offered {
		all = append(all, "irreversible=True does it all the same, and lists what is lost when it is undone")
	}
	return strings.Join(all, "; ")
}
