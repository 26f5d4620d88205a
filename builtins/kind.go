package builtins

import (
	"cmp"
	"fmt"
	"maps"
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
//	info:"WORD"    instead of arg: it is shown in link.info or link.port under that word, and cannot be given
//	secret:"4"     it is neither shown nor written to a journal; attribute 4 is shown, which tells it from others
//	set:"yes"      the kernel lets it change later; "states" where that takes states of ports
//	clears:"12"    the number of an attribute that the kernel takes away when it sets this one
//	drops:"fdb/2"  the table, and the attribute in it, that the kernel takes from the entries of the link with 0
//	on:"2"         the number of the attribute whose bits say that it is given, for keys
//	with:"7,9"     those of attributes that the kernel changes with this one, and takes back
//	of:"miimon"    the attribute whose multiples it takes, which rounds others down
//	after:"ports"  it is set when the ports are there that a link is made with
//	needs:"NAME"   the feature without which the kernel leaves it out, or refuses it
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
	Port   any    // a pointer to what each of its ports can be set to; nil: nothing

	decl   *runtime.Decl
	params []runtime.Param
	words  []kindWord
	master string // of what is of ports alone: the kind of their master
}

// A linkMaker is the arguments of a builtin that makes a link.
type linkMaker interface{ runtime.Changer }

// A filler's attributes come from other parameters too.
type filler interface{ fill() }

// linkKinds are all kinds, by their names.
var linkKinds = map[string]*linkKind{}

// portKinds are what links are as ports, by the kinds of their masters: kinds, too, but for that they make nothing.
var portKinds = map[string]*linkKind{}

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
	k.Doc += shownDoc("Its link.info", args.Type())
	if k.Port != nil {
		of := reflect.TypeOf(k.Port).Elem()
		portKinds[k.Name] = &linkKind{Name: k.Name + "_slave", master: k.Name, words: wordsOf(of),
			params: runtime.Params("link.set", k.Port)}
		k.Doc += shownDoc("The link.port of its ports", of)
	}
	k.decl = runtime.Change(k.Name, k.Result, k.Doc, k.Args).Needing(k.Name)
	k.params = k.decl.Params
	linkKinds[k.Name] = &k
	return &k
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
func allKinds() []*linkKind { return slices.SortedFunc(maps.Values(linkKinds), byName) }

// setKinds are all that links have words of: the kinds, and those of ports.
func setKinds() []*linkKind {
	return append(allKinds(), slices.SortedFunc(maps.Values(portKinds), byName)...)
}

func byName(a, b *linkKind) int { return strings.Compare(a.Name, b.Name) }

// kindNamed finds a kind, or one of ports, by ip-link(8)'s word for it; nil when there is none.
func kindNamed(name string) *linkKind {
	if master, ok := strings.CutSuffix(name, "_slave"); ok {
		return portKinds[master]
	}
	return linkKinds[name]
}

// title is what it is called beside other kinds.
func (k *linkKind) title() string {
	if k.master != "" {
		return k.master + " port"
	}
	return k.Name
}

// String is what a link of it is.
func (k *linkKind) String() string {
	if k.master != "" {
		return k.title()
	}
	return k.Name + " link"
}

// is reports whether a link is of it.
func (k *linkKind) is(l *kernel.Link) bool {
	if k.master != "" {
		return l.MasterKind == k.master
	}
	return l.Kind == k.Name
}

// data are the attributes that a link has of it.
func (k *linkKind) data(l *kernel.Link) []byte {
	if k.master != "" {
		return l.PortInfo
	}
	return l.Info
}

// send gives a link attributes of it.
func (k *linkKind) send(m *kernel.Machine, link kernel.LinkRef, data []byte) error {
	if k.master != "" {
		return m.SetPortInfo(link, k.master, data)
	}
	return m.SetInfo(link, k.Name, data)
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
		} else if a := w.read(k.data(l)); a != nil {
			val, err := valueOn(v, l, a)
			if err != nil {
				return nil, err
			}
			fields[w.name] = val
		}
	}
	return newStruct("info", fields), nil
}

// valueOn is a link's attribute as a script reads it.
func valueOn(v *runtime.View, l *kernel.Link, a kindAttr) (starlark.Value, error) {
	if a, ok := a.(interface {
		valueOn(*runtime.View, *kernel.Link) (starlark.Value, error)
	}); ok {
		return a.valueOn(v, l)
	}
	return a.value(), nil
}
