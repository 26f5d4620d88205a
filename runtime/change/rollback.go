package change

import (
	"errors"
	"slices"
	"time"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// Patience is how long a rollback waits for the kernel to destroy namespaces before it says who holds them. Tests that
// hold one make it short.
var Patience = 5 * time.Second

// Undo undoes changes newest first. It goes on past failures and tries once more from the newest of those on, since
// what blocked it may have been undone after it. Those that are open in the journal still are to be undone once more.
func Undo(m *kernel.Machine, log *journal.Log, changes []Made) (u Undoing, open []Made) {
	for i, c := range changes {
		if mover, ok := c.Op.(Mover); ok {
			from, to := mover.Moves()
			switch there := m.At(to); { // which also opens the namespace it went to
			case !there && (m.At(from) || m.Restored(from.Object())):
				m.MarkRestored(to.Object(), from.Object()) // an earlier process has undone this, and could not say so
			case there || i < len(changes)-1: // only the last change of a journal can be one that was not made
				m.Moved(from.Object(), to.Object())
			}
		}
	}
	r := rollback{m: m, log: log, ours: MadeBy(changes), logged: map[int]bool{}}
	for o := range r.ours {
		m.Own(o)
	}
	r.movedIn = MovedIn(changes, r.ours)
	for _, c := range changes {
		if p, ok := c.Op.(Namer); ok {
			r.names = append(r.names, p.Names())
		}
		r.logged[c.Seq] = c.Held
	}
	r.pass(changes)
	r.again(changes)
	held := r.tornDown()
	for deadline := time.Now().Add(Patience); r.going(held) && time.Now().Before(deadline); {
		// there is an event for a namespace that has gone, and none for the other ends of its links
		time.Sleep(time.Millisecond)
		r.again(changes)
		held = r.tornDown()
	}
	u = Undoing{Undone: len(changes), Unwritten: r.write}
	for _, f := range r.failed {
		u.Undone--
		if r.below(f) {
			f.err = errBelow
		}
		u.Left = append(u.Left, f.leftovers()...)
	}
	if r.watch != nil {
		r.watch.Close()
	}
	for _, c := range changes {
		who := ""
		if p, ok := c.Op.(Namer); ok {
			if who = held[p.Names().Cookie]; who != "" {
				u.Undone--
				u.Left = append(u.Left,
					Leftover{Seq: c.Seq, Command: c.Op.Command(), Pos: c.Pos,
						Reason: "namespace " + p.Names().Name + ", held by " + who})
			}
		}
		if c.Held = r.logged[c.Seq]; !c.Held || who != "" {
			open = append(open, c)
		}
	}
	return u, open
}

// lostTries bounds how often a change is undone whose requests' answers are lost again and again.
const lostTries = 3

// A rollback is an undoing under way.
type rollback struct {
	m       *kernel.Machine
	log     *journal.Log
	ours    map[kernel.Object]bool // what the changes made
	movedIn map[kernel.Object]bool // the links that they moved there
	names   []kernel.NSRef         // the namespaces among that
	watch   *kernel.Teardown       // of these, from when the first loses its name
	logged  map[int]bool           // what the journal knows to be undone
	tell    []int                  // of these, what the journal is still to be told of
	failed  []failure              // in the last pass
	write   error                  // of the journal, the first
}

// covered reports whether all that an op touches was made by the changes that are undone, or is inside of that: undoing
// its makers undoes it.
func (r *rollback) covered(op Op) bool {
	for _, o := range op.Touches() {
		if !r.ours[o] && (!r.ours[kernel.Object{Cookie: o.Cookie}] || r.movedIn[o]) {
			return false
		}
	}
	return len(op.Touches()) > 0
}

// inTheWay reports whether an op made a link where another one may come back that was moved there: it may have its
// name.
func (r *rollback) inTheWay(op Op) bool {
	maker, ok := op.(Maker)
	return ok && slices.ContainsFunc(maker.Makes(), func(o kernel.Object) bool {
		for link := range r.movedIn {
			if o.Index > 0 && link.Cookie == o.Cookie {
				return true
			}
		}
		return false
	})
}

// again undoes what could not be undone once more, and the older ones after it: what it puts back is how things were
// when they had been made.
func (r *rollback) again(changes []Made) {
	if len(r.failed) > 0 {
		newest := slices.IndexFunc(changes, func(c Made) bool { return c.Seq == r.failed[0].Seq })
		r.pass(changes[:newest+1])
	}
}

// A failure is a change that could not be undone, or not whole.
type failure struct {
	Made
	err error
}

// final reports whether it was undone but for what cannot be brought back, or what somebody else has changed.
func (f failure) final() bool {
	_, more := kernel.Losses(f.err)
	return !more
}

// errBelow is why a change is left whose thing is not as it made it, because a newer change of that is left.
var errBelow = errors.New("a newer change of it is not undone")

// below reports whether it is no wonder that a change did not find what it had made.
func (r *rollback) below(f failure) bool {
	return f.final() && errors.Is(f.err, kernel.ErrDiverged) && slices.ContainsFunc(r.failed, func(newer failure) bool {
		return newer.Seq > f.Seq && !newer.final() &&
			slices.ContainsFunc(newer.Op.Claims(), func(c Claim) bool {
				return slices.ContainsFunc(f.Op.Claims(), c.meets)
			})
	})
}

func (f failure) leftovers() []Leftover {
	l := Leftover{Seq: f.Seq, Command: f.Op.Command(), Pos: f.Pos, Reason: kernel.Cause(f.err)}
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
func (r *rollback) pass(todo []Made) {
	before := r.failed
	r.failed = nil
	named := len(todo) // from here on no namespace has a name any more
	for i := len(todo) - 1; i >= 0; i-- {
		c := todo[i]
		if _, ok := c.Op.(Namer); ok && i < named {
			named = r.unname(todo[:i+1])
		}
		covered, err := r.undo(c, todo[:i])
		for _, f := range before {
			if covered && f.Seq == c.Seq && f.final() {
				err = f.err // what somebody else changed is as it was
			}
		}
		if err != nil {
			r.failed = append(r.failed, failure{c, err})
			continue
		}
		// What is older than a failure is to be undone once more after that, by this process or by the next.
		if len(r.failed) > 0 || r.logged[c.Seq] {
			continue
		}
		r.logged[c.Seq] = true
		failpoint.Hit("change: after it was undone")
		if r.tell = append(r.tell, c.Seq); !covered {
			r.note()
		}
	}
	r.note()
}

// unname takes the mounts off the names of namespaces whose undoing comes next, with nothing to do between them, and
// returns how many changes are older than these.
func (r *rollback) unname(todo []Made) int {
	var refs []kernel.NSRef
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		if p, ok := c.Op.(Namer); !ok && !r.covered(c.Op) {
			break
		} else if ok && !c.Held && r.takingName(p.Names()) == nil {
			refs = append(refs, p.Names())
		}
		todo = todo[:len(todo)-1]
	}
	if len(refs) > 1 {
		r.m.Unmount(refs)
	}
	return len(todo)
}

// note writes to the journal what is undone. Nothing was done about those that their makers cover, and that stays so
// until what they are inside of is undone, which is older: so they need no write of their own.
func (r *rollback) note() {
	if len(r.tell) > 0 {
		if err := r.log.Undone(r.tell...); r.write == nil {
			r.write = Blamed(err)
		}
		r.tell = r.tell[:0]
	}
}

// undo undoes a change, or finds it covered by its maker. Who does not know whether a request was done looks at what
// there is to do still, and does that.
func (r *rollback) undo(c Made, older []Made) (covered bool, err error) {
	for range lostTries {
		if covered, err = r.undoOnce(c, older); !errors.Is(err, kernel.ErrLost) {
			break
		}
	}
	return covered, err
}

func (r *rollback) undoOnce(c Made, older []Made) (covered bool, err error) {
	if p, ok := c.Op.(Namer); ok {
		if r.left(p.Names()) {
			return false, errors.New("its deletion is not undone")
		}
		if err := r.takingName(p.Names()); err != nil {
			return false, err
		}
	}
	if c.Held {
		return false, nil // only its end is waited for
	}
	if u, ok := c.Op.(Unnamer); ok {
		for _, f := range r.failed {
			if p, ok := f.Op.(Namer); ok && p.Names().Path == u.Unnames().Path {
				return false, errors.New("its name is another namespace's still")
			}
		}
	}
	if r.covered(c.Op) && !r.inTheWay(c.Op) {
		return true, nil
	}
	if slices.ContainsFunc(c.Op.Touches(), r.m.Restored) { // the link was brought back since, and made what it was
		if a, ok := c.Op.(RestoresOthers); ok {
			err = a.UndoOthers(r.m)
		}
		return true, err
	}
	if mover, ok := c.Op.(Mover); ok {
		_, to := mover.Moves()
		mover.SetWhole(slices.ContainsFunc(r.failed, func(f failure) bool {
			return f.Seq > c.Seq && !f.final() && slices.Contains(f.Op.Touches(), to.Object())
		}))
	}
	if u, ok := c.Op.(Unmaker); ok && slices.ContainsFunc(older, func(c Made) bool { return u.Unmakes(c.Op) }) {
		return false, nil
	}
	if l, ok := c.Op.(Supersedes); ok {
		for _, c := range older {
			l.Over(c.Op)
		}
	}
	failpoint.Hit("change: before it is undone")
	err = c.Op.Undo(r.m)
	if p, ok := c.Op.(Namer); ok && errors.Is(err, kernel.ErrDiverged) && !errors.Is(err, kernel.ErrInTheWay) &&
		r.givenBack(p.Names().Path, older) {
		return false, nil
	}
	return false, err
}

// givenBack reports whether a namespace that older changes took a name from has it again. What was done since they did
// was undone before that, in an earlier pass or by an earlier process, which could not undo something newer.
func (r *rollback) givenBack(path string, older []Made) bool {
	return slices.ContainsFunc(older, func(c Made) bool {
		u, ok := c.Op.(Unnamer)
		return ok && u.Unnames().Path == path && r.m.Leads(u.Unnames())
	})
}
