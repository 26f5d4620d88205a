package builtins

import (
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
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
//	nla:"4,5"      a value in attribute 4, and in 5 the bits of it that count
//	nla:"10,11|14,15" those of an IPv4 address, and of an IPv6 one
//	nla:"~1"       a value that is not sent, of which the kind's own function makes one that is
//
// and its ip is "-" for a value that stands behind the one before it, without a word of its own.
type tcKind struct {
	Name, Doc string
	Args      any         // a pointer to the struct
	Head      int         // length of the struct that its options begin with
	Sizes     map[int]int // lengths of the structs that attributes are
	Nests     []int       // attributes that have some in them
	Lists     []int       // attributes that are lists of some, which must say so
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
	masked  [2][2]int // attributes of a value and of its mask, and those of an IPv6 address
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
		for i, of := range strings.Split(tag.Get("nla"), "|") {
			if value, mask, ok := strings.Cut(of, ","); ok {
				word.masked[i][0], _ = strconv.Atoi(value)
				word.masked[i][1], _ = strconv.Atoi(mask)
			}
		}
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
	if half := len(value) / 2; w.masked[0][0] != 0 {
		at := w.masked[0]
		if w.masked[1][0] != 0 && half == net.IPv6len {
			at = w.masked[1]
		}
		o.attrs[attrPlace(at[0])] = value[:half]
		if !allOnes(value[half:]) { // all of it counts where no mask is
			o.attrs[attrPlace(at[1])] = value[half:]
		}
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
	for _, at := range w.masked {
		if value == nil && at[0] != 0 && o.attrs[attrPlace(at[0])] != nil {
			value = slices.Clone(o.attrs[attrPlace(at[0])])
			mask := o.attrs[attrPlace(at[1])]
			if mask == nil {
				mask = slices.Repeat([]byte{0xff}, len(value))
			}
			value = append(value, mask...)
		}
	}
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
		} else if _, flag := w.attr().(flagged); flag {
			fields[w.name] = starlark.False
		}
	}
	return newStruct("options", fields)
}
