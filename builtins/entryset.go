package builtins

import (
	"errors"
	"fmt"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// setEntry sets some of what an entry says, whoever added it.
type setEntry struct {
	kernel.Entry
	Old []byte `json:"old,omitempty"` // what it said of that

	under [][]byte // what older changes of the run found
}

var _ change.Supersedes = (*setEntry)(nil)

func (o *setEntry) Kind() string             { return o.Table + " set" }
func (o *setEntry) Command() string          { return entryCommand("set", o.Entry) }
func (o *setEntry) Touches() []kernel.Object { return entryTouches(o.Entry) }
func (o *setEntry) Claims() []change.Claim   { return entryClaims(o.Entry) }

func (o *setEntry) Valid() error {
	old := o.Entry
	old.Msg = o.Old
	if k := entryKinds[o.Table]; k == nil || k.Set == nil {
		return fmt.Errorf("no entry of the table %q is set", o.Table)
	}
	if err := o.Entry.Valid(); err != nil || o.Old == nil {
		return err
	}
	return old.Valid()
}

// Check saves what the entry says. What cannot be taken back from it, and a secret that it has, are losses.
func (o *setEntry) Check(m *kernel.Machine, fresh bool) error {
	was, err := m.CheckSet(o.Entry)
	if err != nil {
		return err
	}
	o.Old = was.Msg
	if fresh {
		return nil
	}
	loss := was.Secrets()
	k := entryKinds[o.Table]
	for i := range k.words {
		if w := &k.words[i]; w.in(o.Entry) != nil && o.Attr(w.four) != nil && was.Attr(w.four) == nil {
			loss = errors.Join(loss, &kernel.Loss{What: "that " + k.Name + " " + was.Words() + " has no " + w.name,
				Why: "the kernel takes none back"})
		}
	}
	return loss
}

func (o *setEntry) Do(m *kernel.Machine) error {
	e := o.Entry
	o.Whole = nil
	return m.SetEntry(e)
}

func (o *setEntry) Over(older change.Op) {
	if older, ok := older.(*setEntry); ok && older.Same(o.Entry) {
		o.under = append(o.under, older.Old)
	}
}

func (o *setEntry) Undo(m *kernel.Machine) error {
	if o.Old == nil {
		return nil
	}
	return m.ResetEntry(o.Entry, o.Old, o.under)
}

// setTo sets what the arguments say of an entry.
func setTo(tx *runtime.Tx, e kernel.Entry, args runtime.Changer) error {
	k := kindOfArgs(args)
	msg := kernel.Blank(e)
	for i := range k.words {
		if w := &k.words[i]; w.required && w.head < 0 && w.nest == 0 {
			msg = kernel.AppendAttr(msg, w.four, e.Attr(w.four))
		}
	}
	bare := len(msg)
	e = fillEntry(e, msg, k.sets, args, func(msg []byte) []byte { return msg })
	if len(e.Msg) == bare {
		return nil // nothing is given
	}
	return tx.Apply(&setEntry{Entry: e})
}
