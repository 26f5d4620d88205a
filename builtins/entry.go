package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// entryCommand is the command line that changes an entry.
func entryCommand(verb string, e kernel.Entry) string {
	k := entryKinds[e.Table]
	switch {
	case k == nil:
		return ""
	case k.Shell != nil:
		return k.Shell(verb, e)
	}
	program, object, _ := strings.Cut(k.Command, " ")
	cmd := program + strings.TrimPrefix(in(e.NS), "ip")
	if e.Link == nil && e.Family() == 6 {
		cmd += "-6 "
	}
	words := e.Words()
	if verb == "del" && k.Del > 0 {
		all := strings.Fields(words) // none of an entry that is not valid
		words = strings.Join(all[:min(k.Del, len(all))], " ")
	}
	if verb == "del" {
		verb = cmp.Or(k.DelVerb, verb)
	}
	return cmd + object + " " + verb + " " + words
}

// entryClaims are the entry, and the link that it hangs on.
func entryClaims(e kernel.Entry) []change.Claim {
	if e.Link != nil {
		return claims(*e.Link)
	}
	key := fmt.Sprintf("IPv%d %s", e.Family(), e.Table)
	if k := entryKinds[e.Table]; k != nil && e.Valid() == nil {
		key = fmt.Sprintf("IPv%d %s", e.Family(), k.claimed(e))
	}
	return []change.Claim{change.ClaimKey(e.NS, key)}
}

func entryTouches(e kernel.Entry) []kernel.Object {
	if e.Link != nil {
		return []kernel.Object{e.Link.Object()}
	}
	return []kernel.Object{e.NS.Object()}
}

// addEntry adds an entry to one of the kernel's tables.
type addEntry struct {
	kernel.Entry
	under bool // older changes of the run took one from its place
}

var _ change.Supersedes = (*addEntry)(nil)

func (o *addEntry) Kind() string             { return o.Table + " add" }
func (o *addEntry) Command() string          { return entryCommand("add", o.Entry) }
func (o *addEntry) Touches() []kernel.Object { return entryTouches(o.Entry) }
func (o *addEntry) Claims() []change.Claim   { return entryClaims(o.Entry) }

// Check refuses an entry that is there, or that could not be told from one that is: after a crash nobody could tell
// whose it is.
func (o *addEntry) Check(m *kernel.Machine, _ bool) error { return m.CheckEntry(o.Entry) }
func (o *addEntry) Do(m *kernel.Machine) error {
	e := o.Entry
	o.Whole = nil
	return m.AddEntry(e)
}
func (o *addEntry) Undo(m *kernel.Machine) error { return m.TakeEntryBack(o.Entry, o.under) }
func (o *addEntry) Over(older change.Op) {
	d, ok := older.(*delEntry)
	o.under = o.under || ok && d.Same(o.Entry)
}

// delEntry deletes an entry, whoever added it.
type delEntry struct {
	kernel.Entry
	Behind [][]byte        `json:"behind,omitempty"` // those of its place that came after it
	Below  []kernel.TCPart `json:"below,omitempty"`  // what goes with it
}

var _ change.Unmaker = (*delEntry)(nil)

func (o *delEntry) Kind() string             { return o.Table + " del" }
func (o *delEntry) Command() string          { return entryCommand("del", o.Entry) }
func (o *delEntry) Touches() []kernel.Object { return entryTouches(o.Entry) }
func (o *delEntry) Claims() []change.Claim   { return entryClaims(o.Entry) }

func (o *delEntry) Valid() error {
	for _, msg := range o.Behind {
		if err := (kernel.Entry{NS: o.NS, Table: o.Table, Link: o.Link, Msg: msg}).Valid(); err != nil {
			return err
		}
	}
	return errors.Join(o.Entry.Valid(), o.ValidBelow(o.Below))
}

func (o *delEntry) Unmakes(older change.Op) bool {
	add, ok := older.(*addEntry)
	return ok && add.Same(o.Entry)
}

func (o *delEntry) Check(m *kernel.Machine, fresh bool) error {
	found, err := m.FindEntry(o.Entry)
	if err != nil {
		return err
	}
	if found == nil {
		return &kernel.Error{Op: "delete " + o.Table, Object: o.Entry.String(), NS: o.NS.String(), Err: kernel.ErrGone}
	}
	found.Links = o.Links
	o.Entry = *found
	o.Behind, err = m.Behind(o.Entry)
	if err = errors.Join(err, m.Holds(o.Entry)); fresh {
		return err
	}
	below, e := m.Below(o.Entry)
	o.Below = below
	return errors.Join(err, e, o.Entry.Secrets(), o.BelowLosses(below))
}

func (o *delEntry) Do(m *kernel.Machine) error   { return m.DelEntry(o.Entry) }
func (o *delEntry) Undo(m *kernel.Machine) error { return m.RestoreEntry(o.Entry, o.Behind, o.Below) }

// entryValue is an entry of a table in a script.
type entryValue struct {
	v     *runtime.View
	entry kernel.Entry
}

var (
	_ starlark.HasAttrs   = (*entryValue)(nil)
	_ starlark.Comparable = (*entryValue)(nil)
)

func (e *entryValue) Freeze()                                  {}
func (e *entryValue) Truth() starlark.Bool                     { return true }
func (e *entryValue) String() string                           { return e.entry.String() }
func (e *entryValue) Attr(name string) (starlark.Value, error) { return e.v.Attr(e.Type(), e, name) }
func (e *entryValue) AttrNames() []string                      { return e.v.AttrNames(e.Type()) }

// Hash is the same for two values of one entry: what says more of it than which one it is can change.
func (e *entryValue) Hash() (uint32, error) {
	return starlark.String(e.Type() + e.entry.Key()).Hash()
}

// CompareSameType makes two values of one entry equal.
func (e *entryValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, e.Type(), e.entry.Same(other.(*entryValue).entry))
}

// Type is the word of its kind, "entry" for those of any.
func (e *entryValue) Type() string {
	if e == nil {
		return "entry"
	}
	return entryKinds[e.entry.Table].Name
}

// entryAttr declares an attribute that is read from the kernel when it is asked for.
func entryAttr(name, typ, doc string, get func(*runtime.View, kernel.Entry) (starlark.Value, error)) runtime.Attr {
	read := func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
		e := r.(*entryValue).entry
		found, err := v.Machine().FindEntry(e)
		if err == nil && found == nil {
			err = &kernel.Error{Op: "read " + e.Table, Object: e.String(), NS: e.NS.String(), Err: kernel.ErrGone}
		}
		if err != nil {
			return nil, err
		}
		return get(v, *found)
	}
	return runtime.Attr{Name: name, Type: typ, Doc: doc, Get: read}
}

var entryNS = entryAttr("ns", "namespace", "the namespace that it is in",
	func(v *runtime.View, e kernel.Entry) (starlark.Value, error) { return &nsValue{v, e.NS}, nil })

// entries lists the entries of a namespace, or of a link, as values.
func (k *entryKind) entries(v *runtime.View, ns kernel.NSRef, link *kernel.LinkRef) (starlark.Value, error) {
	n, err := v.Machine().Namespace(ns)
	var values []starlark.Value
	for _, table := range k.Tables {
		var all []kernel.Entry
		if err == nil {
			all, err = n.Entries(table, link)
		}
		for _, e := range all {
			if err == nil {
				err = k.nameLinks(n, &e)
			}
			values = append(values, &entryValue{v, e})
		}
	}
	return starlark.NewList(values), err
}

// entryDeleteArgs are those of every table's delete.
type entryDeleteArgs struct {
	Entry *entryValue `arg:"self" doc:"the entry"`
	_     struct{}    `arg:"*"`
	runtime.Irreversible
}

func (a *entryDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return nil, tx.Apply(&delEntry{Entry: a.Entry.entry})
}
