package pcapfilter

import (
	"slices"

	"golang.org/x/net/bpf"
)

// levels says how strongly an operator binds. % and ^ have no level in tcpdump's grammar: what follows one belongs to
// its right side, and it belongs to what is left of it.
var levels = map[string]int{"|": 1, "&": 2, "<<": 3, ">>": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 7, "^": 7}

const strongest = 6 // that of a minus before a number

// relation is two numbers that are compared; not ok is when there is none here.
func (p *parser) relation() (x any, ok bool) {
	at := p.at
	if x, ok = p.number(0); ok && p.is(">", "<", ">=", "<=", "=", "!=") {
		op := p.next()
		y, ok := p.number(0)
		if !ok {
			fail(p.peek().col, "a number is missing after %q", op.text)
		}
		return relation{op.text, x, y}, true
	}
	p.at = at
	return nil, false
}

// number is an expression of operators that bind at least so strongly.
func (p *parser) number(least int) (x any, ok bool) {
	if x, ok = p.operand(); !ok {
		return nil, false
	}
	for t := p.peek(); t.kind == keyword && levels[t.text] > 0 && levels[t.text] >= least; t = p.peek() {
		p.at++
		right := levels[t.text] + 1
		if levels[t.text] > strongest {
			right = 0
		}
		y, ok := p.number(right)
		if !ok {
			return nil, false
		}
		checkOperand(t, y)
		x = operation{t.text, x, y, t.col}
	}
	return x, true
}

func checkOperand(op token, y any) {
	n, is := y.(constant)
	switch {
	case is && n == 0 && (op.text == "/" || op.text == "%"):
		fail(op.col, "division by zero")
	case is && n > 31 && (op.text == "<<" || op.text == ">>"):
		fail(op.col, "shift by more than 31 bits")
	}
}

func (p *parser) operand() (x any, ok bool) {
	t := p.peek()
	switch {
	case t.kind == number:
		p.at++
		return constant(t.num), true
	case p.accept("len"):
		return length{}, true
	case p.accept("-"):
		p.enter()
		defer p.leave()
		x, ok := p.number(strongest)
		return minus{x}, ok
	case p.accept("("):
		p.enter()
		defer p.leave()
		x, ok := p.number(0)
		return x, ok && p.accept(")")
	case t.kind == keyword && protos[t.text] != nil:
		p.at++
		if !p.accept("[") {
			return nil, false
		}
		return p.index(protocol{protos[t.text], t.col}), true
	}
	return nil, false
}

// index is what follows the bracket of proto[at:size].
func (p *parser) index(of protocol) any {
	if !of.indexed {
		fail(of.col, "%s[...] is not supported", of.name)
	}
	p.enter()
	defer p.leave()
	at, ok := p.number(0)
	if !ok {
		fail(p.peek().col, "%s is no offset", p.peek())
	}
	size := 1
	if p.accept(":") {
		t := p.need(number, "a size")
		if t.num != 1 && t.num != 2 && t.num != 4 {
			fail(t.col, "the size is 1, 2 or 4 bytes, not %s", t.text)
		}
		size = int(t.num)
	}
	p.want("]")
	return index{of, at, size}
}

var aluOps = map[string]bpf.ALUOp{"+": bpf.ALUOpAdd, "-": bpf.ALUOpSub, "*": bpf.ALUOpMul, "/": bpf.ALUOpDiv,
	"%": bpf.ALUOpMod, "&": bpf.ALUOpAnd, "|": bpf.ALUOpOr, "^": bpf.ALUOpXor, "<<": bpf.ALUOpShiftLeft,
	">>": bpf.ALUOpShiftRight}

// A value is a number that a program computes: what must be so of a frame that has it, and the code that leaves it in
// a word of the scratch memory.
type value struct {
	needs cond
	code  []bpf.Instruction
	word  int
}

// relation compares two numbers.
func (g *generator) relation(r relation) cond {
	x := g.value(r.x)
	y := g.value(r.y)
	op := map[string]bpf.JumpTest{">": bpf.JumpGreaterThan, "<": bpf.JumpLessThan, ">=": bpf.JumpGreaterOrEqual,
		"<=": bpf.JumpLessOrEqual, "=": bpf.JumpEqual, "!=": bpf.JumpNotEqual}[r.op]
	code := slices.Concat(x.code, y.code, []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegX, N: y.word},
		bpf.LoadScratch{Dst: bpf.RegA, N: x.word}})
	g.free(x.word)
	g.free(y.word)
	return needing(y.needs, needing(x.needs, test{code: code, op: op, x: true}))
}

// needing is both conds, of which each may be missing.
func needing(x, y cond) cond {
	switch {
	case x == nil:
		return y
	case y == nil:
		return x
	}
	return and{x, y}
}

func (g *generator) value(x any) value {
	switch x := x.(type) {
	case constant:
		return g.stored(value{code: []bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(x)}}})
	case length:
		return g.stored(value{code: []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}}})
	case minus:
		v := g.value(x.x)
		v.code = append(v.code, bpf.LoadScratch{Dst: bpf.RegX, N: v.word}, bpf.LoadConstant{Dst: bpf.RegA},
			bpf.ALUOpX{Op: bpf.ALUOpSub})
		g.free(v.word)
		return g.stored(v)
	case operation:
		return g.operation(x)
	case index:
		return g.index(x)
	}
	panic("no number")
}

// stored is the value with code that keeps what is in the register A.
func (g *generator) stored(v value) value {
	v.word = g.word()
	v.code = append(v.code, bpf.StoreScratch{Src: bpf.RegA, N: v.word})
	return v
}

func (g *generator) operation(o operation) value {
	x := g.value(o.x)
	y := g.value(o.y)
	v := value{needs: needing(x.needs, y.needs), code: append(x.code, y.code...)}
	op := bpf.ALUOpX{Op: aluOps[o.op]}
	_, fixed := o.y.(constant)
	if !fixed && (o.op == "<<" || o.op == ">>") {
		// Interpreters differ in what a shift by more than 31 bits is. In libpcap's it is 0.
		v.code = append(v.code, bpf.LoadScratch{Dst: bpf.RegA, N: y.word},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 31, SkipTrue: 4},
			bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: x.word}, op, bpf.Jump{Skip: 1},
			bpf.LoadConstant{Dst: bpf.RegA})
	} else {
		v.code = append(v.code, bpf.LoadScratch{Dst: bpf.RegX, N: y.word},
			bpf.LoadScratch{Dst: bpf.RegA, N: x.word}, op)
	}
	g.free(x.word)
	g.free(y.word)
	return g.stored(v)
}

// index reads bytes of a header. The header of a transport protocol is that of IPv4, as in tcpdump.
func (g *generator) index(i index) value {
	at := g.value(i.at)
	var where place
	var needs cond
	switch i.of.layer {
	case onLink:
		where = place{g.linkHeader, 0, false}
	case onEther:
		where, needs = g.payload(0), g.protocol(i.of)
	case onIP6:
		where = g.payload(ip6Header)
		needs = and{g.linkType(typeIP6, i.of.col), g.equal(g.payload(6), 1, i.of.nums[0])}
	default:
		where = place{g.payload(0).base, 0, true}
		needs = and{and{g.linkType(typeIP, i.of.col), g.equal(g.payload(9), 1, i.of.nums[0])}, g.unfragmented()}
	}
	code := at.code
	if before := g.intoX(where); before != nil {
		code = append(append(code, before...), bpf.LoadScratch{Dst: bpf.RegA, N: at.word},
			bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
	} else {
		code = append(code, bpf.LoadScratch{Dst: bpf.RegX, N: at.word})
	}
	code = append(code, bpf.LoadIndirect{Off: where.base.fixed + where.off, Size: i.size})
	g.free(at.word)
	return g.stored(value{needs: needing(at.needs, needs), code: code})
}
