package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "bridge_vlan", Command: "bridge vlan", Args: &bridgeVLANArgs{},
	Doc: "Lets a port of a bridge that filters vlans (vlan_filtering) take part in one, or in several " +
		"(bridge-vlan(8)). A range of them is a list of values.",
	Value:    "A vlan of a port, or of a bridge itself (bridge-vlan(8)).",
	LinkList: "vlans", ListDoc: "its vlans, as a port or a bridge",
	Needs: []string{"bridge_vlan"}})

type bridgeVLANArgs struct {
	Link     linkArg            `arg:"link" dev:"1" doc:"the port; or the bridge, for what is sent to and from the bridge itself"`
	VIDs     rangeArg[width16]  `arg:"vid" doc:"the vlan, 1 to 4094, or \"FIRST-LAST\""`
	VID      whole[width16]     `info:"vid" nla:"@26" doc:"the vlan"`
	_        struct{}           `arg:"*"`
	PVID     isSet[width8]      `arg:"pvid?" nla:"@24&2" doc:"what comes in without a tag is of this vlan, and no longer of another one"`
	Untagged isSet[width8]      `arg:"untagged?" nla:"@24&4" doc:"what goes out loses its tag"`
	Tunnels  *rangeArg[width24] `arg:"tunnel_id?" doc:"network identifier that it has in a vxlan, 0 to 16777215; \"FIRST-LAST\" for as many vlans. The port is a vxlan with external=True, and has vlan_tunnel"`
	Tunnel   *whole[width24]    `info:"tunnel_id" nla:"3" ip:"tunnel_info id" doc:"network identifier that it has in a vxlan"`
	Self     isSet[width8]      `info:"self" nla:"@32&2" doc:"whether it is of the bridge itself"`
}

func (a *bridgeVLANArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	l, err := tx.Machine().Read(a.Link.LinkRef)
	if err != nil {
		return nil, err
	}
	switch {
	case a.VIDs.first < 1 || a.VIDs.last > 4094:
		return nil, fmt.Errorf("bridge_vlan: vid %s is not from 1 to 4094", a.VIDs)
	case bool(a.PVID) && a.VIDs.first != a.VIDs.last:
		return nil, errors.New("bridge_vlan: pvid= is of one vlan")
	case l.Kind != "bridge" && l.Master == 0:
		return nil, fmt.Errorf("bridge_vlan: link %s is no bridge and no port", l.Name)
	case a.Tunnels != nil && a.Tunnels.last-a.Tunnels.first != a.VIDs.last-a.VIDs.first:
		return nil, fmt.Errorf("bridge_vlan: tunnel_id=%s is not of as many as vid %s", a.Tunnels, a.VIDs)
	}
	if a.Tunnels != nil {
		on := portKinds["bridge"].word("vlan_tunnel").read(l.PortInfo)
		if on == nil || on.value() != starlark.Value(starlark.True) {
			return nil, &kernel.Error{Op: "add tunnel of vlan", Object: a.VIDs.String() + " to " + l.Name,
				NS: l.NS.String(), Err: fmt.Errorf("the port has no vlan_tunnel: %w", unix.EINVAL),
				Hint: l.Name + ".set(vlan_tunnel = True)"}
		}
	}
	if a.PVID {
		if err := a.takePVID(tx, l); err != nil {
			return nil, err
		}
	}
	var all []starlark.Value
	for vid := a.VIDs.first; vid <= a.VIDs.last; vid++ {
		a.VID = whole[width16](vid)
		if a.Tunnels != nil {
			id := whole[width24](a.Tunnels.first + vid - a.VIDs.first)
			a.Tunnel = &id
		}
		e := kernel.Entry{NS: l.NS, Link: &l.LinkRef, Table: "bridge_vlan"}
		val, err := addNew(tx, e, a, func(msg []byte) []byte {
			if l.Kind == "bridge" && l.Master == 0 {
				msg[32] = 2 // BRIDGE_FLAGS_SELF
			}
			return msg
		})
		if err != nil {
			return nil, err
		}
		all = append(all, val)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return starlark.NewList(all), nil
}

// takePVID takes it from the vlan that has it: the kernel would do so by itself, and not give it back.
func (a *bridgeVLANArgs) takePVID(tx *runtime.Tx, l *kernel.Link) error {
	n, err := tx.Machine().Namespace(l.NS)
	if err != nil {
		return err
	}
	all, err := n.Entries("bridge_vlan", &l.LinkRef)
	for _, e := range all {
		if e.Msg[24]&2 == 0 || e.Link.Index != l.Index {
			continue
		}
		without := e
		without.Msg = append([]byte(nil), e.Msg...)
		without.Msg[24] &^= 2 // BRIDGE_VLAN_INFO_PVID
		return errors.Join(tx.Apply(&delEntry{Entry: e}), tx.Apply(&addEntry{Entry: without}))
	}
	return err
}
