package builtins

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// tcOptions are the options of a kind, taken apart.
type tcOptions struct {
	head  []byte
	attrs map[tcPlace][]byte // by places without an offset
	sizes map[int]int
	lists []int
	new   bool // they are not those of something that is there
}

func (k *tcKind) parse(options []byte) *tcOptions {
	o := &tcOptions{head: make([]byte, k.Head), attrs: map[tcPlace][]byte{}, sizes: k.Sizes, lists: k.Lists,
		new: options == nil}
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
		if at.nest == 0 && slices.Contains(o.lists, at.number) {
			msg = kernel.AppendAttr(msg, at.number|unix.NLA_F_NESTED, o.attrs[at])
			continue
		}
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
