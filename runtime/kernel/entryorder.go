package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Entries whose order counts: those of one place.

// taken is EBUSY when deleting an entry would delete one before it in its place.
func (n *Namespace) taken(t *Table, e Entry) error {
	all, err := n.listed(t, e.Link)
	for _, raw := range all {
		if t.Key(raw) == t.Key(e.Msg) {
			break
		}
		if t.Place(raw) == t.Place(e.Msg) && t.covers(raw, e.Msg) {
			first := Entry{NS: e.NS, Table: e.Table, Link: e.Link, Msg: raw}
			return fmt.Errorf("%w: the kernel would delete %q for it, which is before it", unix.EBUSY, first.Words())
		}
	}
	return err
}

// covers reports whether a request to delete one entry fits another one.
func (t *Table) covers(other, request []byte) bool {
	request = t.plain(request)
	for _, typ := range rtnl.Attrs(request, t.Header) {
		if !bytes.Equal(rtnl.Attr(other, t.Header, typ), rtnl.Attr(request, t.Header, typ)) {
			return false
		}
	}
	return true
}

// Behind are the entries that come after another one in its place, in their order. It is a Loss when they could not
// be put behind it again once it was deleted.
func (m *Machine) Behind(e Entry) (behind [][]byte, err error) {
	n, t, err := m.locate(e)
	if err != nil || t.Place == nil {
		return nil, err
	}
	all, err := n.listed(t, e.Link)
	if err != nil {
		return nil, fail(err, "delete "+t.One, e.String(), n)
	}
	at := slices.IndexFunc(all, func(raw []byte) bool { return t.Key(raw) == t.Key(e.Msg) })
	for _, raw := range all[at+1:] {
		if t.Place(raw) == t.Place(e.Msg) {
			behind = append(behind, raw)
		}
	}
	for _, raw := range behind {
		if one := (Entry{NS: e.NS, Table: e.Table, Link: e.Link, Msg: raw}); n.taken(t, one) != nil {
			return nil, orderLoss(t, e)
		}
	}
	return behind, nil
}

func orderLoss(t *Table, e Entry) *Loss {
	return &Loss{What: "the order of " + t.One + " " + e.String() + " in " + e.NS.String(),
		Why: "the kernel would delete another one for one behind it"}
}

// RestoreEntry adds an entry that was deleted, with what went with it, and puts those that were behind it there again.
// ErrDiverged: somebody else has put another one in its place.
func (m *Machine) RestoreEntry(e Entry, behind [][]byte, below []TCPart) error {
	for _, raw := range behind {
		if err := (Entry{NS: e.NS, Table: e.Table, Link: e.Link, Msg: raw}).Valid(); err != nil {
			return err
		}
	}
	if err := e.ValidBelow(below); err != nil {
		return err
	}
	n, t, err := m.locate(e)
	if err != nil {
		return unlessGone(err)
	}
	found, err := m.FindEntry(e)
	if err == nil && found != nil && found.Learned() {
		if e.Learned() {
			return nil
		}
		found = nil // what is given takes its place
	}
	switch {
	case err != nil:
		return err
	case found != nil && !bytes.Equal(t.sum(found.Msg), t.sum(e.Msg)):
		return fail(ErrDiverged, "restore "+t.One, e.String(), n)
	case found == nil:
		if err := n.addEntry(t, e.Msg); errors.Is(err, ErrGone) {
			return nil // with its link
		} else if err != nil {
			return fail(err, "restore "+t.One, e.String(), n)
		}
		if err := e.Secrets(); err != nil {
			return err
		}
	}
	if len(below) > 0 {
		if err := n.restoreBelow(e, below); err != nil {
			return fail(err, "restore "+t.One, e.String(), n)
		}
	}
	for _, raw := range behind {
		if err := n.putBehind(t, e, raw); err != nil {
			return fail(err, "restore "+t.One, e.String(), n)
		}
	}
	return nil
}

// putBehind puts an entry behind another one, before which it is. It is added once more, so that it is there at any
// time, and the kernel deletes the first of two that are the same. One that is not there somebody else has deleted.
func (n *Namespace) putBehind(t *Table, e Entry, raw []byte) error {
	all, err := n.listed(t, e.Link)
	if err != nil {
		return err
	}
	is := func(msg []byte) func([]byte) bool { return func(r []byte) bool { return t.Key(r) == t.Key(msg) } }
	at := slices.IndexFunc(all, is(e.Msg))
	if at < 0 || !slices.ContainsFunc(all[:at], is(raw)) {
		return nil
	}
	one := Entry{NS: e.NS, Table: e.Table, Link: e.Link, Msg: raw}
	if err := n.taken(t, one); errors.Is(err, unix.EBUSY) {
		return orderLoss(t, e)
	} else if err != nil {
		return err
	}
	if !slices.ContainsFunc(all[at:], is(raw)) {
		if err := n.addEntry(t, raw); err != nil {
			return err
		}
	}
	return n.do(t.Del, 0, rtnl.Raw(t.plain(raw)))
}
