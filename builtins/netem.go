package builtins

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

// netemQdisc is what makes a link as bad as a real one (tc-netem(8)).
var netemQdisc = declareTC(tcKind{Name: "netem", Args: &netemArgs{}, Head: 24, Nests: []int{5},
	Doc:  "delays, loses, doubles, damages and reorders packets",
	Fill: fillNetem})

type netemArgs struct {
	Limit       *whole[width32]                 `arg:"limit?" nla:"+4" doc:"packets that it holds; 1000 when left out"`
	Delay       *tcTime[inNanoseconds, width64] `arg:"delay?" nla:"10" doc:"time that each packet waits: \"10ms\""`
	Jitter      *tcTime[inNanoseconds, width64] `arg:"jitter?" nla:"11" ip:"-" doc:"how much more or less that is: \"2ms\""`
	DelayCorr   *percent                        `arg:"delay_correlation?" nla:"1+0" ip:"-" doc:"how much of it depends on the packet before: \"25%\""`
	Dist        *netemTable                     `arg:"distribution?" nla:"2" unshown:"yes" doc:"how jitter is spread: uniform, normal, pareto or paretonormal; the kernel does not show it"`
	Corrupt     *percent                        `arg:"corrupt?" nla:"4+0" doc:"packets in which a bit is changed: \"0.1%\""`
	CorruptCorr *percent                        `arg:"corrupt_correlation?" nla:"4+4" ip:"-" doc:"how much of that depends on the packet before"`
	Duplicate   *percent                        `arg:"duplicate?" nla:"+16" doc:"packets that are sent twice: \"1%\""`
	DupCorr     *percent                        `arg:"duplicate_correlation?" nla:"1+8" ip:"-" doc:"how much of that depends on the packet before"`
	Loss        *percent                        `arg:"loss?" nla:"+8" ip:"loss random" doc:"packets that are lost, each by chance alone: \"1%\""`
	LossCorr    *percent                        `arg:"loss_correlation?" nla:"1+4" ip:"-" doc:"how much of that depends on the packet before"`
	State       *netemModel[lossState]          `arg:"loss_state?" nla:"5/1" ip:"loss state" doc:"loss as a Markov chain of four states: p13, and then as many of p31, p32, p23, p14 as wanted"`
	Gemodel     *netemModel[lossGemodel]        `arg:"loss_gemodel?" nla:"5/2" ip:"loss gemodel" doc:"loss in bursts (Gilbert-Elliott): p (to go bad), and then as many of r (to go good), 1-h (loss when bad), 1-k (when good) as wanted"`
	ECN         *onceSet                        `arg:"ecn?" nla:"7" doc:"mark packets that can be (ECN) instead of losing them"`
	Reorder     *percent                        `arg:"reorder?" nla:"3+0" doc:"packets that are sent at once, and so before those that wait: \"25%\""`
	ReorderCorr *percent                        `arg:"reorder_correlation?" nla:"3+4" ip:"-" doc:"how much of that depends on the packet before"`
	Gap         *whole[width32]                 `arg:"gap?" nla:"+12" doc:"of how many packets each last one may be sent at once; 1 when left out"`
	Rate        *rateIn[width64]                `arg:"rate?" nla:"6+0" wide:"8" doc:"rate at which packets leave: \"10mbit\""`
	Overhead    *signed                         `arg:"packet_overhead?" nla:"6+4" ip:"-" doc:"bytes that each packet counts more, or less when below 0"`
	Cell        *whole[width32]                 `arg:"cell_size?" nla:"6+8" ip:"-" doc:"bytes in a cell that packets are sent in"`
	CellOver    *signed                         `arg:"cell_overhead?" nla:"6+12" ip:"-" doc:"bytes that each cell counts more"`
	Slot        *tcTime[inNanoseconds, width64] `arg:"slot?" nla:"12+0" doc:"least time between two slots, in which packets leave together: \"10ms\""`
	SlotMax     *tcTime[inNanoseconds, width64] `arg:"slot_max?" nla:"12+8" ip:"-" doc:"the most; as the least when left out"`
	SlotPackets *whole[width32]                 `arg:"slot_packets?" nla:"12+16" ip:"packets" doc:"packets in a slot"`
	SlotBytes   *sizeIn[width32]                `arg:"slot_bytes?" nla:"12+20" ip:"bytes" doc:"bytes in a slot"`
}

// fillNetem is what tc-netem(8) adds, and refuses.
func fillNetem(o *tcOptions, given map[string]kindAttr) error {
	for number, size := range map[int]int{1: 12, 3: 8, 4: 8, 6: 16, 7: 4, 10: 8, 11: 8, 12: 40} {
		o.room(tcPlace{0, number, 0}, size) // what is not said stays as it was when netem is changed
	}
	limit, gap := tcPlace{0, 0, 4}, tcPlace{0, 0, 12}
	delay, jitter := o.number(attrPlace(10)), o.number(attrPlace(11))
	state, gemodel := tcPlace{5, 1, -1}, tcPlace{5, 2, -1}
	switch { // what it was
	case given["loss"] != nil && given["loss_state"] == nil && given["loss_gemodel"] == nil:
		delete(o.attrs, state)
		delete(o.attrs, gemodel)
	case given["loss"] == nil && (given["loss_state"] != nil || given["loss_gemodel"] != nil):
		o.setNumber(tcPlace{0, 0, 8}, 0)
	}
	reorder, loss := o.number(tcPlace{0, 3, 0}), o.number(tcPlace{0, 0, 8})
	models := o.attrs[state] != nil || o.attrs[gemodel] != nil
	if o.number(limit) == 0 {
		o.setNumber(limit, 1000)
	}
	switch {
	case reorder != 0 && delay == 0:
		return errors.New("netem: reorder= needs a delay=: packets that are sent at once overtake those that wait")
	case reorder == 0 && o.number(gap) != 0:
		return errors.New("netem: gap= is of reorder=")
	case reorder != 0 && o.number(gap) == 0:
		o.setNumber(gap, 1)
	case len(o.attrs[attrPlace(2)]) > 0 && (delay == 0 || jitter == 0):
		return errors.New("netem: distribution= is of delay= and jitter=")
	case loss != 0 && models:
		return errors.New("netem: loss= and a model of losses exclude each other")
	case o.attrs[attrPlace(7)] != nil && o.number(attrPlace(7)) != 0 && loss == 0 && !models:
		return errors.New("netem: ecn= is of losses")
	}
	if table := o.attrs[attrPlace(2)]; table != nil && len(table) == 0 {
		delete(o.attrs, attrPlace(2)) // the kernel's own
	}
	if slot := o.attrs[attrPlace(12)]; len(slot) >= 16 && decodeNumber[width64](slot[8:16]) == 0 {
		copy(slot[8:16], slot[:8])
	}
	return nil
}

// onceSet is on by being not 0, and not there when it is off.
type onceSet bool

func (onceSet) ArgType() string         { return "bool" }
func (a onceSet) encode() []byte        { return onOff[width32](a).encode() }
func (a *onceSet) decode(data []byte)   { (*onOff[width32])(a).decode(data) }
func (a onceSet) ip(word string) string { return map[bool]string{true: word}[bool(a)] }
func (a onceSet) value() starlark.Value { return starlark.Bool(a) }

// signed is a number that can be less than 0.
type signed int32

func (signed) ArgType() string         { return "int" }
func (a signed) encode() []byte        { return encodeNumber[width32](int(uint32(a))) }
func (a *signed) decode(data []byte)   { *a = signed(decodeNumber[width32](data)) }
func (a signed) ip(word string) string { return word + " " + itoa(int(a)) }
func (a signed) value() starlark.Value { return starlark.MakeInt(int(a)) }
func (a *signed) Unpack(val starlark.Value) error {
	n, err := number[int](val, math.MinInt32, math.MaxInt32)
	*a = signed(n)
	return err
}

// A lossModel says what its probabilities are, in tc-netem(8)'s order: what each is when it is left out, where the
// kernel has it, and whether it counts the rest to 100 %.
type lossModel interface {
	model() (names string, usual func(p percent) []percent, order []int, rest int)
}

type (
	lossState   struct{} // struct tc_netem_gimodel
	lossGemodel struct{} // struct tc_netem_gemodel
)

func (lossState) model() (string, func(percent) []percent, []int, int) {
	return "p13, p31, p32, p23, p14", func(p percent) []percent {
		return []percent{p, wholePercent - p, 0, wholePercent, 0}
	}, []int{0, 1, 2, 4, 3}, -1
}

// The kernel calls h what tc-netem(8) calls 1-h the rest of, and starts with none of it.
func (lossGemodel) model() (string, func(percent) []percent, []int, int) {
	return "p, r, 1-h, 1-k", func(p percent) []percent {
		return []percent{p, wholePercent - p, wholePercent, 0}
	}, []int{0, 1, 2, 3}, 2
}

// netemModel is a model of losses.
type netemModel[M lossModel] []percent

func (netemModel[M]) ArgType() string { return "list of percentage" }

func (a netemModel[M]) encode() []byte {
	var m M
	_, _, order, rest := m.model()
	data := make([]byte, 4*len(order))
	for i, p := range a {
		if i == rest {
			p = wholePercent - p
		}
		copy(data[4*order[i]:], p.encode())
	}
	return data
}

func (a *netemModel[M]) decode(data []byte) {
	var m M
	_, _, order, rest := m.model()
	*a = nil
	for i, at := range order {
		if len(data) < 4*at+4 {
			return
		}
		p := percent(binary.NativeEndian.Uint32(data[4*at:]))
		if i == rest {
			p = wholePercent - p
		}
		*a = append(*a, p)
	}
}

func (a netemModel[M]) ip(word string) string {
	for _, p := range a {
		word += " " + p.String()
	}
	return word
}

func (a netemModel[M]) value() starlark.Value {
	var all []string
	for _, p := range a {
		all = append(all, p.String())
	}
	return stringList(all)
}

func (a *netemModel[M]) Unpack(val starlark.Value) error {
	var m M
	names, usual, _, _ := m.model()
	it, ok := val.(starlark.Sequence)
	if !ok {
		it = starlark.Tuple{val}
	}
	var given []percent
	for e := range starlark.Elements(it) {
		var p percent
		if err := p.Unpack(e); err != nil {
			return err
		}
		given = append(given, p)
	}
	if most := strings.Count(names, ",") + 1; len(given) == 0 || len(given) > most {
		return fmt.Errorf("got %d percentages, want from 1 to %d: %s", len(given), most, names)
	}
	*a = usual(given[0])
	copy(*a, given)
	return nil
}

// netemTable is how jitter is spread: a table of 4,096 numbers, 8,192 of which are one standard deviation. That of
// uniform is the kernel's own, and empty.
type netemTable string

func (netemTable) ArgType() string { return "string" }
func (netemTable) Choices(*runtime.Vocabulary) []string {
	return []string{"uniform", "normal", "pareto", "paretonormal"}
}
func (a *netemTable) Unpack(val starlark.Value) error {
	s, err := choice(val, a.Choices(nil))
	*a = netemTable(s)
	return err
}
func (a netemTable) value() starlark.Value { return starlark.String(a) }
func (a netemTable) ip(word string) string { return word + " " + string(a) }

const (
	netemTableSize = 4096
	netemScale     = 8192 // NETEM_DIST_SCALE
)

func (a netemTable) encode() []byte {
	data := []byte{}
	for i := range netemTableSize {
		part := (float64(i) + 0.125) / netemTableSize
		normal := math.RoundToEven(math.Sqrt2 * math.Erfinv(2*part-1) * netemScale)
		// The distribution of Pareto with the exponent 3 has the mean 1.5 and the deviation 3/4.
		pareto := math.RoundToEven((math.Pow(1-float64(i)/netemTableSize, -1./3) - 1.5) * 4 / 3 * netemScale)
		pareto = min(pareto, math.MaxInt16)
		var v float64
		switch a {
		case "normal":
			v = normal
		case "pareto":
			v = pareto
		case "paretonormal":
			v = math.Trunc((normal + 3*pareto) / 4)
		default:
			return data
		}
		data = binary.NativeEndian.AppendUint16(data, uint16(int16(max(min(v, math.MaxInt16), math.MinInt16))))
	}
	return data
}

func (a *netemTable) decode(data []byte) {
	*a = ""
	for _, name := range a.Choices(nil) {
		if string(netemTable(name).encode()) == string(data) {
			*a = netemTable(name)
		}
	}
}
