package builtins

import (
	"bytes"
	"cmp"
	"reflect"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// A kindWord is an attribute of a kind.
type kindWord struct {
	name, ip    string
	four, six   int // its numbers; six 0 when there is one
	lower       bool
	socket      bool
	readOnly    bool // and no parameter
	secret      int  // 0: it is none
	set, states bool
	clears      int // 0: none
	drops       string
	on          int // what says that it is given; 0: that it is there
	with        []int
	multiple    string
	after       bool
	needs       string
	eg          string
	field       []int
	typ         reflect.Type // of a kindAttr
}

// wordsOf are the attributes that a struct's tags declare.
func wordsOf(args reflect.Type) (all []kindWord) {
	for _, f := range reflect.VisibleFields(args) {
		tag, ok := f.Tag.Lookup("nla")
		if !ok {
			continue
		}
		name := cmp.Or(f.Tag.Get("arg"), f.Tag.Get("info"), f.Tag.Get("ip"))
		w := kindWord{name: strings.TrimSuffix(name, "?"), eg: f.Tag.Get("eg"),
			field: f.Index, typ: f.Type, lower: tag == "lower",
			socket: tag == "socket", readOnly: f.Tag.Get("info") != "", needs: f.Tag.Get("needs"),
			multiple: f.Tag.Get("of"), drops: f.Tag.Get("drops"), after: f.Tag.Get("after") != ""}
		w.ip = cmp.Or(f.Tag.Get("ip"), w.name)
		w.set, w.states = f.Tag.Get("set") != "", f.Tag.Get("set") == "states"
		if w.typ.Kind() == reflect.Pointer {
			w.typ = w.typ.Elem()
		}
		if !w.lower && !w.socket {
			w.secret, _ = strconv.Atoi(f.Tag.Get("secret"))
			four, six, _ := strings.Cut(tag, "|")
			w.four, _ = strconv.Atoi(four)
			w.six, _ = strconv.Atoi(six)
			w.on, _ = strconv.Atoi(f.Tag.Get("on"))
			w.clears, _ = strconv.Atoi(f.Tag.Get("clears"))
			for _, with := range strings.FieldsFunc(f.Tag.Get("with"), func(r rune) bool { return r == ',' }) {
				number, _ := strconv.Atoi(with)
				w.with = append(w.with, number)
			}
			_ = w.attr() // which panics where it is none
		}
		all = append(all, w)
	}
	return all
}

// shownDoc tells of what the kernel only shows.
func shownDoc(in string, args reflect.Type) string {
	var all []string
	for _, f := range reflect.VisibleFields(args) {
		if name := f.Tag.Get("info"); name != "" {
			all = append(all, name+" ("+f.Tag.Get("doc")+")")
		}
	}
	if all == nil {
		return ""
	}
	return " " + in + " has besides: " + strings.Join(all, ", ") + "."
}

// argument is what the arguments have of it, when it was given.
func (w *kindWord) argument(args reflect.Value) (field reflect.Value, given bool) {
	field = args.FieldByIndex(w.field)
	if field.Kind() == reflect.Pointer {
		return field.Elem(), !field.IsNil()
	}
	return field, !w.readOnly
}

// attr is a new attribute.
func (w *kindWord) attr() kindAttr { return reflect.New(w.typ).Interface().(kindAttr) }

// number is the one of the attribute with a value.
func (w *kindWord) number(data []byte) int {
	if w.six != 0 && len(data) == 16 {
		return w.six
	}
	return w.four
}

// read is the attribute in a link's IFLA_INFO_DATA; nil when it is not there.
func (w *kindWord) read(info []byte) kindAttr {
	if w.on != 0 && decodeNumber[bitKey](kernel.InfoAttr(info, w.on)) == 0 {
		return nil
	}
	for _, number := range []int{w.four, w.six} {
		if data := kernel.InfoAttr(info, number); number != 0 && data != nil {
			a := w.attr()
			a.decode(data)
			return a
		}
	}
	return nil
}

// message is the attribute as the kernel takes it.
func (w *kindWord) message(data []byte) []byte {
	return kernel.AppendAttr(nil, w.number(data), data)
}

// given is the attribute that a script gives.
func (w *kindWord) given(v *runtime.View, val starlark.Value) (kindAttr, error) {
	a := w.attr()
	switch u := a.(type) {
	case starlark.Unpacker:
		return a, u.Unpack(val)
	case runtime.Unpacker:
		return a, u.UnpackIn(v, val)
	}
	b, ok := val.(starlark.Bool)
	if !ok {
		return nil, want("bool", val)
	}
	reflect.ValueOf(a).Elem().SetBool(bool(b))
	return a, nil
}

// fits says why an attribute that was given cannot be one of a link in a namespace.
func (w *kindWord) fits(v *runtime.View, ns kernel.NSRef, a kindAttr) error {
	if w.needs != "" {
		f, err := v.Vocabulary().Feature(w.needs)
		if err != nil {
			return err
		}
		if err := f.Probe(v.Machine()); err != nil {
			return &kernel.Error{Op: "set " + w.name + " of link", NS: ns.String(), Err: err,
				Hint: f.Remedy, Machine: true}
		}
	}
	if a, ok := a.(interface{ fits(kernel.NSRef) error }); ok {
		return a.fits(ns)
	}
	return nil
}

// shown is the attribute that a message has.
func (w *kindWord) shown(msg []byte) kindAttr {
	if a := w.read(msg); a != nil {
		return a
	}
	return w.attr()
}

// dropped is the Loss of what entries of the link lose when the word is switched off.
func (w *kindWord) dropped(m *kernel.Machine, o *setWord) error {
	table, typ, drops := strings.Cut(w.drops, "/")
	if !drops || len(bytes.Trim(o.Value[4:], "\x00")) > 0 {
		return nil
	}
	n, err := m.Namespace(o.Link.NS)
	if err != nil {
		return err
	}
	all, err := n.Entries(table, &o.Link)
	for _, e := range all {
		if e.Attr(atoi(typ)) != nil && e.Link.Index == o.Link.Index {
			return &kernel.Loss{What: e.Words() + " in " + n.Name(), Why: "the kernel takes it away with " + o.Attr}
		}
	}
	return err
}
