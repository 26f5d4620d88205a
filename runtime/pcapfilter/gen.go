package pcapfilter

import (
	"golang.org/x/net/bpf"
)

// A base is where a header begins: at a fixed offset, to which a word of the scratch memory may add.
type base struct {
	fixed uint32
	word  int // none when negative
}

// A place is an offset from a base, or from the end of the IPv4 header that begins there.
type place struct {
	base     base
	off      uint32
	afterIP4 bool
}

const ip6Header = 40

// generator makes conds of nodes. Its offsets are those of the headers that the rest of the expression is about: vlan,
// mpls, pppoes, geneve and vxlan change them for all that follows in the text.
type generator struct {
	opts       Options
	linkHeader base
	linkField  base // the EtherType or the length
	linkLoad   base // what follows the link-layer header
	netOff     uint32
	llcOff     uint32 // what follows an LLC header
	ppp        bool   // the link layer is PPP, in PPPoE
	labels     int    // of MPLS
	tunnelled  bool   // in geneve or vxlan
	words      [16]bool
	kept       []kept
}

// kept are words of the scratch memory that are offsets, and what they are where no tunnel was found.
type kept struct {
	word  int
	fixed uint32
}

func newGenerator(opts Options) *generator {
	return &generator{opts: opts, linkHeader: base{0, -1}, linkField: base{12, -1}, linkLoad: base{14, -1}, llcOff: 3}
}

// word is a free word of the scratch memory.
func (g *generator) word() int {
	for i, taken := range g.words {
		if !taken {
			g.words[i] = true
			return i
		}
	}
	fail(1, "the expression needs more than %d intermediate results", len(g.words))
	panic("unreachable")
}

func (g *generator) free(word int) { g.words[word] = false }

func (g *generator) payload(off uint32) place {
	return place{base{g.linkLoad.fixed + g.netOff, g.linkLoad.word}, off, false}
}

func (g *generator) noSNAP(off uint32) place {
	return place{base{g.linkLoad.fixed + g.llcOff, g.linkLoad.word}, off, false}
}

func (g *generator) llc(off uint32) place   { return place{g.linkLoad, off, false} }
func (g *generator) field(off uint32) place { return place{g.linkField, off, false} }
func (g *generator) link(off uint32) place  { return place{g.linkHeader, off, false} }

// transport is in the header that follows the IPv4 or IPv6 header.
func (g *generator) transport(v6 bool, off uint32) place {
	if v6 {
		return g.payload(ip6Header + off)
	}
	return place{g.payload(0).base, off, true}
}

// intoX is the code that leaves in the register X what is not fixed of a place, or nothing when all of it is.
func (g *generator) intoX(p place) []bpf.Instruction {
	switch {
	case p.afterIP4 && p.base.word >= 0:
		return []bpf.Instruction{
			bpf.LoadScratch{Dst: bpf.RegX, N: p.base.word},
			bpf.LoadIndirect{Off: p.base.fixed, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
			bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{}}
	case p.afterIP4:
		return []bpf.Instruction{bpf.LoadMemShift{Off: p.base.fixed}}
	case p.base.word >= 0:
		return []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegX, N: p.base.word}}
	}
	return nil
}

// load is the code that leaves bytes of the frame in the register A.
func (g *generator) load(p place, size int) []bpf.Instruction {
	if code := g.intoX(p); code != nil {
		return append(code, bpf.LoadIndirect{Off: p.base.fixed + p.off, Size: size})
	}
	return []bpf.Instruction{bpf.LoadAbsolute{Off: p.base.fixed + p.off, Size: size}}
}

func (g *generator) compare(p place, size int, op bpf.JumpTest, val uint32) cond {
	return test{code: g.load(p, size), op: op, val: val}
}

func (g *generator) equal(p place, size int, val uint32) cond {
	return g.compare(p, size, bpf.JumpEqual, val)
}

// masked is equality of the bits of a mask.
func (g *generator) masked(p place, size int, val, mask uint32) cond {
	code := g.load(p, size)
	if mask != 0xffffffff {
		code = append(code, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
	}
	return test{code: code, op: bpf.JumpEqual, val: val}
}

// bytes is equality of several bytes, the last of which are looked at first.
func (g *generator) bytes(at func(uint32) place, want []byte) cond {
	var conds []cond
	for n := len(want); n > 0; {
		size := 1
		for _, s := range []int{4, 2} {
			if n >= s {
				size = s
				break
			}
		}
		var val uint32
		for _, b := range want[n-size : n] {
			val = val<<8 | uint32(b)
		}
		n -= size
		conds = append(conds, g.equal(at(uint32(n)), size, val))
	}
	return all(conds...)
}

// cond is the cond of a node. Nodes are visited in the order of the text.
func (g *generator) cond(x any) cond {
	switch x := x.(type) {
	case both:
		a := g.cond(x.x)
		return and{a, g.cond(x.y)}
	case either:
		a := g.cond(x.x)
		return or{a, g.cond(x.y)}
	case negation:
		return not{g.cond(x.x)}
	case protocol:
		return g.protocol(x)
	case relation:
		return g.relation(x)
	case primitive:
		return g.primitive(x)
	case byteTest:
		return g.byteTest(x)
	case keyed:
		return g.keyed(x)
	}
	panic("no cond")
}

func (g *generator) byteTest(b byteTest) cond {
	at := g.link(b.off)
	switch b.op {
	case "=":
		return g.equal(at, 1, b.val)
	case "<":
		return g.compare(at, 1, bpf.JumpLessThan, b.val)
	case ">":
		return g.compare(at, 1, bpf.JumpGreaterThan, b.val)
	}
	op := bpf.ALUOpAnd
	if b.op == "|" {
		op = bpf.ALUOpOr
	}
	code := append(g.load(at, 1), bpf.ALUOpConstant{Op: op, Val: b.val})
	return test{code: code, op: bpf.JumpNotEqual}
}

// protocol is a protocol's name alone.
func (g *generator) protocol(p protocol) cond {
	switch p.layer {
	case onEther:
		return g.linkType(p.nums[0], p.col)
	case onIP:
		return or{g.ipProto(false, p.nums[0], p.col), g.ipProto(true, p.nums[0], p.col)}
	case onIP4:
		return g.ipProto(false, p.nums[0], p.col)
	case onIP6:
		return g.ipProto(true, p.nums[0], p.col)
	case onOSI:
		return g.osiProto(p.nums[0], p.col)
	case onISIS:
		var pdus []cond
		for _, n := range p.nums {
			pdus = append(pdus, g.isisPDU(n, p.col))
		}
		return anyOf(pdus...)
	}
	fail(p.col, "every frame has a link layer: ether host, ether proto, ether[0]")
	panic("unreachable")
}
