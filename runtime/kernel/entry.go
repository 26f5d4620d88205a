package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// An Entry is an entry of a table, as a journal writes it: the message that adds it.
type Entry struct {
	NS    NSRef    `json:"ns"`
	Table string   `json:"table"`
	Link  *LinkRef `json:"link,omitempty"` // that it hangs on
	// The name of the bridge that the link is a port of, where words need it: for people.
	Master string `json:"master,omitempty"`
	// Links are those that its words name, beside the one that it hangs on: for people.
	Links []LinkRef `json:"links,omitempty"`
	Msg   []byte    `json:"msg"`
	// Whole is Msg with its secrets, which no journal has; nil when there are none.
	Whole []byte `json:"-"`
}

// Valid says what is wrong with an entry: it must be of a table whose entries are changed one by one, and of its
// link.
func (e Entry) Valid() error {
	t, index := tableNamed(e.Table), notOne
	switch {
	case t == nil || !t.Own:
		return fmt.Errorf("there is no table %q", e.Table)
	case e.Link == nil && t.At > 0:
		return fmt.Errorf("a %s of no link", t.One)
	case e.Link != nil && e.Link.NS.Cookie != e.NS.Cookie:
		return fmt.Errorf("the %s is in another namespace than its link", t.One)
	case e.Link != nil:
		index = e.Link.Index
	}
	if err := t.valid(e.Msg, index); err != nil {
		return fmt.Errorf("an entry is %w", err)
	}
	return nil
}

// Words are what ip(8) or bridge(8) says of the entry, and takes to add it.
func (e Entry) Words() string {
	if t := tableNamed(e.Table); e.Valid() == nil && t.text != nil {
		return strings.Join(t.text(e), " ")
	}
	return ""
}

// String is the entry in its words. One that can be of either family is of IPv4 where it says nothing else.
func (e Entry) String() string {
	if t := tableNamed(e.Table); t != nil && t.On == onNamespace && len(t.Families) == 2 && e.Family() == 6 {
		return "inet6 " + e.Words()
	}
	return e.Words()
}

// Shown is the entry as its words are read from it.
func (e Entry) Shown() Entry {
	if t := tableNamed(e.Table); t.Shown != nil {
		e.Msg = t.Shown(slices.Clone(e.Msg))
	}
	return e
}

// Blank is the header of a new entry, which says only what link it hangs on.
func Blank(e Entry) []byte {
	t := tableNamed(e.Table)
	msg := make([]byte, t.Header)
	if t.Blank != nil {
		msg = t.Blank()
	}
	if t.Families != nil {
		msg[0] = t.Families[0]
	}
	if t.At > 0 && e.Link != nil {
		binary.NativeEndian.PutUint32(msg[t.At:], uint32(e.Link.Index))
	}
	return msg
}

// Family is 6 for an entry of IPv6, and 4 for others.
func (e Entry) Family() int {
	if t := tableNamed(e.Table); t != nil && t.Families != nil && len(e.Msg) > 0 && e.Msg[0] == unix.AF_INET6 {
		return 6
	}
	return 4
}

// Key tells an entry from the others of its link, or of its namespace.
func (e Entry) Key() string { return tableNamed(e.Table).Key(e.Msg) }

// Same reports whether two entries stand for one and the same.
func (e Entry) Same(other Entry) bool {
	return e.Table == other.Table && e.NS.Cookie == other.NS.Cookie && (e.Link == nil) == (other.Link == nil) &&
		(e.Link == nil || e.Link.Object() == other.Link.Object()) && e.Key() == other.Key()
}

// Number is a 32-bit attribute of the entry's message, 0 when it has none; Attr is any.
func (e Entry) Number(typ int) int { return rtnl.Uint32(e.Msg, tableNamed(e.Table).Header, typ) }

// Attr is an attribute of the entry's message, nil when it has none.
func (e Entry) Attr(typ int) []byte { return rtnl.Attr(e.Msg, tableNamed(e.Table).Header, typ) }

// Attrs walks attributes: the number and the value of each.
func Attrs(attrs []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for at, typ := range rtnl.Attrs(attrs, 0) {
			if !yield(typ, slices.Clone(attrs[at+4:at+int(binary.NativeEndian.Uint16(attrs[at:]))])) {
				return
			}
		}
	}
}

// AppendAttr adds an attribute to a message.
func AppendAttr(msg []byte, typ int, value []byte) []byte {
	msg = binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(msg, uint16(4+len(value))), uint16(typ))
	return append(append(msg, value...), make([]byte, -len(value)&3)...)
}

// locate finds the namespace of an entry. One whose link is in another place now has gone with that.
func (m *Machine) locate(e Entry) (*Namespace, *Table, error) {
	if err := e.Valid(); err != nil {
		return nil, &Table{One: "entry"}, err
	}
	t := tableNamed(e.Table)
	if e.Link == nil {
		n, err := m.Namespace(e.NS)
		return n, t, err
	}
	n, index, err := m.find(*e.Link)
	if err == nil && index != e.Link.Index {
		err = ErrGone
	}
	return n, t, err
}

// listed are the entries of a table that somebody gave a link, or the namespace.
func (n *Namespace) listed(t *Table, link *LinkRef) ([][]byte, error) {
	if link == nil || t.lists != nil { // what is of one link has a name in the whole namespace
		return n.entries(t)
	}
	l, err := n.linkByIndex(link.Index)
	if err != nil {
		return nil, err
	}
	return n.has(t, l)
}

// has are the entries of a table that somebody gave a link, and what it has learned.
func (n *Namespace) has(t *Table, l *Link) ([][]byte, error) {
	if t.Learned == nil {
		return n.part(t, l, nil)
	}
	all, err := n.entries(t)
	return slices.DeleteFunc(all, func(raw []byte) bool { return !t.of(l, raw) }), err
}

// Learned reports whether the kernel has the entry by itself, or may change and forget it as if it had.
func (e Entry) Learned() bool {
	t := tableNamed(e.Table)
	return t.Learned != nil && t.Learned(e.Msg)
}

// Entries lists the entries of a table that somebody gave the namespace with all its links, or a link and its ports.
func (n *Namespace) Entries(table string, link *LinkRef) (all []Entry, err error) {
	t := tableNamed(table)
	links, err := n.Links()
	if err != nil {
		return nil, fail(err, "list "+t.Many, "", n)
	}
	if link == nil {
		raws, err := n.entries(t)
		for _, raw := range raws {
			if t.On == onNamespace || t.Link(raw) == notOne {
				all = append(all, Entry{NS: n.ref, Table: table, Msg: raw})
			}
			for _, l := range links {
				if t.of(l, raw) {
					all = append(all, t.entry(n, l, links, raw))
				}
			}
		}
		return all, fail(err, "list "+t.Many, "", n)
	}
	for _, l := range links {
		if l.Index != link.Index && (t.On != onPort || l.Master != link.Index) {
			continue
		}
		raws, e := n.has(t, l)
		err = errors.Join(err, e)
		for _, raw := range raws {
			if t.Link(raw) == l.Index { // and not a group that it is in
				all = append(all, t.entry(n, l, links, raw))
			}
		}
	}
	return all, fail(err, "list "+t.Many, "", n)
}

// of reports whether somebody gave a link an entry, or it has learned it.
func (t *Table) of(l *Link, raw []byte) bool {
	return t.Link != nil && t.Link(raw) == l.Index && (t.Of == nil || t.Of(l)) &&
		(t.Mine == nil || t.Mine(l, raw) || t.Learned != nil && t.Learned(raw))
}

// entry is one of a link.
func (t *Table) entry(n *Namespace, l *Link, links []*Link, raw []byte) Entry {
	e := Entry{NS: n.ref, Table: t.Name, Link: &l.LinkRef, Msg: raw}
	if t.Bridge {
		for _, m := range links {
			if m.Index == l.Master {
				e.Master = m.Name
			}
		}
	}
	return e
}

// FindEntry is the entry as the kernel has it, nil when it is not there.
func (m *Machine) FindEntry(e Entry) (found *Entry, err error) {
	n, t, err := m.locate(e)
	if gone(err) {
		return nil, nil
	}
	var all [][]byte
	if err == nil {
		all, err = n.listed(t, e.Link)
	}
	if gone(err) {
		return nil, nil
	}
	if i := slices.IndexFunc(all, func(raw []byte) bool { return t.Key(raw) == t.Key(e.Msg) }); i >= 0 {
		e.Msg = all[i]
		return &e, nil
	}
	return nil, fail(err, "find "+t.One, e.String(), n)
}
