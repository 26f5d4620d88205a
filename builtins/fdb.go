package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "fdb", Command: "bridge fdb", Args: &fdbArgs{},
	Tables: []string{"fdb", "port fdb"},
	Doc: "Says where a link-layer address is: behind a port of a bridge, or behind another end of a vxlan " +
		"(bridge-fdb(8)). It is never forgotten.",
	Value:    "An entry of a forwarding table that was not learned (bridge-fdb(8)).",
	LinkList: "fdb", ListDoc: "addresses that it was told of, as a port, a bridge or a vxlan"})

type fdbArgs struct {
	Link   linkArg           `arg:"link" dev:"1" doc:"the port, bridge or vxlan"`
	MAC    macAttr           `arg:"mac" nla:"2" ip:"-" doc:"the address; of a vxlan, 00:00:00:00:00:00 for all that are not known"`
	_      struct{}          `arg:"*"`
	Dst    *addrAttr         `arg:"dst?" nla:"1" doc:"of a vxlan: the other end that it is behind"`
	Port   *whole[widthPort] `arg:"port?" nla:"6" doc:"UDP port of that end; that of the vxlan when left out"`
	VNI    *whole[width32]   `arg:"vni?" nla:"7" doc:"network identifier to send with; that of the vxlan when left out"`
	SrcVNI *whole[width32]   `arg:"src_vni?" nla:"11" doc:"network identifier that the address is in, of a vxlan that is external"`
	NHID   *whole[width32]   `arg:"nhid?" nla:"13" doc:"id of a nexthop group for forwarding, instead of dst="`
	Via    *devIndex         `arg:"via?" nla:"8" doc:"link that packets to that end go over"`
	VLAN   *whole[width16]   `arg:"vlan?" nla:"5" doc:"VLAN that the address is in, 1 to 4094, of a bridge that filters"`
	Self   isSet[width8]     `arg:"self?" nla:"@10&2" doc:"the link's own table; what is no port has no other"`
	Master isSet[width8]     `arg:"master?" nla:"@10&4" doc:"the table of the bridge that it is a port of; what a port has when left out"`
	State  *fdbState         `arg:"state?" nla:"@8" ip:"-" doc:"static, or permanent: the link's own address, of a port; static when left out, and permanent of the link's own table"`
	Sticky isSet[width8]     `arg:"sticky?" nla:"@10&64" doc:"stays behind this port, whatever comes in elsewhere"`
	Extern isSet[width8]     `arg:"extern_learn?" nla:"@10&16" doc:"a program learned it, as a control plane does"`
}

// fdbState is NUD_PERMANENT and so on, in bridge(8)'s words.
type fdbState = oneOf[fdbStates, width16]

type fdbStates struct{}

func (fdbStates) words() map[string]int {
	return map[string]int{"permanent": unix.NUD_PERMANENT, "static": unix.NUD_NOARP}
}

func (a *fdbArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	l, err := tx.Machine().Read(a.Link.LinkRef)
	if err != nil {
		return nil, err
	}
	table := l.Kind == "vxlan" || l.Kind == "bridge"
	if !a.Self && !a.Master {
		a.Master = isSet[width8](l.Master != 0 && a.Dst == nil && a.NHID == nil)
		a.Self = !a.Master
	}
	switch {
	case bool(a.Self) && bool(a.Master):
		return nil, errors.New("fdb: want self= or master=, as an entry is in one table")
	case l.Kind != "vxlan" && (a.Dst != nil || a.Port != nil || a.VNI != nil || a.SrcVNI != nil || a.Via != nil ||
		a.NHID != nil):
		return nil, fmt.Errorf("fdb: link %s is no vxlan, whose entries alone have another end", l.Name)
	case bool(a.Self) && !table:
		return nil, fmt.Errorf("fdb: link %s is no vxlan, no bridge and no port: it has no table", l.Name)
	case bool(a.Master) && l.Master == 0:
		return nil, fmt.Errorf("fdb: link %s is no port", l.Name)
	case a.VLAN != nil && (*a.VLAN < 1 || *a.VLAN > 4094):
		return nil, fmt.Errorf("fdb: vlan=%d is not from 1 to 4094", *a.VLAN)
	}
	e := kernel.Entry{NS: l.NS, Link: &l.LinkRef, Table: "fdb"}
	state := fdbState("permanent")
	if a.Master {
		e.Table, state = "port fdb", "static"
	}
	if a.State == nil {
		a.State = &state
	}
	a.leaveOut(l)
	val, err := addNew(tx, e, a, func(msg []byte) []byte {
		msg[0] = unix.AF_BRIDGE
		return msg
	})
	return val, a.why(l, err)
}

// why says what the kernel's EINVAL is about, which it does not.
func (a *fdbArgs) why(l *kernel.Link, err error) error {
	k := new(kernel.Error)
	if !errors.Is(err, unix.EINVAL) || !errors.As(err, &k) || k.Hint != "" {
		return err
	}
	switch {
	case l.Kind == "vxlan" && a.Dst == nil && a.NHID == nil:
		k.Hint = "an entry of a vxlan says behind which other end the address is: want dst= or nhid="
	case a.VLAN != nil:
		k.Hint = fmt.Sprintf("link %s takes no part in vlan %d, or its bridge does not filter: see vlan_filtering= "+
			"and bridge_vlan()", l.Name, *a.VLAN)
	}
	return err
}

// leaveOut drops what says the same as the vxlan itself does: the kernel does not keep it.
func (a *fdbArgs) leaveOut(l *kernel.Link) {
	same := func(given int, word string) bool {
		w := linkKinds["vxlan"].word(word)
		now, ok := w.read(l.Info).(interface{ value() starlark.Value })
		return l.Kind == "vxlan" && ok && now.value() == starlark.Value(starlark.MakeInt(given))
	}
	if a.Port != nil && same(int(*a.Port), "dstport") {
		a.Port = nil
	}
	if a.VNI != nil && same(int(*a.VNI), "id") {
		a.VNI = nil
	}
}
