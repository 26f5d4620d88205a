package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// An Op is one change to the machine, as a value: a pointer to a struct whose JSON form is its record in the journal.
// Undo must do the right thing whether Do ran wholly or not at all, for a process may die between the two.
type Op interface {
	// Kind names the op in journals, in iproute2's words: "link add".
	Kind() string
	// Command is the iproute2 command line that would make the same change.
	Command() string
	// Touches lists the links and namespaces that the change is made in. When all of them were made by the transaction
	// that is being undone, undoing them undoes the change, and Undo is not called.
	Touches() []kernel.Object
	// Check looks and changes nothing that others can see: it resolves what Do needs and saves what Do will overwrite.
	// fresh says that all it touches was made in the same transaction, so that there is nothing to save. What undoing would
	// not bring back is an error of kernel.Losses alone, once all else is checked and saved: then the change is made only
	// when the script says irreversible=True.
	Check(m *kernel.Machine, fresh bool) error
	// Do makes one request of the kernel: it happens wholly or not at all.
	Do(m *kernel.Machine) error
	// Undo puts back what was, and is content when that is so already. It touches only what it can identify as the op's
	// own, and reports the rest as kernel.ErrDiverged. An error of kernel.Losses alone says what did not come back.
	Undo(m *kernel.Machine) error
}

// A Maker is an op that makes namespaces or links.
type Maker interface{ Makes() []kernel.Object }

// A Mover is an op after which a link has another identity.
type Mover interface {
	Moves() (from, to kernel.LinkRef)
}

// A Publisher is an op whose undoing takes a namespace's name away; rollback waits until the kernel has destroyed it.
type Publisher interface{ Publishes() kernel.NSRef }

// An Unpublisher is an op that takes a namespace's name away; undoing it gives the name back.
type Unpublisher interface{ Unpublishes() kernel.NSRef }

// An Unmaker is an op that takes away what an older op made; undoing it makes that again, but for nothing when the older
// one is to be undone as well.
type Unmaker interface{ Unmakes(older Op) bool }

// A Layered op sets what an older op may have set as well. Before it is undone it is shown the older ones: they may have been
// undone already, and what they found is then nobody else's doing.
type Layered interface{ Over(older Op) }

// A Passing op makes something that is of use only as long as something is in it; a lab is kept without it when Idle.
type Passing interface {
	Idle(m *kernel.Machine) (bool, error)
}

// A change is an op that was made in this run, or read back from a journal.
type change struct {
	seq  int
	op   Op
	pos  string
	lost []string // what undoing it was known not to bring back when it was made
}

// event is the change for those who are told of it.
func (c change) event() Event {
	return Event{Event: "change", Seq: c.seq, Kind: c.op.Kind(), Command: c.op.Command(), Pos: c.pos, Lost: c.lost}
}

// decodeOps turns a journal's open intents back into ops. A kind that the vocabulary does not know is an error: it
// could not be undone.
func decodeOps(kinds []Op, open []journal.Record) ([]change, error) {
	types := map[string]reflect.Type{}
	for _, op := range kinds {
		types[op.Kind()] = reflect.TypeOf(op).Elem()
	}
	var all []change
	for _, r := range open {
		t, ok := types[r.Kind]
		if !ok {
			return nil, fmt.Errorf("change %d is a %q, which this nsscript does not know", r.Seq, r.Kind)
		}
		op := reflect.New(t).Interface().(Op)
		if err := json.Unmarshal(r.Data, op); err != nil {
			return nil, fmt.Errorf("change %d (%s) cannot be read: %w", r.Seq, r.Kind, err)
		}
		all = append(all, change{r.Seq, op, r.Pos, r.Lost})
	}
	return all, nil
}

// made is what a list of changes made: links by the identity that they had at each time, and namespaces.
func made(changes []change) map[kernel.Object]bool {
	all := map[kernel.Object]bool{}
	for _, c := range changes {
		if maker, ok := c.op.(Maker); ok {
			for _, o := range maker.Makes() {
				all[o] = true
			}
		}
		if mover, ok := c.op.(Mover); ok {
			if from, to := mover.Moves(); all[from.Object()] {
				all[to.Object()] = true
			}
		}
	}
	return all
}

// moot reports whether all that an op touches is, or is inside, something of the given.
func moot(op Op, made map[kernel.Object]bool) bool {
	for _, o := range op.Touches() {
		if !made[o] && !made[kernel.Object{Cookie: o.Cookie}] {
			return false
		}
	}
	return len(op.Touches()) > 0
}

// A Leftover is a change that could not be undone, or not whole.
type Leftover struct {
	Seq     int    `json:"seq,omitempty"`
	Command string `json:"command,omitempty"`
	Pos     string `json:"pos,omitempty"`
	Reason  string `json:"reason"`
	// Final says that all was undone but for what cannot be brought back, or what somebody else has changed since: there is
	// nothing more to do about it.
	Final bool `json:"final,omitempty"`
}

// An Undoing is what a rollback did.
type Undoing struct {
	Undone int        `json:"undone"`
	Left   []Leftover `json:"left,omitempty"`

	open int // how many of the changes, the oldest ones, are still to be undone
}

// Over reports whether there is nothing left that could still be undone.
func (u Undoing) Over() bool {
	return !slices.ContainsFunc(u.Left, func(l Leftover) bool { return !l.Final })
}

// undo undoes changes newest first. It goes on past failures and tries once more from the newest of those on, since what
// blocked it may have been undone after it.
func undo(m *kernel.Machine, log *journal.Log, changes []change) (Undoing, error) {
	for i, c := range changes {
		if mover, ok := c.op.(Mover); ok {
			// Only the last change of a journal can be one that was not made. At also opens the namespace it went to.
			if from, to := mover.Moves(); m.At(to) || i < len(changes)-1 {
				m.Moved(from.Object(), to.Object())
			}
		}
	}
	r := rollback{m: m, log: log, ours: made(changes), undone: map[int]bool{}, logged: map[int]bool{}}
	for _, c := range changes {
		if p, ok := c.op.(Publisher); ok {
			r.names = append(r.names, p.Publishes())
		}
	}
	r.pass(changes)
	if len(r.failed) > 0 {
		// The older ones once more after it: what it puts back is how things were when they had been made.
		newest := slices.IndexFunc(changes, func(c change) bool { return c.seq == r.failed[0].seq })
		r.pass(changes[:newest+1])
	}
	u := Undoing{Undone: len(r.undone)}
	for _, f := range r.failed {
		u.Left = append(u.Left, f.leftovers()...)
	}
	if len(r.failed) > 0 {
		u.open = 1 + slices.IndexFunc(changes, func(c change) bool { return c.seq == r.failed[0].seq })
	}
	if r.watch != nil {
		for _, left := range r.watch.Wait(context.Background(), patience) {
			u.Left = append(u.Left, Leftover{Reason: left})
		}
	}
	return u, r.write
}

// A rollback is an undoing under way.
type rollback struct {
	m      *kernel.Machine
	log    *journal.Log
	ours   map[kernel.Object]bool // what the changes made
	names  []kernel.NSRef         // the namespaces among that
	watch  *kernel.Vanishing      // of these, from when the first loses its name
	undone map[int]bool
	logged map[int]bool // what the journal knows to be undone
	failed []failure    // in the last pass
	write  error        // of the journal
}

// A failure is a change that could not be undone, or not whole.
type failure struct {
	change
	err error
}

// final reports whether it was undone but for what cannot be brought back, or what somebody else has changed.
func (f failure) final() bool {
	_, more := kernel.Losses(f.err)
	return !more
}

func (f failure) leftovers() []Leftover {
	l := Leftover{Seq: f.seq, Command: f.op.Command(), Pos: f.pos, Reason: f.err.Error()}
	lost, more := kernel.Losses(f.err)
	if more {
		return []Leftover{l}
	}
	var all []Leftover
	if l.Final = true; errors.Is(f.err, kernel.ErrDiverged) {
		all = append(all, l)
	}
	for _, loss := range lost {
		l.Reason = loss.Error()
		all = append(all, l)
	}
	return all
}

// pass goes once through changes, newest first.
func (r *rollback) pass(todo []change) {
	r.failed = nil
	for i := len(todo) - 1; i >= 0; i-- {
		c := todo[i]
		if err := r.undo(c, todo[:i]); err != nil {
			r.failed = append(r.failed, failure{c, err})
			continue
		}
		r.undone[c.seq] = true
		// What is older than a failure is to be undone once more after that, by this process or by the next.
		if len(r.failed) == 0 && !r.logged[c.seq] {
			r.logged[c.seq] = true
			failpoint.Hit("change: after it was undone")
			r.write = errors.Join(r.write, r.log.Undone(c.seq))
		}
	}
}

func (r *rollback) undo(c change, older []change) error {
	if p, ok := c.op.(Publisher); ok {
		if err := r.unpublishing(p.Publishes()); err != nil {
			return err
		}
	}
	if u, ok := c.op.(Unpublisher); ok {
		for _, f := range r.failed {
			if p, ok := f.op.(Publisher); ok && p.Publishes().Path == u.Unpublishes().Path {
				return errors.New("its name is another namespace's still")
			}
		}
	}
	u, unmakes := c.op.(Unmaker)
	if moot(c.op, r.ours) || unmakes && slices.ContainsFunc(older, func(c change) bool { return u.Unmakes(c.op) }) {
		return nil
	}
	if l, ok := c.op.(Layered); ok {
		for _, c := range older {
			l.Over(c.op)
		}
	}
	failpoint.Hit("change: before it is undone")
	return c.op.Undo(r.m)
}

// unpublishing prepares for a namespace's end. A link that was moved into it and could not be brought back would end
// with it.
func (r *rollback) unpublishing(ref kernel.NSRef) (err error) {
	for _, f := range r.failed {
		if mover, ok := f.op.(Mover); ok && !f.final() {
			if from, to := mover.Moves(); to.NS.Cookie == ref.Cookie {
				return fmt.Errorf("link %s is still in it", from.Name)
			}
		}
	}
	if r.watch == nil {
		// From the first name on there is nothing to do inside the namespaces any more.
		r.watch, err = r.m.Watch(r.names)
	}
	return err
}
