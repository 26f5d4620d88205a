package pcapfilter

import (
	"slices"

	"golang.org/x/net/bpf"
)

// A cond is true of a frame or not. Its emit writes the code that goes to one place if it is and to the other if not,
// before what the emitter has already, and returns where it begins.
type cond interface {
	emit(e *emitter, yes, no int) int
}

type (
	and  struct{ x, y cond }
	or   struct{ x, y cond }
	not  struct{ x cond }
	when bool // always, or never
	// test loads something into the register A, and compares it with a number or with the register X.
	test struct {
		code []bpf.Instruction
		op   bpf.JumpTest
		val  uint32
		x    bool
	}
	// first runs its code before a cond is looked at.
	first struct {
		code []bpf.Instruction
		then cond
	}
)

func (c and) emit(e *emitter, yes, no int) int { return c.x.emit(e, c.y.emit(e, yes, no), no) }
func (c or) emit(e *emitter, yes, no int) int  { return c.x.emit(e, yes, c.y.emit(e, yes, no)) }
func (c not) emit(e *emitter, yes, no int) int { return c.x.emit(e, no, yes) }

func (c when) emit(e *emitter, yes, no int) int {
	if c {
		return e.jump(yes)
	}
	return e.jump(no)
}

func (c test) emit(e *emitter, yes, no int) int {
	e.branch(c.op, c.val, c.x, yes, no)
	return e.code(c.code)
}

func (c first) emit(e *emitter, yes, no int) int {
	c.then.emit(e, yes, no)
	return e.code(c.code)
}

// all is true if each of them is, in their order.
func all(conds ...cond) cond {
	c := conds[len(conds)-1]
	for _, x := range slices.Backward(conds[:len(conds)-1]) {
		c = and{x, c}
	}
	return c
}

// anyOf is true if one of them is, in their order.
func anyOf(conds ...cond) cond {
	c := conds[len(conds)-1]
	for _, x := range slices.Backward(conds[:len(conds)-1]) {
		c = or{x, c}
	}
	return c
}

// emitter writes a program from its end: where a jump leads to is there before the jump. A place is how many
// instructions there are from it to the end.
type emitter struct {
	reversed []bpf.Instruction
}

func (e *emitter) here() int { return len(e.reversed) }

func (e *emitter) put(i bpf.Instruction) int {
	e.reversed = append(e.reversed, i)
	return e.here()
}

func (e *emitter) code(code []bpf.Instruction) int {
	for _, i := range slices.Backward(code) {
		e.put(i)
	}
	return e.here()
}

// jump is a place from which the program goes on at another one.
func (e *emitter) jump(to int) int {
	if to == e.here() {
		return to
	}
	return e.put(bpf.Jump{Skip: uint32(e.here() - to)})
}

// branch goes to one of two places. A conditional jump reaches over 255 instructions; a longer way goes over a jump.
func (e *emitter) branch(op bpf.JumpTest, val uint32, x bool, yes, no int) int {
	const reach = 255
	if e.here()+1-yes > reach {
		yes = e.put(bpf.Jump{Skip: uint32(e.here() - yes)})
	}
	if e.here()-no > reach {
		no = e.put(bpf.Jump{Skip: uint32(e.here() - no)})
	}
	t, f := uint8(e.here()-yes), uint8(e.here()-no)
	if x {
		return e.put(bpf.JumpIfX{Cond: op, SkipTrue: t, SkipFalse: f})
	}
	return e.put(bpf.JumpIf{Cond: op, Val: val, SkipTrue: t, SkipFalse: f})
}

// program is the code in the order that it runs in.
func (e *emitter) program() []bpf.Instruction {
	code := slices.Clone(e.reversed)
	slices.Reverse(code)
	return code
}
