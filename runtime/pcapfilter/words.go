package pcapfilter

// layer is where a protocol stands, which says how its packets are told from others.
type layer int

const (
	onLink  layer = iota // the link layer itself
	onEther              // by its EtherType or LLC service access point
	onIP                 // by its number in IPv4 or IPv6
	onIP4                // by its number in IPv4
	onIP6                // by its number in IPv6
	onOSI                // by its network layer protocol identifier
	onISIS               // by its types of IS-IS PDU
)

// proto is a protocol that an expression can name without more words.
type proto struct {
	name    string
	layer   layer
	nums    []uint32
	indexed bool // name[offset] reads its header
}

// EtherTypes and LLC service access points that more than the table below needs.
const (
	typeIP    = 0x0800
	typeIP6   = 0x86dd
	typeARP   = 0x0806
	typeRARP  = 0x8035
	typeDN    = 0x6003
	typeAARP  = 0x80f3
	typeATalk = 0x809b
	typeIPX   = 0x8137
	typeVLAN  = 0x8100
	typeQinQ  = 0x88a8
	typeQinQ1 = 0x9100
	typeMPLS  = 0x8847
	typePPPD  = 0x8863
	typePPPS  = 0x8864
	typeTEB   = 0x6558

	sapSTP     = 0x42
	sapSNAP    = 0xaa
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0
	sapISO     = 0xfe
	sapIP      = 0x06

	maxLength = 1500 // what is more is an EtherType, and no length
)

// Numbers of protocols in IP that more than the table needs.
const (
	ipHopByHop = 0
	ipTCP      = 6
	ipUDP      = 17
	ipRouting  = 43
	ipFragment = 44
	ipAH       = 51
	ipNone     = 59
	ipOptions  = 60
	ipSCTP     = 132

	osiISIS = 0x83
)

var protos = func() map[string]*proto {
	all := map[string]*proto{}
	for _, p := range []proto{
		{"ether", onLink, nil, true},
		{"ip", onEther, []uint32{typeIP}, true},
		{"ip6", onEther, []uint32{typeIP6}, true},
		{"arp", onEther, []uint32{typeARP}, true},
		{"rarp", onEther, []uint32{typeRARP}, true},
		{"atalk", onEther, []uint32{typeATalk}, true},
		{"aarp", onEther, []uint32{typeAARP}, false},
		{"decnet", onEther, []uint32{typeDN}, true},
		{"sca", onEther, []uint32{0x6007}, true},
		{"lat", onEther, []uint32{0x6004}, true},
		{"mopdl", onEther, []uint32{0x6001}, true},
		{"moprc", onEther, []uint32{0x6002}, true},
		{"iso", onEther, []uint32{sapISO}, false},
		{"stp", onEther, []uint32{sapSTP}, false},
		{"ipx", onEther, []uint32{sapIPX}, false},
		{"netbeui", onEther, []uint32{sapNetBEUI}, false},
		{"tcp", onIP, []uint32{ipTCP}, true},
		{"udp", onIP, []uint32{ipUDP}, true},
		{"sctp", onIP, []uint32{ipSCTP}, true},
		{"pim", onIP, []uint32{103}, true},
		{"ah", onIP, []uint32{ipAH}, false},
		{"esp", onIP, []uint32{50}, false},
		{"icmp", onIP4, []uint32{1}, true},
		{"igmp", onIP4, []uint32{2}, true},
		{"igrp", onIP4, []uint32{9}, true},
		{"vrrp", onIP4, []uint32{112}, true},
		{"carp", onIP4, []uint32{112}, true},
		{"icmp6", onIP6, []uint32{58}, true},
		{"clnp", onOSI, []uint32{0x81}, false},
		{"esis", onOSI, []uint32{0x82}, false},
		{"isis", onOSI, []uint32{osiISIS}, false},
		{"l1", onISIS, []uint32{15, 17, 18, 24, 26}, false},
		{"l2", onISIS, []uint32{16, 17, 20, 25, 27}, false},
		{"iih", onISIS, []uint32{15, 16, 17}, false},
		{"lsp", onISIS, []uint32{18, 20}, false},
		{"snp", onISIS, []uint32{24, 25, 26, 27}, false},
		{"csnp", onISIS, []uint32{24, 25}, false},
		{"psnp", onISIS, []uint32{26, 27}, false},
	} {
		all[p.name] = &p
	}
	return all
}()

// synonyms are words that mean the same as another one.
var synonyms = map[string]string{
	"link": "ether", "fddi": "ether", "tr": "ether", "wlan": "ether", "ppp": "ether", "slip": "ether",
	"es-is": "esis", "is-is": "isis", "length": "len",
	"&&": "and", "||": "or", "not": "!", "==": "=",
}

// keywords are the words with a meaning of their own that are no protocols.
var keywords = words(`src dst host net mask port portrange proto protochain less greater byte broadcast multicast and or
	len inbound outbound vlan mpls pppoed pppoes geneve vxlan llc`)

// unsupported are the words of the language that this link layer, or this program, has no use for, and why.
var unsupported = func() map[string]string {
	all := map[string]string{}
	for why, list := range map[string]string{
		"802.11 frames are not supported": "type subtype dir direction ra ta addr1 addr2 addr3 addr4 " +
			"address1 address2 address3 address4 radio",
		"ATM cells are not supported": "lane metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci " +
			"connectmsg metaconnect",
		"SS7 frames are not supported": "fisu lssu lsu msu hfisu hlssu hmsu " +
			"sio opc dpc sls hsio hopc hdpc hsls",
		"the log of pf(4) is not supported": "on ifname rset ruleset rnr rulenum " +
			"srnr subrulenum reason action",
		"a frame is captured on one link, and has no other index":       "ifindex",
		"names are not looked up: write ether host MAC and not host IP": "gateway",
	} {
		for w := range words(list) {
			all[w] = why
		}
	}
	return all
}()

// values are the names of numbers: offsets of fields, types of ICMP messages, flags of TCP.
var values = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,

	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13,
	"icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
	"icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130,
	"icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133,
	"icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
	"icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
	"icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144,
	"icmp6-homeagentdiscoveryreply": 145, "icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149, "icmp6-multicastrouteradvert": 151,
	"icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,

	"tcp-fin": 0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08, "tcp-ack": 0x10, "tcp-urg": 0x20,
	"tcp-ece": 0x40, "tcp-cwr": 0x80,
}

// etherNames are the names that follow "ether proto".
var etherNames = map[string]uint32{
	"aarp": typeAARP, "arp": typeARP, "atalk": typeATalk, "decnet": typeDN, "ip": typeIP, "ip6": typeIP6,
	"lat": 0x6004, "lldp": 0x88cc, "loopback": 0x9000, "mopdl": 0x6001, "moprc": 0x6002, "rarp": typeRARP,
	"sca": 0x6007, "slow": 0x8809, "iso": sapISO, "stp": sapSTP, "ipx": sapIPX, "netbeui": sapNetBEUI,
}

// ipNames are the names that follow "ip proto" and "ip6 proto", which protocols(5) has.
var ipNames = map[string]uint32{
	"hopopt": ipHopByHop, "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": ipTCP, "egp": 8, "igp": 9, "udp": ipUDP,
	"dccp": 33, "ipv6": 41, "ipv6-route": ipRouting, "ipv6-frag": ipFragment, "rsvp": 46, "gre": 47, "esp": 50,
	"ah": ipAH, "ipv6-icmp": 58, "ipv6-nonxt": ipNone, "ipv6-opts": ipOptions, "eigrp": 88, "ospf": 89, "ipip": 94,
	"etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": ipSCTP,
	"udplite": 136, "mpls-in-ip": 137, "hip": 139, "ethernet": 143,
}

// osiNames are the names that follow "iso proto".
var osiNames = map[string]uint32{"clnp": 0x81, "esis": 0x82, "isis": osiISIS}

// llcTypes are the types of LLC PDU: what the control byte is, of the bits that count.
var llcTypes = map[string]struct{ value, mask uint32 }{
	"i": {0x00, 0x01}, "s": {0x01, 0x03}, "u": {0x03, 0x03},
	"rr": {0x01, 0x0f}, "rnr": {0x05, 0x0f}, "rej": {0x09, 0x0f},
	"ui": {0x03, 0xef}, "ua": {0x63, 0xef}, "disc": {0x43, 0xef}, "sabme": {0x6f, 0xef}, "test": {0xe3, 0xef},
	"xid": {0xaf, 0xef}, "frmr": {0x87, 0xef},
}
