package builtins

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// A linkKind is a kind of link, declared by the arguments of the builtin that makes one. Its parameters, link.info,
// link.set, the trace and the reference come from that. A field that is an attribute of the kind is tagged so:
//
//	nla:"7"        its number in IFLA_INFO_DATA; "4|17" those of an IPv4 and an IPv6 address; "lower" where it is
//	               the link that this one stands on, "socket" where it is the namespace that its packets leave from
//	ip:"WORD"      what ip-link(8) calls it, where it is not the name
//	info:"WORD"    instead of arg: it is shown in link.info under that word, and cannot be given
//	secret:"4"     it is neither shown nor written to a journal; attribute 4 is shown, which tells it from others
//	set:"yes"      the kernel lets it change later; "states" where that takes states of ports
//	clears:"12"    the number of an attribute that the kernel takes away when it sets this one
//	on:"2"         the number of the attribute whose bits say that it is given, for keys
//	eg:"42"        a value, for one that must be given
type linkKind struct {
	Name   string // ip-link(8)'s word
	Doc    string
	Args   linkMaker
	Result string // "link" when left out
	Prefix string // of free names, Name when left out
	Module string // the kernel's module, Name when left out
	Kernel string // one of Debian's that has it, "debian" when left out
	Tool   string // the program that sets its attributes once it is there, when ip-link(8) does not take them
	Config string // the kernel's option, CONFIG_ and Name when left out

	decl  *runtime.Decl
	words []kindWord
}

// A linkMaker is the arguments of a builtin that makes a link.
type linkMaker interface{ runtime.Changer }

// A filler's attributes come from other parameters too.
type filler interface{ fill() }

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
	on          int // what says that it is given; 0: that it is there
	eg          string
	field       []int
	typ         reflect.Type // of a kindAttr
}

// linkKinds are all kinds, by their names.
var linkKinds = map[string]*linkKind{}

// declareKind is called once for a kind, by its file.
func declareKind(k linkKind) *linkKind {
	if k.Result == "" {
		k.Result = "link"
	}
	if k.Prefix == "" {
		k.Prefix = k.Name
	}
	k.Kernel = cmp.Or(k.Kernel, "debian")
	k.Module, k.Config = cmp.Or(k.Module, k.Name), cmp.Or(k.Config, strings.ToUpper(k.Name))
	args := reflect.ValueOf(k.Args).Elem()
	args.FieldByName("Up").SetBool(true)
	k.words = wordsOf(args.Type())
	k.decl = runtime.Change(k.Name, k.Result, k.Doc, k.Args).Needing(k.Name)
	linkKinds[k.Name] = &k
	return &k
}

// wordsOf are the attributes that a struct's tags declare.
func wordsOf(args reflect.Type) (all []kindWord) {
	for _, f := range reflect.VisibleFields(args) {
		tag, ok := f.Tag.Lookup("nla")
		if !ok {
			continue
		}
		w := kindWord{name: strings.TrimSuffix(f.Tag.Get("arg"), "?"), eg: f.Tag.Get("eg"),
			field: f.Index, typ: f.Type, lower: tag == "lower", socket: tag == "socket"}
		if word := f.Tag.Get("info"); word != "" {
			w.name, w.readOnly = word, true
		}
		w.ip, w.set, w.states = w.name, f.Tag.Get("set") != "", f.Tag.Get("set") == "states"
		if ip := f.Tag.Get("ip"); ip != "" {
			w.ip = ip
			w.name = cmp.Or(w.name, ip) // no parameter
		}
		if w.typ.Kind() == reflect.Pointer {
			w.typ = w.typ.Elem()
		}
		if !w.lower && !w.socket {
			w.secret, _ = strconv.Atoi(f.Tag.Get("secret"))
			four, six, _ := strings.Cut(tag, "|")
			w.four, _ = strconv.Atoi(four)
			w.on, _ = strconv.Atoi(f.Tag.Get("on"))
			w.six, _ = strconv.Atoi(six)
			w.clears, _ = strconv.Atoi(f.Tag.Get("clears"))
			_ = w.attr() // which panics where it is none
		}
		all = append(all, w)
	}
	return all
}

// kindWith is the kind that has arguments of this type.
func kindWith(args linkMaker) *linkKind {
	for _, k := range linkKinds {
		if reflect.TypeOf(k.Args) == reflect.TypeOf(args) {
			return k
		}
	}
	panic(fmt.Sprintf("builtins: %T is of no kind", args))
}

// allKinds are the kinds in the order of their names.
func allKinds() (all []*linkKind) {
	for _, k := range linkKinds {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *linkKind) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func kindDecls() (all []*runtime.Decl) {
	for _, k := range allKinds() {
		all = append(all, k.decl)
	}
	return all
}

// word finds an attribute by its name.
func (k *linkKind) word(name string) *kindWord {
	if k != nil {
		for i := range k.words {
			if k.words[i].name == name {
				return &k.words[i]
			}
		}
	}
	return nil
}

// named is the word for the attribute with a number.
func (k *linkKind) named(number int) string {
	for _, w := range k.words {
		if w.four == number {
			return w.name
		}
	}
	return "attribute " + strconv.Itoa(number)
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

// tell adds the kind and its attributes, as far as they are given, to what a link is to be.
func (k *linkKind) tell(op *addLink, args reflect.Value) {
	op.LinkSpec.Kind = k.Name
	if f, ok := args.Addr().Interface().(filler); ok {
		f.fill()
	}
	data := kindData{}
	for _, w := range k.words {
		field, ok := w.of(args)
		if !ok {
			continue
		}
		switch {
		case w.lower:
			lower := field.Interface().(linkArg).LinkRef
			if op.Lower = &lower; !op.OnLink() {
				op.Words = append(op.Words, w.ip+" "+lower.Name)
			}
			continue
		case w.socket:
			socket := field.Interface().(nsArg).NSRef
			op.Socket = &socket
			continue
		case k.Tool != "":
			continue
		}
		a := field.Addr().Interface().(kindAttr)
		if p, ok := a.(*present); ok && !bool(*p) {
			continue
		}
		value := a.encode()
		if data.add(w.number(value), value); w.on != 0 {
			data.add(w.on, encodeNumber[bitKey](1))
		}
		op.Words = append(op.Words, a.ip(w.ip))
	}
	op.Data = data.message()
}

// of is what the arguments have of it, when it was given.
func (w *kindWord) of(args reflect.Value) (field reflect.Value, given bool) {
	field = args.FieldByIndex(w.field)
	if field.Kind() == reflect.Pointer {
		return field.Elem(), !field.IsNil()
	}
	return field, !w.readOnly
}

// setAll are the changes that give a new link the attributes that it cannot be made with.
func (k *linkKind) setAll(link kernel.LinkRef, args reflect.Value) (ops []*setWord) {
	for _, w := range k.words {
		if field, ok := w.of(args); ok && !w.lower && !w.socket {
			op := k.sets(w, field.Addr().Interface().(kindAttr))
			op.Link = link
			ops = append(ops, op)
		}
	}
	return ops
}

// kindData are attributes with their numbers.
type kindData []struct {
	number int
	value  []byte
}

// add adds an attribute, or some bits of one.
func (d *kindData) add(number int, value []byte) {
	for _, have := range *d {
		if have.number == number {
			for i := range have.value {
				have.value[i] |= value[i]
			}
			return
		}
	}
	*d = append(*d, struct {
		number int
		value  []byte
	}{number, value})
}

func (d kindData) message() (msg []byte) {
	for _, a := range d {
		msg = append(msg, kernel.AppendAttr(nil, a.number, a.value)...)
	}
	return msg
}

// info is what a link has of its kind's attributes.
func (k *linkKind) info(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
	fields := starlark.StringDict{}
	if k == nil {
		return newStruct("info", fields), nil
	}
	for _, w := range k.words {
		if w.socket || w.secret != 0 {
			continue // the kernel does not show it, or nobody is to see it
		}
		fields[w.name] = starlark.None
		if w.lower {
			lower, err := v.Machine().Lower(l)
			if err != nil && !isGone(err) {
				return nil, err
			} else if err == nil && lower.Index != 0 {
				fields[w.name] = &linkValue{v, lower}
			}
		} else if a := w.read(l.Info); a != nil {
			fields[w.name] = a.value()
		}
	}
	return newStruct("info", fields), nil
}
