package builtins

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "mdb", Command: "bridge mdb", Args: &mdbArgs{},
	Doc: "Has a bridge send a multicast group to a port, whoever listens there (bridge-mdb(8)). It stays until it is " +
		"deleted.",
	Value:    "A multicast group that a bridge was told of behind a port (bridge-mdb(8)).",
	LinkList: "mdb", ListDoc: "groups that its bridge was told of behind it, or that it was told of as a bridge"})

type mdbArgs struct {
	Bridge    linkArg         `arg:"bridge" doc:"the bridge, which is up and snoops (mcast_snooping)"`
	Port      linkArg         `arg:"port" dev:"0" doc:"its port"`
	Group     groupAttr       `arg:"group" nla:"@20" ip:"grp" doc:"address of the group: IPv4, IPv6 or MAC"`
	_         struct{}        `arg:"*"`
	Src       *addrAttr       `arg:"src?" nla:"2/1" doc:"only what comes from this address (IGMPv3, MLDv2)"`
	Permanent isSet[width8]   `info:"permanent" nla:"@16&1" doc:"whether it stays"`
	VID       *whole[width16] `arg:"vid?" nla:"@18" doc:"VLAN that it is in, 1 to 4094, of a bridge that filters"`
	Sources   *groupSources   `arg:"source_list?" nla:"2/2" doc:"addresses that filter_mode= is about, of a bridge with mcast_igmp_version=3, for IPv6 mcast_mld_version=2 (Linux 6.3)"`
	Mode      *groupMode      `arg:"filter_mode?" nla:"2/3" doc:"include: only what comes from source_list=; exclude: all but that; exclude nothing when left out"`
	Proto     *protocolAttr   `arg:"proto?" nla:"2/4" doc:"who added it: static, zebra, bgp ... or a number (ip-route(8), Linux 6.3); static when left out"`
}

func (a *mdbArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	port, err := tx.Machine().Read(a.Port.LinkRef)
	if err != nil {
		return nil, err
	}
	switch bridge := a.Bridge.LinkRef; {
	case port.Master != bridge.Index || port.NS.Cookie != bridge.NS.Cookie:
		return nil, fmt.Errorf("mdb: link %s is no port of %s", port.Name, bridge.Name)
	case a.VID != nil && (*a.VID < 1 || *a.VID > 4094):
		return nil, fmt.Errorf("mdb: vid=%d is not from 1 to 4094", *a.VID)
	case (a.Mode == nil || *a.Mode != "exclude") && (a.Mode == nil) != (a.Sources == nil):
		return nil, errors.New("mdb: want source_list= and filter_mode= together")
	case a.Sources != nil && a.Src != nil:
		return nil, errors.New("mdb: src= is one source, and source_list= is of the group whatever the source")
	case a.Proto != nil && a.Proto.protocolArg < unix.RTPROT_STATIC:
		return nil, errors.New("mdb: proto= is a program's, not the kernel's: static, or a greater number")
	}
	if a.Sources == nil {
		a.Mode = nil // exclude nothing, which the kernel does not say
	} else if err := a.filters(tx); err != nil {
		return nil, err
	}
	if a.Proto != nil && a.Proto.protocolArg == unix.RTPROT_STATIC {
		a.Proto = nil // nor that
	}
	if err := tx.Machine().SettleLinks(); err != nil {
		return nil, err // a port that does not forward yet takes none
	}
	e := kernel.Entry{NS: port.NS, Link: &port.LinkRef, Master: a.Bridge.Name}
	val, err := addNew(tx, e, a, func(msg []byte) []byte {
		msg[0], msg[16] = unix.AF_BRIDGE, 1 // MDB_PERMANENT
		copy(msg[4:], encodeNumber[width32](a.Bridge.Index))
		return msg
	})
	if err == nil && (a.Sources != nil || a.Proto != nil) {
		err = tookEntry(tx, val.(*entryValue).entry)
	}
	return val, err
}

// groupAttr is a multicast group: its address, and the protocol that says of what family.
type groupAttr struct {
	addr netip.Addr
	mac  net.HardwareAddr // when it is none of IP
}

func (groupAttr) ArgType() string { return "address or MAC address" }

func (a *groupAttr) Unpack(val starlark.Value) error {
	s, _ := starlark.AsString(val)
	if mac, err := net.ParseMAC(s); err == nil && len(mac) == 6 {
		a.mac = mac
		if mac[0]&1 == 0 {
			return fmt.Errorf("%s is no group", s)
		}
		return nil
	}
	var ip ipArg
	err := ip.Unpack(val)
	if err == nil && !ip.IsMulticast() {
		err = fmt.Errorf("%s is no multicast group", ip.Addr)
	}
	a.addr = ip.Addr
	return err
}

func (a groupAttr) encode() []byte {
	data, proto := make([]byte, 18), 0
	switch {
	case a.addr.Is4():
		proto = unix.ETH_P_IP
	case a.addr.Is6():
		proto = unix.ETH_P_IPV6
	}
	copy(data, append(a.addr.AsSlice(), a.mac...))
	data[16], data[17] = byte(proto>>8), byte(proto)
	return data
}

func (a *groupAttr) decode(data []byte) {
	if len(data) < 18 {
		return
	}
	switch int(data[16])<<8 | int(data[17]) {
	case unix.ETH_P_IP:
		a.addr, _ = netip.AddrFromSlice(data[:4])
	case unix.ETH_P_IPV6:
		a.addr, _ = netip.AddrFromSlice(data[:16])
	default:
		a.mac = data[:6]
	}
}

func (a groupAttr) String() string {
	if a.addr.IsValid() {
		return a.addr.String()
	}
	return a.mac.String()
}

func (a groupAttr) ip(word string) string { return word + " " + a.String() }
func (a groupAttr) value() starlark.Value { return starlark.String(a.String()) }
