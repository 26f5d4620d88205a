package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// otherMaster is a master that is no bridge: what its ports are in it, no image holds.
func otherMaster(at *subject) ([]string, error) {
	kind := slaveKind(at.raw)
	if at.l.Master == 0 || kindOf(kind).Ports != nil {
		return nil, nil
	}
	master, err := at.n.linkByIndex(at.l.Master)
	if err != nil {
		return nil, err
	}
	return []string{"place under " + kind + " " + master.Name}, nil
}

// backedPorts are the ports that have this one as their backup_port.
func backedPorts(at *subject) (found []string, err error) {
	all, err := at.n.dump(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC))
	for _, raw := range all {
		info := portInfoOf(raw)
		if kindOf(slaveKind(raw)).bridges() && rtnl.Uint32(info, 0, unix.IFLA_BRPORT_BACKUP_PORT) == at.l.Index {
			found = append(found, "backup_port of "+
				unix.ByteSliceToString(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_IFNAME)))
		}
	}
	return found, err
}

// givenGroups are a bridge's groups behind a port that were not learned and that no part holds: all of a bridge that
// takes none as it is.
func givenGroups(at *subject) (found []string, err error) {
	if !kindOf(slaveKind(at.raw)).bridges() {
		return nil, nil
	}
	if takes, err := at.n.takesGroups(at.l.Master); err != nil || takes {
		return nil, unlessGone(err)
	}
	all, err := at.n.dumpOrNone(unix.RTM_GETMDB, mdbTable.Dumps[0])
	for _, raw := range all {
		for group := range rtnl.Nested(rtnl.Attr(raw, sizeofBrPortMsg, mdbaMDB)) {
			for e := range rtnl.Nested(group) {
				if len(e) >= sizeofBrMdbEntry && int(binary.NativeEndian.Uint32(e)) == at.l.Index &&
					e[4] == mdbPermanent {
					found = append(found, "group "+mdbGroup(e))
				}
			}
		}
	}
	return found, err
}

// mdbGroup is the address of a struct br_mdb_entry.
func mdbGroup(e []byte) string {
	switch binary.BigEndian.Uint16(e[24:]) {
	case unix.ETH_P_IP:
		return netip.AddrFrom4([4]byte(e[8:12])).String()
	case unix.ETH_P_IPV6:
		return netip.AddrFrom16([16]byte(e[8:24])).String()
	}
	return net.HardwareAddr(e[8:14]).String()
}

// givenVLANs are the vlans of a port or a bridge beside the one that the bridge gives its ports.
func givenVLANs(at *subject) ([]string, error) {
	bridge, ports := at.l.Index, kindOf(at.l.Kind).Ports
	if of := kindOf(slaveKind(at.raw)); of.bridges() {
		bridge, ports = at.l.Master, of.Ports
	}
	if ports == nil || ports.PVID == 0 {
		return nil, nil
	}
	info, err := at.n.linkInfo(bridge, nl.IFLA_INFO_DATA)
	if errors.Is(err, ErrGone) {
		return nil, nil
	}
	pvid := rtnl.Attr(info, 0, ports.PVID)
	if err != nil || len(pvid) < 2 {
		return nil, err // a kernel without vlans of bridges
	}
	all, err := at.n.dumpOrNone(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_BRIDGE),
		nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(nl.RTEXT_FILTER_BRVLAN)))
	for _, raw := range all {
		if int(int32(binary.NativeEndian.Uint32(raw[4:]))) == at.l.Index {
			return otherVLANs(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_AF_SPEC),
				binary.NativeEndian.Uint16(pvid)), nil
		}
	}
	return nil, err
}

// otherVLANs are the vlans in a bridge's IFLA_AF_SPEC that a new port does not have, and the one that it has and that
// is not there.
func otherVLANs(spec []byte, pvid uint16) (found []string) {
	plain := pvid == 0
	if _, tunnel := vlanTunnels(spec)[pvid]; tunnel {
		found = append(found, fmt.Sprintf("tunnel of vlan %d", pvid))
	}
	for at, t := range rtnl.Attrs(spec, 0) {
		if t != nl.IFLA_BRIDGE_VLAN_INFO || at+8 > len(spec) {
			continue
		}
		flags, vid := binary.NativeEndian.Uint16(spec[at+4:]), binary.NativeEndian.Uint16(spec[at+6:])
		if vid == pvid && flags&(nl.BRIDGE_VLAN_INFO_PVID|nl.BRIDGE_VLAN_INFO_UNTAGGED) == nl.BRIDGE_VLAN_INFO_PVID|
			nl.BRIDGE_VLAN_INFO_UNTAGGED {
			plain = true
		} else {
			found = append(found, fmt.Sprintf("vlan %d", vid))
		}
	}
	if !plain {
		found = append(found, fmt.Sprintf("lack of vlan %d", pvid))
	}
	return found
}

// givenStates are the states of ports that somebody has set: of a link that is one, of the ports of a bridge, and of
// the other end of a pair. Without the spanning tree protocol a port forwards whenever its link comes up, and with it
// the bridge decides.
func givenStates(at *subject) ([]string, error) { return statesOf(at, true) }

// givenStatesDown are those of ports that are down, or whose bridge is: such a port is disabled. The state stays when
// the other of the two goes down as well.
func givenStatesDown(at *subject) ([]string, error) { return statesOf(at, false) }

func statesOf(at *subject, up bool) (found []string, err error) {
	ports := []LinkRef{at.l.LinkRef}
	if peer, err := at.m.Peer(at.l); err == nil {
		ports = append(ports, peer)
	}
	if kindOf(at.l.Kind).bridges() {
		links, err := at.n.Links()
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			if l.Master == at.l.Index {
				ports = append(ports, l.LinkRef)
			}
		}
	}
	for _, p := range ports {
		state, err := at.m.givenState(p, up)
		if err != nil && !errors.Is(err, ErrGone) {
			return nil, err
		}
		if state != "" {
			found = append(found, "state "+state+" of port "+p.Name)
		}
	}
	return found, nil
}

// Two of them are what a bridge gives its ports by itself without the spanning tree protocol.
const (
	portDisabled   = 0
	portForwarding = 3
)

// portStates are a port's states (BR_STATE_DISABLED and so on), in bridge(8)'s words.
var portStates = []string{"disabled", "listening", "learning", "forwarding", "blocking"}

// givenState is the state of a port that is up, or of one that is not, when the bridge would not have it so by itself.
// "": it would, or the link is no such port.
func (m *Machine) givenState(port LinkRef, isUp bool) (string, error) {
	n, err := m.Namespace(port.NS)
	if err != nil {
		return "", err
	}
	raw, err := n.linkMessage(port.Index) // which also makes its carrier known
	ports := kindOf(slaveKind(raw)).Ports
	if err != nil || ports == nil || ports.STP == 0 {
		return "", err
	}
	bridge, err := n.linkMessage(rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_MASTER))
	if err != nil {
		return "", err
	}
	up := binary.NativeEndian.Uint32(raw[8:]) & binary.NativeEndian.Uint32(bridge[8:]) & unix.IFF_UP
	info := portInfoOf(raw)
	state := rtnl.Attr(info, 0, nl.IFLA_BRPORT_STATE)
	want := byte(portDisabled)
	if isUp {
		want = portForwarding
	}
	if isUp != (up != 0) || isUp && carrier(raw) < 1 ||
		rtnl.Uint32(infoOf(bridge), 0, ports.STP) != 0 ||
		len(state) != 1 || state[0] == want || int(state[0]) >= len(portStates) {
		return "", nil
	}
	return portStates[state[0]], nil
}

// Delayed is the Loss of a bridge's forward delay that the kernel changes when the spanning tree protocol is switched
// on.
func (img *Image) Delayed() error {
	ports := kindOf(img.Kind).Ports
	if ports == nil || ports.Delay == 0 || rtnl.Attr(img.Info, 0, ports.Delay) == nil {
		return nil
	}
	delay := time.Duration(rtnl.Uint32(img.Info, 0, ports.Delay)) * 10 * time.Millisecond
	if delay >= 2*time.Second && delay <= 30*time.Second {
		return nil
	}
	return &Loss{What: fmt.Sprintf("forward_delay %s of bridge %s", delay, img),
		Why:  "with stp_state on, the kernel brings it between 2s and 30s",
		Hint: `forward_delay = "15s" before it`}
}
