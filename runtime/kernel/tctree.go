package kernel

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A tcTree is all that a link has of traffic control, as it was dumped.
type tcTree struct{ qdiscs, classes, filters [][]byte }

// A TCPart is something that goes with another one, and is put back after it.
type TCPart struct {
	Table string `json:"table"`
	Msg   []byte `json:"msg"`
}

// lost reports whether something of it does not come back.
func (t TCPart) lost() bool {
	return t.Table == "qdisc" && qdiscLoses(t.Msg) != "" || t.Table == "tc_filter" && filterLoses(t.Msg) != ""
}

func (t TCPart) kind() int {
	return map[string]int{"qdisc": unix.RTM_NEWQDISC, "tc_class": unix.RTM_NEWTCLASS,
		"tc_filter": unix.RTM_NEWTFILTER}[t.Table]
}

// readTC reads all of a link.
func (n *Namespace) readTC(l *Link) (all tcTree, err error) {
	if all.qdiscs, err = readQdiscs(n, l); err == nil && len(all.qdiscs) > 0 {
		if all.classes, err = readClasses(n, l); err == nil {
			all.filters, err = readFilters(n, l)
		}
	}
	return all, err
}

// order is all of it, in the order in which it can be made.
func (all tcTree) order() (parts []TCPart) {
	for _, q := range all.qdiscs {
		if p := tcParent(q); p == tcRoot || p == tcIngress {
			parts = append(append(parts, TCPart{"qdisc", q}), all.inQdisc(q)...)
		}
	}
	return parts
}

// inQdisc is what stands in a qdisc: its classes, each after the one that it is in, the qdiscs in these, and filters.
func (all tcTree) inQdisc(q []byte) (parts []TCPart) {
	major, rest := tcHandle(q)&tcMajorMask, all // without those that it is in: a record may have it stand in itself
	rest.qdiscs = slices.DeleteFunc(slices.Clone(all.qdiscs), func(o []byte) bool { return tcHandle(o) == tcHandle(q) })
	of := func(handle uint32) bool { return handle&tcMajorMask == major }
	seen := map[uint32]bool{tcRoot: true, major: true}
	for more := true; more; {
		more = false
		for _, c := range all.classes {
			if of(tcHandle(c)) && !seen[tcHandle(c)] && seen[tcParent(c)] {
				parts = append(parts, TCPart{"tc_class", c})
				seen[tcHandle(c)], more = true, true
			}
		}
	}
	for _, child := range rest.qdiscs {
		if of(tcParent(child)) && tcParent(child) != tcIngress && tcParent(child) != tcRoot {
			parts = append(append(parts, TCPart{"qdisc", child}), rest.inQdisc(child)...)
		}
	}
	return append(parts, all.filtersIn(of)...)
}

// inClass is what stands in a class: a qdisc, and filters. One with classes in it cannot be deleted.
func (all tcTree) inClass(c []byte) (parts []TCPart) {
	for _, q := range all.qdiscs {
		if tcParent(q) == tcHandle(c) {
			parts = append(append(parts, TCPart{"qdisc", q}), all.inQdisc(q)...)
		}
	}
	return append(parts, all.filtersIn(func(parent uint32) bool { return parent == tcHandle(c) })...)
}

func (all tcTree) filtersIn(of func(parent uint32) bool) (parts []TCPart) {
	for _, f := range all.filters {
		if of(tcParent(f)) {
			parts = append(parts, TCPart{"tc_filter", f})
		}
	}
	return parts
}

// restoreTC puts back what a link's image has and the link has not.
func restoreTC(_ *Table, n *Namespace, l *Link, img *Image) error {
	want := tcTree{img.Parts["qdisc"], img.Parts["tc_class"], img.Parts["tc_filter"]}
	if len(want.qdiscs) == 0 {
		return nil
	}
	return n.putTC(l, want.order())
}

// putTC makes what is not there of some parts.
func (n *Namespace) putTC(l *Link, parts []TCPart) error {
	have, err := n.readTC(l)
	errs := []error{err}
	for _, p := range parts {
		there, key := have.qdiscs, func(raw []byte) string { return string(raw[12:16]) }
		switch p.Table {
		case "tc_class":
			there, key = have.classes, func(raw []byte) string { return string(raw[8:12]) }
		case "tc_filter":
			there, key = have.filters, filterKey
		}
		if slices.ContainsFunc(there, func(raw []byte) bool { return key(raw) == key(p.Msg) }) {
			continue // one with other settings is somebody else's
		}
		msg := plainTC(p.Msg)
		if p.Table == "tc_filter" {
			msg = plainFilter(p.Msg)
		}
		err := n.do(p.kind(), exclusively(nil), rtnl.Raw(msg))
		if err != nil && !p.lost() { // which was said before it went
			errs = append(errs, fmt.Errorf("%s %s: %w", p.Table, tcKind(p.Msg), err))
		}
	}
	return errors.Join(errs...)
}

// Below is what the kernel takes away with an entry, and what undoing that puts back.
func (m *Machine) Below(e Entry) (parts []TCPart, err error) {
	n, t, err := m.locate(e)
	if err != nil || t.Below == nil {
		return nil, err
	}
	l, err := n.linkByIndex(e.Link.Index)
	if err == nil {
		var all tcTree
		if all, err = n.readTC(l); err == nil {
			parts = t.Below(all, e.Msg)
		}
	}
	return parts, fail(err, "look at "+t.One, e.String(), n)
}

// ValidBelow says what is wrong with what went with an entry.
func (e Entry) ValidBelow(parts []TCPart) error {
	for _, p := range parts {
		if p.kind() == 0 || e.Link == nil {
			return fmt.Errorf("what went with an entry is in the table %q", p.Table)
		}
		if err := (Entry{NS: e.NS, Table: p.Table, Link: e.Link, Msg: p.Msg}).Valid(); err != nil {
			return err
		}
	}
	return nil
}

// BelowLosses are the Losses of what would not come back of it.
func (e Entry) BelowLosses(parts []TCPart) error {
	var errs []error
	for _, p := range parts {
		errs = append(errs, Entry{NS: e.NS, Table: p.Table, Link: e.Link, Msg: p.Msg}.Secrets())
	}
	return errors.Join(errs...)
}

func (n *Namespace) restoreBelow(e Entry, parts []TCPart) error {
	l, err := n.linkByIndex(e.Link.Index)
	if err != nil {
		return err
	}
	return errors.Join(n.putTC(l, parts), e.BelowLosses(parts))
}

// tcLoss is why something of traffic control is lost.
const tcLoss = "the kernel does not show all of it, or does not take it back"
