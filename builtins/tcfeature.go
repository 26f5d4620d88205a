package builtins

import (
	"errors"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// tcFeatures are the kinds of traffic control that a kernel may lack. Those of actions are called as their builtins.
func tcFeatures() (all []*runtime.Feature) {
	for _, k := range qdiscKinds {
		all = append(all, k.feature(k.Name, "qdiscs (tc(8))", func(m *kernel.Machine, link kernel.LinkRef) error {
			return m.AddEntry(k.example(link))
		}))
	}
	for _, k := range filterKinds {
		all = append(all, k.feature(k.Name, "filters (tc(8))", probeFilter(k, nil)))
	}
	for _, k := range actionKinds {
		if k != mirredAction { // which every kernel has that has filters
			all = append(all, k.feature("action."+k.Name, "actions of filters (tc-actions(8))",
				probeFilter(u32Filter, k)))
		}
	}
	return all
}

func (k *tcKind) feature(
	name, what string, probe func(*kernel.Machine, kernel.LinkRef) error,
) *runtime.Feature {
	return &runtime.Feature{Name: name, Doc: k.Name + " " + what, Optional: true, Remedy: k.remedy(),
		Probe: onProbe(probe)}
}

// probeFilter makes a filter of a kind, which does what an action of another one does.
func probeFilter(k, act *tcKind) func(*kernel.Machine, kernel.LinkRef) error {
	return func(m *kernel.Machine, link kernel.LinkRef) error {
		given := k.given()
		if act != nil {
			options, err := act.options(act.given(), nil)
			if err != nil {
				return err
			}
			given["action"] = &tcActions{{kind: act.Name, options: options}}
		}
		e, err := k.incoming(link, given)
		if err != nil {
			return err
		}
		return errors.Join(m.AddEntry(clsactQdisc.example(link)), m.AddEntry(e))
	}
}

// incoming is the first filter of what comes in by a link that has a clsact.
func (k *tcKind) incoming(link kernel.LinkRef, given map[string]kindAttr) (kernel.Entry, error) {
	a := &filterArgs{Kind: tcName[ofFilters](k.Name), Parent: new(filterParent), Protocol: new(etherType),
		Pref: new(whole[width16])}
	*a.Parent, *a.Protocol, *a.Pref = tcInBlock, etherTypes["all"], 1
	options, err := k.options(given, nil)
	return newEntry(kernel.Entry{NS: link.NS, Link: &link}, a, func(msg []byte) []byte {
		copy(msg[8:], encodeNumber[width32](a.handle(k, given, nil, msg)))
		return kernel.AppendAttr(msg, tcaOptions|unix.NLA_F_NESTED, options)
	}), err
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

// given is what must be given of the kind.
func (k *tcKind) given() map[string]kindAttr {
	given := map[string]kindAttr{}
	for eg := range strings.SplitSeq(k.Eg, ", ") {
		name, text, some := strings.Cut(eg, "=")
		if !some {
			continue
		}
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
	return given
}

// example is a qdisc of the kind with what must be given.
func (k *tcKind) example(link kernel.LinkRef) kernel.Entry {
	a := &qdiscArgs{Kind: tcName[ofQdiscs](k.Name), Parent: new(tcParent), Handle: new(tcMajor)}
	*a.Parent, *a.Handle = k.place(), k.major()
	e, err := k.qdisc(kernel.Entry{NS: link.NS, Link: &link}, a, k.given())
	if err != nil {
		panic("builtins: example of " + k.Name + ": " + err.Error())
	}
	return e
}

// lacking says how to get what this kernel lacks of the kind, or of its actions.
func (k *tcKind) lacking(err error, acts ...*actionValue) error {
	var e *kernel.Error
	if kernel.UnknownTC(err) && errors.As(err, &e) {
		e.Machine, e.Hint = true, "this kernel has no "+k.Name+": "+k.remedy()
		if strings.Contains(kernel.Cause(err), "action") {
			e.Hint = "this kernel lacks an action: "
			for i, one := range acts {
				e.Hint += map[bool]string{false: "", true: "; "}[i > 0] + tcNamed(actionKinds, one.kind).remedy()
			}
		}
	}
	return err
}
