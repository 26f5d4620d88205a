package builtins

import (
	"sync"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// setDecl is made when all kinds are declared.
var setDecl = sync.OnceValue(func() *runtime.Decl {
	return runtime.Change("link.set", "link",
		"Changes the link, in the words of `ip link set`, in this order: ns and name, down, mac, mtu, txqlen, alias, "+
			"group, offloads, what its kind alone has, master, up, what it is as a port.", &setArgs{})
})

type setArgs struct {
	Link     linkArg      `arg:"link" doc:"the link"`
	_        struct{}     `arg:"*"`
	Name     *linkNameArg `arg:"name?" doc:"new name"`
	MTU      *mtuArg      `arg:"mtu?" doc:"MTU in bytes"`
	MAC      *macArg      `arg:"mac?" doc:"link-layer address"`
	NS       *nsArg       `arg:"ns?" doc:"namespace to move it to; the kernel drops its addresses and state on the way"`
	Up       *bool        `arg:"up?" doc:"whether it is up"`
	Alias    *string      `arg:"alias?" doc:"a text for people, up to 255 bytes"`
	TxQLen   *int         `arg:"txqlen?" doc:"length of the transmit queue in packets"`
	Group    *int         `arg:"group?" doc:"number of the group it belongs to"`
	Offloads offloadsArg  `arg:"offloads?" doc:"what it leaves to its device or not, in ethtool(8)'s words or the kernel's names: {\"tso\": False, \"rx-gro\": True}"`
	Master   *masterArg   `arg:"master?" doc:"bridge or bond to make it a port of; False takes it out"`
	Own      kindWords    `arg:"..."`
	runtime.Irreversible
}

func (a *setArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	link, in := &linkValue{tx.View, a.Link.LinkRef}, a.Link.NS
	if a.NS != nil {
		in = a.NS.NSRef
	}
	if a.Master != nil && a.Master.Index > 0 {
		if err := a.Master.check(tx.Machine(), a.Link.LinkRef, in); err != nil {
			return nil, err
		}
	}
	master, err := a.masterKind(tx.Machine())
	if err != nil {
		return nil, err
	}
	own, port, err := a.Own.sets(tx.View, a.Link.LinkRef, master)
	if err != nil {
		return nil, err
	}
	if a.NS != nil && a.NS.Cookie != link.current().NS.Cookie {
		to := kernel.LinkRef{NS: a.NS.NSRef}
		if a.Name != nil {
			to.Name, a.Name = string(*a.Name), nil // the old name may be another's there
		}
		if err := tx.Apply(&moveLink{From: link.current(), To: to}); err != nil {
			return nil, err
		}
	}
	set := func(given bool, attr string, value func() string) {
		if given && err == nil {
			err = tx.Apply(&setLink{Link: link.current(), Attr: attr, Value: value()})
		}
	}
	set(a.Up != nil && !*a.Up, "up", func() string { return "off" })
	set(a.Name != nil, "name", func() string { return string(*a.Name) })
	set(a.MAC != nil, "mac", func() string { return string(*a.MAC) })
	set(a.MTU != nil, "mtu", func() string { return itoa(int(*a.MTU)) })
	set(a.TxQLen != nil, "txqlen", func() string { return itoa(*a.TxQLen) })
	set(a.Alias != nil, "alias", func() string { return *a.Alias })
	set(a.Group != nil, "group", func() string { return itoa(*a.Group) })
	if a.Offloads != nil && err == nil {
		var op *setOffloads
		if op, err = a.Offloads.set(tx.Machine(), link.current()); err == nil {
			err = tx.Apply(op)
		}
	}
	words := func(ops []*setWord) {
		for _, op := range ops {
			if op.Link = link.current(); err == nil {
				err = tx.Apply(op)
			}
		}
	}
	words(own)
	if a.Master != nil && err == nil {
		err = setMaster(tx, link.current(), a.Master.LinkRef)
	}
	set(a.Up != nil && *a.Up, "up", func() string { return "on" })
	words(port)
	return link, err
}

// masterKind is the kind of the link's master once it is set.
func (a *setArgs) masterKind(m *kernel.Machine) (string, error) {
	if a.Master == nil {
		l, err := m.Read(a.Link.LinkRef)
		if err != nil {
			return "", err
		}
		return l.MasterKind, nil
	} else if a.Master.Index == 0 {
		return "", nil
	}
	l, err := m.Read(a.Master.LinkRef)
	if err != nil {
		return "", err
	}
	return l.Kind, nil
}
