package change

import (
	"slices"

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
	// Claims lists what it changes that may have been there before the run; nil for one that only makes things. Check
	// may add to them, but not to none. While one run can undo a change to such a thing, no other run may change it.
	Claims() []Claim
	// Check looks and changes nothing that others can see: it resolves what Do needs and saves what Do will overwrite.
	// fresh says that all it touches was made in the same transaction, so that there is nothing to save. What undoing
	// would not bring back is an error of kernel.Losses alone, once all else is checked and saved: then the change is
	// made only when the script says irreversible=True.
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
	// SetWhole is called before Undo. whole says that something which was done to the link since could not be undone
	// for itself, so that the link is to be made what it was, and not only what moving it changed.
	SetWhole(whole bool)
}

// A Namer is an op that gives a namespace a name. Undoing it takes the name away, and waits until the kernel
// has destroyed the namespace.
type Namer interface{ Names() kernel.NSRef }

// An Unnamer is an op that takes a namespace's name away. Undoing it gives the name back.
type Unnamer interface {
	Unnames() kernel.NSRef
	// Last reports whether the namespace has no other name, and so ends with this one.
	Last() bool
}

// A Checkable is an op, or a part of one, that can tell what in it is not as nsscript writes it. It is asked before the
// op is written to a journal, and when it was read from one: nothing of a journal is acted on before all of it was held
// to that.
type Checkable interface{ Valid() error }

// An Unmaker is an op that takes away what an older op made; undoing it makes that again, but for nothing when the
// older one is to be undone as well.
type Unmaker interface{ Unmakes(older Op) bool }

// An op that Supersedes sets what an older op may have set as well. Before it is undone it is shown the older
// ones: they may have been undone already, and what they found is then nobody else's doing.
type Supersedes interface{ Over(older Op) }

// An op that RestoresOthers changes other links with the one that it is done to. They are restored also when
// that was brought back from another namespace, and all of it undone with that.
type RestoresOthers interface {
	UndoOthers(m *kernel.Machine) error
}

// A Noter is an op that looks once more when it was made. What it saw goes into the journal, as fields of the op's
// record: undoing can tell by it what somebody else has changed since, and does without it when the process died then.
type Noter interface {
	Note(m *kernel.Machine) (fields any, err error)
}

// A Temporary op makes something that is of use only as long as something is in it; a lab is kept without it when Idle.
type Temporary interface {
	Idle(m *kernel.Machine) (bool, error)
}

// A Starter is an op that starts a process which runs beside others.
type Starter interface{ Starts() kernel.Process }

// Made is an op that was made in this run, or read back from a journal.
type Made struct {
	Seq  int
	Op   Op
	Pos  string
	Lost []string // what undoing it was known not to bring back when it was made
	Held bool     // it is undone, but the namespace that it made is held by somebody
}

// Event is the change for those who are told of it.
func (c Made) Event() Event {
	return Event{Event: "change", Seq: c.Seq, Kind: c.Op.Kind(), Command: c.Op.Command(), Pos: c.Pos, Lost: c.Lost}
}

// Named lists the namespaces that changes gave a name and did not take it away again, oldest first.
func Named(changes []Made) (all []kernel.NSRef) {
	for _, c := range changes {
		if p, ok := c.Op.(Namer); ok && !c.Held {
			all = append(all, p.Names())
		}
		if u, ok := c.Op.(Unnamer); ok {
			ref := u.Unnames()
			all = slices.DeleteFunc(all, func(r kernel.NSRef) bool {
				return r.Cookie == ref.Cookie && r.Path == ref.Path
			})
		}
	}
	return all
}

// MadeBy is what a list of changes made: links by the identity that they had at each time, and namespaces.
func MadeBy(changes []Made) map[kernel.Object]bool {
	all := map[kernel.Object]bool{}
	for _, c := range changes {
		if maker, ok := c.Op.(Maker); ok {
			for _, o := range maker.Makes() {
				all[o] = true
			}
		}
		if mover, ok := c.Op.(Mover); ok {
			if from, to := mover.Moves(); all[from.Object()] {
				all[to.Object()] = true
			}
		}
	}
	return all
}

// MovedIn lists the links that changes moved and did not make, by the identity that they had at each time. What is done
// to one in a namespace that the changes made does not go with that: the link is brought back.
func MovedIn(changes []Made, made map[kernel.Object]bool) map[kernel.Object]bool {
	all := map[kernel.Object]bool{}
	for _, c := range changes {
		if mover, ok := c.Op.(Mover); ok {
			if from, to := mover.Moves(); !made[from.Object()] {
				all[to.Object()] = true
			}
		}
	}
	return all
}

// A Leftover is a change that could not be undone, or not whole.
type Leftover struct {
	Seq     int    `json:"seq,omitempty"`
	Command string `json:"command,omitempty"`
	Pos     string `json:"pos,omitempty"`
	Reason  string `json:"reason"`
	// Final says that all was undone but for what cannot be brought back, or what somebody else has changed since:
	// there is nothing more to do about it.
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
