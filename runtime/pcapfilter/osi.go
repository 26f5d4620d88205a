package pcapfilter

import (
	"strconv"
	"strings"
)

// osiProto is true of frames with a network layer protocol identifier of ISO 9577.
func (g *generator) osiProto(num uint32, col int) cond {
	if num > 0xff {
		fail(col, "%d is no number of a protocol of OSI", num)
	}
	return and{g.linkType(sapISO, col), g.equal(g.noSNAP(0), 1, num)}
}

// isisPDU is true of frames with a type of IS-IS PDU.
func (g *generator) isisPDU(num uint32, col int) cond {
	const mask = 0x1f
	if num > mask {
		fail(col, "%d is no type of IS-IS PDU", num)
	}
	return and{g.osiProto(osiISIS, col), g.masked(g.noSNAP(4), 1, num, mask)}
}

// decnet is true of packets from or to a DECnet address, with a long or a short header, padded or not.
func (g *generator) decnet(p primitive) cond {
	area, node, ok := strings.Cut(p.id.text, ".")
	a, err := strconv.ParseUint(area, 10, 6)
	n, err2 := strconv.ParseUint(node, 10, 10)
	if !ok || err != nil || err2 != nil || p.id.kind != dotted || p.bits >= 0 || p.mask.kind != ended {
		fail(p.id.col, "%s is no DECnet address such as 10.123", p.id)
	}
	if p.kind != "" && p.kind != "host" {
		fail(p.id.col, "decnet has only hosts")
	}
	addr := uint32(a<<10 | n)
	addr = addr>>8 | addr&0xff<<8 // little-endian in the packet
	is := func(long, short uint32) cond {
		padded := func(flags, off uint32) cond {
			return and{g.masked(g.payload(2), 2, 0x8100|flags, 0xff07), g.equal(g.payload(3+off), 2, addr)}
		}
		plain := func(flags, off uint32) cond {
			return and{g.masked(g.payload(2), 1, flags, 0x07), g.equal(g.payload(2+off), 2, addr)}
		}
		return anyOf(plain(2, short), padded(2, short), plain(6, long), padded(6, long))
	}
	return and{g.linkType(typeDN, p.id.col), directed(p.dir, is(15, 3), is(7, 1))}
}
