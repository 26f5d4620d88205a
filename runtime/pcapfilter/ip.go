package pcapfilter

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strings"

	"golang.org/x/net/bpf"
)

// ipProto is true of packets of a protocol, in IPv6 also behind a fragment header.
func (g *generator) ipProto(v6 bool, num uint32, col int) cond {
	if num > 0xff {
		fail(col, "%d is no number of a protocol in IP", num)
	}
	if !v6 {
		return and{g.linkType(typeIP, col), g.equal(g.payload(9), 1, num)}
	}
	return and{g.linkType(typeIP6, col), or{g.equal(g.payload(6), 1, num),
		and{g.equal(g.payload(6), 1, ipFragment), g.equal(g.payload(ip6Header), 1, num)}}}
}

// unfragmented is true of IPv4 packets that are whole, or the first fragment.
func (g *generator) unfragmented() cond {
	return not{g.compare(g.payload(6), 2, bpf.JumpBitsSet, 0x1fff)}
}

// primitive is an id with what is said of it.
func (g *generator) primitive(p primitive) cond {
	col := p.id.col
	if p.of != nil && p.of.name == "decnet" {
		return g.decnet(p)
	}
	switch p.kind {
	case "port", "portrange":
		return g.ports(p)
	case "proto", "protochain":
		if p.bits >= 0 || p.mask.kind != ended || p.id.kind != named && p.id.kind != number {
			fail(col, "%s is no protocol", p.id)
		}
		return g.proto(p)
	}
	switch p.id.kind {
	case named:
		fail(col, "names are not looked up: write the address of %s", p.id)
	case mac:
		if p.of == nil || p.of.layer != onLink || p.kind == "net" {
			fail(col, "%s is a link-layer address: write ether host", p.id)
		}
		return g.address(macOf(p.id.text), p.dir, "ether host", col)
	case address6:
		return g.hosts6(p)
	}
	return g.hosts4(p)
}

// hosts4 is true of packets from or to IPv4 addresses, and of ARP and RARP about them.
func (g *generator) hosts4(p primitive) cond {
	addr, mask := p.id.num, uint32(math.MaxUint32)
	switch {
	case p.id.kind == dotted:
		var bits int
		addr, bits = address4(p.id)
		mask <<= 32 - bits
	case p.kind == "net":
		for addr != 0 && addr>>24 == 0 {
			addr <<= 8
			mask <<= 8
		}
	}
	if p.bits >= 0 || p.mask.kind == dotted {
		if p.kind != "net" {
			fail(p.id.col, "%s has a mask: write net", p.id)
		}
		if p.bits > 32 {
			fail(p.id.col, "the prefix of an IPv4 address has 32 bits at most")
		}
		mask = uint32(uint64(math.MaxUint32) << (32 - max(p.bits, 0)))
		if p.mask.kind == dotted {
			mask, _ = address4(p.mask)
		}
		if addr&^mask != 0 {
			fail(p.id.col, "%s has bits that its mask has not", p.id)
		}
	}
	in := func(typ, src, dst uint32) cond {
		return and{g.linkType(typ, p.id.col), directed(p.dir, g.masked(g.payload(src), 4, addr, mask),
			g.masked(g.payload(dst), 4, addr, mask))}
	}
	switch {
	case p.of == nil && g.labels > 0, p.of != nil && p.of.name == "ip":
		return in(typeIP, 12, 16)
	case p.of == nil:
		return anyOf(in(typeIP, 12, 16), in(typeARP, 14, 24), in(typeRARP, 14, 24))
	case p.of.name == "arp" || p.of.name == "rarp":
		return in(p.of.nums[0], 14, 24)
	}
	fail(p.id.col, "%s has no IPv4 addresses", p.of.name)
	panic("unreachable")
}

// hosts6 is true of packets from or to IPv6 addresses.
func (g *generator) hosts6(p primitive) cond {
	bits := p.bits
	if bits < 0 {
		bits = 128
	}
	switch {
	case bits > 128:
		fail(p.id.col, "the prefix of an IPv6 address has 128 bits at most")
	case bits < 128 && p.kind != "net":
		fail(p.id.col, "%s has a mask: write net", p.id)
	case p.of != nil && p.of.name != "ip6":
		fail(p.id.col, "%s has no IPv6 addresses", p.of.name)
	}
	addr := netip.MustParseAddr(p.id.text).As16()
	in := func(off uint32) cond {
		var conds []cond
		for i := 0; i < 4; i++ {
			mask := uint32(uint64(math.MaxUint32) << (32 - min(max(bits-32*i, 0), 32)))
			word := binary.BigEndian.Uint32(addr[4*i:])
			if word&^mask != 0 {
				fail(p.id.col, "%s has bits that its mask has not", p.id)
			}
			conds = append(conds, g.masked(g.payload(off+uint32(4*i)), 4, word, mask))
		}
		return all(conds...)
	}
	return and{g.linkType(typeIP6, p.id.col), directed(p.dir, in(8), in(24))}
}

// ports is true of packets from or to ports.
func (g *generator) ports(p primitive) cond {
	of := p.of
	var low, high uint32
	switch {
	case p.id.kind == number:
		low, high = p.id.num, p.id.num
	case p.id.kind != named:
		fail(p.id.col, "%s is no port", p.id)
	case p.kind == "port":
		low, of = g.namedPort(p, p.id.text)
		high = low
	default:
		from, to, hyphen := strings.Cut(p.id.text, "-")
		if !hyphen || from == "" || to == "" || strings.Contains(to, "-") {
			fail(p.id.col, "%s is no range such as 6000-6008", p.id)
		}
		var of2 *proto
		low, of = g.namedPort(p, from)
		if high, of2 = g.namedPort(p, to); of != of2 {
			of = p.of
		}
		low, high = min(low, high), max(low, high)
	}
	if high > math.MaxUint16 {
		fail(p.id.col, "port %d is more than 65535", high)
	}
	nums := []uint32{ipTCP, ipUDP, ipSCTP}
	if of != nil {
		nums = of.nums
		if of.layer != onIP || nums[0] != ipTCP && nums[0] != ipUDP && nums[0] != ipSCTP {
			fail(p.id.col, "%s has no ports", of.name)
		}
	}
	return or{g.portsIn(true, nums, p.dir, low, high, p.id.col), g.portsIn(false, nums, p.dir, low, high, p.id.col)}
}

// namedPort is a port's number, and the protocol that has it.
func (g *generator) namedPort(p primitive, text string) (uint32, *proto) {
	n, only := port(p.id, text)
	switch {
	case only == nil:
		return n, p.of
	case p.of != nil && p.of != only:
		fail(p.id.col, "port %s is one of %s", text, only.name)
	}
	return n, only
}

// portsIn is true of packets of IPv6 or IPv4 and some protocols with ports in a range.
func (g *generator) portsIn(v6 bool, nums []uint32, dir string, low, high uint32, col int) cond {
	typ, at := uint32(typeIP), g.payload(9)
	if v6 {
		typ, at = typeIP6, g.payload(6)
	}
	var kinds []cond
	for _, n := range nums {
		kinds = append(kinds, g.equal(at, 1, n))
	}
	within := func(off uint32) cond {
		if low == high {
			return g.equal(g.transport(v6, off), 2, low)
		}
		return and{g.compare(g.transport(v6, off), 2, bpf.JumpGreaterOrEqual, low),
			g.compare(g.transport(v6, off), 2, bpf.JumpLessOrEqual, high)}
	}
	conds := []cond{g.linkType(typ, col), anyOf(kinds...)}
	if !v6 {
		conds = append(conds, g.unfragmented())
	}
	return all(append(conds, directed(dir, within(0), within(2)))...)
}

// proto is "proto" or "protochain" with a number or a name.
func (g *generator) proto(p primitive) cond {
	num, known := p.id.num, p.id.kind == number
	names := ipNames
	if p.of != nil && p.of.layer == onLink {
		names = etherNames
	} else if p.of != nil && p.of.name == "iso" {
		names = osiNames
	}
	if !known {
		if num, known = names[p.id.text]; !known {
			fail(p.id.col, "%s is no name of a protocol: write its number", p.id)
		}
	}
	chain := p.kind == "protochain"
	switch {
	case p.of == nil && chain:
		return or{g.chain(false, num, p.id.col), g.chain(true, num, p.id.col)}
	case p.of == nil:
		return or{g.ipProto(false, num, p.id.col), g.ipProto(true, num, p.id.col)}
	case (p.of.name == "ip" || p.of.name == "ip6") && chain:
		return g.chain(p.of.name == "ip6", num, p.id.col)
	case p.of.name == "ip" || p.of.name == "ip6":
		return g.ipProto(p.of.name == "ip6", num, p.id.col)
	case p.of.layer == onLink && !chain:
		return g.linkType(num, p.id.col)
	case p.of.name == "iso" && !chain:
		return g.osiProto(num, p.id.col)
	case p.of.name == "isis" && !chain:
		return g.isisPDU(num, p.id.col)
	}
	fail(p.id.col, "%s cannot stand before %s", p.of.name, p.kind)
	panic("unreachable")
}
