package kernel

import (
	"encoding/binary"

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
	Key:   func(raw []byte) string { return string(raw[min(vlanAt+2, len(raw)):min(vlanAt+4, len(raw))]) },
	Flags: func([]byte) int { return 0 }}

// vlanAt is where our messages have a struct bridge_vlan_info (linux/if_bridge.h): flags, and the vlan's id.
const vlanAt = unix.SizeofIfInfomsg + 8

// Of linux/if_bridge.h: who is asked, in IFLA_BRIDGE_FLAGS.
const (
	bridgeFlagsMaster = 1
	bridgeFlagsSelf   = 2
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

// splitVLANs makes requests of the vlans of a link.
func splitVLANs(raw []byte) (all [][]byte) {
	if len(raw) < unix.SizeofIfInfomsg {
		return nil
	}
	index, spec := neighLink(raw), rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_AF_SPEC)
	self := rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_MASTER) == index
	for at, t := range rtnl.Attrs(spec, 0) {
		if t != nl.IFLA_BRIDGE_VLAN_INFO || at+8 > len(spec) {
			continue
		}
		flags := binary.NativeEndian.Uint16(spec[at+4:]) & (nl.BRIDGE_VLAN_INFO_PVID | nl.BRIDGE_VLAN_INFO_UNTAGGED)
		all = append(all, vlanMessage(index, flags, binary.NativeEndian.Uint16(spec[at+6:]), self))
	}
	return all
}
