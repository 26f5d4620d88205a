package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
	// Claims lists what it changes that may have been there before the run; nil for one that only makes things. Check may
	// add to them, but not to none. While one run can undo a change to such a thing, no other run may change it.
	Claims() []Claim
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
	// Wholly is called before Undo. whole says that something which was done to the link since could not be undone for
	// itself, so that the link is to be made what it was, and not only what moving it changed.
	Wholly(whole bool)
}

// A Publisher is an op whose undoing takes a namespace's name away; rollback waits until the kernel has destroyed it.
type Publisher interface{ Publishes() kernel.NSRef }

// An Unpublisher is an op that takes a namespace's name away; undoing it gives the name back.
type Unpublisher interface{ Unpublishes() kernel.NSRef }

// A Checkable is an op, or a part of one, that can tell what in it is not as nsscript writes it. It is asked before the op
// is written to a journal, and when it was read from one: nothing of a journal is acted on before all of it was held to that.
type Checkable interface{ Valid() error }

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

// guests lists the links that changes moved and did not make, by the identity that they had at each time. What is done to
// one in a namespace that the changes made does not go with that: the link is brought back.
func guests(changes []change, made map[kernel.Object]bool) map[kernel.Object]bool {
	all := map[kernel.Object]bool{}
	for _, c := range changes {
		if mover, ok := c.op.(Mover); ok {
			if from, to := mover.Moves(); !made[from.Object()] {
				all[to.Object()] = true
			}
		}
	}
	return all
}

// moot reports whether all that an op touches was made by the changes that are undone, or is inside of that.
func (r *rollback) moot(op Op) bool {
	for _, o := range op.Touches() {
		if !r.ours[o] && (!r.ours[kernel.Object{Cookie: o.Cookie}] || r.guests[o]) {
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
	// Why the journal does not say of all of them that they are undone. It is of no account when nothing is left.
	Unwritten error `json:"-"`
}

// Over reports whether there is nothing left that could still be undone.
func (u Undoing) Over() bool {
	return !slices.ContainsFunc(u.Left, func(l Leftover) bool { return !l.Final })
}

// undo undoes changes newest first. It goes on past failures and tries once more from the newest of those on, since what
// blocked it may have been undone after it. Those that are open in the journal still are to be undone once more.
func undo(m *kernel.Machine, log *journal.Log, changes []change) (u Undoing, open []change) {
	for i, c := range changes {
		if mover, ok := c.op.(Mover); ok {
			// Only the last change of a journal can be one that was not made. At also opens the namespace it went to.
			if from, to := mover.Moves(); m.At(to) || i < len(changes)-1 {
				m.Moved(from.Object(), to.Object())
			}
		}
	}
	r := rollback{m: m, log: log, ours: made(changes), undone: map[int]bool{}, logged: map[int]bool{}}
	r.guests = guests(changes, r.ours)
	for _, c := range changes {
		if p, ok := c.op.(Publisher); ok {
			r.names = append(r.names, p.Publishes())
		}
	}
	r.pass(changes)
	r.again(changes)
	held := r.vanished()
	for deadline := time.Now().Add(patience); r.going(held) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // there is an event for a namespace that has gone, and none for the other ends of its links
		r.again(changes)
		held = r.vanished()
	}
	u = Undoing{Undone: len(changes), Unwritten: r.write}
	for _, f := range r.failed {
		if !r.covered(f.change, changes) {
			u.Undone--
			u.Left = append(u.Left, f.leftovers()...)
		}
	}
	if r.watch != nil {
		r.watch.Close()
	}
	for _, c := range changes {
		if p, ok := c.op.(Publisher); ok && held[p.Publishes().Cookie] != "" {
			u.Undone--
			u.Left = append(u.Left, Leftover{Seq: c.seq, Command: c.op.Command(), Pos: c.pos, Reason: "namespace " + p.Publishes().Name + ", held by " + held[p.Publishes().Cookie]})
		}
		if !r.logged[c.seq] {
			open = append(open, c)
		}
	}
	return u, open
}

// lostTries bounds how often a change is undone whose requests' answers are lost again and again.
const lostTries = 3

// A rollback is an undoing under way.
type rollback struct {
	m      *kernel.Machine
	log    *journal.Log
	ours   map[kernel.Object]bool // what the changes made
	guests map[kernel.Object]bool // what they moved
	names  []kernel.NSRef         // the namespaces among that
	watch  *kernel.Vanishing      // of these, from when the first loses its name
	undone map[int]bool
	logged map[int]bool // what the journal knows to be undone
	tell   []int        // of these, what the journal is still to be told of
	failed []failure    // in the last pass
	write  error        // of the journal, the first
}

// again undoes what could not be undone once more, and the older ones after it: what it puts back is how things were when
// they had been made.
func (r *rollback) again(changes []change) {
	if len(r.failed) > 0 {
		newest := slices.IndexFunc(changes, func(c change) bool { return c.seq == r.failed[0].seq })
		r.pass(changes[:newest+1])
	}
}

// going reports whether something that could not be undone will go by itself: the kernel takes the links in a namespace away
// a moment after that has gone, and with them their other ends.
func (r *rollback) going(held map[uint64]string) bool {
	return r.watch != nil && slices.ContainsFunc(r.failed, func(f failure) bool {
		return !f.final() && slices.ContainsFunc(f.op.Touches(), func(o kernel.Object) bool {
			_, is := held[o.Cookie]
			return !is && slices.ContainsFunc(r.names, func(ref kernel.NSRef) bool { return ref.Cookie == o.Cookie && !r.left(ref) })
		})
	})
}

// left reports whether a namespace's making or deletion is among what could not be undone.
func (r *rollback) left(ref kernel.NSRef) bool {
	return slices.ContainsFunc(r.failed, func(f failure) bool {
		p, makes := f.op.(Publisher)
		u, deletes := f.op.(Unpublisher)
		return makes && p.Publishes().Cookie == ref.Cookie || deletes && u.Unpublishes().Cookie == ref.Cookie
	})
}

// covered reports whether nothing is left of a change that could not be undone: one before it was undone after it, and made
// all that it had changed what that was before both.
func (r *rollback) covered(c change, changes []change) bool {
	mine := c.changed()
	return len(mine) > 0 && slices.ContainsFunc(changes, func(old change) bool {
		theirs := old.changed()
		return old.seq < c.seq && r.undone[old.seq] && !slices.ContainsFunc(mine, func(m Claim) bool {
			return !slices.ContainsFunc(theirs, m.same) || m.Index > 0 && !r.m.At(kernel.LinkRef{NS: kernel.NSRef{Cookie: m.Cookie}, Index: m.Index})
		})
	})
}

// vanished waits for the namespaces that lost their names. It says of those that do not go who holds them.
func (r *rollback) vanished() map[uint64]string {
	if r.watch == nil {
		return nil
	}
	stay := map[uint64]bool{}
	for _, ref := range r.names {
		stay[ref.Cookie] = r.left(ref)
	}
	return r.watch.Wait(context.Background(), patience, stay)
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
	l := Leftover{Seq: f.seq, Command: f.op.Command(), Pos: f.pos, Reason: kernel.Cause(f.err)}
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
	before := r.failed
	r.failed = nil
	named := len(todo) // from here on no namespace has a name any more
	for i := len(todo) - 1; i >= 0; i-- {
		c := todo[i]
		if _, ok := c.op.(Publisher); ok && i < named {
			named = r.unname(todo[:i+1])
		}
		moot, err := r.undo(c, todo[:i])
		for _, f := range before {
			if moot && f.seq == c.seq && f.final() {
				err = f.err // what somebody else changed is as it was
			}
		}
		if r.undone[c.seq] = err == nil; err != nil {
			r.failed = append(r.failed, failure{c, err})
			continue
		}
		// What is older than a failure is to be undone once more after that, by this process or by the next.
		if len(r.failed) > 0 || r.logged[c.seq] {
			continue
		}
		r.logged[c.seq] = true
		failpoint.Hit("change: after it was undone")
		if r.tell = append(r.tell, c.seq); !moot {
			r.note()
		}
	}
	r.note()
}

// unname takes the mounts off the names of namespaces whose undoing comes next, with nothing to do between them, and returns
// how many changes are older than these.
func (r *rollback) unname(todo []change) int {
	var refs []kernel.NSRef
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		if p, ok := c.op.(Publisher); !ok && !r.moot(c.op) {
			break
		} else if ok && r.unpublishing(p.Publishes()) == nil {
			refs = append(refs, p.Publishes())
		}
		todo = todo[:len(todo)-1]
	}
	if len(refs) > 1 {
		r.m.Unmount(refs)
	}
	return len(todo)
}

// note writes to the journal what is undone. Nothing was done about those that are moot, and they stay moot until what
// they are inside of is undone, which is older: so they need no write of their own.
func (r *rollback) note() {
	if len(r.tell) > 0 {
		if err := r.log.Undone(r.tell...); r.write == nil {
			r.write = blamed(err)
		}
		r.tell = r.tell[:0]
	}
}

// undo undoes a change, or finds it moot. Who does not know whether a request was done looks at what there is to do still,
// and does that.
func (r *rollback) undo(c change, older []change) (isMoot bool, err error) {
	for range lostTries {
		if isMoot, err = r.undoOnce(c, older); !errors.Is(err, kernel.ErrLost) {
			break
		}
	}
	return isMoot, err
}

func (r *rollback) undoOnce(c change, older []change) (isMoot bool, err error) {
	if p, ok := c.op.(Publisher); ok {
		if r.left(p.Publishes()) {
			return false, errors.New("its deletion is not undone")
		}
		if err := r.unpublishing(p.Publishes()); err != nil {
			return false, err
		}
	}
	if u, ok := c.op.(Unpublisher); ok {
		for _, f := range r.failed {
			if p, ok := f.op.(Publisher); ok && p.Publishes().Path == u.Unpublishes().Path {
				return false, errors.New("its name is another namespace's still")
			}
		}
	}
	if r.moot(c.op) || r.fetched(c, older) {
		return true, nil
	}
	if mover, ok := c.op.(Mover); ok {
		_, to := mover.Moves()
		mover.Wholly(slices.ContainsFunc(r.failed, func(f failure) bool {
			return f.seq > c.seq && !f.final() && slices.Contains(f.op.Touches(), to.Object())
		}))
	}
	if u, ok := c.op.(Unmaker); ok && slices.ContainsFunc(older, func(c change) bool { return u.Unmakes(c.op) }) {
		return false, nil
	}
	if l, ok := c.op.(Layered); ok {
		for _, c := range older {
			l.Over(c.op)
		}
	}
	failpoint.Hit("change: before it is undone")
	return false, c.op.Undo(r.m)
}

// fetched reports whether the link that a change was done to has been brought back since, and made what it was.
func (r *rollback) fetched(c change, older []change) bool {
	return slices.ContainsFunc(older, func(old change) bool {
		mover, ok := old.op.(Mover)
		if !ok || !r.undone[old.seq] {
			return false
		}
		_, to := mover.Moves()
		return slices.Contains(c.op.Touches(), to.Object())
	})
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
		r.watch, err = r.m.Watch(r.names)
	}
	return err
}
