package builtins

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

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
