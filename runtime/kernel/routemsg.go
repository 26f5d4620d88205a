package kernel

import (
	"encoding/binary"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// routeRequest is a route as rtnetlink(7) is asked to add or delete it.
func routeRequest(r *netlink.Route) []nl.NetlinkRequestData {
	table := r.Table
	if table == 0 {
		table = unix.RT_TABLE_MAIN
	}
	bits, _ := r.Dst.Mask.Size()
	head := nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(r.Family), Dst_len: uint8(bits), Table: uint8(table),
		Type: uint8(r.Type), Protocol: uint8(r.Protocol), Scope: uint8(r.Scope)}}
	if table > 255 {
		head.Table = unix.RT_TABLE_UNSPEC // RTA_TABLE has it
	}
	parts := []nl.NetlinkRequestData{&head, nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(uint32(table)))}
	if bits > 0 {
		parts = append(parts, nl.NewRtAttr(unix.RTA_DST, ofFamily(r.Family, r.Dst.IP)))
	}
	if r.Src != nil {
		parts = append(parts, nl.NewRtAttr(unix.RTA_PREFSRC, ofFamily(r.Family, r.Src)))
	}
	if r.Priority > 0 {
		parts = append(parts, nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(r.Priority))))
	}
	if r.LinkIndex > 0 {
		parts = append(parts, nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(r.LinkIndex))))
	}
	for _, gateway := range gateways(r.Family, r.Gw, r.Via) {
		parts = append(parts, gateway)
	}
	if len(r.MultiPath) > 0 {
		parts = append(parts, nl.NewRtAttr(unix.RTA_MULTIPATH, multipath(r)))
	}
	return parts
}

// multipath is a list of struct rtnexthop, each with its gateway behind it.
func multipath(r *netlink.Route) (all []byte) {
	for _, hop := range r.MultiPath {
		var attrs []byte
		for _, gateway := range gateways(r.Family, hop.Gw, hop.Via) {
			attrs = append(attrs, gateway.Serialize()...)
		}
		all = binary.NativeEndian.AppendUint16(all, uint16(unix.SizeofRtNexthop+len(attrs)))
		all = append(all, 0, byte(hop.Hops))
		all = binary.NativeEndian.AppendUint32(all, uint32(hop.LinkIndex))
		all = append(all, attrs...)
	}
	return all
}

// gateways is a hop's gateway, of the route's family or of the other one; none for a hop that only says a link.
func gateways(family int, gw []byte, via netlink.Destination) []*nl.RtAttr {
	if v, ok := via.(*netlink.Via); ok && v != nil {
		return []*nl.RtAttr{nl.NewRtAttr(unix.RTA_VIA,
			append(binary.NativeEndian.AppendUint16(nil, uint16(v.AddrFamily)), v.Addr...))}
	}
	if gw != nil {
		return []*nl.RtAttr{nl.NewRtAttr(unix.RTA_GATEWAY, ofFamily(family, gw))}
	}
	return nil
}

// ofFamily is an address in its family's length: net.IP has two forms of an IPv4 one.
func ofFamily(family int, ip []byte) []byte {
	if family == unix.AF_INET && len(ip) == 16 {
		return ip[12:]
	}
	return ip
}
