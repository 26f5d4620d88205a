package pcapfilter

import (
	"golang.org/x/net/bpf"
)

// longestChain is how many headers are followed. The kernel's BPF knows no loops.
const longestChain = 8

// headerChain is true if a header of a protocol is among those that follow a header of IP.
type headerChain struct {
	v6    bool
	num   uint32
	start []bpf.Instruction // leaves the next header's protocol in A and its offset in X
	from  uint32            // the offset that X is relative to
	word  int
}

// chain is true of packets with a header of a protocol, behind extension headers or not.
func (g *generator) chain(v6 bool, num uint32, col int) cond {
	if num > 0xff {
		fail(col, "%d is no number of a protocol in IP", num)
	}
	h := headerChain{v6: v6, num: num, from: g.payload(0).base.fixed, word: g.word()}
	g.free(h.word)
	if !v6 {
		h.start = append(g.load(g.payload(9), 1), bpf.StoreScratch{Src: bpf.RegA, N: h.word})
		h.start = append(h.start, g.intoX(g.transport(false, 0))...)
		h.start = append(h.start, bpf.LoadScratch{Dst: bpf.RegA, N: h.word})
		return and{g.linkType(typeIP, col), h}
	}
	h.start = append(g.load(g.payload(6), 1), bpf.StoreScratch{Src: bpf.RegA, N: h.word})
	if before := g.linkLoad.word; before >= 0 {
		h.start = append(h.start, bpf.LoadScratch{Dst: bpf.RegA, N: before},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: ip6Header}, bpf.TAX{})
	} else {
		h.start = append(h.start, bpf.LoadConstant{Dst: bpf.RegX, Val: ip6Header})
	}
	h.start = append(h.start, bpf.LoadScratch{Dst: bpf.RegA, N: h.word})
	return and{g.linkType(typeIP6, col), h}
}

func (h headerChain) emit(e *emitter, yes, no int) int {
	next := no
	for i := 0; i < longestChain; i++ {
		next = h.step(e, yes, no, next)
	}
	return e.code(h.start)
}

// step looks at one header, whose protocol is in A, and goes to next with the one after it in A and X.
func (h headerChain) step(e *emitter, yes, no, next int) int {
	e.jump(next)
	authentication := h.advance(e, 2, 4) // RFC 4302: in words of 4 bytes, less 2
	var extension int
	if h.v6 {
		e.jump(next)
		extension = h.advance(e, 1, 8) // RFC 8200: in words of 8 bytes, less 1
	}
	at := e.branch(bpf.JumpEqual, ipAH, false, authentication, no)
	if h.v6 {
		for _, num := range []uint32{ipFragment, ipRouting, ipOptions, ipHopByHop} {
			at = e.branch(bpf.JumpEqual, num, false, extension, at)
		}
	}
	at = e.branch(bpf.JumpEqual, ipNone, false, no, at)
	return e.branch(bpf.JumpEqual, h.num, false, yes, at)
}

// advance leaves the protocol of the next header in A and its offset in X.
func (h headerChain) advance(e *emitter, more, unit uint32) int {
	return e.code([]bpf.Instruction{
		bpf.LoadIndirect{Off: h.from, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: h.word},
		bpf.LoadIndirect{Off: h.from + 1, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: more},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: unit},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
		bpf.LoadScratch{Dst: bpf.RegA, N: h.word},
	})
}
