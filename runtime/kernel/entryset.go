package kernel

import (
	"bytes"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// An entry can be set attribute by attribute where its table says what those are that are not there (Zero). The message
// of such a change has what makes it that entry, and the attributes that are set.

// part is a message with the attributes of another one, as they are in a third. What is not there is zero where that
// can be set, and is left out elsewhere.
func (t *Table) part(like, of []byte) []byte {
	msg := slices.Clone(like[:t.Header])
	for _, typ := range rtnl.Attrs(like, t.Header) {
		value := rtnl.Attr(of, t.Header, typ)
		if zero, ok := t.Zero[typ]; value == nil && ok {
			value = zero
		}
		if value != nil {
			msg = AppendAttr(msg, typ, value)
		}
	}
	return msg
}

// CheckSet is what an entry says of the attributes that are to be set.
func (m *Machine) CheckSet(e Entry) (was *Entry, err error) {
	found, err := m.FindEntry(e)
	if err != nil {
		return nil, err
	}
	n, t, err := m.locate(e)
	if err == nil && found == nil {
		err = ErrGone
	}
	if err == nil && t.Clashes != nil {
		err = t.Clashes(n, t, e)
	}
	if err != nil {
		return nil, fail(err, "set "+t.One, e.String(), n)
	}
	found.Msg = t.part(e.Msg, found.Msg)
	return found, nil
}

// SetEntry sets the attributes.
func (m *Machine) SetEntry(e Entry) error {
	n, t, err := m.locate(e)
	if err == nil {
		if e.Whole != nil {
			e.Msg = e.Whole
		}
		err = n.tell(t, unix.NLM_F_REPLACE, t.plain(e.Msg))
	}
	return fail(err, "set "+t.One, e.String(), n)
}

// ResetEntry sets the attributes back to what they were: ErrDiverged when they are neither what they were set to, nor
// what older changes found them to be.
func (m *Machine) ResetEntry(e Entry, was []byte, under [][]byte) error {
	found, err := m.FindEntry(e)
	if err != nil || found == nil {
		return err
	}
	n, t, err := m.locate(e)
	if err != nil {
		return unlessGone(err)
	}
	now := t.part(e.Msg, found.Msg)
	same := func(msg []byte) bool { return bytes.Equal(t.sum(now), t.sum(msg)) }
	set := e.Msg
	e.Msg = was
	lost := e.Secrets()
	switch {
	case lost == nil && bytes.Equal(sorted(now, t.Header), sorted(was, t.Header)):
		return nil
	case !same(set) && !same(was) && !slices.ContainsFunc(under, same):
		err = ErrDiverged
	default:
		err = n.tell(t, unix.NLM_F_REPLACE, t.plain(was))
	}
	return errors.Join(fail(err, "restore "+t.One, e.String(), n), lost)
}
