package runtime

import (
	"slices"
	"strings"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// Irreversible is the parameter of all builtins whose changes may be such that undoing would not bring everything back.
// Their arguments embed it. Without irreversible=True such a change is refused; with it, what is lost is reported when
// the change is undone.
type Irreversible struct {
	Waived bool `arg:"irreversible?" doc:"make the change even when undoing it will not bring all back; what is lost then is listed after undoing, with exit code 3"`
}

func (w *Irreversible) waives() *Irreversible { return w }

// A waiving call is one of a builtin with the parameter irreversible.
type waiving interface{ waives() *Irreversible }

// accept judges what a check said of an op: what of it is lost for good, as far as the script lets it; or the refusal.
func (w *Irreversible) accept(op Op, err error) ([]string, error) {
	lost, more := kernel.Losses(err)
	if more || len(lost) == 0 {
		return nil, err
	}
	if w == nil || !w.Waived {
		return nil, &IrreversibleError{Command: op.Command(), Lost: lost, offered: w != nil}
	}
	var all []string
	for _, l := range lost {
		all = append(all, l.What)
	}
	return all, nil
}

// An IrreversibleError is the refusal of a change that could not be undone whole.
type IrreversibleError struct {
	Command string
	Lost    []*kernel.Loss

	offered bool // the builtin has a parameter to have its way
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
	if e.offered {
		all = append(all, "irreversible=True does it all the same, and lists what is lost when it is undone")
	}
	return strings.Join(all, "; ")
}
