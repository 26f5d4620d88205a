package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// Rates in classes (tc-htb(8)).
var (
	htbQdisc = declareTC(tcKind{Name: "htb", Args: &htbArgs{}, Sizes: map[int]int{2: 20}, Fill: fillHTB,
		Doc: "shares a rate among classes, which lend each other what they do not need"})
	htbClass = declareTC(tcKind{Name: "htb", Args: &htbClassArgs{}, Sizes: map[int]int{1: 44}, Fill: fillHTBClass,
		Shown: showHTBClass, Doc: "a rate that it has, and one that it can borrow up to", Eg: "rate=1mbit"})
)

type htbArgs struct {
	Default *minorArg       `arg:"default?" nla:"2+8" doc:"class of packets that no filter has one for: \"20\" or \"1:20\" (hexadecimal); they pass at once when left out"`
	R2Q     *whole[width32] `arg:"r2q?" nla:"2+4" doc:"a class's rate in bytes a second divided by this is its quantum; 10 when left out"`
	Direct  *whole[width32] `arg:"direct_qlen?" nla:"5" doc:"packets without a class that it holds"`
}

func fillHTB(o *tcOptions, _ map[string]kindAttr) error {
	o.setNumber(tcPlace{0, 2, 0}, 3) // the version
	if r2q := (tcPlace{0, 2, 4}); o.number(r2q) == 0 {
		o.setNumber(r2q, 10)
	}
	o.setNumber(tcPlace{0, 2, 16}, 0) // a count of packets
	return nil
}

type htbClassArgs struct {
	Rate     rateIn[width64]  `arg:"rate" nla:"1+8" wide:"6" doc:"rate that it has: \"1mbit\""`
	Ceil     *rateIn[width64] `arg:"ceil?" nla:"1+20" wide:"7" doc:"rate that it can borrow up to; none when left out"`
	Burst    *sizeIn[width32] `arg:"burst?" nla:"~1" unshown:"yes" doc:"bytes that can leave at once at the ceil; 1600 and what the rate makes in a tick when left out"`
	CBurst   *sizeIn[width32] `arg:"cburst?" nla:"~2" unshown:"yes" doc:"bytes that can leave at once beyond the ceil; as burst="`
	Prio     *whole[width32]  `arg:"prio?" nla:"1+40" doc:"who borrows first: 0 (when left out) to 7"`
	Quantum  *whole[width32]  `arg:"quantum?" nla:"1+32" unshown:"yes" doc:"bytes that it may borrow before the next one may"`
	MPU      *sizeIn[width16] `arg:"mpu?" nla:"1+6" doc:"least bytes that a packet counts"`
	Overhead *whole[width16]  `arg:"overhead?" nla:"1+2" doc:"bytes that each packet counts more"`
}

// Places in a struct tc_htb_opt.
var (
	htbRate   = tcRate{tcPlace{0, 1, 0}, 6}
	htbCeil   = tcRate{tcPlace{0, 1, 12}, 7}
	htbBurst  = tcPlace{0, 1, 24}
	htbCBurst = tcPlace{0, 1, 28}
)

// htbMTU is the length of a packet that bursts are reckoned with.
const htbMTU = 1600

func fillHTBClass(o *tcOptions, given map[string]kindAttr) error {
	rate := htbRate.read(o)
	if given["ceil"] == nil && htbCeil.read(o) < rate {
		htbCeil.set(o, rate)
	}
	ceil := htbCeil.read(o)
	if ceil < rate {
		return fmt.Errorf("htb: ceil= %s is less than rate= %s", rateIn[width64](ceil), rateIn[width64](rate))
	}
	for i, burst := range []tcPlace{htbBurst, htbCBurst} {
		of := []int{rate, ceil}[i]
		size := o.number(attrPlace(hiddenAt + 1 + i))
		if size == 0 {
			size = of/1e9 + htbMTU
		}
		o.setNumber(burst, int(kernel.Ticks(uint64(size), uint64(of))))
	}
	htbRate.layered(o)
	htbCeil.layered(o)
	s := o.struct_(htbRate.at) // both are counted alike
	copy(s[14:16], s[2:4])
	copy(s[18:20], s[6:8])
	return nil
}

func showHTBClass(o *tcOptions) {
	for i, burst := range []tcPlace{htbBurst, htbCBurst} {
		if n, of := o.number(burst), []tcRate{htbRate, htbCeil}[i].read(o); n != 0 && of != 0 {
			size := kernel.TickBytes(uint32(n), uint64(of), false)
			o.attrs[attrPlace(hiddenAt+1+i)] = encodeNumber[width32](int(min(size, 1<<32-1)))
		}
	}
}

// minorArg is the second half of the number of a class, in hexadecimal as tc(8) has it.
type minorArg uint16

func (minorArg) ArgType() string         { return `class or "MINOR"` }
func (a minorArg) encode() []byte        { return encodeNumber[width32](int(a)) }
func (a *minorArg) decode(data []byte)   { *a = minorArg(decodeNumber[width32](data)) }
func (a minorArg) ip(word string) string { return word + " 0x" + fmt.Sprintf("%x", int(a)) }
func (a minorArg) value() starlark.Value { return starlark.String(fmt.Sprintf("%x", int(a))) }
func (a *minorArg) Unpack(val starlark.Value) error {
	var h tcHandle
	if s, ok := starlark.AsString(val); ok {
		val = starlark.String("0:" + s[strings.Index(s, ":")+1:])
	}
	if err := h.Unpack(val); err != nil || h&0xffff == 0 {
		return fmt.Errorf(`%s is no number of a class such as "20" or "1:20", in hexadecimal`, val)
	}
	*a = minorArg(h & 0xffff)
	return nil
}
