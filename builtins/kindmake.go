package builtins

import (
	"errors"
	"reflect"
	"strconv"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// newLinkArgs are the parameters of every builtin that makes one link.
type newLinkArgs struct {
	macLessArgs
	MAC macArg `arg:"mac?" doc:"link-layer address; what the kernel gives it when left out"`
}

// macLessArgs are those of a link that has no link-layer address.
type macLessArgs struct {
	Name   linkNameArg `arg:"name?" doc:"name; the next free one of its kind, such as br0 or vxlan0, when left out"`
	Addrs  addrsArg    `arg:"addrs?" doc:"its addresses, one or a list"`
	Up     bool        `arg:"up?" doc:"whether to set it up"`
	MTU    mtuArg      `arg:"mtu?" doc:"MTU in bytes; what the kernel gives it when left out"`
	Master *masterArg  `arg:"master?" doc:"bridge or bond to make it a port of"`
	runtime.Irreversible
}

// makeLink makes a link of the kind that has these arguments, with its attributes and all else that it is to be.
func makeLink(tx *runtime.Tx, ns kernel.NSRef, args linkMaker, a *newLinkArgs) (starlark.Value, error) {
	ref, err := addOfKind(tx, ns, args, a)
	if err != nil {
		return nil, err
	}
	return a.finish(tx, ref)
}

// addOfKind makes the link alone.
func addOfKind(
	tx *runtime.Tx, ns kernel.NSRef, args linkMaker, a *newLinkArgs,
) (ref kernel.LinkRef, err error) {
	k := kindWith(args)
	if a.Master != nil && a.Master.Index > 0 {
		if err := a.Master.check(tx.Machine(), kernel.LinkRef{NS: ns, Name: string(a.Name)}, ns); err != nil {
			return ref, err
		}
	}
	if err := k.fit(tx.View, ns, reflect.ValueOf(args).Elem()); err != nil {
		return ref, err
	}
	return ref, addNamed(tx.Machine(), func(taken []string) (err error) {
		if ref, err = newLink(tx, ns, a.Name, k.Prefix, taken); err != nil {
			return err
		}
		op := &addLink{LinkSpec: kernel.LinkSpec{LinkRef: ref, MAC: string(a.MAC), MTU: int(a.MTU), Up: a.Up}}
		k.tell(op, reflect.ValueOf(args).Elem())
		asked := ns
		switch {
		case op.Lower != nil:
			asked = op.Lower.NS
		case op.Socket != nil:
			asked = *op.Socket
		}
		if op.Index, err = freeInBoth(tx.Machine(), ns, asked, op.Index); err != nil {
			return err
		}
		ref = op.LinkRef
		if op.Lower != nil {
			if err := k.share(tx.Machine(), op); err != nil {
				return err
			}
		}
		return k.lacking(tx.Apply(op))
	}, a.Name)
}

// lacking says how to get what this kernel lacks of the kind.
func (k *linkKind) lacking(err error) error {
	var e *kernel.Error
	if kernel.UnknownKind(err) && errors.As(err, &e) {
		e.Hint += ": " + k.feature().Remedy
	}
	return err
}

// freeInBoth is the index, or one that is free in the namespace that is asked for the link too: before Linux 6.15 the
// kernel looks there whether it is free.
func freeInBoth(m *kernel.Machine, ns, lower kernel.NSRef, index int) (int, error) {
	if ns.Cookie == lower.Cookie {
		return index, nil
	}
	n, err := m.Namespace(ns)
	if err != nil {
		return 0, err
	}
	other, err := m.Namespace(lower)
	for err == nil && !other.IndexFree(index) {
		index, err = n.FreeIndex()
	}
	return index, err
}

// finish makes the new link what it is to be beside its kind.
func (a *newLinkArgs) finish(tx *runtime.Tx, ref kernel.LinkRef) (starlark.Value, error) {
	if a.Master != nil && a.Master.Index > 0 {
		if err := setMaster(tx, ref, a.Master.LinkRef); err != nil {
			return nil, err
		}
	}
	if err := a.Addrs.add(tx, ref); err != nil {
		return nil, err
	}
	return &linkValue{tx.View, ref}, nil
}

// took is an error when the kernel did not take an attribute that the link was to be made with: an older one passes
// over those that it does not know.
func (k *linkKind) took(tx *runtime.Tx, ref kernel.LinkRef, args linkMaker) error {
	l, err := tx.Machine().Read(ref)
	if err != nil {
		return err
	}
	for _, w := range k.words {
		if _, given := w.argument(reflect.ValueOf(args).Elem()); given && w.read(l.Info) == nil {
			return &kernel.Error{Op: "add " + k.Name, Object: l.Name, NS: l.NS.String(), Err: unix.EOPNOTSUPP,
				Machine: true, Hint: "links of the kind have no " + w.name + " in this kernel"}
		}
	}
	return nil
}

func isGone(err error) bool { return errors.Is(err, kernel.ErrGone) }

// example is a link of the kind with what must be given, standing on another one where it must, and on one beside that.
func (k *linkKind) example(ref kernel.LinkRef, lower *kernel.LinkRef, beside ...kernel.LinkRef) *addLink {
	args := reflect.New(reflect.TypeOf(k.Args).Elem()).Elem()
	args.Set(reflect.ValueOf(k.Args).Elem())
	for _, w := range k.words {
		field := args.FieldByIndex(w.field)
		switch {
		case w.lower && field.Kind() != reflect.Pointer && lower != nil:
			field.Set(reflect.ValueOf(linkArg{*lower}))
		case w.eg == "link":
			for _, l := range beside {
				field.Set(reflect.ValueOf(slaveAttr{besideAttr{masterArg{l}}}))
			}
		case w.eg != "":
			var val starlark.Value = starlark.String(w.eg)
			if n, err := strconv.Atoi(w.eg); err == nil {
				val = starlark.MakeInt(n)
			}
			if field.Kind() == reflect.Pointer {
				field.Set(reflect.New(w.typ))
				field = field.Elem()
			}
			if err := field.Addr().Interface().(starlark.Unpacker).Unpack(val); err != nil {
				panic("builtins: example of " + k.Name + " " + w.name + ": " + err.Error())
			}
		}
	}
	op := &addLink{LinkSpec: kernel.LinkSpec{LinkRef: ref}}
	k.tell(op, args)
	return op
}

// hasMAC reports whether its links can be given a link-layer address.
func (k *linkKind) hasMAC() bool { return reflect.ValueOf(k.Args).Elem().FieldByName("MAC").IsValid() }

// feature is what a machine may lack of the kind.
func (k *linkKind) feature() *runtime.Feature {
	return &runtime.Feature{Name: k.Name, Doc: k.Name + " links (ip-link(8))", Optional: k != vethKind,
		Remedy: "modprobe " + k.Module + ", a kernel with it (CONFIG_" + k.Config + "), or --kernel " + k.Kernel,
		Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
			ref := func(index int, name string) kernel.LinkRef {
				return kernel.LinkRef{NS: ns, Index: index, Name: name}
			}
			// The first indexes are those of the tunnels that some modules make in each namespace.
			lower := ref(102, "lower")
			op := k.example(ref(101, "probe"), &lower, ref(103, "end"))
			if op.Lower != nil {
				base := vethKind.example(lower, nil)
				base.Peer = &kernel.LinkSpec{LinkRef: ref(103, "end")}
				if err := m.AddLink(base.LinkSpec); err != nil {
					return err
				}
			}
			if op.Paired() {
				op.Peer = &kernel.LinkSpec{LinkRef: ref(3, "peer")}
			}
			return m.AddLink(op.LinkSpec)
		})}
}
