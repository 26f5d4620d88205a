package packet

import (
	"slices"

	"github.com/gopacket/gopacket/layers"
)

// ndOptions are the optional fields of neighbour discovery (RFC 4861, 4.6).
var ndOptions = []string{"slla:optional=mac link-layer address of the sender", "tlla:optional=mac that of the target",
	"mtu:optional MTU of the link", "prefix:optional=prefix prefix of the link, from which hosts make addresses"}

// Rows are the headers that can be made, and whose fields have names here. Others have those of gopacket.
var Rows = []*Row{
	row(Row{Name: "ether", Doc: "Ethernet (IEEE 802.3)", of: layers.LayerTypeEthernet, etherType: 0x6558, next: "type"},
		"dst:mac=* link-layer address that it goes to; that of the IP header's multicast group, or else that of all",
		"src:mac=* link-layer address that it comes from; that of the link that it is sent on",
		"type:16=* EtherType of what follows"),
	row(Row{Name: "vlan", Doc: "VLAN tag (IEEE 802.1Q)", of: layers.LayerTypeDot1Q, etherType: 0x8100, next: "type"},
		"prio:3 priority, 0 to 7", "dei:flag whether it may be dropped first", "id:12 VLAN, 0 to 4095",
		"type:16=* EtherType of what follows"),
	row(Row{Name: "arp", Doc: "ARP (RFC 826)", of: layers.LayerTypeARP, etherType: 0x0806},
		"hwtype:16=1 type of link, 1 for Ethernet", "proto:16=0x800 EtherType of the addresses",
		"hlen:8=6 length of a link-layer address", "plen:8=4 length of an IP address",
		"op:16=1 1 asks, 2 answers", "sha:mac the sender's link-layer address", "spa:ip4 the sender's IP address",
		"tha:mac the target's link-layer address", "tpa:ip4 the target's IP address"),
	row(Row{Name: "mpls", Doc: "MPLS label (RFC 3032)", of: layers.LayerTypeMPLS, etherType: 0x8847},
		"label:20 the label", "tc:3 traffic class, 0 to 7", "bottom:flag=* whether no other label follows",
		"ttl:8=64 time to live"),
	row(Row{Name: "ip", Doc: "IPv4 (RFC 791)", of: layers.LayerTypeIPv4, etherType: 0x0800, ipProto: 4, next: "proto",
		finish: (*header).finishIP4},
		"version:4=4 4", "ihl:4=* length of the header in words of 4 bytes", "tos:8 TOS byte: DSCP and ECN",
		"length:16=* length of the packet", "id:16 number of the packet, for its fragments", "_:1",
		"df:flag whether it must not be fragmented", "mf:flag whether more fragments follow",
		"frag:13 where the fragment belongs, in units of 8 bytes", "ttl:8=64 time to live", "proto:8=* what follows",
		"checksum:16=* checksum of the header", "src:ip4 address that it comes from", "dst:ip4 address that it goes to",
		"options:bytes options, a multiple of 4 bytes"),
	row(Row{Name: "ip6", Doc: "IPv6 (RFC 8200)", of: layers.LayerTypeIPv6, etherType: 0x86dd, ipProto: 41, next: "next",
		finish: (*header).finishIP6},
		"version:4=6 6", "tclass:8 traffic class: DSCP and ECN", "flowlabel:20 flow label",
		"length:16=* length of what follows", "next:8=* what follows", "hoplimit:8=64 hop limit",
		"src:ip6 address that it comes from", "dst:ip6 address that it goes to"),
	row(Row{Name: "hopopts", Doc: "hop-by-hop options of IPv6 (RFC 8200, 4.3)", of: layers.LayerTypeIPv6HopByHop,
		ipProto: zero, next: "next", finish: (*header).finishExtension},
		"next:8=* what follows", "len:8=* length in words of 8 bytes, less 1",
		"data:bytes the options; padded to such words"),
	row(Row{Name: "dstopts", Doc: "destination options of IPv6 (RFC 8200, 4.6)", of: layers.LayerTypeIPv6Destination,
		ipProto: 60, next: "next", finish: (*header).finishExtension},
		"next:8=* what follows", "len:8=* length in words of 8 bytes, less 1",
		"data:bytes the options; padded to such words"),
	row(Row{Name: "routing", Doc: "routing header of IPv6 (RFC 8200, 4.4)", of: layers.LayerTypeIPv6Routing,
		ipProto: 43, next: "next", finish: (*header).finishExtension},
		"next:8=* what follows", "len:8=* length in words of 8 bytes, less 1", "type:8 its type, 4 for SRv6",
		"segleft:8 segments that are left", "data:bytes the rest; padded with zeroes to such words"),
	row(Row{Name: "fragment", Doc: "fragment header of IPv6 (RFC 8200, 4.5)", of: layers.LayerTypeIPv6Fragment,
		ipProto: 44, next: "next"},
		"next:8=* what follows", "_:8", "offset:13 where the fragment belongs, in units of 8 bytes", "_:2",
		"more:flag whether more fragments follow", "id:32 number of the packet"),
	row(Row{Name: "icmp", Doc: "ICMP (RFC 792)", of: layers.LayerTypeICMPv4, ipProto: 1, finish: (*header).finishICMP},
		"type:8=8 type, 8 for an echo request, 0 for its reply", "code:8 code", "checksum:16=* checksum of all",
		"id:16 identifier of an echo; of errors the first half of their rest", "seq:16 sequence number of an echo"),
	row(Row{Name: "icmp6", Doc: "ICMPv6 (RFC 4443)", of: layers.LayerTypeICMPv6, ipProto: 58,
		finish: (*header).finishTransport},
		"type:8=128 type, 128 for an echo request, 129 for its reply", "code:8 code",
		"checksum:16=* checksum of all and of the addresses", "id:16 identifier of an echo",
		"seq:16 sequence number of an echo"),
	row(Row{Name: "rs", Doc: "router solicitation (RFC 4861, 4.1)", ipProto: 58, finish: (*header).finishND,
		optional: ndFields},
		"type:8=133 133", "code:8 code", "checksum:16=* checksum of all and of the addresses", "_:32",
		ndOptions[0], ndOptions[1]),
	row(Row{Name: "ra", Doc: "router advertisement (RFC 4861, 4.2)", ipProto: 58, finish: (*header).finishND,
		optional: ndFields},
		"type:8=134 134", "code:8 code", "checksum:16=* checksum of all and of the addresses",
		"hoplimit:8=64 hop limit that hosts are to have", "managed:flag whether addresses come by DHCPv6",
		"other:flag whether other settings come by DHCPv6", "_:6",
		"lifetime:16=1800 seconds that it is a default router for",
		"reachable:32 milliseconds that a neighbour is reachable for", "retrans:32 milliseconds between solicitations",
		ndOptions[0], ndOptions[1], ndOptions[2], ndOptions[3]),
	row(Row{Name: "ns", Doc: "neighbor solicitation (RFC 4861, 4.3)", ipProto: 58, finish: (*header).finishND,
		optional: ndFields},
		"type:8=135 135", "code:8 code", "checksum:16=* checksum of all and of the addresses", "_:32",
		"target:ip6 address whose link-layer address is wanted", ndOptions[0], ndOptions[1]),
	row(Row{Name: "na", Doc: "neighbor advertisement (RFC 4861, 4.4)", ipProto: 58, finish: (*header).finishND,
		optional: ndFields},
		"type:8=136 136", "code:8 code", "checksum:16=* checksum of all and of the addresses",
		"router:flag whether it is a router", "solicited:flag whether it answers",
		"override:flag whether it is to replace what is known",
		"_:29", "target:ip6 address that it is about", ndOptions[0], ndOptions[1]),
	row(Row{Name: "udp", Doc: "UDP (RFC 768)", of: layers.LayerTypeUDP, ipProto: 17,
		finish: (*header).finishUDP},
		"sport:16 port that it comes from",
		"dport:16=* port that it goes to; that of vxlan or geneve when it carries one",
		"length:16=* length with the header", "checksum:16=* checksum of all and of the addresses"),
	row(Row{Name: "tcp", Doc: "TCP (RFC 9293)", of: layers.LayerTypeTCP, ipProto: 6, finish: (*header).finishTCP},
		"sport:16 port that it comes from", "dport:16 port that it goes to", "seq:32 sequence number",
		"ack:32 acknowledgement number", "offset:4=* length of the header in words of 4 bytes", "_:3",
		"flags:flags flags, such as \"syn,ack\"", "window:16=65535 window",
		"checksum:16=* checksum of all and of the addresses",
		"urgent:16 urgent pointer", "options:bytes options, a multiple of 4 bytes"),
	row(Row{Name: "gre", Doc: "GRE (RFC 2784, RFC 2890)", of: layers.LayerTypeGRE, ipProto: 47, next: "type",
		finish: (*header).finishGRE, optional: greFields},
		"has_checksum:flag=* whether a checksum follows", "_:1", "has_key:flag=* whether a key follows",
		"has_seq:flag=* whether a sequence number follows", "_:9", "version:3 0", "type:16=* EtherType of what follows",
		"key:optional key of the tunnel", "seq:optional sequence number"),
	row(Row{Name: "vxlan", Doc: "VXLAN (RFC 7348)", of: layers.LayerTypeVXLAN, udpPort: 4789},
		"flags:8=8 flags, 8 for an identifier", "_:24", "id:24 network identifier", "_:8"),
	row(Row{Name: "geneve", Doc: "Geneve (RFC 8926)", of: layers.LayerTypeGeneve, udpPort: 6081, next: "type",
		finish: (*header).finishGeneve},
		"version:2 0", "optlen:6=* length of the options in words of 4 bytes", "oam:flag whether it is for control",
		"critical:flag whether options must be understood", "_:6", "type:16=* EtherType of what follows",
		"id:24 network identifier", "_:8", "options:bytes options, a multiple of 4 bytes"),
}

// zero is the number 0 of a protocol in IP, which a row does not say by having none.
const zero = -1

// Find is the row of a name.
func Find(name string) *Row {
	if i := slices.IndexFunc(Rows, func(r *Row) bool { return r.Name == name }); i >= 0 {
		return Rows[i]
	}
	return nil
}
