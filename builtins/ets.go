package builtins

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// etsQdisc has bands, some of which come first and some of which take turns (tc-ets(8)).
var etsQdisc = declareTC(tcKind{Name: "ets", Args: &etsArgs{}, Lists: []int{3, 5}, Fill: fillETS, Eg: "bands=3",
	Doc: "sends what is in its strict classes first, and what is in the others in turn"})

type etsArgs struct {
	Bands   *whole[width8]          `arg:"bands?" nla:"1" doc:"how many classes it has, 1 to 16; strict= and those of quanta= when left out"`
	Strict  *whole[width8]          `arg:"strict?" nla:"2" doc:"how many of them, from the first on, come before all behind them; none when left out"`
	Quanta  *numberList[etsQuantum] `arg:"quanta?" nla:"3" doc:"bytes that each of the others may send before the next one may; its mtu where left out"`
	Priomap *numberList[etsBand]    `arg:"priomap?" nla:"5" doc:"the class, from 0 on, of each of the 16 priorities of packets; the last one where left out"`
}

func fillETS(o *tcOptions, _ map[string]kindAttr) error {
	var quanta numberList[etsQuantum]
	quanta.decode(o.attrs[attrPlace(3)])
	if o.attrs[attrPlace(1)] == nil {
		o.attrs[attrPlace(1)] = []byte{byte(o.number(attrPlace(2)) + len(quanta))}
	}
	bands, strict := o.number(attrPlace(1)), o.number(attrPlace(2))
	switch {
	case bands == 0:
		return errors.New("ets: want bands=, strict= or quanta=")
	case strict+len(quanta) > bands:
		return fmt.Errorf("ets: %d bands are less than %d of strict= and %d of quanta=", bands, strict, len(quanta))
	}
	return nil
}

// numberList are numbers, each of which is an attribute in a list of some.
type numberList[E numbered] []int

// A numbered is what a numberList is of: the number of the attributes, how they are written, and how many there can be.
type numbered interface {
	numbered() (number, most, limit int)
	encode(n int) []byte
}

type (
	etsQuantum struct{} // TCA_ETS_QUANTA_BAND
	etsBand    struct{} // TCA_ETS_PRIOMAP_BAND
)

func (etsQuantum) numbered() (number, most, limit int) { return 4, 16, 1<<32 - 1 }
func (etsBand) numbered() (number, most, limit int)    { return 6, 16, 15 }
func (etsQuantum) encode(n int) []byte                 { return encodeNumber[width32](n) }
func (etsBand) encode(n int) []byte                    { return encodeNumber[width8](n) }

func (numberList[E]) ArgType() string { return "list of int" }

func (a numberList[E]) encode() (list []byte) {
	var e E
	number, _, _ := e.numbered()
	for _, n := range a {
		list = kernel.AppendAttr(list, number, e.encode(n))
	}
	return list
}

func (a *numberList[E]) decode(list []byte) {
	*a = nil
	for _, value := range kernel.Attrs(list) {
		*a = append(*a, decodeNumber[width64](value))
	}
}

func (a numberList[E]) ip(word string) string {
	return word + " " + strings.Trim(fmt.Sprint([]int(a)), "[]")
}

func (a numberList[E]) value() starlark.Value {
	all := make([]starlark.Value, 0, len(a))
	for _, n := range a {
		all = append(all, starlark.MakeInt(n))
	}
	return starlark.NewList(all)
}

func (a *numberList[E]) Unpack(val starlark.Value) error {
	var e E
	_, most, limit := e.numbered()
	list, ok := val.(starlark.Sequence)
	if !ok {
		return want("list of int", val)
	}
	for element := range starlark.Elements(list) {
		n, err := number[int](element, 0, limit)
		if err != nil {
			return err
		}
		*a = append(*a, n)
	}
	if len(*a) == 0 || len(*a) > most {
		return fmt.Errorf("%d numbers are not from 1 to %d", len(*a), most)
	}
	return nil
}
