package builtins

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// actionDecls are what a filter can do with packets: a builtin each, which makes a value.
var actionDecls = []*runtime.Decl{
	runtime.Query("action.drop", "tc_action", "Drops the packet, for action= of a filter (tc-actions(8)).",
		&plainActionArgs{verdict: "drop"}),
	runtime.Query("action.ok", "tc_action", "Lets the packet pass, and asks no filter behind this one (tc-actions(8)).",
		&plainActionArgs{verdict: "ok"}),
	runtime.Query("action.mirred", "tc_action", "Sends the packet to another link (tc-mirred(8)).",
		&mirredArgs{Mode: "redirect"}),
	runtime.Query("action.police", "tc_action", "Drops what is more than a rate (tc-police(8)).",
		&policeArgs{Exceed: "drop"}),
}

// verdicts are what becomes of a packet (linux/pkt_cls.h).
type verdicts struct{}

func (verdicts) words() map[string]int {
	return map[string]int{"ok": 0, "reclassify": 1, "drop": 2, "pipe": 3, "continue": 1<<32 - 1}
}

type verdict = oneOf[verdicts, width32]

type plainActionArgs struct{ verdict verdict }

func (a *plainActionArgs) Query(*runtime.View) (starlark.Value, error) {
	params := make([]byte, 20) // struct tc_gact: index, capabilities, action, two counts
	copy(params[8:], a.verdict.encode())
	return &actionValue{"gact", kernel.AppendAttr(nil, 2, params)}, nil
}

type mirredModes struct{}

func (mirredModes) words() map[string]int { return map[string]int{"redirect": 1, "mirror": 2} }

type mirredArgs struct {
	Link    linkArg                     `arg:"link" doc:"the link, in the namespace of the filter"`
	_       struct{}                    `arg:"*"`
	Mode    oneOf[mirredModes, width32] `arg:"mode?" doc:"redirect (the packet), or mirror (a copy of it)"`
	Ingress bool                        `arg:"ingress?" doc:"whether it comes in there, as if it had been received, instead of leaving"`
}

func (a *mirredArgs) Query(*runtime.View) (starlark.Value, error) {
	params := make([]byte, 28) // struct tc_mirred: as tc_gact, what is done, and the link
	mode := decodeNumber[width32](a.Mode.encode())
	copy(params[8:], encodeNumber[width32](map[int]int{1: 4, 2: 3}[mode])) // the packet is stolen, or goes on
	if a.Ingress {
		mode += 2
	}
	copy(params[20:], encodeNumber[width32](mode))
	copy(params[24:], encodeNumber[width32](a.Link.Index))
	return &actionValue{"mirred", kernel.AppendAttr(nil, 2, params)}, nil
}

type policeArgs struct {
	Rate   rateIn[width32]  `arg:"rate" doc:"the rate: \"1mbit\""`
	Burst  sizeIn[width32]  `arg:"burst" doc:"bytes that can pass at once: \"20kb\""`
	_      struct{}         `arg:"*"`
	MTU    *sizeIn[width32] `arg:"mtu?" doc:"length above which a packet is always too much; 2047 bytes when left out"`
	Exceed verdict          `arg:"exceed?" doc:"what becomes of what is too much: drop, pipe (the next action), reclassify, continue (the next filter) or ok"`
}

func (a *policeArgs) Query(*runtime.View) (starlark.Value, error) { return a.action(), nil }

func policeExample() *actionValue {
	return (&policeArgs{Rate: 125000, Burst: 10000, Exceed: "drop"}).action()
}

func (a *policeArgs) action() *actionValue {
	police := make([]byte, 56) // struct tc_police: index, action, limit, burst, mtu, rate, peakrate ...
	copy(police[4:], a.Exceed.encode())
	copy(police[12:], encodeNumber[width32](int(kernel.Ticks(uint64(a.Burst), uint64(a.Rate)))))
	if a.MTU != nil {
		copy(police[16:], a.MTU.encode())
	}
	police[21] = 1 // Ethernet
	copy(police[28:], a.Rate.encode())
	return &actionValue{"police", kernel.PoliceTables(kernel.AppendAttr(nil, 1, police))}
}

// actionValue is an action in a script.
type actionValue struct {
	kind    string
	options []byte
}

var (
	_ starlark.Comparable = (*actionValue)(nil)
	_ starlark.HasAttrs   = (*actionValue)(nil)
)

func (a *actionValue) AttrNames() []string { return []string{"kind"} }
func (a *actionValue) Attr(name string) (starlark.Value, error) {
	if name != "kind" {
		return nil, nil
	}
	return starlark.String(a.kind), nil
}

func (a *actionValue) Freeze()               {}
func (a *actionValue) Truth() starlark.Bool  { return true }
func (a *actionValue) Type() string          { return "tc_action" }
func (a *actionValue) Hash() (uint32, error) { return starlark.String(a.String()).Hash() }

// CompareSameType makes two actions equal that do the same.
func (a *actionValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "tc_action", a.String() == other.(*actionValue).String())
}

// String is what tc(8) is told, but that it calls links by their names.
func (a *actionValue) String() string {
	var v verdict
	number := func(data []byte, at int) int { return decodeNumber[width32](data[at : at+4]) }
	switch params := kernel.InfoAttr(a.options, 2); {
	case a.kind == "gact" && len(params) >= 20:
		v.decode(params[8:12])
		return "gact " + string(v)
	case a.kind == "mirred" && len(params) >= 28:
		mode := number(params, 20)
		where := map[bool]string{true: "ingress", false: "egress"}[mode > 2]
		what := map[bool]string{true: "redirect", false: "mirror"}[mode%2 == 1]
		return fmt.Sprintf("mirred %s %s dev if%d", where, what, number(params, 24))
	case a.kind == "police":
		if police := kernel.InfoAttr(a.options, 1); len(police) >= 56 {
			rate := rateIn[width32](number(police, 28))
			size := kernel.TickBytes(uint32(number(police, 12)), uint64(rate), false)
			v.decode(police[4:8])
			return fmt.Sprintf("police rate %s burst %s conform-exceed %s", rate, sizeIn[width32](size), v)
		}
	}
	return a.kind
}

var actionType = &runtime.Type{Name: "tc_action", Doc: "What a filter does with packets (tc-actions(8)). Two that do " +
	"the same are equal.", Attrs: []runtime.Attr{{Name: "kind", Type: "string", Doc: "gact, mirred, police ...",
	Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) { return r.(*actionValue).Attr("kind") }}}}

// tcActions are the actions of a filter, one after the other.
type tcActions []*actionValue

func (tcActions) ArgType() string { return "tc_action or list of tc_action" }

func (a *tcActions) Unpack(val starlark.Value) error {
	it, ok := val.(starlark.Sequence)
	if !ok {
		it = starlark.Tuple{val}
	}
	for e := range starlark.Elements(it) {
		one, ok := e.(*actionValue)
		if !ok {
			return want("action, such as action.drop()", e)
		}
		*a = append(*a, one)
	}
	if len(*a) == 0 || len(*a) > 32 {
		return fmt.Errorf("%d actions are not from 1 to 32", len(*a))
	}
	return nil
}

func (a tcActions) encode() (list []byte) {
	for i, one := range a {
		msg := kernel.AppendAttr(nil, 1, append([]byte(one.kind), 0))
		msg = kernel.AppendAttr(msg, 2|unix.NLA_F_NESTED, one.options)
		list = kernel.AppendAttr(list, (i+1)|unix.NLA_F_NESTED, msg)
	}
	return list
}

func (a *tcActions) decode(list []byte) {
	*a = nil
	for _, action := range kernel.Attrs(list) {
		*a = append(*a, &actionValue{unix.ByteSliceToString(kernel.InfoAttr(action, 1)),
			slices.Clone(kernel.InfoAttr(action, 2))})
	}
}

func (a tcActions) ip(string) string {
	var all []string
	for _, one := range a {
		all = append(all, "action "+one.String())
	}
	return strings.Join(all, " ")
}

func (a tcActions) value() starlark.Value {
	all := make([]starlark.Value, 0, len(a))
	for _, one := range a {
		all = append(all, one)
	}
	return starlark.NewList(all)
}
