package builtins

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// An entryWord is a part of a message.
type entryWord struct {
	kindWord
	second, nest int // a second attribute; the one that it is nested in
	head         int // an offset in the header, -1 when it is not there
	bits         byte
	first, zero  bool
	none         string
	required     bool
}

// hiddenAttr is an attribute with a secret, and what stands for it in an entry.
type hiddenAttr interface{ hidden() []byte }

// flagged is an attribute that says something by being there.
type flagged interface{ flag() bool }

func entryWordsOf(args reflect.Type) (all []entryWord) {
	for _, w := range wordsOf(args) {
		all = append(all, entryWordOf(w, args.FieldByIndex(w.field).Tag))
	}
	return all
}

func entryWordOf(w kindWord, tag reflect.StructTag) entryWord {
	word := entryWord{kindWord: w, head: -1, none: tag.Get("else"), zero: tag.Get("zero") != "",
		required: !strings.HasSuffix(tag.Get("arg"), "?")}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	nla, bits, _ := strings.Cut(tag.Get("nla"), "&")
	word.bits = byte(number(bits))
	nla, head, inHead := strings.Cut(nla, "@")
	if inHead {
		word.head = number(head)
	}
	if first, second, two := strings.Cut(nla, ","); two {
		nla, word.second = first, number(second)
	}
	if nest, inner, nested := strings.Cut(nla, "/"); nested {
		four, six, _ := strings.Cut(inner, "|")
		word.nest, nla, word.six = number(nest), four, number(six)
		word.four = number(four)
	}
	if w.six == 0 {
		word.four = number(nla)
	}
	if word.ip, word.first = strings.CutPrefix(w.ip, "^"); word.ip == "-" {
		word.ip = ""
	}
	return word
}

// put adds the word to a message, which begins with its header, and to its attributes.
func (w *entryWord) put(msg []byte, a kindAttr, data *kindData, nests map[int]*kindData) {
	value := slices.Clone(a.encode())
	if s, ok := a.(hiddenAttr); ok {
		value = s.hidden()
	}
	if w.bits != 0 {
		value[0] *= w.bits
	}
	if w.head >= 0 && w.four != 0 {
		msg[w.head], value = value[len(value)-1], value[:len(value)-1]
	} else if w.head >= 0 {
		for i := range value {
			msg[w.head+i] |= value[i]
		}
		return
	}
	if w.nest != 0 {
		if nests[w.nest] == nil {
			nests[w.nest] = &kindData{}
		}
		data = nests[w.nest]
	}
	if w.second != 0 {
		half := len(value) / 2
		if p, ok := a.(interface{ first() int }); ok {
			half = p.first()
		}
		data.add(w.second, value[half:])
		value = value[:half]
	}
	data.add(w.number(value), value)
}

// in is the word in a message; nil when it is not there.
func (w *entryWord) in(e kernel.Entry) kindAttr {
	var value []byte
	switch {
	case w.head >= len(e.Msg):
		return nil
	case w.head >= 0 && w.four == 0:
		value = slices.Clone(e.Msg[w.head:min(w.head+len(w.attr().encode()), len(e.Msg))])
		if w.bits == 0 && !w.zero && len(strings.Trim(string(value), "\x00")) == 0 {
			return nil
		}
	default:
		if w.nest != 0 {
			if value = kernel.InfoAttr(e.Attr(w.nest), w.four); value == nil && w.six != 0 {
				value = kernel.InfoAttr(e.Attr(w.nest), w.six)
			}
		} else if value = e.Attr(w.four); value == nil && w.six != 0 {
			value = e.Attr(w.six)
		}
		if value == nil && w.zero {
			value = w.attr().encode()
		}
		if value == nil {
			return nil
		}
		value = slices.Clone(value)
		if w.head >= 0 {
			value = append(value, e.Msg[w.head])
		}
		if w.second != 0 {
			value = append(value, cmp.Or(string(e.Attr(w.second)), string(make([]byte, len(value))))...)
		}
	}
	if w.bits != 0 {
		if value[0]&w.bits == 0 {
			return nil
		}
		value = []byte{1}
	}
	a := w.attr()
	if a.decode(value); absent(a) {
		return nil
	}
	return a
}

// absent reports whether an attribute has the value that it also has when it is not there.
func absent(a kindAttr) bool {
	n, ok := a.(interface{ none() bool })
	return ok && n.none()
}

// reader is the attribute of values that the word is.
func (w *entryWord) reader(doc string) runtime.Attr {
	_, flag := w.attr().(flagged)
	typ := w.attr().value().Type()
	if !flag && !w.zero && !w.required {
		typ += " or None"
	}
	return entryAttr(w.name, typ, doc, func(v *runtime.View, e kernel.Entry) (starlark.Value, error) {
		switch a := w.in(e.Shown()).(type) {
		case nil:
			if flag {
				return starlark.False, nil
			}
			return starlark.None, nil
		case interface {
			valueIn(*runtime.View, kernel.NSRef) (starlark.Value, error)
		}:
			return a.valueIn(v, e.NS)
		default:
			return a.value(), nil
		}
	})
}
