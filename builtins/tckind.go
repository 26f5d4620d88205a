package builtins

import (
	"errors"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// tcFeatures are the kinds of traffic control that a kernel may lack.
func tcFeatures() (all []*runtime.Feature) {
	for _, k := range qdiscKinds {
		all = append(all, k.feature())
	}
	drop := tcActions{{"gact", kernel.AppendAttr(nil, 2, make([]byte, 20))}}
	for _, f := range []struct {
		name, doc, module, config string
		action                    *tcActions
		kind                      *tcKind
	}{
		{"matchall", "filters of every packet (tc-matchall(8))", "cls_matchall", "NET_CLS_MATCHALL", nil,
			matchallFilter},
		{"fw", "filters of packets with a mark (tc-fw(8))", "cls_fw", "NET_CLS_FW", nil, fwFilter},
		{"gact", "filters that drop packets (tc-actions(8))", "act_gact", "NET_ACT_GACT", &drop, u32Filter},
		{"police", "filters that drop what is more than a rate (tc-police(8))", "act_police", "NET_ACT_POLICE",
			&tcActions{policeExample()}, u32Filter},
	} {
		all = append(all, &runtime.Feature{Name: f.name, Doc: f.doc, Optional: true,
			Remedy: "modprobe " + f.module + ", a kernel with it (CONFIG_" + f.config + "), or --kernel debian",
			Probe: onProbe(func(m *kernel.Machine, link kernel.LinkRef) error {
				given := map[string]kindAttr{"match": &u32Match{{}}}
				if f.kind != u32Filter {
					mark := whole[widthSome](1)
					given = map[string]kindAttr{"mark": &mark}
				}
				if f.action != nil {
					given["action"] = f.action
				}
				a := &filterArgs{Kind: tcName[ofFilters](f.kind.Name), Parent: new(filterParent),
					Protocol: new(etherType), Pref: new(whole[width16])}
				*a.Parent, *a.Protocol, *a.Pref = tcInBlock, 3, 1
				options, err := f.kind.options(given, nil)
				if err != nil {
					return err
				}
				e := newEntry(kernel.Entry{NS: link.NS, Link: &link}, a, func(msg []byte) []byte {
					copy(msg[8:], encodeNumber[width32](a.handle(f.kind, given, nil, msg)))
					return kernel.AppendAttr(msg, tcaOptions|unix.NLA_F_NESTED, options)
				})
				if err := m.AddEntry(clsactQdisc.example(link)); err != nil {
					return err
				}
				return m.AddEntry(e)
			})})
	}
	return all
}

// onProbe makes a probe of what is to be done to a link that nobody else sees.
func onProbe(try func(m *kernel.Machine, link kernel.LinkRef) error) func(*kernel.Machine) error {
	return inside(func(m *kernel.Machine, ns kernel.NSRef) error {
		link := kernel.LinkRef{NS: ns, Index: 101, Name: "probe"}
		op := vethKind.example(link, nil)
		op.Peer = &kernel.LinkSpec{LinkRef: kernel.LinkRef{NS: ns, Index: 102, Name: "peer"}}
		if err := m.AddLink(op.LinkSpec); err != nil {
			return err
		}
		return try(m, link)
	})
}

// remedy is how to get a kind.
func (k *tcKind) remedy() string {
	module, config := "sch_"+k.Name, "NET_SCH_"+strings.ToUpper(k.Name)
	if k.Module != "" {
		module, config = k.Module, k.Config
	}
	return "modprobe " + module + ", a kernel with it (CONFIG_" + config + "), or --kernel debian"
}

func (k *tcKind) feature() *runtime.Feature {
	return &runtime.Feature{Name: k.Name, Doc: k.Name + " qdiscs (tc(8))", Optional: true, Remedy: k.remedy(),
		Probe: onProbe(func(m *kernel.Machine, link kernel.LinkRef) error { return m.AddEntry(k.example(link)) })}
}

// example is a qdisc of the kind with what must be given.
func (k *tcKind) example(link kernel.LinkRef) kernel.Entry {
	given := map[string]kindAttr{}
	for _, eg := range strings.Fields(k.Eg) {
		name, text, _ := strings.Cut(eg, "=")
		w := k.word(name)
		a, err := w.given(nil, starlark.String(text))
		if err != nil {
			a, err = w.given(nil, starlark.MakeInt(atoi(text)))
		}
		if err != nil {
			panic("builtins: example of " + k.Name + ": " + err.Error())
		}
		given[name] = a
	}
	a := &qdiscArgs{Kind: tcName[ofQdiscs](k.Name), Parent: new(tcParent), Handle: new(tcMajor)}
	*a.Parent, *a.Handle = k.place(), k.major()
	e, err := k.qdisc(kernel.Entry{NS: link.NS, Link: &link}, a, given)
	if err != nil {
		panic("builtins: example of " + k.Name + ": " + err.Error())
	}
	return e
}

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

// lacking says how to get what this kernel lacks of the kind.
func (k *tcKind) lacking(err error) error {
	var e *kernel.Error
	if kernel.UnknownTC(err) && errors.As(err, &e) {
		e.Machine, e.Hint = true, "this kernel has no "+k.Name+": "+k.remedy()
		if strings.Contains(kernel.Cause(err), "action") {
			e.Hint = "this kernel lacks the action: modprobe act_NAME, a kernel with it (CONFIG_NET_ACT_NAME), or " +
				"--kernel debian"
		}
	}
	return err
}

func tcDecls() []*runtime.Decl {
	return append(actionDecls, []*runtime.Decl{
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
