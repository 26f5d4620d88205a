package pcapfilter

import (
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
)

// longestExpression and longestProgram bound what is compiled. The latter is the kernel's own limit.
const (
	longestExpression = 16 << 10
	longestProgram    = 4096
)

// Options are what an expression depends on besides its text.
type Options struct {
	// Mask is the netmask of the link, which "ip broadcast" needs. Without it that is an error.
	Mask netip.Addr
}

// A Program tells the frames that an expression is true of. It may be used by several goroutines.
type Program struct {
	code []bpf.Instruction
}

// Compile makes a program of an expression. One without any words is true of all frames. What is wrong with it is an
// *Error.
func Compile(expr string, opts Options) (p *Program, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			p, err = nil, r
		default:
			panic(r)
		}
	}()
	if len(expr) > longestExpression {
		fail(1, "the expression has more than %d bytes", longestExpression)
	}
	e := &emitter{}
	no := e.put(bpf.RetConstant{})
	yes := e.put(bpf.RetConstant{Val: 1})
	if tree := parse(expr); tree != nil {
		g := newGenerator(opts)
		g.cond(tree).emit(e, yes, no)
		for _, k := range g.kept {
			e.code([]bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegA, Val: k.fixed},
				bpf.StoreScratch{Src: bpf.RegA, N: k.word}})
		}
	}
	code := e.program()
	if len(code) > longestProgram-3 {
		fail(1, "the expression needs %d instructions, more than %d", len(code), longestProgram-3)
	}
	return &Program{code}, nil
}

// Kernel is the program for a packet socket, which is to keep so many bytes of each frame. The kernel takes a VLAN tag
// out of a frame before the program sees it: it lets all frames pass that had one, and who puts the tag back asks
// Match.
func (p *Program) Kernel(snap uint32) ([]bpf.RawInstruction, error) {
	code := []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpEqual, SkipTrue: 1}, bpf.RetConstant{Val: snap}}
	for _, i := range p.code {
		if ret, is := i.(bpf.RetConstant); is && ret.Val != 0 {
			i = bpf.RetConstant{Val: snap}
		}
		code = append(code, i)
	}
	raw, err := bpf.Assemble(code)
	if err != nil {
		return nil, fmt.Errorf("assemble filter: %w", err)
	}
	return raw, nil
}
