package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// Actions that decide what becomes of a packet: by themselves (tc-actions(8)), by a rate (tc-police(8)), or by sending
// it elsewhere (tc-mirred(8)).
var (
	gactAction = declareTC(tcKind{Name: "gact", Args: &gactArgs{}, Sizes: map[int]int{2: 20}, Module: "act_gact",
		Config: "NET_ACT_GACT", Doc: "Says what becomes of the packet", Eg: "control=drop"})
	mirredAction = declareTC(tcKind{Name: "mirred", Args: &mirredArgs{Mode: "redirect"}, Sizes: map[int]int{2: 28},
		Module: "act_mirred", Config: "NET_ACT_MIRRED", Doc: "Sends the packet to another link"})
	policeAction = declareTC(tcKind{Name: "police", Args: &policeArgs{Exceed: exceedControl{controls["drop"]}},
		Sizes: map[int]int{1: 56}, Module: "act_police", Config: "NET_ACT_POLICE", Fill: fillPolice, Shown: showPolice,
		Doc: "Drops what is more than a rate", Eg: "rate=1mbit, burst=10kb"})
)

type gactArgs struct {
	Control control     `arg:"control" nla:"2+8" zero:"yes" doc:"ok, drop, pipe (the next action), reclassify, continue (the next filter), or \"goto chain 7\""`
	_       struct{}    `arg:"*"`
	Random  *gactRandom `arg:"random?" nla:"3" doc:"what becomes of some of them instead, (how, control, N): of N packets one, chosen at random: (\"netrand\", \"ok\", 10), or each N-th one: (\"determ\", \"ok\", 10)"`
}

func (a *gactArgs) Query(*runtime.View) (starlark.Value, error) { return newAction(gactAction, a) }

// gactRandom is a struct tc_gact_p.
type gactRandom struct {
	how     oneOf[gactChoices, width16]
	count   whole[width16]
	control control
}

type gactChoices struct{}

func (gactChoices) words() map[string]int { return map[string]int{"netrand": 1, "determ": 2} }

func (gactRandom) ArgType() string { return "(string, string, int)" }
func (a gactRandom) encode() []byte {
	return append(append(a.how.encode(), a.count.encode()...), a.control.encode()...)
}
func (a *gactRandom) decode(data []byte) {
	if len(data) == 8 {
		a.how.decode(data[:2])
		a.count.decode(data[2:4])
		a.control.decode(data[4:])
	}
}
func (a gactRandom) ip(word string) string {
	return word + " " + string(a.how) + " " + a.control.String() + " " + itoa(int(a.count))
}
func (a gactRandom) value() starlark.Value {
	return starlark.Tuple{a.how.value(), a.control.value(), a.count.value()}
}
func (a *gactRandom) Unpack(val starlark.Value) error {
	t, ok := val.(starlark.Tuple)
	if !ok || len(t) != 3 {
		return want(`("netrand" or "determ", control, number)`, val)
	}
	if err := a.how.Unpack(t[0]); err != nil {
		return err
	}
	if err := a.control.Unpack(t[1]); err != nil {
		return err
	}
	return a.count.Unpack(t[2])
}

type mirredArgs struct {
	To      *bareOf[mirredTo, width32]  `info:"to" nla:"2+20"`
	Link    mirredLink                  `arg:"link" nla:"2+24" ip:"dev" doc:"the link, in the namespace of the filter"`
	_       struct{}                    `arg:"*"`
	Mode    oneOf[mirredModes, width32] `arg:"mode?" doc:"redirect (the packet), or mirror (a copy of it)"`
	Ingress bool                        `arg:"ingress?" doc:"whether it comes in there, as if it had been received, instead of leaving"`
	Control *hiddenControl              `info:"control" nla:"2+8"`
}

// Query says, too, that a redirected packet is stolen, and that one which is mirrored goes on.
func (a *mirredArgs) Query(*runtime.View) (starlark.Value, error) { return a.action() }

func (a *mirredArgs) action() (*actionValue, error) {
	mode := decodeNumber[width32](a.Mode.encode())
	a.Control = &hiddenControl{map[int]control{1: 4, 2: 3}[mode]}
	if a.Ingress {
		mode += 2
	}
	a.To = new(bareOf[mirredTo, width32])
	a.To.decode(encodeNumber[width32](mode))
	return newAction(mirredAction, a)
}

type mirredModes struct{}

func (mirredModes) words() map[string]int { return map[string]int{"redirect": 1, "mirror": 2} }

// hiddenControl goes without saying.
type hiddenControl struct{ control }

func (hiddenControl) ip(string) string { return "" }

// mirredLink is a link by its index, which is all that an action knows.
type mirredLink struct{ devIndex }

func (a mirredLink) value() starlark.Value { return starlark.MakeInt(a.Index) }

// mirredTo is what is done, TCA_EGRESS_REDIR and its like (linux/tc_act/tc_mirred.h).
type mirredTo struct{}

func (mirredTo) words() map[string]int {
	return map[string]int{"egress redirect": 1, "egress mirror": 2, "ingress redirect": 3, "ingress mirror": 4}
}

type policeArgs struct {
	Rate   rateIn[width32]  `arg:"rate" nla:"1+28" doc:"the rate: \"1mbit\""`
	Burst  sizeIn[width32]  `arg:"burst" nla:"~1" doc:"bytes that can pass at once: \"20kb\""`
	_      struct{}         `arg:"*"`
	MTU    *sizeIn[width32] `arg:"mtu?" nla:"1+16" doc:"length above which a packet is always too much; 2047 bytes when left out"`
	Exceed exceedControl    `arg:"exceed?" nla:"1+4" ip:"conform-exceed" zero:"yes" doc:"what becomes of what is too much: drop, pipe (the next action), reclassify, continue (the next filter) or ok"`
}

func (a *policeArgs) Query(*runtime.View) (starlark.Value, error) { return newAction(policeAction, a) }

// exceedControl is said with a word.
type exceedControl struct{ control }

func (a exceedControl) ip(word string) string { return word + " " + a.String() }

// Places in a struct tc_police.
var (
	policeTicks = tcPlace{0, 1, 12}
	policeRate  = tcPlace{0, 1, 28}
)

func fillPolice(o *tcOptions, _ map[string]kindAttr) error {
	burst, rate := o.number(attrPlace(hiddenAt+1)), o.number(policeRate)
	o.setNumber(policeTicks, int(kernel.Ticks(uint64(burst), uint64(rate))))
	police := o.room(policeRate, 56)
	police[21] = 1 // Ethernet
	for number, value := range kernel.Attrs(kernel.PoliceTables(kernel.AppendAttr(nil, 1, police))) {
		o.attrs[attrPlace(number)] = value
	}
	return nil
}

func showPolice(o *tcOptions) {
	if ticks, rate := o.number(policeTicks), o.number(policeRate); ticks != 0 && rate != 0 {
		size := kernel.TickBytes(uint32(ticks), uint64(rate), false)
		o.attrs[attrPlace(hiddenAt+1)] = encodeNumber[width32](int(min(size, 1<<32-1)))
	}
}
