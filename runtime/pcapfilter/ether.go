package pcapfilter

import (
	"golang.org/x/net/bpf"
)

// linkType is true of frames of an EtherType, or of an LLC service access point when it is no more than a length.
func (g *generator) linkType(num uint32, col int) cond {
	if num > 0xffff {
		fail(col, "%#x is no EtherType", num)
	}
	if g.labels > 0 {
		return g.inMPLS(num, col)
	}
	if g.ppp {
		return g.equal(g.field(0), 2, pppType(num))
	}
	has := g.equal(g.field(0), 2, num)
	is8023 := g.compare(g.field(0), 2, bpf.JumpLessOrEqual, maxLength)
	switch num {
	case sapISO, sapIP, sapNetBEUI:
		return and{is8023, g.equal(g.llc(0), 2, num<<8|num)}
	case sapIPX:
		// Three ways to carry it in IEEE 802.3, one of them without an LLC header, besides its EtherType.
		raw := or{g.equal(g.llc(0), 1, sapIPX), g.equal(g.llc(0), 2, 0xffff)}
		return or{g.equal(g.field(0), 2, typeIPX), and{is8023, or{g.snap(0, typeIPX), raw}}}
	case typeATalk:
		return or{has, and{is8023, g.snap(0x080007, typeATalk)}}
	case typeAARP:
		return or{has, and{is8023, g.snap(0, typeAARP)}}
	}
	if num <= maxLength {
		if num > 0xff {
			fail(col, "%#x is neither an EtherType nor an LLC service access point", num)
		}
		return and{is8023, g.equal(g.field(2), 1, num)}
	}
	return has
}

// snap is true of LLC headers with the SNAP extension of an organization and a type.
func (g *generator) snap(org, typ uint32) cond {
	return g.bytes(g.llc, []byte{sapSNAP, sapSNAP, 0x03, byte(org >> 16), byte(org >> 8), byte(org), byte(typ >> 8),
		byte(typ)})
}

// pppType is the protocol number of PPP for an EtherType or a service access point.
func pppType(num uint32) uint32 {
	switch num {
	case typeIP:
		return 0x0021
	case typeIP6:
		return 0x0057
	case typeDN:
		return 0x0027
	case typeATalk:
		return 0x0029
	case 0x0600: // Xerox NS IDP
		return 0x0025
	case sapISO:
		return 0x0023
	case sapSTP:
		return 0x0031
	case sapIPX:
		return 0x002b
	case typeMPLS:
		return 0x0281
	}
	return num
}

// inMPLS is true if no label follows and the header after the labels is one of IP.
func (g *generator) inMPLS(num uint32, col int) cond {
	version := map[uint32]uint32{typeIP: 0x40, typeIP6: 0x60}[num]
	if version == 0 {
		fail(col, "of what MPLS carries, only IP can be told")
	}
	return and{g.lastLabel(), g.masked(g.payload(0), 1, version, 0xf0)}
}

// lastLabel is true if the label before the payload has the bit for the bottom of the stack.
func (g *generator) lastLabel() cond {
	before := place{base{g.linkLoad.fixed + g.netOff - 4, g.linkLoad.word}, 2, false}
	return g.compare(before, 1, bpf.JumpBitsSet, 1)
}

// hasEthernet says that the frame in a tunnel begins with an Ethernet header, or nothing where all do.
func (g *generator) hasEthernet(word string, col int) cond {
	if g.ppp {
		fail(col, "%s: PPP has no link-layer addresses", word)
	}
	if !g.tunnelled {
		return nil
	}
	return test{code: []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegA, N: g.linkHeader.word},
		bpf.LoadScratch{Dst: bpf.RegX, N: g.linkLoad.word}}, op: bpf.JumpNotEqual, x: true}
}

// address is true of frames from or to a link-layer address.
func (g *generator) address(addr []byte, dir string, word string, col int) cond {
	from := g.bytes(func(off uint32) place { return g.link(6 + off) }, addr)
	return needing(g.hasEthernet(word, col), directed(dir, from, g.bytes(g.link, addr)))
}

// directed is what is true of the source, of the destination, of both or of either.
func directed(dir string, src, dst cond) cond {
	switch dir {
	case "src":
		return src
	case "dst":
		return dst
	case "src and dst":
		return and{src, dst}
	}
	return or{src, dst}
}

// keyed is a keyword with its number.
func (g *generator) keyed(k keyed) cond {
	switch k.word {
	case "less":
		return test{code: []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}}, op: bpf.JumpLessOrEqual,
			val: k.arg.num}
	case "greater":
		return test{code: []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}}, op: bpf.JumpGreaterOrEqual,
			val: k.arg.num}
	case "inbound", "outbound":
		out := test{code: []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtType}}, op: bpf.JumpEqual, val: outgoing}
		if k.word == "inbound" {
			return not{out}
		}
		return out
	case "broadcast":
		return g.broadcast(k)
	case "multicast":
		return g.multicast(k)
	case "llc":
		return g.llcFrame(k)
	case "vlan":
		return g.vlan(k)
	case "mpls":
		return g.mpls(k)
	case "pppoed":
		return g.linkType(typePPPD, k.col)
	case "pppoes":
		return g.pppoes(k)
	}
	return g.tunnel(k)
}

func (g *generator) broadcast(k keyed) cond {
	switch {
	case k.of == nil || k.of.layer == onLink:
		return g.address([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "dst", k.word, k.col)
	case k.of.name != "ip":
		fail(k.col, "%s has no broadcast", k.of.name)
	case !g.opts.Mask.IsValid():
		fail(k.col, "ip broadcast: the netmask is not known here")
	}
	var mask uint32
	for _, b := range g.opts.Mask.AsSlice() {
		mask = mask<<8 | uint32(b)
	}
	return and{g.linkType(typeIP, k.col), or{g.masked(g.payload(16), 4, 0, ^mask),
		g.masked(g.payload(16), 4, ^mask, ^mask)}}
}

func (g *generator) multicast(k keyed) cond {
	switch {
	case k.of == nil || k.of.layer == onLink:
		return needing(g.hasEthernet(k.word, k.col), g.compare(g.link(0), 1, bpf.JumpBitsSet, 1))
	case k.of.name == "ip":
		return and{g.linkType(typeIP, k.col), g.compare(g.payload(16), 1, bpf.JumpGreaterOrEqual, 224)}
	case k.of.name == "ip6":
		return and{g.linkType(typeIP6, k.col), g.equal(g.payload(24), 1, 255)}
	}
	fail(k.col, "%s has no multicast", k.of.name)
	panic("unreachable")
}

// llcFrame is true of IEEE 802.3 frames with an LLC header, and of a type of PDU if there is one.
func (g *generator) llcFrame(k keyed) cond {
	if g.ppp {
		fail(k.col, "llc: PPP has no LLC header")
	}
	c := and{g.compare(g.field(0), 2, bpf.JumpLessOrEqual, maxLength), g.compare(g.llc(0), 2, bpf.JumpNotEqual, 0xffff)}
	if k.arg == nil {
		return c
	}
	typ, known := llcTypes[k.arg.text]
	if !known {
		fail(k.arg.col, "%s is no type of LLC PDU", k.arg)
	}
	return and{c, g.masked(g.llc(2), 1, typ.value, typ.mask)}
}

// limited is the number of a keyword, which has so many bits.
func (k keyed) limited(bits int) uint32 {
	if k.arg.num >= 1<<bits {
		fail(k.arg.col, "%s %d: the number has %d bits", k.word, k.arg.num, bits)
	}
	return k.arg.num
}

// vlan is true of tagged frames; what follows in the expression is about what follows the tag.
func (g *generator) vlan(k keyed) cond {
	switch {
	case g.labels > 0:
		fail(k.col, "no vlan tag can follow MPLS labels")
	case g.ppp:
		fail(k.col, "no vlan tag can follow PPP")
	}
	var c cond = anyOf(g.linkType(typeVLAN, k.col), g.linkType(typeQinQ, k.col), g.linkType(typeQinQ1, k.col))
	if k.arg != nil {
		c = and{c, g.masked(g.payload(0), 2, k.limited(12), 0x0fff)}
	}
	g.linkLoad.fixed += 4
	g.linkField.fixed += 4
	return c
}

// mpls is true of frames with a label; what follows in the expression is about what follows the label.
func (g *generator) mpls(k keyed) cond {
	var c cond
	if g.labels > 0 {
		c = not{g.lastLabel()}
	} else {
		c = g.linkType(typeMPLS, k.col)
	}
	if k.arg != nil {
		c = and{c, g.masked(g.payload(0), 4, k.limited(20)<<12, 0xfffff000)}
	}
	g.netOff += 4
	g.llcOff += 4
	g.labels++
	return c
}

// pppoes is true of frames of a PPPoE session; what follows in the expression is about PPP's payload.
func (g *generator) pppoes(k keyed) cond {
	c := g.linkType(typePPPS, k.col)
	if k.arg != nil {
		c = and{c, g.equal(g.payload(2), 2, k.limited(16))}
	}
	g.linkHeader = base{g.linkLoad.fixed + g.netOff + 6, g.linkLoad.word}
	g.linkField = g.linkHeader
	g.linkLoad.fixed = g.linkHeader.fixed + 2
	g.netOff, g.llcOff, g.ppp = 0, 0, true
	return c
}
