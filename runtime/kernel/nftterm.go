package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// A Term is a part of a rule of nftables: what nft(8) writes, and the expressions of nf_tables that it stands for.
type Term struct {
	Text string
	expr []byte // list elements
}

// reg is the register that all values go through; a second value goes through the next one.
const reg = unix.NFT_REG_1

func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func be16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

// A field is an attribute of an expression: a number in the kernel's own way, or data.
type field struct {
	typ   int
	value []byte
}

func num(typ int, n uint32) field { return field{typ, be32(n)} }

// data is a value that an expression compares with, or loads: NFTA_DATA_VALUE.
func data(typ int, value []byte) field {
	return field{typ | unix.NLA_F_NESTED, AppendAttr(nil, 1, value)}
}

// expr is one expression, as an element of a list.
func expr(name string, fields ...field) []byte {
	var attrs []byte
	for _, f := range fields {
		attrs = AppendAttr(attrs, f.typ, f.value)
	}
	e := AppendAttr(nil, exprName, append([]byte(name), 0))
	e = AppendAttr(e, exprData|unix.NLA_F_NESTED, attrs)
	return AppendAttr(nil, 1|unix.NLA_F_NESTED, e) // NFTA_LIST_ELEM
}

func join(exprs ...[]byte) (all []byte) {
	for _, e := range exprs {
		all = append(all, e...)
	}
	return all
}

// The expressions that others are made of; the numbers are those of their attributes.
func meta(key uint32) []byte { return expr("meta", num(2, key), num(1, reg)) }
func equal(value []byte) []byte {
	return expr("cmp", num(1, reg), num(2, unix.NFT_CMP_EQ), data(3, value))
}
func immediate(r uint32, value []byte) []byte {
	return expr("immediate", num(1, r), data(2, value))
}

func payload(base, offset, size uint32) []byte {
	return expr("payload", num(1, reg), num(2, base), num(3, offset), num(4, size))
}

func masked(size int, mask []byte) []byte {
	return expr("bitwise", num(1, reg), num(2, reg), num(3, uint32(size)), data(4, mask),
		data(5, make([]byte, size)))
}

// Protocols are the transport protocols that rules know, by their numbers.
var Protocols = map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "icmp": unix.IPPROTO_ICMP,
	"icmpv6": unix.IPPROTO_ICMPV6, "sctp": unix.IPPROTO_SCTP}

func isProto(proto string) []byte {
	return join(meta(unix.NFT_META_L4PROTO), equal([]byte{Protocols[proto]}))
}

// MatchProto takes packets of a transport protocol.
func MatchProto(proto string) Term { return Term{"meta l4proto " + proto, isProto(proto)} }

// MatchPort takes packets of a transport protocol with a port: of the destination, or of the source.
func MatchPort(proto, which string, port uint16) Term {
	offset := map[string]uint32{"sport": 0, "dport": 2}[which]
	return Term{fmt.Sprintf("%s %s %d", proto, which, port), join(isProto(proto),
		payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2), equal(be16(port)))}
}

// MatchLink takes packets that come in or go out by a link of a name.
func MatchLink(which, name string) Term {
	key := map[string]uint32{"iifname": unix.NFT_META_IIFNAME, "oifname": unix.NFT_META_OIFNAME}[which]
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return Term{fmt.Sprintf("%s %q", which, name), join(meta(key), equal(padded))}
}

// MatchFamily takes packets of an address's family.
func MatchFamily(a netip.Addr) Term {
	if a.Is6() {
		return Term{"meta nfproto ipv6", join(meta(unix.NFT_META_NFPROTO), equal([]byte{unix.NFPROTO_IPV6}))}
	}
	return Term{"meta nfproto ipv4", join(meta(unix.NFT_META_NFPROTO), equal([]byte{unix.NFPROTO_IPV4}))}
}

// MatchAddr takes packets from ("saddr") or to ("daddr") a prefix.
func MatchAddr(which string, p netip.Prefix) Term {
	word, size := "ip", uint32(4)
	offset := map[string]uint32{"saddr": 12, "daddr": 16}[which]
	if p.Addr().Is6() {
		word, size = "ip6", 16
		offset = map[string]uint32{"saddr": 8, "daddr": 24}[which]
	}
	text, value := p.Masked().String(), p.Masked().Addr().AsSlice()
	if p.IsSingleIP() {
		text = p.Addr().String()
	}
	text = word + " " + which + " " + text
	if p.Bits() == 0 {
		return Term{text, MatchFamily(p.Addr()).expr}
	}
	var mask []byte
	if p.Bits()%8 == 0 { // whole bytes need no mask
		size = uint32(p.Bits() / 8)
	} else {
		ones := make([]byte, size)
		for i := range p.Bits() {
			ones[i/8] |= 0x80 >> (i % 8)
		}
		mask = masked(int(size), ones)
	}
	return Term{text, join(MatchFamily(p.Addr()).expr, payload(unix.NFT_PAYLOAD_NETWORK_HEADER, offset, size), mask,
		equal(value[:size]))}
}

// ConnStates are the states of connections, with the bits of nf_conntrack_common.h.
var ConnStates = map[string]uint32{"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}

// MatchState takes packets whose connections are in one of some states.
func MatchState(states []string) Term {
	var bits uint32
	for _, s := range states {
		bits |= ConnStates[s]
	}
	return Term{"ct state " + strings.Join(states, ","), join(expr("ct", num(2, unix.NFT_CT_STATE), num(1, reg)),
		masked(4, binary.NativeEndian.AppendUint32(nil, bits)),
		expr("cmp", num(1, reg), num(2, unix.NFT_CMP_NEQ), data(3, make([]byte, 4))))}
}

// MatchMark takes packets with a mark.
func MatchMark(mark uint32) Term {
	return Term{fmt.Sprintf("meta mark 0x%x", mark),
		join(meta(unix.NFT_META_MARK), equal(binary.NativeEndian.AppendUint32(nil, mark)))}
}

// Count counts packets and bytes.
func Count() Term {
	zero := make([]byte, 8)
	return Term{"counter", expr("counter", field{1, zero}, field{2, zero})}
}

// SetMark gives packets a mark.
func SetMark(mark uint32) Term {
	return Term{fmt.Sprintf("meta mark set 0x%x", mark), join(
		immediate(reg, binary.NativeEndian.AppendUint32(nil, mark)),
		expr("meta", num(2, unix.NFT_META_MARK), num(3, reg)))}
}

// Verdict accepts or drops packets.
func Verdict(word string) Term {
	code := map[string]uint32{"drop": 0, "accept": 1}[word] // NF_DROP, NF_ACCEPT
	verdict := AppendAttr(nil, 2|unix.NLA_F_NESTED, AppendAttr(nil, 1, be32(code)))
	return Term{word, expr("immediate", num(1, unix.NFT_REG_VERDICT), field{2 | unix.NLA_F_NESTED, verdict})}
}

// Reject drops packets and says so to who sent them: that a port or a host cannot be reached, or by a reset.
func Reject(with string) Term {
	switch with {
	case "tcp reset":
		return Term{"reject with tcp reset", expr("reject", num(1, unix.NFT_REJECT_TCP_RST), field{2, []byte{0}})}
	case "":
		with = "port-unreachable"
	}
	code := map[string]byte{"no-route": 0, "port-unreachable": 1, "host-unreachable": 2, "admin-prohibited": 3}[with]
	return Term{"reject with icmpx " + with,
		expr("reject", num(1, unix.NFT_REJECT_ICMPX_UNREACH), field{2, []byte{code}})}
}

// Masquerade gives packets the address of the link that they leave by.
func Masquerade() Term { return Term{"masquerade", expr("masq")} }

// Redirect has packets go to a port of the namespace itself.
func Redirect(port uint16) Term {
	return Term{fmt.Sprintf("redirect to :%d", port), join(immediate(reg, be16(port)), expr("redir", num(1, reg)))}
}

// NAT gives packets another source ("snat") or destination ("dnat"), with another port unless that is 0.
func NAT(which string, to netip.AddrPort) Term {
	family, word := uint32(unix.NFPROTO_IPV4), "ip"
	if to.Addr().Is6() {
		family, word = unix.NFPROTO_IPV6, "ip6"
	}
	typ := map[string]uint32{"snat": unix.NFT_NAT_SNAT, "dnat": unix.NFT_NAT_DNAT}[which]
	text := to.Addr().String()
	e, fields := immediate(reg, to.Addr().AsSlice()), []field{num(1, typ), num(2, family), num(3, reg)}
	if to.Port() != 0 {
		text = to.String()
		e, fields = join(e, immediate(reg+1, be16(to.Port()))), append(fields, num(5, reg+1))
	}
	return Term{which + " " + word + " to " + text, join(e, expr("nat", fields...))}
}
