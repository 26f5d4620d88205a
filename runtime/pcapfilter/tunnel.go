package pcapfilter

import (
	"golang.org/x/net/bpf"
)

const udpHeader = 8

// tunnel is true of frames of a Geneve or VXLAN tunnel; what follows in the expression is about the frame inside.
func (g *generator) tunnel(k keyed) cond {
	port, header, flags, mask := uint32(6081), uint32(8), uint32(0), uint32(0xc0) // Geneve's version is 0
	if k.word == "vxlan" {
		port, flags, mask = 4789, 0x08, 0xff
	}
	var found [2]cond
	for i, v6 := range []bool{false, true} {
		conds := []cond{g.portsIn(v6, []uint32{ipUDP}, "dst", port, port, k.col),
			g.masked(g.transport(v6, udpHeader), 1, flags, mask)}
		if k.arg != nil {
			conds = append(conds, g.masked(g.transport(v6, udpHeader+4), 4, k.limited(24)<<8, 0xffffff00))
		}
		found[i] = and{all(conds...), first{g.endOfIP(v6), when(true)}}
	}
	before := g.payload(0).base.fixed
	link, field, load := g.offset(g.linkHeader), g.offset(g.linkField), g.offset(g.linkLoad)
	// X is the offset of the tunnel's header, less what is fixed of it.
	code := []bpf.Instruction{bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: before + udpHeader}, bpf.TAX{}}
	if k.word == "vxlan" {
		code = append(code, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: header},
			bpf.StoreScratch{Src: bpf.RegA, N: link},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 12},
			bpf.StoreScratch{Src: bpf.RegA, N: field},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 2},
			bpf.StoreScratch{Src: bpf.RegA, N: load})
	} else {
		code = append(code,
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 2}, // Geneve's own EtherType
			bpf.StoreScratch{Src: bpf.RegA, N: field},
			bpf.LoadIndirect{Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x3f},
			bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: header},
			bpf.ALUOpX{Op: bpf.ALUOpAdd},
			bpf.StoreScratch{Src: bpf.RegA, N: link},
			bpf.StoreScratch{Src: bpf.RegA, N: load},
			bpf.LoadIndirect{Off: 2, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: typeTEB, SkipTrue: 5},
			bpf.LoadScratch{Dst: bpf.RegA, N: link}, // an Ethernet frame is inside
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 12},
			bpf.StoreScratch{Src: bpf.RegA, N: field},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 2},
			bpf.StoreScratch{Src: bpf.RegA, N: load})
	}
	g.linkHeader, g.linkField, g.linkLoad = base{0, link}, base{0, field}, base{0, load}
	g.netOff, g.llcOff, g.labels, g.ppp, g.tunnelled = 0, 3, 0, false, true
	return and{or{found[0], found[1]}, first{code, when(true)}}
}

// endOfIP is the code that leaves in X the length of the IP header, and what is not fixed of its offset.
func (g *generator) endOfIP(v6 bool) []bpf.Instruction {
	if !v6 {
		return g.intoX(g.transport(false, 0))
	}
	if word := g.linkLoad.word; word >= 0 {
		return []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegA, N: word},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: ip6Header}, bpf.TAX{}}
	}
	return []bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegX, Val: ip6Header}}
}

// offset is a word of the scratch memory for an offset, which begins as the one that it replaces.
func (g *generator) offset(old base) int {
	word := g.word()
	g.kept = append(g.kept, kept{word, old.fixed})
	return word
}
