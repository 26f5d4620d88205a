package runtime

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// intend looks and writes the intent: from here on the change will be undone. What was there before the run is taken
// while no other run can take anything.
func (s *Session) intend(op change.Op, pos string, waiver *Irreversible) (c change.Made, err error) {
	fresh := s.fresh(op)
	look := func(others []journal.Entry) error {
		lost, err := waiver.accept(op, op.Check(s.m, fresh))
		if err != nil {
			return err
		}
		if err := change.ValidOp(op); err != nil {
			return err
		}
		// Only after Check does the op know all that it changes. What it saw of a thing that was being changed goes
		// with the refusal: the others are as they were before it looked.
		claims := change.Foreign(op, func(o kernel.Object) bool { _, ok := s.born[o]; return ok })
		if err := change.Claimed(s.voc.Ops, others, claims); err != nil {
			return err
		}
		seq, err := s.log.Intent(op.Kind(), op, pos, lost...)
		c = change.Made{Seq: seq, Op: op, Pos: pos, Lost: lost}
		return change.Blamed(err)
	}
	if fresh || len(op.Claims()) == 0 {
		err = look(nil)
	} else {
		err = s.log.Alone(look)
	}
	if err != nil {
		s.nameMaker(err)
	}
	return c, err
}

// nameMaker has the error of a namespace's name that is taken say which lab has made that one.
func (s *Session) nameMaker(err error) {
	k := new(kernel.Error)
	if !errors.As(err, &k) || !errors.Is(err, syscall.EEXIST) || !k.Machine || k.Op != "add namespace" {
		return
	}
	entries, _ := journal.OpenDir(s.o.Dir).List() // the error is another one
	for _, e := range entries {
		changes, _ := change.Read(s.voc.Ops, journal.Open(e.Records))
		for _, ref := range change.Named(changes) {
			if ref.Name == k.Object && e.Name != s.o.Lab && s.m.Leads(ref) {
				k.Hint = fmt.Sprintf("lab %s has made it: `nsscript down %s` takes it down; %s", e.Name, e.Name, k.Hint)
				return
			}
		}
	}
}

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

// fresh reports whether all that an op touches was made by the transaction that is running: then its own undoing will
// never be called for.
func (s *Session) fresh(op change.Op) bool {
	within := func(o kernel.Object) bool {
		seq, ok := s.born[o]
		return ok && s.within[seq].inside(s.frame)
	}
	for _, o := range op.Touches() {
		if _, in := s.movedIn[o]; !within(o) && (in || !within(kernel.Object{Cookie: o.Cookie})) {
			return false
		}
	}
	return len(op.Touches()) > 0
}

// remember adds a change that was made.
func (s *Session) remember(c change.Made) {
	s.changes = append(s.changes, c)
	s.within[c.Seq] = s.frame
	if maker, ok := c.Op.(change.Maker); ok {
		for _, o := range maker.Makes() {
			s.born[o] = c.Seq
		}
	}
	if u, ok := c.Op.(change.Unnamer); ok && u.Last() {
		s.deleted[u.Unnames().Object()] = c.Seq
	}
	if mover, ok := c.Op.(change.Mover); ok {
		from, to := mover.Moves()
		if born, ok := s.born[from.Object()]; ok {
			s.born[to.Object()] = born
		} else if _, before := s.movedIn[to.Object()]; !before {
			s.movedIn[to.Object()] = c.Seq
		}
	}
}

// forget drops changes, which were undone.
func (s *Session) forget(gone []change.Made) {
	seqs := map[int]bool{}
	for _, c := range gone {
		seqs[c.Seq] = true
		delete(s.within, c.Seq)
	}
	s.changes = slices.DeleteFunc(s.changes, func(c change.Made) bool { return seqs[c.Seq] })
	for _, of := range []map[kernel.Object]int{s.born, s.movedIn, s.deleted} {
		maps.DeleteFunc(of, func(_ kernel.Object, seq int) bool { return seqs[seq] })
	}
}

// reachable is an error when the run has deleted the namespace that something is in.
func (s *Session) reachable(o kernel.Object) error {
	if _, ok := s.deleted[kernel.Object{Cookie: o.Cookie}]; !ok {
		return nil
	}
	for _, c := range slices.Backward(s.changes) {
		if u, ok := c.Op.(change.Unnamer); ok && u.Unnames().Cookie == o.Cookie {
			return deleted(u.Unnames())
		}
	}
	return nil
}

func deleted(ref kernel.NSRef) error {
	return &kernel.Error{Op: "use namespace", Object: ref.String(), Err: kernel.ErrDeleted}
}

// Changes is how many changes are there to undo.
func (s *Session) Changes() int { return len(s.changes) }

// Owns reports whether the run has made something that is there.
func (s *Session) Owns(o kernel.Object) bool {
	_, ours := s.born[o]
	return ours
}

// Namespaces lists the namespaces that the run has made and not deleted, oldest first.
func (s *Session) Namespaces() []kernel.NSRef { return change.Named(s.changes) }
