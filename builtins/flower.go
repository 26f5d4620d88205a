package builtins

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"
)

// flowerFilter looks at the parts of packets that are said, by their names (tc-flower(8)).
var flowerFilter = declareTC(tcKind{Name: "flower", Args: &flowerArgs{}, Fill: fillFlower, Shown: showFlower,
	Doc: "looks at parts of a packet by their names", Module: "cls_flower", Config: "NET_CLS_FLOWER"})

type flowerArgs struct {
	InDev     *devName                           `arg:"indev?" nla:"2" doc:"link that the packet came in by"`
	DstMAC    *maskedMAC                         `arg:"dst_mac?" nla:"4,5" doc:"link-layer address that it goes to, \"02:00:00:00:00:01\", or some bits of one: \"02:00:00:00:00:00/ff:ff:00:00:00:00\""`
	SrcMAC    *maskedMAC                         `arg:"src_mac?" nla:"6,7" doc:"link-layer address that it comes from"`
	VlanID    *whole[width16]                    `arg:"vlan_id?" nla:"23" zero:"yes" doc:"id of its vlan tag, 0 to 4095; with protocol = \"802.1q\" or \"802.1ad\""`
	VlanPrio  *whole[width8]                     `arg:"vlan_prio?" nla:"24" zero:"yes" doc:"priority in its vlan tag, 0 to 7"`
	VlanType  *etherType                         `arg:"vlan_ethtype?" nla:"25" doc:"protocol behind its vlan tag: ip, ipv6, arp, 802.1q, or a number"`
	CVlanID   *whole[width16]                    `arg:"cvlan_id?" nla:"77" zero:"yes" doc:"id of its second vlan tag; with vlan_ethtype = \"802.1q\""`
	CVlanPrio *whole[width8]                     `arg:"cvlan_prio?" nla:"78" zero:"yes" doc:"priority in its second vlan tag, 0 to 7"`
	CVlanType *etherType                         `arg:"cvlan_ethtype?" nla:"79" doc:"protocol behind its second vlan tag"`
	Proto     *flowerProto                       `arg:"ip_proto?" also:"proto" nla:"9" doc:"protocol in the IP packet: tcp, udp, sctp, icmp, icmpv6, or a number; with protocol = \"ip\" or \"ipv6\""`
	Tos       *maskedBits[width8]                `arg:"ip_tos?" nla:"73,74" zero:"yes" doc:"type of service or traffic class: 0x10, or some bits of it: \"0xb8/0xfc\""`
	TTL       *maskedNumber[width8]              `arg:"ip_ttl?" nla:"75,76" zero:"yes" doc:"ttl or hop limit: 64, or \"64/0xff\""`
	DstIP     *maskedPrefix                      `arg:"dst_ip?" also:"dst" nla:"12,13|16,17" doc:"prefix that it goes to"`
	SrcIP     *maskedPrefix                      `arg:"src_ip?" also:"src" nla:"10,11|14,15" doc:"prefix that it comes from"`
	DstPort   *flowerPorts                       `arg:"dst_port?" nla:"~1" doc:"port that it goes to: 80, some bits of it: \"80/0xfff0\", or several: \"1000-2000\"; with ip_proto = \"tcp\", \"udp\" or \"sctp\""`
	SrcPort   *flowerPorts                       `arg:"src_port?" nla:"~2" doc:"port that it comes from"`
	TCPFlags  *maskedBits[widthBig16]            `arg:"tcp_flags?" nla:"71,72" zero:"yes" doc:"flags of TCP: \"0x2/0x17\" is SYN alone of FIN, SYN, RST, ACK"`
	ICMPType  *maskedNumber[width8]              `arg:"type?" nla:"~3" zero:"yes" doc:"type of ICMP: 8; with ip_proto = \"icmp\" or \"icmpv6\""`
	ICMPCode  *maskedNumber[width8]              `arg:"code?" nla:"~4" zero:"yes" doc:"code of ICMP"`
	ARPTarget *maskedPrefix                      `arg:"arp_tip?" nla:"59,60" doc:"address that ARP asks for; with protocol = \"arp\""`
	ARPSender *maskedPrefix                      `arg:"arp_sip?" nla:"57,58" doc:"address of who asks"`
	ARPOp     *oneOf[arpOps, width8]             `arg:"arp_op?" nla:"61" doc:"request or reply"`
	ARPTMAC   *maskedMAC                         `arg:"arp_tha?" nla:"65,66" doc:"link-layer address of who is asked"`
	ARPSMAC   *maskedMAC                         `arg:"arp_sha?" nla:"63,64" doc:"link-layer address of who asks"`
	KeyID     *whole[widthBig32]                 `arg:"enc_key_id?" nla:"26" doc:"key of the tunnel that it came in by, as the id of a vxlan"`
	EncDst    *maskedPrefix                      `arg:"enc_dst_ip?" nla:"29,30|33,34" doc:"prefix that the packet around it went to"`
	EncSrc    *maskedPrefix                      `arg:"enc_src_ip?" nla:"27,28|31,32" doc:"prefix that the packet around it came from"`
	EncPort   *maskedNumber[widthBig16]          `arg:"enc_dst_port?" nla:"45,46" doc:"UDP port that it went to"`
	Flags     *bitWords[ipFragments, widthBig32] `arg:"ip_flags?" nla:"47,48" doc:"frag or nofrag, firstfrag or nofirstfrag: whether it is a fragment, and the first one; two are joined as \"frag/firstfrag\""`
	CTState   *bitWords[ctStates, width16]       `arg:"ct_state?" nla:"91,92" doc:"state of its connection, which action.ct() has looked up: + and - before trk, new, est, rel, inv, rpl: \"+trk+est\""`
	CTZone    *maskedNumber[width16]             `arg:"ct_zone?" nla:"93,94" zero:"yes" doc:"zone of its connection"`
	CTMark    *markArg                           `arg:"ct_mark?" nla:"95,96" zero:"yes" doc:"mark of its connection: 7, or some bits of it: \"0x1/0xff\""`
	SkipHW    *flagBit[bit0, width32]            `arg:"skip_hw?" nla:"22+0" doc:"whether the hardware does not do it"`
	SkipSW    *flagBit[bit1, width32]            `arg:"skip_sw?" nla:"22+0" doc:"whether only the hardware does it"`
	ClassID   *tcHandle                          `arg:"classid?" nla:"1" doc:"class that the packet is of"`
	Action    *tcActions                         `arg:"action?" nla:"3" doc:"what becomes of it, one after the other"`
}

// Attributes of flower (linux/pkt_cls.h) that depend on others.
const (
	flowerEtherType = 8
	flowerIPProto   = 9
	flowerVlanType  = 25
	flowerCVlanType = 79
	flowerRangeSrc  = 87
	flowerRangeDst  = 89
)

// flowerL4 has the attributes of ports, and of type and code, by protocol: each with its mask.
var flowerL4 = map[byte]struct{ dst, src, typ, code [2]int }{
	6:   {dst: [2]int{19, 36}, src: [2]int{18, 35}},
	17:  {dst: [2]int{21, 38}, src: [2]int{20, 37}},
	132: {dst: [2]int{42, 40}, src: [2]int{41, 39}},
	1:   {typ: [2]int{51, 52}, code: [2]int{49, 50}},
	58:  {typ: [2]int{55, 56}, code: [2]int{53, 54}},
}

// flowerNeeds is what words are of: the protocols that a packet must be said to be of. The kernel takes no notice of
// such a word of another packet, and the filter would be of more packets than it says.
var flowerNeeds = []struct {
	words []string
	of    string
	is    func(outer, second, inner etherType, proto byte) bool
}{
	{[]string{"vlan_id", "vlan_prio", "vlan_ethtype"}, `protocol = "802.1q" or "802.1ad"`,
		func(outer, _, _ etherType, _ byte) bool { return outer.vlan() }},
	{[]string{"cvlan_id", "cvlan_prio", "cvlan_ethtype"}, `vlan_ethtype = "802.1q" or "802.1ad"`,
		func(_, second, _ etherType, _ byte) bool { return second.vlan() }},
	{[]string{"ip_proto", "ip_tos", "ip_ttl", "dst_ip", "src_ip"}, `protocol = "ip" or "ipv6"`,
		func(_, _, inner etherType, _ byte) bool {
			return inner == etherTypes["ip"] || inner == etherTypes["ipv6"]
		}},
	{[]string{"dst_port", "src_port"}, `ip_proto = "tcp", "udp" or "sctp"`,
		func(_, _, _ etherType, proto byte) bool { return flowerL4[proto].dst[0] != 0 }},
	{[]string{"tcp_flags"}, `ip_proto = "tcp"`, func(_, _, _ etherType, proto byte) bool { return proto == 6 }},
	{[]string{"type", "code"}, `ip_proto = "icmp" of protocol = "ip", or "icmpv6" of "ipv6"`,
		func(_, _, inner etherType, proto byte) bool {
			return proto == 1 && inner == etherTypes["ip"] || proto == 58 && inner == etherTypes["ipv6"]
		}},
	{[]string{"arp_tip", "arp_sip", "arp_op", "arp_tha", "arp_sha"}, `protocol = "arp"`,
		func(_, _, inner etherType, _ byte) bool { return inner == etherTypes["arp"] }},
}

func (a etherType) vlan() bool { return a == etherTypes["802.1q"] || a == etherTypes["802.1ad"] }

func fillFlower(o *tcOptions, given map[string]kindAttr) error {
	outer := etherTypes["all"]
	if p, ok := given["protocol"].(*etherType); ok {
		outer = *p
	}
	if outer != etherTypes["all"] {
		o.attrs[attrPlace(flowerEtherType)] = outer.encode()
	}
	var second etherType // behind the first vlan tag
	inner := outer
	if value := o.attrs[attrPlace(flowerVlanType)]; value != nil {
		second.decode(value)
		inner = second
	}
	if value := o.attrs[attrPlace(flowerCVlanType)]; value != nil {
		inner.decode(value)
	}
	var proto byte
	if value := o.attrs[attrPlace(flowerIPProto)]; value != nil {
		proto = value[0]
	}
	for _, n := range flowerNeeds {
		for _, word := range n.words {
			if given[word] != nil && !n.is(outer, second, inner, proto) {
				return fmt.Errorf("flower: %s= is of %s", word, n.of)
			}
		}
	}
	for _, word := range []string{"dst_ip", "src_ip"} {
		if p, ok := given[word].(*maskedPrefix); ok && p.Addr().Is4() != (inner == etherTypes["ip"]) {
			return fmt.Errorf("flower: %s= %s is no address of protocol = %q", word, p, inner)
		}
	}
	for _, m := range flowerMoves(proto) {
		if value := o.attrs[attrPlace(m.hidden)]; value != nil {
			m.put(o, value)
		}
	}
	return nil
}

func showFlower(o *tcOptions) {
	var proto byte
	if value := o.attrs[attrPlace(flowerIPProto)]; len(value) == 1 {
		proto = value[0]
	}
	for _, m := range flowerMoves(proto) {
		if value := m.get(o); value != nil {
			o.attrs[attrPlace(m.hidden)] = value
		}
	}
}

// A flowerMove is where a word is by the protocol: in an attribute and its mask, or in the two ends of a range.
type flowerMove struct {
	hidden, size int
	at           [2]int
	span         int
}

func flowerMoves(proto byte) []flowerMove {
	l4 := flowerL4[proto]
	return slices.DeleteFunc([]flowerMove{
		{hiddenAt + 1, 2, l4.dst, flowerRangeDst}, {hiddenAt + 2, 2, l4.src, flowerRangeSrc},
		{hiddenAt + 3, 1, l4.typ, 0}, {hiddenAt + 4, 1, l4.code, 0},
	}, func(m flowerMove) bool { return m.at[0] == 0 })
}

func (m flowerMove) put(o *tcOptions, value []byte) {
	to := m.at
	if m.span != 0 {
		if value[0] == portRange {
			to = [2]int{m.span, m.span + 1}
		}
		value = value[1:]
	}
	o.attrs[attrPlace(to[0])], o.attrs[attrPlace(to[1])] = value[:m.size], value[m.size:]
}

func (m flowerMove) get(o *tcOptions) []byte {
	value, mask := o.attrs[attrPlace(m.at[0])], o.attrs[attrPlace(m.at[1])]
	kind := []byte{portMask}
	if first := o.attrs[attrPlace(m.span)]; m.span != 0 && first != nil {
		value, mask, kind = first, o.attrs[attrPlace(m.span+1)], []byte{portRange}
	}
	if m.span == 0 {
		kind = nil
	}
	if len(value) != m.size || len(mask) != m.size {
		return nil
	}
	return slices.Concat(kind, value, mask)
}

const (
	portMask = iota
	portRange
)

// flowerPorts are a port, some bits of one, or several.
type flowerPorts struct {
	kind        byte
	first, last uint16 // or a port and its mask
}

func (flowerPorts) ArgType() string { return `int, "PORT/MASK" or "FIRST-LAST"` }

func (a flowerPorts) encode() []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{a.kind}, a.first), a.last)
}

func (a *flowerPorts) decode(data []byte) {
	if len(data) == 5 {
		*a = flowerPorts{data[0], binary.BigEndian.Uint16(data[1:]), binary.BigEndian.Uint16(data[3:])}
	}
}

func (a flowerPorts) String() string {
	switch {
	case a.kind == portRange:
		return fmt.Sprintf("%d-%d", a.first, a.last)
	case a.last != 0xffff:
		return fmt.Sprintf("%d/0x%x", a.first, a.last)
	}
	return itoa(int(a.first))
}

func (a flowerPorts) ip(word string) string { return word + " " + a.String() }
func (a flowerPorts) value() starlark.Value { return numberOrText(a.String()) }

func (a *flowerPorts) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok && strings.Contains(s, "-") {
		var several rangeArg[widthPort]
		err := several.Unpack(val)
		*a = flowerPorts{portRange, uint16(several.first), uint16(several.last)}
		return err
	}
	var one maskedNumber[widthBig16]
	err := one.Unpack(val)
	*a = flowerPorts{portMask, uint16(one.number), uint16(one.mask)}
	return err
}

// flowerProto is the protocol of a packet in tc-flower(8)'s words.
type flowerProto struct{ ipProtoArg }

func (a flowerProto) String() string {
	if a.ipProtoArg == unix.IPPROTO_ICMPV6 {
		return "icmpv6"
	}
	return a.ipProtoArg.String()
}
func (a flowerProto) ip(word string) string { return word + " " + a.String() }
func (a flowerProto) value() starlark.Value { return starlark.String(a.String()) }
func (a *flowerProto) Unpack(val starlark.Value) error {
	if s, _ := starlark.AsString(val); s == "icmpv6" {
		a.ipProtoArg = unix.IPPROTO_ICMPV6
		return nil
	}
	return a.ipProtoArg.Unpack(val)
}

// arpOps are what ARP says (RFC 826).
type arpOps struct{}

func (arpOps) words() map[string]int { return map[string]int{"request": 1, "reply": 2} }

// ctStates are TCA_FLOWER_KEY_CT_FLAGS_*, and ipFragments TCA_FLOWER_KEY_FLAGS_*, by their bits.
type (
	ctStates    struct{}
	ipFragments struct{}
)

func (ctStates) bits() (names []string, yes, no, between string) {
	return []string{"new", "est", "rel", "trk", "inv", "rpl"}, "+", "-", ""
}
func (ipFragments) bits() (names []string, yes, no, between string) {
	return []string{"frag", "firstfrag"}, "", "no", "/"
}
