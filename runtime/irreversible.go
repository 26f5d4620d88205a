package runtime

import (
	"github.com/nsscript/nsscript/runtime/change"
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
func (w *Irreversible) accept(op change.Op, err error) ([]string, error) {
	lost, more := kernel.Losses(err)
	if more || len(lost) == 0 {
		return nil, err
	}
	if w == nil || !w.Waived {
		return nil, &change.IrreversibleError{Command: op.Command(), Lost: lost, Offered: w != nil}
	}
	var all []string
	for _, l := range lost {
		all = append(all, l.What)
	}
	return all, nil
}
