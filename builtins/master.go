package builtins

import (
	"cmp"
	"fmt"
	"slices"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// masterArg is a bridge, or none.
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
			Err: fmt.Errorf("%w: %s is no bridge", unix.EOPNOTSUPP, l.Name)}
	}
	return err
}

// makeMaster makes a link with ports.
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
		op := &setLink{Link: p.LinkRef, Attr: "master", Value: itoa(ref.Index), Master: ref.Name}
		if err := tx.Apply(op); err != nil {
			return nil, err
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
