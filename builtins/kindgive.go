package builtins

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// given are the attributes that the arguments of a builtin have, without the lower link.
func (k *linkKind) given(args reflect.Value) iter.Seq2[*kindWord, kindAttr] {
	return func(yield func(*kindWord, kindAttr) bool) {
		for i := range k.words {
			w := &k.words[i]
			field, ok := w.argument(args)
			if !ok || w.lower || w.socket {
				continue
			}
			a := field.Addr().Interface().(kindAttr)
			if p, ok := a.(*present); ok && !bool(*p) {
				continue
			}
			if !yield(w, a) {
				return
			}
		}
	}
}

// fit says why the arguments cannot be those of a link in a namespace.
func (k *linkKind) fit(v *runtime.View, ns kernel.NSRef, args reflect.Value) error {
	var all []byte
	for w, a := range k.given(args) {
		if err := w.fits(v, ns, a); err != nil {
			return err
		}
		all = append(all, w.message(a.encode())...)
	}
	for w, a := range k.given(args) {
		if err := k.multiple(w, a, all); err != nil {
			return err
		}
	}
	return nil
}

// multiple says why a time cannot be given to a link with some attributes: the kernel would round it down.
func (k *linkKind) multiple(w *kindWord, a kindAttr, data []byte) error {
	if w.multiple == "" {
		return nil
	}
	of := k.word(w.multiple)
	time, unit := a.(timed), of.shown(data).(timed)
	if unit.ticks() == 0 || time.ticks()%unit.ticks() == 0 {
		return nil
	}
	return fmt.Errorf("%s= %s is no multiple of %s, which is %s", w.name, time.value(), of.name, unit.value())
}

// tell adds the kind and its attributes, as far as they are given, to what a link is to be.
func (k *linkKind) tell(op *addLink, args reflect.Value) {
	op.LinkSpec.Kind = k.Name
	if f, ok := args.Addr().Interface().(filler); ok {
		f.fill()
	}
	for _, w := range k.words {
		field, ok := w.argument(args)
		switch {
		case !ok:
		case w.lower:
			lower := field.Interface().(linkArg).LinkRef
			if op.Lower = &lower; !op.OnLink() {
				op.Words = append(op.Words, w.ip+" "+lower.Name)
			}
		case w.socket:
			socket := field.Interface().(nsArg).NSRef
			op.Socket = &socket
		}
	}
	if k.Tool != "" {
		return
	}
	data := kindData{}
	for w, a := range k.given(args) {
		if w.after {
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

// setAll are the changes that give a new link the attributes that it cannot be made with.
func (k *linkKind) setAll(link kernel.LinkRef, args reflect.Value) (ops []*setWord) {
	for w, a := range k.given(args) {
		ops = append(ops, k.setting(link, w, a))
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
