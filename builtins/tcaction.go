package builtins

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// actionKinds are what a filter can do with packets: a builtin each, which makes a value.
var actionKinds = []*tcKind{gactAction, mirredAction, policeAction, vlanAction, skbeditAction, peditAction, csumAction,
	ctAction}

// actionDecls are the builtins. Those of gact are called by what they do.
func actionDecls() []*runtime.Decl {
	all := []*runtime.Decl{
		runtime.Query("action.drop", "tc_action", "Drops the packet, for action= of a filter (tc-actions(8)).",
			&plainActionArgs{"drop"}),
		runtime.Query("action.ok", "tc_action", "Lets the packet pass, and asks no filter behind this one "+
			"(tc-actions(8)).", &plainActionArgs{"ok"})}
	for _, k := range actionKinds {
		page := "tc-" + k.Name
		if k == gactAction { // which has none
			page = "tc-actions"
		}
		all = append(all, runtime.Query("action."+k.Name, "tc_action", k.Doc+" ("+page+"(8)).",
			k.Args.(runtime.Querier)))
	}
	return all
}

// control is what becomes of a packet behind an action (tc-actions(8)).
type control uint32

var controls = map[string]control{"ok": 0, "reclassify": 1, "drop": 2, "pipe": 3, "continue": 1<<32 - 1}

const gotoChain control = 0x20000000 // TC_ACT_GOTO_CHAIN

func (control) ArgType() string         { return "string" }
func (a control) encode() []byte        { return encodeNumber[width32](int(a)) }
func (a *control) decode(data []byte)   { *a = control(decodeNumber[width32](data)) }
func (a control) ip(string) string      { return a.String() }
func (a control) value() starlark.Value { return starlark.String(a.String()) }

func (a control) String() string {
	for word, of := range controls {
		if of == a {
			return word
		}
	}
	if a&^0xfffffff == gotoChain {
		return "goto chain " + itoa(int(a&0xfffffff))
	}
	return itoa(int(a))
}

func (a *control) Unpack(val starlark.Value) error {
	s, _ := starlark.AsString(val)
	if chain, ok := strings.CutPrefix(s, "goto chain "); ok {
		if n, err := strconv.ParseUint(chain, 0, 28); err == nil {
			*a = gotoChain | control(n)
			return nil
		}
	}
	of, ok := controls[s]
	if *a = of; !ok {
		return fmt.Errorf(`%s is none of ok, drop, pipe (the next action), reclassify, continue (the next filter) and `+
			`"goto chain N"`, val)
	}
	return nil
}

type plainActionArgs struct{ control string }

func (a *plainActionArgs) Query(v *runtime.View) (starlark.Value, error) {
	return (&gactArgs{Control: controls[a.control]}).Query(v)
}

// newAction is the action of a kind that has these arguments.
func newAction(k *tcKind, args any) (*actionValue, error) {
	given, fields := map[string]kindAttr{}, reflect.ValueOf(args).Elem()
	var on []kernel.LinkRef
	for i := range k.words {
		if field, is := k.words[i].argument(fields); is {
			a := field.Addr().Interface().(kindAttr)
			given[k.words[i].name] = a
			if l, ok := a.(*mirredLink); ok {
				on = append(on, l.LinkRef)
			}
		}
	}
	options, err := k.options(given, nil)
	return &actionValue{k.Name, options, on}, err
}

// actionValue is an action in a script.
type actionValue struct {
	kind    string
	options []byte
	on      []kernel.LinkRef // that it has to do with, in a script
}

var (
	_ starlark.Comparable = (*actionValue)(nil)
	_ starlark.HasAttrs   = (*actionValue)(nil)
)

func (a *actionValue) AttrNames() []string { return []string{"kind", "options"} }
func (a *actionValue) Attr(name string) (starlark.Value, error) {
	switch k := tcNamed(actionKinds, a.kind); {
	case name == "kind":
		return starlark.String(a.kind), nil
	case name == "options" && k != nil:
		return k.value(a.options), nil
	case name == "options":
		return newStruct("options", starlark.StringDict{}), nil
	}
	return nil, nil
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
	k := tcNamed(actionKinds, a.kind)
	if k == nil {
		return a.kind
	}
	return strings.Join(append([]string{a.kind}, k.text(a.options)...), " ")
}

var actionType = &runtime.Type{Name: "tc_action", Doc: "What a filter does with packets (tc-actions(8)). Two that do " +
	"the same are equal.", Attrs: []runtime.Attr{
	{Name: "kind", Type: "string", Doc: "gact, mirred, police ...", Get: actionAttr("kind")},
	{Name: "options", Type: "struct", Doc: "what it is set to, in the words of its builtin",
		Get: actionAttr("options")}}}

func actionAttr(name string) func(*runtime.View, starlark.Value) (starlark.Value, error) {
	return func(_ *runtime.View, r starlark.Value) (starlark.Value, error) { return r.(*actionValue).Attr(name) }
}

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
			slices.Clone(kernel.InfoAttr(action, 2)), nil})
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
