package builtins

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// masterArg is a bridge or another link that has ports, or none.
type masterArg struct{ kernel.LinkRef }

func (masterArg) ArgType() string { return "link or False" }

func (a *masterArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	if br, ok := val.(*linkValue); ok {
		a.LinkRef = br.current()
		return v.Reachable(a.NS)
	} else if val != starlark.False {
		return want("link or False", val)
	}
	return nil
}

// endMastersArg are those of each end of a pair.
type endMastersArg [2]masterArg

func (endMastersArg) ArgType() string { return "pair of link or None" }

func (a *endMastersArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	pair, ok := val.(starlark.Indexable)
	if !ok {
		return want("the masters of both ends, such as (None, br)", val)
	}
	if n := pair.Len(); n != len(a) {
		return fmt.Errorf("%s of %d elements, want the masters of both ends, such as (None, br)", val.Type(), n)
	}
	for i := range a {
		if end := pair.Index(i); end != starlark.None {
			if err := a[i].UnpackIn(v, end); err != nil {
				return fmt.Errorf("%s end: %w", []string{"first", "second"}[i], err)
			}
		}
	}
	return nil
}

// masters are the kinds of links that can have ports (ndo_add_slave).
var masters = []string{"bridge", "bond", "team", "vrf", "batadv"}

// check is an error when a link, in the namespace that it is in or goes to, cannot become a port of this one. The
// kernel takes it out of the bridge that it is in before it looks.
func (a *masterArg) check(m *kernel.Machine, port kernel.LinkRef, in kernel.NSRef) error {
	if err := sameNamespace(port, in, a.NS, a.Name); err != nil {
		return err
	}
	l, err := m.Read(a.LinkRef)
	if err == nil && !slices.Contains(masters, l.Kind) {
		err = &kernel.Error{Op: "set master of link", Object: port.Name, NS: in.String(),
			Err: fmt.Errorf("%w: %s is a %s link, which has no ports", unix.EOPNOTSUPP, l.Name, l.Kind)}
	}
	return err
}

// makeMaster makes a link, and others its ports.
func makeMaster(
	tx *runtime.Tx, ns kernel.NSRef, args linkMaker, a *newLinkArgs, ports []linkArg,
) (starlark.Value, error) {
	for _, p := range ports {
		if err := sameNamespace(p.LinkRef, p.NS, ns, string(a.Name)); err != nil {
			return nil, err
		}
	}
	ref, err := addOfKind(tx, ns, args, a)
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		if err := setMaster(tx, p.LinkRef, ref); err != nil {
			return nil, err
		}
	}
	k := kindWith(args)
	for w, attr := range k.given(reflect.ValueOf(args).Elem()) {
		if w.after {
			if err := tx.Apply(k.setting(ref, w, attr)); err != nil {
				return nil, err
			}
		}
	}
	return a.finish(tx, ref)
}

// sameNamespace is an error when a port and its bridge are to be in two namespaces. The kernel is told of a bridge by
// its index, and that is another link's there.
func sameNamespace(port kernel.LinkRef, in, bridge kernel.NSRef, name string) error {
	if in.Cookie == bridge.Cookie {
		return nil
	}
	return &kernel.Error{Op: "set master of link", Object: port.Name, NS: in.String(),
		Err: fmt.Errorf("%s is in another namespace, %s", cmp.Or(name, "the bridge"), bridge)}
}

// setMaster makes a link a port of another one, or of none. One that a bond sets up is down before, and down again when
// it has left.
func setMaster(tx *runtime.Tx, link, master kernel.LinkRef) error {
	m := tx.Machine()
	l, err := m.Read(link)
	if err != nil {
		return err
	}
	opens := kernel.Opens(l.MasterKind)
	if master.Index > 0 {
		to, err := m.Read(master)
		if err != nil {
			return err
		}
		if err := ethernet(l, to); err != nil {
			return err
		}
		opens = opens || kernel.Opens(to.Kind)
	}
	if opens && l.Up && l.Master != master.Index {
		if err := tx.Apply(&setLink{Link: link, Attr: "up", Value: "off"}); err != nil {
			return err
		}
	}
	return tx.Apply(&setLink{Link: link, Attr: "master", Value: itoa(master.Index), Master: master.Name})
}

// ethernet is an error when a bridge is to have a port that carries no Ethernet frames.
func ethernet(port, master *kernel.Link) error {
	k := linkKinds[port.Kind]
	if master.Kind != "bridge" || k == nil || k.Name == "veth" || k.hasMAC() {
		return nil
	}
	e := &kernel.Error{Op: "set master of link", Object: port.Name, NS: port.NS.String(), Err: fmt.Errorf(
		"%w: a %s link carries packets without Ethernet, and a bridge takes frames", unix.EINVAL, port.Kind)}
	for _, other := range []string{port.Kind + "tap", "tap"} {
		if linkKinds[other] != nil && (other != "tap" || port.Kind == "tun") {
			e.Hint = "a " + other + " link carries frames"
		}
	}
	return e
}

// releasePorts takes the ports of a bond out of it that is to be deleted, the last one first: undoing that sets them up
// again as they were, in their order.
func releasePorts(tx *runtime.Tx, master kernel.LinkRef) error {
	l, err := tx.Machine().Read(master)
	if err != nil || !kernel.Opens(l.Kind) {
		return err
	}
	ports, err := portsOf(tx.View, l)
	for _, p := range slices.Backward(ports) {
		if err == nil {
			err = setMaster(tx, p.LinkRef, kernel.LinkRef{})
		}
	}
	return err
}
