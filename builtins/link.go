package builtins

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// linkValue is a link in a script. It is the link's identity, not a copy: it follows renames and moves.
type linkValue struct {
	v   *runtime.View
	ref kernel.LinkRef
}

var (
	_ starlark.HasAttrs   = (*linkValue)(nil)
	_ starlark.Comparable = (*linkValue)(nil)
)

func (l *linkValue) Freeze()                                  {}
func (l *linkValue) Truth() starlark.Bool                     { return true }
func (l *linkValue) String() string                           { return l.current().Name }
func (l *linkValue) Type() string                             { return "link" }
func (l *linkValue) Hash() (uint32, error)                    { return l.identity().Hash(), nil }
func (l *linkValue) Attr(name string) (starlark.Value, error) { return l.v.Attr("link", l, name) }
func (l *linkValue) AttrNames() []string                      { return l.v.AttrNames("link") }

// CompareSameType makes two values of one link equal.
func (l *linkValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "link", l.identity() == other.(*linkValue).identity())
}

func (l *linkValue) identity() kernel.Object { return l.v.Machine().Identity(l.ref.Object()) }

// current is where the link is and what it is called now.
func (l *linkValue) current() kernel.LinkRef { return l.v.Machine().Current(l.ref) }

// linkGetter reads an attribute from the kernel's view of the link.
type linkGetter = func(v *runtime.View, l *kernel.Link) (starlark.Value, error)

// linkAttr declares an attribute that is what the last change made it.
func linkAttr(name, typ, doc string, get linkGetter) runtime.Attr {
	return readAttr((*kernel.Machine).Read, name, typ, doc, get)
}

// settledAttr declares an attribute that the kernel changes later than what it depends on, and that is waited for.
func settledAttr(name, typ, doc string, get linkGetter) runtime.Attr {
	return readAttr((*kernel.Machine).ReadSettled, name, typ, doc, get)
}

func readAttr(read func(*kernel.Machine, kernel.LinkRef) (*kernel.Link, error), name, typ, doc string,
	get linkGetter) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
			l, err := read(v.Machine(), r.(*linkValue).ref)
			if err == nil {
				err = v.Reachable(l.NS)
			}
			if err != nil {
				return nil, err
			}
			return get(v, l)
		}}
}

var linkType = &runtime.Type{Name: "link", Doc: "A network link (ip-link(8)). Every attribute is read from the " +
	"kernel when it is asked for. All values of one link are equal, whatever it is called and wherever it was moved.",
	Attrs: []runtime.Attr{
		linkAttr("name", "string", "its name", func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) {
			return starlark.String(l.Name), nil
		}),
		linkAttr("ns", "namespace", "the namespace that it is in",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) { return &nsValue{v, l.NS}, nil }),
		linkAttr("index", "int", "its interface index", func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) {
			return starlark.MakeInt(l.Index), nil
		}),
		linkAttr("mac", "string", "its link-layer address",
			func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) {
				return starlark.String(l.MAC.String()), nil
			}),
		linkAttr("mtu", "int", "its MTU in bytes", func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) {
			return starlark.MakeInt(l.MTU), nil
		}),
		linkAttr("up", "bool", "whether it is set up (the administrative state, not the carrier)",
			func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) { return starlark.Bool(l.Up), nil }),
		settledAttr("carrier", "bool",
			"whether it can carry packets: of most kinds of link, whether it and its other end are up",
			func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) {
				return starlark.Bool(l.Carrier), nil
			}),
		settledAttr("state", "string", "its operational state (RFC 2863): up, down, lowerlayerdown (the other end, "+
			"in the same namespace, is down), dormant, testing, notpresent, or unknown for kinds that have none",
			func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) {
				return starlark.String(l.State), nil
			}),
		linkAttr("kind", "string", "veth, bridge, loopback ...",
			func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) { return starlark.String(l.Kind), nil }),
		settledAttr("info", "struct",
			"what its kind alone has, under the words of its builtin and of link.set; None for what it has not",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) { return linkKinds[l.Kind].info(v, l) }),
		settledAttr("port", "struct or None",
			"what it is as a port, under the words of link.set, and what its master shows of it; None of those of a "+
				"master that has no such words, and of none",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
				if k := portKinds[l.MasterKind]; k != nil {
					return k.info(v, l)
				}
				return starlark.None, nil
			}),
		linkAttr("ports", "list of link", "the links that are its ports, those of a bridge",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
				ports, err := portsOf(v, l)
				var values []starlark.Value
				for _, p := range ports {
					values = append(values, &linkValue{v, p.LinkRef})
				}
				return starlark.NewList(values), err
			}),
		linkAttr("lower", "link or None", "the link that it stands on, as a vlan or a macvlan does",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
				ref, err := v.Machine().Lower(l)
				if err != nil || ref.Index == 0 {
					return starlark.None, err
				}
				return &linkValue{v, ref}, nil
			}),
		offloadsAttr,
		linkAttr("altnames", "list of string", "its other names (ip-link(8)'s property)",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) { return stringList(l.Altnames), nil }),
		linkAttr("alias", "string", "its alias", func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) {
			return starlark.String(l.Alias), nil
		}),
		linkAttr("peer", "link", "the other end of a pair; an error for links of kinds that have none",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
				ref, err := v.Machine().Peer(l)
				return &linkValue{v, ref}, err
			}),
		linkAttr("master", "link or None", "the bridge that it is a port of",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
				if l.Master == 0 {
					return starlark.None, nil
				}
				br, err := v.Machine().Beside(l, l.Master)
				if err != nil {
					return nil, err
				}
				return &linkValue{v, br.LinkRef}, nil
			}),
		settledAttr("addrs", "list of string", "its addresses with their prefix lengths, IPv4 first",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
				addrs, err := v.Machine().Addrs(l.LinkRef)
				var lines []string
				for _, a := range addrs {
					lines = append(lines, a.Prefix.String())
				}
				return stringList(lines), err
			}),
		linkAttr("ip", "string or None", "its first address that is not link-local, without the prefix length",
			func(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
				addrs, err := v.Machine().Addrs(l.LinkRef)
				for _, a := range addrs {
					if !a.Prefix.Addr().IsLinkLocalUnicast() {
						return starlark.String(a.Prefix.Addr().String()), err
					}
				}
				return starlark.None, err
			}),
		linkAttr("stats", "struct", "its counters, under the names of struct rtnl_link_stats64 (linux/if_link.h): "+
			"rx_packets, tx_bytes, rx_dropped ...; later ones minus earlier ones are what was counted in between",
			func(_ *runtime.View, l *kernel.Link) (starlark.Value, error) { return linkStats(l), nil }),
	}}

var upDecl = runtime.Change("up", "None", "Sets links up.", &upArgs{})

type upArgs struct {
	Links []linkArg `arg:"*links" doc:"the links"`
	runtime.Irreversible
}

func (a *upArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return nil, setAll(tx, a.Links, "on")
}

var downDecl = runtime.Change("down", "None",
	"Sets links down. The kernel drops their IPv6 addresses and routes with that; undoing it brings them back.",
	&downArgs{})

type downArgs struct {
	Links []linkArg `arg:"*links" doc:"the links"`
	runtime.Irreversible
}

func (a *downArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return nil, setAll(tx, a.Links, "off")
}

func setAll(tx *runtime.Tx, links []linkArg, state string) error {
	for _, l := range links {
		if err := tx.Apply(&setLink{Link: l.LinkRef, Attr: "up", Value: state}); err != nil {
			return err
		}
	}
	return nil
}
