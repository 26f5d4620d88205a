package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// CheckEntry is EEXIST when an entry is there that is to be added. The kernel deletes the first entry that has all
// that a request says: one that would be taken for an older one in its place could not be taken back, and is
// refused.
func (m *Machine) CheckEntry(e Entry) error {
	found, err := m.FindEntry(e)
	if err != nil {
		return err
	}
	n, t, err := m.locate(e)
	if err == nil && found != nil && !found.Learned() {
		return hinted(fail(unix.EEXIST, "add "+t.One, e.String(), n), "%s has it already", n.Name())
	}
	if err == nil && (t.Of != nil || t.Fits != nil) {
		var l *Link
		if l, err = n.linkByIndex(e.Link.Index); err == nil &&
			(t.Of != nil && !t.Of(l) || t.Fits != nil && !t.Fits(l, e.Msg)) {
			err = fmt.Errorf("%w: a %s link has none", unix.EOPNOTSUPP, l.Kind)
		}
	}
	if err == nil && t.Place != nil {
		err = n.taken(t, e)
	}
	if err == nil && t.Clashes != nil {
		err = t.Clashes(n, t, e)
	}
	return fail(err, "add "+t.One, e.String(), n)
}

// onItsLink looks for a clash with the entries of the same link.
func onItsLink(clashes func(have [][]byte, raw []byte) error) func(*Namespace, *Table, Entry) error {
	return func(n *Namespace, t *Table, e Entry) error {
		have, err := n.listed(t, e.Link)
		if err != nil {
			return err
		}
		return clashes(have, e.Msg)
	}
}

// AddEntry adds an entry.
func (m *Machine) AddEntry(e Entry) error {
	n, t, err := m.locate(e)
	if err == nil {
		if e.Whole != nil {
			e.Msg = e.Whole
		}
		err = n.tell(t, unix.NLM_F_EXCL, t.plain(e.marked(n, t)))
	}
	err = fail(err, "add "+t.One, e.String(), n)
	if errors.Is(err, unix.EEXIST) {
		err = hinted(err, "%s has it already", n.Name())
	}
	return err
}

// marked is the message with a mark that nsscript added the entry, in a namespace which no run made: undoing looks
// for that.
func (e Entry) marked(n *Namespace, t *Table) []byte {
	if t.Mark == nil || e.NS.Token != "" && !n.base {
		return e.Msg
	}
	return t.Mark(slices.Clone(e.Msg))
}

// ChangeEntry gives an entry that is there other settings: those of a message.
func (m *Machine) ChangeEntry(e Entry, msg []byte) error {
	n, t, err := m.locate(e)
	if err == nil {
		err = n.request(t, t.New, 0, t.plain(msg))
	}
	return fail(err, "change "+t.One, e.String(), n)
}

// DelEntry deletes an entry. One that is not there is ErrGone.
func (m *Machine) DelEntry(e Entry) error {
	n, t, err := m.locate(e)
	if gone(err) {
		err = ErrGone // with its namespace or its link
	}
	if err != nil {
		return fail(err, "delete "+t.One, e.String(), n)
	}
	found, err := m.FindEntry(e)
	if err == nil && found == nil {
		err = ErrGone
	}
	if err == nil && t.Place != nil {
		err = n.taken(t, *found)
	}
	if err != nil {
		return fail(err, "delete "+t.One, e.String(), n)
	}
	err = n.untell(t, found.Msg)
	return n.reallyGone(err, "delete "+t.One, e.String(), func() (bool, error) {
		found, err := m.FindEntry(e)
		return found != nil, err
	})
}

// TakeEntryBack deletes an entry that AddEntry added: ErrDiverged when somebody else has put another one in its
// place. That is not said when older changes of the run took one from there: it may have been brought back already.
func (m *Machine) TakeEntryBack(e Entry, under bool) error {
	found, err := m.FindEntry(e)
	if err != nil || found == nil {
		return err
	}
	n, t, err := m.locate(e)
	switch {
	case err != nil:
	case found.Learned() && !e.Learned():
		return nil // it is gone, and the kernel has another one
	case !found.Learned() && !bytes.Equal(t.sum(found.Msg), t.sum(e.marked(n, t))):
		if under {
			return nil
		}
		err = ErrDiverged
	}
	if err == nil {
		if _, held := m.Holds(*found).(*Loss); held {
			err = ErrDiverged // somebody else uses it
		}
	}
	if err != nil {
		return fail(err, "delete "+t.One, e.String(), n)
	}
	if err = m.DelEntry(*found); errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// Holds are the Losses of what the kernel takes away with an entry.
func (m *Machine) Holds(e Entry) error {
	n, t, err := m.locate(e)
	if err != nil || t.Holds == nil {
		return err
	}
	found, err := t.Holds(n, e.Msg)
	if len(found) > 0 {
		return &Loss{What: strings.Join(found, ", ") + " in " + e.NS.String(),
			Why: "the kernel takes it away with " + t.One + " " + e.String()}
	}
	return fail(err, "look at "+t.One, e.String(), n)
}

// Secrets is the Loss of what undoing its deletion would not bring back of an entry; nil when there is none.
func (e Entry) Secrets() error {
	t := tableNamed(e.Table)
	switch {
	case t.Loses != nil && t.Loses(e.Msg) != "":
		return &Loss{What: t.Loses(e.Msg) + " of link " + e.Link.Name + " in " + e.NS.String(), Why: tcLoss}
	case t.Secret == nil || t.Secret(e.Msg) == "":
		return nil
	}
	return &Loss{What: t.Secret(e.Msg) + " of " + t.One + " " + e.String() + " in " + e.NS.String(),
		Why: "no secret is written to a journal"}
}

// sum is the same for two messages that say the same.
func (t *Table) sum(raw []byte) []byte {
	if raw = t.plain(raw); t.Moves != nil {
		raw = t.Moves(raw)
	}
	return sorted(raw, t.Header)
}

// sorted is a message with its attributes in one order.
func sorted(raw []byte, header int) []byte {
	var attrs [][]byte
	for at := range rtnl.Attrs(raw, header) {
		attrs = append(attrs, raw[at:min(at+(int(binary.NativeEndian.Uint16(raw[at:]))+3)&^3, len(raw))])
	}
	slices.SortFunc(attrs, bytes.Compare)
	return append(slices.Clone(raw[:header]), slices.Concat(attrs...)...)
}
