package kernel

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Table is one kind of thing that the kernel keeps in a list and that comes back when its own message is sent
// back: a row says how. What hangs on a link is saved in the link's image, row by row.
type Table struct {
	Name      string // ip(8)'s or bridge(8)'s word, which journals have
	One, Many string // what an entry is, and several

	Protocol      int        // of netlink, rtnetlink's when left out
	Get, New, Del int        // message types, or commands of generic netlink
	Generic       string     // the family of generic netlink that has it, instead of rtnetlink
	Header        int        // length of the fixed header
	Families      []byte     // what may be the first byte of it; nil: anything, and no family
	Dumps         []rtnl.Raw // the requests that list all of it
	// Split takes a message of a dump apart into those that would add what it tells of; nil where they are the same.
	Split func(raw []byte) [][]byte

	On   holder                         // what its entries go with
	Goes Taking                         // what takes them away, beside the deletion of that
	Of   func(l *Link) bool             // which links have it; nil: all of them
	Fits func(l *Link, raw []byte) bool // whether one of those can have this one; nil: it can
	Link func(raw []byte) int           // the index of the link, notOne for what is of several
	Mine func(l *Link, raw []byte) bool // somebody gave it, and not the kernel by itself; nil: all of them
	// Learned is what the kernel also has by itself, and changes and forgets: it is listed and can be deleted, no image
	// has it, and what is given takes its place. nil: that is nothing.
	Learned func(raw []byte) bool
	Key     func(raw []byte) string // what makes it another entry than the others
	Plain   func(raw []byte) []byte // the message that adds it: without times, counters and states
	// of the request that adds it; nil: NLM_F_CREATE, and not what is there already
	Flags func(raw []byte) int
	// of the request that deletes it, as its message; nil: the one that adds it
	Remove func(raw []byte) []byte
	Place  func(raw []byte) string // those that have it in common are in an order that counts; nil: in none
	// Shown is a message as its words are read from it; nil: as the kernel has it.
	Shown  func(raw []byte) []byte
	Own    bool                                             // scripts add and delete its entries one by one
	At     int                                              // where the header has the index of the link, 0: nowhere
	Bridge bool                                             // words name the bridge that the link is a port of
	Blank  func() []byte                                    // a new message that says nothing; nil: a header of zeros
	Holds  func(n *Namespace, raw []byte) ([]string, error) // what the kernel takes away with an entry; nil: nothing
	// Moves is an entry without what the kernel changes of it by itself; nil: that is nothing. It is still the one that
	// was added.
	Moves func(raw []byte) []byte
	// Secret says what of an entry no journal has, and so is not given back; "" when there is nothing. nil: never.
	Secret func(raw []byte) string
	// Loses names what the kernel does not show of an entry, or does not take back; "" when there is nothing.
	Loses func(raw []byte) string
	// Below is what the kernel takes away with an entry of a link, and what comes back with it; nil: nothing.
	Below func(all tcTree, raw []byte) []TCPart
	// Clashes is an error when an entry would take something from one that is there; nil: none does.
	Clashes func(n *Namespace, t *Table, e Entry) error
	// Zero says what attributes are that are not there, of those that can be set one by one; nil: none can.
	Zero map[int][]byte
	// What is of another protocol than rtnetlink: how the entries of a link are read, and one is added or removed.
	Reads func(n *Namespace, l *Link) ([][]byte, error)
	Send  func(n *Namespace, raw []byte, remove bool) error
	// Mark says in a message that nsscript adds the entry; nil where the kernel does not keep that.
	Mark  func(raw []byte) []byte
	lists func(*Table, *Namespace, *Link, *Image) ([][]byte, error) // instead of a dump
	put   func(*Table, *Namespace, *Link, *Image) error             // instead of adding what is missing
	text  func(e Entry) []string
}

// Describe says how entries of a table are written in the words of ip(8) or bridge(8). Package builtins, which has the
// words, calls it before anything is done.
func Describe(table string, text func(e Entry) []string) {
	if t := tableNamed(table); t != nil {
		t.text = text
	}
}

// A holder is what entries of a table go with.
type holder int

const (
	onLink holder = iota
	onPort        // a link as the port of its bridge
	onNamespace
	onLinkUnsaved // a link, whose image does not hold them
)

// notOne is the link of an entry that is of several or of none.
const notOne = -1

// tables are all of them, in the order in which an image's parts are put back.
var tables = []*Table{addrTable, neighTable, wgPeerTable, nexthopTable, vniTable, fdbTable, portFDBTable, mdbTable,
	routeTable, ruleTable, addrLabelTable, vlanTable, mptcpTable, mptcpLimitsTable, mrouteVIFTable, mrouteTable,
	xfrmStateTable, xfrmPolicyTable, qdiscTable, classTable, filterTable}

// tableNamed is the row with a name, nil when there is none.
func tableNamed(name string) *Table {
	if i := slices.IndexFunc(tables, func(t *Table) bool { return t.Name == name }); i >= 0 {
		return tables[i]
	}
	return nil
}

// entries are all entries of a table in the namespace, as New takes them but for Plain. A kernel without the table
// has none.
func (n *Namespace) entries(t *Table) (all [][]byte, err error) {
	if t.Reads != nil && t.On == onNamespace {
		return t.Reads(n, nil)
	}
	for _, ask := range t.Dumps {
		some, err := n.ask(t, ask)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, raw := range some {
			switch {
			case t.Split != nil:
				all = append(all, t.Split(raw)...)
			case len(raw) >= t.Header:
				all = append(all, raw)
			}
		}
	}
	return all, nil
}

// ask lists what a request asks for.
func (n *Namespace) ask(t *Table, request rtnl.Raw) ([][]byte, error) {
	kind := t.Get
	c, err := n.speak(t.Protocol)
	if t.Generic != "" {
		c, kind, err = n.family(t.Generic)
	}
	if err != nil {
		return nil, err
	}
	return c.Dump(n.m.buf, kind, request)
}

// part are the entries of a table that somebody gave a link.
func (n *Namespace) part(t *Table, l *Link, img *Image) (mine [][]byte, err error) {
	switch {
	case t.Of != nil && !t.Of(l):
		return nil, nil
	case t.Reads != nil:
		return t.Reads(n, l)
	case t.lists != nil:
		return t.lists(t, n, l, img)
	}
	all, err := n.entries(t)
	for _, raw := range all {
		if t.Link(raw) == l.Index && (t.Mine == nil || t.Mine(l, raw)) {
			mine = append(mine, raw)
		}
	}
	return mine, err
}

// parts puts the entries of all tables that go with a link, or with it as a port, into an image.
func (n *Namespace) parts(l *Link, on holder, img *Image) error {
	for _, t := range tables {
		if t.On != on {
			continue
		}
		mine, err := n.part(t, l, img)
		if err != nil {
			return err
		}
		if len(mine) == 0 {
			continue // a record has none either
		}
		if img.Parts == nil {
			img.Parts = map[string][][]byte{}
		}
		img.Parts[t.Name] = mine
	}
	return nil
}

// restoreParts adds the entries that are missing of what went with a link, or with it as a port. One may need
// another that comes later, as a nexthop object the route to its gateway, or go with one that is put in its place, as
// neighbours with a link's last address: when something fails, all are tried once more.
func (n *Namespace) restoreParts(l *Link, on holder, img *Image) error {
	for last := false; ; last = true {
		var errs []error
		for _, t := range tables {
			if t.On == on {
				errs = append(errs, n.restorePart(t, l, img))
			}
		}
		if err := errors.Join(errs...); last || err == nil {
			return err
		}
	}
}

func (n *Namespace) restorePart(t *Table, l *Link, img *Image) error {
	if t.put != nil {
		return t.put(t, n, l, img)
	}
	want := img.Parts[t.Name]
	if len(want) == 0 {
		return nil
	}
	have, err := n.part(t, l, img)
	errs := []error{err}
	for _, msg := range want {
		// One that is there with other settings was changed by somebody else.
		if !slices.ContainsFunc(have, func(h []byte) bool { return t.Key(h) == t.Key(msg) }) {
			errs = append(errs, n.addEntry(t, msg))
		}
	}
	return errors.Join(errs...)
}

func (n *Namespace) addEntry(t *Table, msg []byte) error {
	return n.tell(t, unix.NLM_F_REPLACE, t.plain(msg))
}

// tell makes the request that adds an entry. flags say what is to be with one that is there, unless the row does.
func (n *Namespace) tell(t *Table, flags int, msg []byte) error {
	switch flags |= unix.NLM_F_CREATE; {
	case t.Send != nil:
		return t.Send(n, msg, false)
	case t.Flags != nil:
		flags = t.Flags(msg)
	}
	return n.request(t, t.New, flags, msg)
}

// untell makes the request that takes an entry away.
func (n *Namespace) untell(t *Table, msg []byte) error {
	if t.Send != nil {
		return t.Send(n, msg, true)
	}
	if msg = t.plain(msg); t.Remove != nil {
		msg = t.Remove(msg)
	}
	return n.request(t, t.Del, 0, msg)
}

// request makes one that changes something, in the table's protocol.
func (n *Namespace) request(t *Table, kind, flags int, msg []byte) error {
	if t.Generic != "" {
		return n.tellFamily(t.Generic, msg)
	}
	c, err := n.speak(t.Protocol)
	if err != nil {
		return err
	}
	return c.Do(n.m.buf, kind, flags, rtnl.Raw(msg))
}

func (t *Table) plain(msg []byte) []byte {
	if t.Plain == nil {
		return msg
	}
	return t.Plain(slices.Clone(msg))
}

// valid says what is wrong with a message, which is of a link with an index, 0 for none.
func (t *Table) valid(msg []byte, index int) error {
	if err := rtnl.ValidMsg(msg, t.Header); err != nil {
		return fmt.Errorf("a wrong %s: %w", t.One, err)
	}
	if t.Link != nil {
		if at := t.Link(msg); at != index && at != notOne {
			return fmt.Errorf("the %s of another link", t.One)
		}
	}
	if t.Families != nil && !slices.Contains(t.Families, msg[0]) {
		return fmt.Errorf("a %s of family %d", t.One, msg[0])
	}
	return nil
}

// validParts says what is wrong with the entries that go with a link, or with it as a port.
func validParts(parts map[string][][]byte, on holder, index int) error {
	for name, msgs := range parts {
		t := tableNamed(name)
		if t == nil || t.On != on {
			return fmt.Errorf("the part %q", name)
		}
		for _, msg := range msgs {
			if err := t.valid(msg, index); err != nil {
				return err
			}
		}
	}
	return nil
}
