package builtins

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// Filters by a program (tc-bpf(8)), and of every packet as basic has them without a condition (tc-basic(8)).
var (
	bpfFilter = declareTC(tcKind{Name: "bpf", Args: &bpfArgs{}, Doc: "asks a program", Eg: "bytecode=1,6 0 0 1",
		Fill: fillBPF, Module: "cls_bpf", Config: "NET_CLS_BPF"})
	basicFilter = declareTC(tcKind{Name: "basic", Args: &basicArgs{}, Doc: "is of every packet", Module: "cls_basic",
		Config: "NET_CLS_BASIC"})
)

type bpfArgs struct {
	Bytecode bpfCode                 `arg:"bytecode" nla:"5" doc:"the program, as tcpdump -ddd writes it with commas between its lines: \"4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0\"; a packet for which it returns 0 is not of the filter"`
	SkipHW   *flagBit[bit0, width32] `arg:"skip_hw?" nla:"9+0" doc:"whether the hardware does not do it"`
	SkipSW   *flagBit[bit1, width32] `arg:"skip_sw?" nla:"9+0" doc:"whether only the hardware does it"`
	ClassID  *tcHandle               `arg:"classid?" nla:"3" doc:"class that the packet is of; the one of the number that the program returns when left out"`
	Action   *tcActions              `arg:"action?" nla:"1" doc:"what becomes of it, one after the other"`
}

type basicArgs struct {
	FlowID *tcHandle  `arg:"flowid?" nla:"1" doc:"class that the packet is of"`
	Action *tcActions `arg:"action?" nla:"3" doc:"what becomes of it, one after the other"`
}

const sizeofBPF = 8 // struct sock_filter

func fillBPF(o *tcOptions, _ map[string]kindAttr) error {
	o.attrs[attrPlace(4)] = encodeNumber[width16](len(o.attrs[attrPlace(5)]) / sizeofBPF)
	return nil
}

// bpfCode is a program of classic BPF: a struct sock_filter for each instruction.
type bpfCode []byte

func (bpfCode) ArgType() string       { return "string" }
func (a bpfCode) encode() []byte      { return a }
func (a *bpfCode) decode(data []byte) { *a = data }

func (a bpfCode) String() string {
	text := itoa(len(a) / sizeofBPF)
	for code := a; len(code) >= sizeofBPF; code = code[sizeofBPF:] {
		text += fmt.Sprintf(",%d %d %d %d", binary.NativeEndian.Uint16(code), code[2], code[3],
			binary.NativeEndian.Uint32(code[4:]))
	}
	return text
}

func (a bpfCode) ip(word string) string { return word + " '" + a.String() + "'" }
func (a bpfCode) value() starlark.Value { return starlark.String(a.String()) }

func (a *bpfCode) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	lines := strings.Split(strings.TrimSuffix(strings.TrimSpace(s), ","), ",")
	count, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if !ok || err != nil || count != len(lines)-1 || count < 1 || count > 4096 {
		return fmt.Errorf(`%s is no program: want the number of its instructions, and these, "1,6 0 0 1"`, val)
	}
	for _, line := range lines[1:] {
		var n [4]uint64
		fields := strings.Fields(line)
		for i, bits := range []int{16, 8, 8, 32} {
			if err == nil && len(fields) == len(n) {
				n[i], err = strconv.ParseUint(fields[i], 10, bits)
			}
		}
		if err != nil || len(fields) != len(n) {
			return fmt.Errorf("%q is no instruction: want its code, two jumps and a number", line)
		}
		*a = binary.NativeEndian.AppendUint16(*a, uint16(n[0]))
		*a = binary.NativeEndian.AppendUint32(append(*a, byte(n[1]), byte(n[2])), uint32(n[3]))
	}
	return nil
}
