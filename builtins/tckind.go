package builtins

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// place is where a qdisc of the kind stands when nobody says where.
func (k *tcKind) place() tcParent {
	if k.Ingress {
		return tcIngress
	}
	return tcRoot
}

// major is its number in an example, the only one that it can have where it has a place of its own.
func (k *tcKind) major() tcMajor {
	if k.Ingress {
		return 0xffff
	}
	return 0x77
}

// qdisc is one of the kind.
func (k *tcKind) qdisc(e kernel.Entry, a *qdiscArgs, given map[string]kindAttr) (kernel.Entry, error) {
	options, err := k.options(given, nil)
	return newEntry(e, a, func(msg []byte) []byte {
		if options == nil {
			return msg
		}
		return kernel.AppendAttr(msg, tcaOptions|unix.NLA_F_NESTED, options)
	}), err
}

func tcDecls() []*runtime.Decl {
	return append(actionDecls(), []*runtime.Decl{
		runtime.Change("tc_class.set", "None", "Sets it otherwise. What is left out stays as it is.",
			&tcSetArgs[ofClasses]{}),
		runtime.Change("qdisc.set", "None", "Sets it otherwise, while packets wait in it. What is left out stays as "+
			"it is.", &tcSetArgs[ofQdiscs]{}),
		shapeDecl, shapeClearDecl}...)
}

func tcOps() []change.Op {
	return []change.Op{&setOptions{Entry: kernel.Entry{Table: "qdisc"}},
		&setOptions{Entry: kernel.Entry{Table: "tc_class"}}}
}

// changeTC gives an entry options: those that are given, over others.
func changeTC(tx *runtime.Tx, k *tcKind, e kernel.Entry, over []byte, given map[string]kindAttr) error {
	options, err := k.options(given, over)
	if err != nil {
		return err
	}
	e.Msg = kernel.AppendAttr(tcHeadOf(e), tcaOptions|unix.NLA_F_NESTED, options)
	return tx.Apply(&setOptions{Entry: e})
}

// tcHeadOf is the beginning of an entry's message: what it is of, and its kind.
func tcHeadOf(e kernel.Entry) []byte {
	return kernel.AppendAttr(slices.Clone(e.Msg[:20]), 1, e.Attr(1))
}

// setOptions gives an entry of traffic control other options.
type setOptions struct {
	kernel.Entry
	Old []byte `json:"old"` // its message as it was
}

var _ change.Checkable = (*setOptions)(nil)

func (o *setOptions) Kind() string             { return o.Table + " set" }
func (o *setOptions) Command() string          { return entryCommand("change", o.Entry) }
func (o *setOptions) Touches() []kernel.Object { return entryTouches(o.Entry) }
func (o *setOptions) Claims() []change.Claim   { return entryClaims(o.Entry) }

func (o *setOptions) Valid() error {
	before := o.Entry
	before.Msg = o.Old
	if tcKindOf(o.Entry) == nil {
		return errors.New("it is of no kind that can be changed")
	}
	return errors.Join(o.Entry.Valid(), before.Valid())
}

func (o *setOptions) Check(m *kernel.Machine, fresh bool) error {
	found, err := m.FindEntry(o.Entry)
	if err != nil {
		return err
	}
	if found == nil {
		return &kernel.Error{Op: "set " + o.Table, Object: o.Entry.String(), NS: o.NS.String(), Err: kernel.ErrGone}
	}
	if o.Old = found.Msg; fresh || tcKindOf(o.Entry).all(o.Options())["distribution"] == nil {
		return nil
	}
	return found.Secrets() // which the new one takes the place of
}

func (o *setOptions) Do(m *kernel.Machine) error { return m.ChangeEntry(o.Entry, o.Msg) }

func (o *setOptions) Undo(m *kernel.Machine) error {
	found, err := m.FindEntry(o.Entry)
	before := o.Entry
	before.Msg = o.Old
	switch {
	case err != nil || found == nil || o.Old == nil || sameTC(*found, before):
		return err
	case !sameTC(*found, o.Entry):
		return &kernel.Error{Op: "set " + o.Table, Object: o.Entry.String(), NS: o.NS.String(),
			Err: kernel.ErrDiverged}
	}
	return m.ChangeEntry(before, before.Msg)
}

// sameTC reports whether two entries say the same. What the kernel does not show, or only about, is not compared.
func sameTC(have, said kernel.Entry) bool {
	k := tcKindOf(said)
	if k == nil || tcKindOf(have) != k || string(have.Msg[8:12]) != string(said.Msg[8:12]) {
		return false
	}
	now, then := k.all(have.Options()), k.all(said.Options())
	for i := range k.words {
		w := &k.words[i]
		a, b := now[w.name], then[w.name]
		if !w.unshown && ((a == nil) != (b == nil) || a != nil && a.value().String() != b.value().String()) {
			return false
		}
	}
	return true
}
