package pcapfilter

import (
	"golang.org/x/net/bpf"
)

// outgoing is PACKET_OUTGOING (linux/if_packet.h).
const outgoing = 4

// A Frame is one that was captured.
type Frame struct {
	Data     []byte // as much of it as was kept
	Length   int    // on the wire
	Outgoing bool   // it was sent by the link that it was captured on
}

// Match tells whether the expression is true of a frame. As in the kernel, it is true of none that ends before a byte
// that is looked at.
func (p *Program) Match(f Frame) bool {
	m := machine{frame: f}
	for at := 0; at < len(p.code); at++ {
		skip, done := m.run(p.code[at])
		if done {
			return m.a != 0
		}
		at += skip
	}
	return false
}

// machine is the registers and the memory of classic BPF. x/net/bpf's has neither a length on the wire nor the type of
// a packet.
type machine struct {
	frame Frame
	a, x  uint32
	words [16]uint32
}

// run does one instruction. When it is done, A is what the program returns.
func (m *machine) run(i bpf.Instruction) (skip int, done bool) {
	switch i := i.(type) {
	case bpf.LoadConstant:
		*m.register(i.Dst) = i.Val
	case bpf.LoadScratch:
		*m.register(i.Dst) = m.words[i.N]
	case bpf.StoreScratch:
		m.words[i.N] = *m.register(i.Src)
	case bpf.LoadAbsolute:
		return 0, !m.load(uint64(i.Off), i.Size)
	case bpf.LoadIndirect:
		return 0, !m.load(uint64(i.Off)+uint64(m.x), i.Size)
	case bpf.LoadMemShift:
		a := m.a
		if !m.load(uint64(i.Off), 1) {
			return 0, true
		}
		m.a, m.x = a, m.a&0xf<<2
	case bpf.LoadExtension:
		switch i.Num {
		case bpf.ExtLen:
			m.a = uint32(m.frame.Length)
		case bpf.ExtType:
			m.a = 0
			if m.frame.Outgoing {
				m.a = outgoing
			}
		}
	case bpf.ALUOpConstant:
		return 0, !m.alu(i.Op, i.Val)
	case bpf.ALUOpX:
		return 0, !m.alu(i.Op, m.x)
	case bpf.TAX:
		m.x = m.a
	case bpf.TXA:
		m.a = m.x
	case bpf.Jump:
		return int(i.Skip), false
	case bpf.JumpIf:
		return choose(m.holds(i.Cond, i.Val), i.SkipTrue, i.SkipFalse), false
	case bpf.JumpIfX:
		return choose(m.holds(i.Cond, m.x), i.SkipTrue, i.SkipFalse), false
	case bpf.RetConstant:
		m.a = i.Val
		return 0, true
	}
	return 0, false
}

func choose(yes bool, t, f uint8) int {
	if yes {
		return int(t)
	}
	return int(f)
}

func (m *machine) register(r bpf.Register) *uint32 {
	if r == bpf.RegX {
		return &m.x
	}
	return &m.a
}

// load reads bytes of the frame into A. When they are not there the program ends and returns 0.
func (m *machine) load(off uint64, size int) bool {
	if off+uint64(size) > uint64(len(m.frame.Data)) {
		m.a = 0
		return false
	}
	m.a = 0
	for _, b := range m.frame.Data[off : off+uint64(size)] {
		m.a = m.a<<8 | uint32(b)
	}
	return true
}

// alu computes with A. The program ends and returns 0 when it divides by zero.
func (m *machine) alu(op bpf.ALUOp, y uint32) bool {
	switch op {
	case bpf.ALUOpAdd:
		m.a += y
	case bpf.ALUOpSub:
		m.a -= y
	case bpf.ALUOpMul:
		m.a *= y
	case bpf.ALUOpDiv, bpf.ALUOpMod:
		switch {
		case y == 0:
			m.a = 0
			return false
		case op == bpf.ALUOpDiv:
			m.a /= y
		default:
			m.a %= y
		}
	case bpf.ALUOpAnd:
		m.a &= y
	case bpf.ALUOpOr:
		m.a |= y
	case bpf.ALUOpXor:
		m.a ^= y
	case bpf.ALUOpShiftLeft:
		m.a <<= y
	case bpf.ALUOpShiftRight:
		m.a >>= y
	}
	return true
}

func (m *machine) holds(op bpf.JumpTest, y uint32) bool {
	switch op {
	case bpf.JumpEqual:
		return m.a == y
	case bpf.JumpNotEqual:
		return m.a != y
	case bpf.JumpGreaterThan:
		return m.a > y
	case bpf.JumpLessThan:
		return m.a < y
	case bpf.JumpGreaterOrEqual:
		return m.a >= y
	case bpf.JumpLessOrEqual:
		return m.a <= y
	case bpf.JumpBitsSet:
		return m.a&y != 0
	}
	return m.a&y == 0 // JumpBitsNotSet
}
