package kernel

import (
	"encoding/binary"
	"errors"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// vlanTable holds the vlans (bridge-vlan(8)) of a bridge's ports, and of the bridge itself.
var vlanTable = &Table{Name: "bridge_vlan", One: "vlan of a port", Many: "vlans of ports",
	Get: unix.RTM_GETLINK, New: unix.RTM_SETLINK, Del: unix.RTM_DELLINK, Header: unix.SizeofIfInfomsg,
	Families: []byte{unix.AF_BRIDGE}, Dumps: []rtnl.Raw{AppendAttr(bridgeHead(0), unix.IFLA_EXT_MASK,
		binary.NativeEndian.AppendUint32(nil, nl.RTEXT_FILTER_BRVLAN))}, Split: splitVLANs,
	On: onLinkUnsaved, Link: neighLink, Own: true, At: 4, Blank: func() []byte { return vlanMessage(0, 0, 0, false) },
	Key:  func(raw []byte) string { return string(raw[min(vlanAt+2, len(raw)):min(vlanAt+4, len(raw))]) },
	Send: sendVLAN}

// vlanAt is where our messages have a struct bridge_vlan_info (linux/if_bridge.h): flags, and the vlan's id.
const vlanAt = unix.SizeofIfInfomsg + 8

// Of linux/if_bridge.h: who is asked, in IFLA_BRIDGE_FLAGS; and the tunnel of a vlan, which our messages have as an
// attribute of their own, its id.
const (
	bridgeFlagsMaster = 1
	bridgeFlagsSelf   = 2

	VLANTunnel      = 3 // IFLA_BRIDGE_VLAN_TUNNEL_INFO, and what is in it
	vlanTunnelID    = 1
	vlanTunnelVID   = 2
	vlanTunnelFlags = 3
)

func bridgeHead(index int) []byte {
	msg := make([]byte, unix.SizeofIfInfomsg)
	msg[0] = unix.AF_BRIDGE
	binary.NativeEndian.PutUint32(msg[4:], uint32(index))
	return msg
}

// vlanMessage is a vlan of a link: of the bridge itself, or of the port of one.
func vlanMessage(index int, flags, vid uint16, self bool) []byte {
	who := uint16(bridgeFlagsMaster)
	if self {
		who = bridgeFlagsSelf
	}
	info := binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, flags), vid)
	spec := AppendAttr(nil, nl.IFLA_BRIDGE_VLAN_INFO, info)
	spec = AppendAttr(spec, nl.IFLA_BRIDGE_FLAGS, binary.NativeEndian.AppendUint16(nil, who))
	return AppendAttr(bridgeHead(index), unix.IFLA_AF_SPEC, spec)
}

// sendVLAN makes the requests that let a link take part in a vlan, or take it out. The kernel takes the tunnel away
// with the vlan.
func sendVLAN(n *Namespace, raw []byte, remove bool) error {
	vlan := rtnl.Without(raw, unix.SizeofIfInfomsg, VLANTunnel)
	tunnel := rtnl.Attr(raw, unix.SizeofIfInfomsg, VLANTunnel)
	if remove {
		return n.do(unix.RTM_DELLINK, 0, rtnl.Raw(vlan))
	}
	if err := n.do(unix.RTM_SETLINK, 0, rtnl.Raw(vlan)); err != nil || tunnel == nil {
		return err
	}
	info := AppendAttr(nil, vlanTunnelID, tunnel)
	info = AppendAttr(info, vlanTunnelVID, vlan[vlanAt+2:vlanAt+4])
	spec := AppendAttr(nil, VLANTunnel|unix.NLA_F_NESTED, info)
	msg := AppendAttr(bridgeHead(neighLink(raw)), unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, spec)
	err := n.do(unix.RTM_SETLINK, 0, rtnl.Raw(msg))
	if err != nil {
		if e := n.do(unix.RTM_DELLINK, 0, rtnl.Raw(vlan)); e != nil {
			return Partly(errors.Join(err, e))
		}
	}
	return err
}

// splitVLANs makes requests of the vlans of a link.
func splitVLANs(raw []byte) (all [][]byte) {
	if len(raw) < unix.SizeofIfInfomsg {
		return nil
	}
	index, spec := neighLink(raw), rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_AF_SPEC)
	self := rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_MASTER) == index
	tunnels := vlanTunnels(spec)
	for at, t := range rtnl.Attrs(spec, 0) {
		if t != nl.IFLA_BRIDGE_VLAN_INFO || at+8 > len(spec) {
			continue
		}
		flags := binary.NativeEndian.Uint16(spec[at+4:]) & (nl.BRIDGE_VLAN_INFO_PVID | nl.BRIDGE_VLAN_INFO_UNTAGGED)
		vid := binary.NativeEndian.Uint16(spec[at+6:])
		msg := vlanMessage(index, flags, vid, self)
		if id, ok := tunnels[vid]; ok {
			msg = AppendAttr(msg, VLANTunnel, binary.NativeEndian.AppendUint32(nil, id))
		}
		all = append(all, msg)
	}
	return all
}

// vlanTunnels are the ids of tunnels by their vlans. Those that follow each other the kernel says by the first and the
// last.
func vlanTunnels(spec []byte) map[uint16]uint32 {
	all := map[uint16]uint32{}
	var from uint16
	for at, t := range rtnl.Attrs(spec, 0) {
		if t != VLANTunnel {
			continue
		}
		info := spec[at+4 : min(at+int(binary.NativeEndian.Uint16(spec[at:])), len(spec))]
		vid, flags := rtnl.Attr(info, 0, vlanTunnelVID), rtnl.Attr(info, 0, vlanTunnelFlags)
		if len(vid) < 2 {
			continue
		}
		last, id := binary.NativeEndian.Uint16(vid), uint32(rtnl.Uint32(info, 0, vlanTunnelID))
		if len(flags) < 2 || binary.NativeEndian.Uint16(flags)&nl.BRIDGE_VLAN_INFO_RANGE_END == 0 {
			from = last
		}
		for ; from < last; from++ {
			all[from] = id - uint32(last-from)
		}
		all[last] = id
	}
	return all
}
