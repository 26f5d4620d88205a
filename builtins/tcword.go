package builtins

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// A tcKind is a kind of qdisc, class, filter or action (tc(8)), declared by the words of it: a struct, tagged as the
// arguments of a kind of link are (linkKind). Parameters, options as the kernel takes them, what a script reads, the
// trace and the reference come from that. An nla says where in the options a word is:
//
//	nla:"7"        attribute 7
//	nla:"1+12"     from byte 12 on in attribute 1
//	nla:"+4"       from byte 4 on in the struct that the options begin with
//	nla:"5/1+8"    from byte 8 on in attribute 1 in the nest of the fifth
//	unshown:"yes"  the kernel does not show it, or rounds it
//	wide:"4"       the attribute that has a number of 64 bits when 32 are too few
//	nla:"~1"       a value that is not sent, of which the kind's own function makes one that is
//
// and its ip is "-" for a value that stands behind the one before it, without a word of its own.
type tcKind struct {
	Name, Doc string
	Args      any         // a pointer to the struct
	Head      int         // length of the struct that its options begin with
	Sizes     map[int]int // lengths of the structs that attributes are
	Nests     []int       // attributes that have some in them
	Module    string      // sch_ and Name when left out
	Config    string      // NET_SCH_ and Name when left out
	Bare      bool        // it has no options
	Lazy      bool        // it is told nothing when no word is given
	Ingress   bool        // it has a place and a number of its own
	Eg        string      // what it must be given, as a script would
	// Fill makes the kernel's options of the words, Shown gives the words what the kernel's options have.
	Fill  func(o *tcOptions, given map[string]kindAttr) error
	Shown func(o *tcOptions)

	words  []tcWord
	params []runtime.Param
}

// A tcPlace is where in the options something is. An offset of -1 is the whole attribute.
type tcPlace struct{ nest, number, offset int }

// A tcWord is a word of a kind, in its place.
type tcWord struct {
	kindWord
	at      tcPlace
	wide    int
	zero    bool // 0 is a value, and not what stands for none
	unshown bool // the kernel does not show it, or rounds it
	behind  bool // it has no word of its own
}

// hiddenAt is the first number of attributes that are not sent.
const hiddenAt = 1000

// declareTC reads the words of a kind.
func declareTC(k tcKind) *tcKind {
	args := reflect.TypeOf(k.Args).Elem()
	for _, w := range wordsOf(args) {
		tag := args.FieldByIndex(w.field).Tag
		word := tcWord{kindWord: w, at: placeOf(tag.Get("nla")), zero: tag.Get("zero") != "",
			unshown: tag.Get("unshown") != "", behind: w.ip == "-"}
		word.wide, _ = strconv.Atoi(tag.Get("wide"))
		if word.behind {
			word.ip = ""
		}
		k.words = append(k.words, word)
	}
	k.params = runtime.Params(k.Name, k.Args)
	return &k
}

func placeOf(tag string) (p tcPlace) {
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	if hidden, ok := strings.CutPrefix(tag, "~"); ok {
		return tcPlace{0, hiddenAt + number(hidden), -1}
	}
	where, offset, in := strings.Cut(tag, "+")
	if p.offset = -1; in {
		p.offset = number(offset)
	}
	if nest, inner, nested := strings.Cut(where, "/"); nested {
		p.nest, where = number(nest), inner
	}
	p.number = number(where)
	return p
}

// word is the one of a name, nil when the kind has none.
func (k *tcKind) word(name string) *tcWord {
	if i := slices.IndexFunc(k.words, func(w tcWord) bool { return w.name == name }); i >= 0 {
		return &k.words[i]
	}
	return nil
}

// options are those of the words that were given, over those that there are.
func (k *tcKind) options(given map[string]kindAttr, over []byte) ([]byte, error) {
	if k.Bare || k.Lazy && len(given) == 0 && over == nil {
		return nil, nil
	}
	o := k.parse(over)
	if over != nil && k.Shown != nil {
		k.Shown(o)
	}
	for i := range k.words {
		if a := given[k.words[i].name]; a != nil {
			k.words[i].put(o, a)
		}
	}
	if k.Fill != nil {
		if err := k.Fill(o, given); err != nil {
			return nil, err
		}
	}
	return o.message(), nil
}

// put writes a word into the options.
func (w *tcWord) put(o *tcOptions, a kindAttr) {
	value := a.encode()
	if w.wide != 0 {
		delete(o.attrs, tcPlace{0, w.wide, -1})
		if n := decodeNumber[width64](value); n >= 1<<32-1 {
			o.attrs[tcPlace{0, w.wide, -1}] = value
			value = encodeNumber[width32](1<<32 - 1)
		} else {
			value = value[:4]
		}
	}
	if f, ok := a.(*present); ok && !bool(*f) {
		delete(o.attrs, w.at)
		return
	}
	if w.at.offset < 0 {
		o.attrs[w.at] = value
		return
	}
	into := o.room(w.at, w.at.offset+len(value))
	if _, some := a.(interface{ mask() []byte }); some {
		for i, m := range a.(interface{ mask() []byte }).mask() {
			into[w.at.offset+i] = into[w.at.offset+i]&^m | value[i]
		}
		return
	}
	copy(into[w.at.offset:], value)
}

// in is the word in options; nil when it is not there.
func (w *tcWord) in(o *tcOptions) kindAttr {
	a := w.attr()
	value := o.attrs[w.at]
	if w.at.offset >= 0 {
		size := len(a.encode())
		if w.wide != 0 {
			size = 4
		}
		if value = o.struct_(w.at); len(value) < w.at.offset+size {
			return nil
		}
		value = value[w.at.offset : w.at.offset+size]
	}
	if wide := o.attrs[tcPlace{0, w.wide, -1}]; w.wide != 0 && wide != nil {
		value = wide
	}
	if value == nil {
		return nil
	}
	a.decode(value)
	if !w.zero && len(strings.Trim(string(a.encode()), "\x00")) == 0 {
		if _, flag := a.(*present); !flag {
			return nil
		}
	}
	return a
}

// all are the words that options have, by their names.
func (k *tcKind) all(options []byte) map[string]kindAttr {
	o, all := k.parse(options), map[string]kindAttr{}
	if k.Shown != nil {
		k.Shown(o)
	}
	for i := range k.words {
		if a := k.words[i].in(o); a != nil {
			all[k.words[i].name] = a
		}
	}
	return all
}

// text is what tc(8) is told of options. A value without a word has those before it said, too.
func (k *tcKind) text(options []byte) (words []string) {
	all := k.all(options)
	for i := range k.words {
		w := &k.words[i]
		a := all[w.name]
		for _, next := range k.words[i+1:] {
			if !next.behind {
				break
			}
			if a == nil && all[next.name] != nil {
				a = w.attr()
			}
		}
		if a != nil {
			words = append(words, strings.Fields(a.ip(w.ip))...)
		}
	}
	return words
}

// value is what a script reads of options.
func (k *tcKind) value(options []byte) starlark.Value {
	fields, all := starlark.StringDict{}, k.all(options)
	for i := range k.words {
		w := &k.words[i]
		fields[w.name] = starlark.None
		if a := all[w.name]; a != nil {
			fields[w.name] = a.value()
		} else if _, flag := w.attr().(*present); flag {
			fields[w.name] = starlark.False
		}
	}
	return newStruct("options", fields)
}

// tcOptions are the options of a kind, taken apart.
type tcOptions struct {
	head  []byte
	attrs map[tcPlace][]byte // by places without an offset
	sizes map[int]int
}

func (k *tcKind) parse(options []byte) *tcOptions {
	o := &tcOptions{head: make([]byte, k.Head), attrs: map[tcPlace][]byte{}, sizes: k.Sizes}
	options = options[copy(o.head, options):]
	for number, value := range kernel.Attrs(options) {
		if !slices.Contains(k.Nests, number) {
			o.attrs[tcPlace{0, number, -1}] = value
			continue
		}
		for inner, value := range kernel.Attrs(value) {
			o.attrs[tcPlace{number, inner, -1}] = value
		}
	}
	return o
}

// struct_ is the one that a place is in.
func (o *tcOptions) struct_(at tcPlace) []byte {
	if at.number == 0 {
		return o.head
	}
	return o.attrs[tcPlace{at.nest, at.number, -1}]
}

// room is the struct that a place is in, made as long as needed.
func (o *tcOptions) room(at tcPlace, size int) []byte {
	if at.number == 0 {
		return o.head
	}
	at.offset = -1
	have, want := o.attrs[at], size
	if at.nest == 0 {
		want = max(size, o.sizes[at.number])
	}
	if len(have) < want {
		o.attrs[at] = append(slices.Clone(have), make([]byte, want-len(have))...)
	}
	return o.attrs[at]
}

// number is a part of a struct, or an attribute, of 32 bits; 0 when it is not there.
func (o *tcOptions) number(at tcPlace) int {
	if at.offset < 0 {
		return decodeNumber[width64](o.attrs[at])
	}
	if s := o.struct_(at); len(s) >= at.offset+4 {
		return decodeNumber[width32](s[at.offset : at.offset+4])
	}
	return 0
}

func (o *tcOptions) setNumber(at tcPlace, n int) {
	copy(o.room(at, at.offset+4)[at.offset:], encodeNumber[width32](n))
}

// attr is an attribute that is no nest.
func attrPlace(number int) tcPlace { return tcPlace{0, number, -1} }

func (o *tcOptions) message() []byte {
	msg := slices.Clone(o.head)
	places := make([]tcPlace, 0, len(o.attrs))
	for at := range o.attrs {
		if at.number < hiddenAt {
			places = append(places, at)
		}
	}
	slices.SortFunc(places, func(a, b tcPlace) int { return (a.nest-b.nest)*hiddenAt + a.number - b.number })
	for i := 0; i < len(places); i++ {
		at := places[i]
		if at.nest == 0 {
			msg = kernel.AppendAttr(msg, at.number, o.attrs[at])
			continue
		}
		var nest []byte
		for ; i < len(places) && places[i].nest == at.nest; i++ {
			nest = kernel.AppendAttr(nest, places[i].number, o.attrs[places[i]])
		}
		i--
		msg = kernel.AppendAttr(msg, at.nest|unix.NLA_F_NESTED, nest)
	}
	return msg
}

// tcWords are the parameters of a builtin that are words of one kind or another.
type tcWords []givenWord

// paramsOf are the words of some kinds, each once.
func paramsOf(kinds []*tcKind) (all []runtime.Param) {
	for _, k := range kinds {
		for _, p := range k.params {
			at := slices.IndexFunc(all, func(o runtime.Param) bool { return o.Name == p.Name })
			if at < 0 {
				at = len(all)
				all = append(all, p)
				all[at].Doc = ""
			}
			all[at].Doc = ofKind(all[at].Doc, k.Name, p.Doc)
		}
	}
	return all
}

// give takes what one of the kinds would take.
func (a *tcWords) give(kinds []*tcKind, v *runtime.View, name string, val starlark.Value) (err error) {
	for _, k := range kinds {
		if w := k.word(name); w != nil {
			_, e := w.given(v, val)
			if e == nil {
				*a = append(*a, givenWord{name, val})
				return nil
			}
			if err == nil {
				err = e
			}
		}
	}
	return err
}

// whole are the words as those of a new one of a kind.
func (a tcWords) whole(v *runtime.View, k *tcKind, kinds []*tcKind) (map[string]kindAttr, error) {
	given, err := a.of(v, k, kinds)
	for _, p := range k.params {
		if err == nil && p.Required && given[p.Name] == nil {
			err = fmt.Errorf("%s needs %s=: %s", k.Name, p.Name, p.Doc)
		}
	}
	return given, err
}

// of are the words as those of one kind.
func (a tcWords) of(v *runtime.View, k *tcKind, kinds []*tcKind) (map[string]kindAttr, error) {
	given := map[string]kindAttr{}
	for _, g := range a {
		w := k.word(g.name)
		if w == nil {
			var have []string
			for _, o := range kinds {
				if o.word(g.name) != nil {
					have = append(have, o.Name)
				}
			}
			return nil, fmt.Errorf("%s has no %s=, which is of %s", k.Name, g.name, strings.Join(have, ", "))
		}
		attr, err := w.given(v, g.val)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", g.name, err)
		}
		given[g.name] = attr
	}
	return given, nil
}
