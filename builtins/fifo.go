package builtins

import "go.starlark.net/starlark"

// Queues without a rate: first in, first out (tc-bfifo(8)), and bands of them (tc-prio(8)).
var (
	pfifoQdisc = declareTC(tcKind{Name: "pfifo", Args: &pfifoArgs{}, Head: 4, Lazy: true, Module: "sch_fifo",
		Config: "NET_SCH_FIFO", Doc: "sends packets in the order in which they came"})
	bfifoQdisc = declareTC(tcKind{Name: "bfifo", Args: &bfifoArgs{}, Head: 4, Lazy: true, Module: "sch_fifo",
		Config: "NET_SCH_FIFO", Doc: "does so, and counts bytes"})
	pfifoHeadDropQdisc = declareTC(tcKind{Name: "pfifo_head_drop", Args: &pfifoArgs{}, Head: 4, Lazy: true,
		Module: "sch_fifo", Config: "NET_SCH_FIFO", Doc: "drops the oldest packet when it is full, not the newest"})
	prioQdisc = declareTC(tcKind{Name: "prio", Args: &prioArgs{}, Head: 20, Fill: fillPrio,
		Doc: "sends what is in its first class, and only when that is empty what is in the next"})
)

type pfifoArgs struct {
	Limit *whole[width32] `arg:"limit?" nla:"+0" doc:"packets that it holds; the link's txqlen when left out"`
}

type bfifoArgs struct {
	Limit *sizeIn[width32] `arg:"limit?" nla:"+0" doc:"bytes that it holds; the link's txqlen, and as many packets of its mtu, when left out"`
}

type prioArgs struct {
	Bands   *whole[width32] `arg:"bands?" nla:"+0" doc:"how many classes it has, 2 to 16; 3 when left out"`
	Priomap *prioMap        `arg:"priomap?" nla:"+4" zero:"yes" doc:"the class, from 0 on, of each of the 16 priorities of packets, a list"`
}

func fillPrio(o *tcOptions, given map[string]kindAttr) error {
	if bands := (tcPlace{0, 0, 0}); o.number(bands) == 0 {
		o.setNumber(bands, 3)
		if given["priomap"] == nil {
			copy(o.head[4:], []byte{1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1})
		}
	}
	return nil
}

// prioMap is the class of each priority of packets.
type prioMap [16]byte

func (prioMap) ArgType() string       { return "list of int" }
func (a prioMap) encode() []byte      { return a[:] }
func (a *prioMap) decode(data []byte) { copy(a[:], data) }

func (a prioMap) ip(word string) string {
	for _, band := range a {
		word += " " + itoa(int(band))
	}
	return word
}

func (a prioMap) value() starlark.Value {
	var all []starlark.Value
	for _, band := range a {
		all = append(all, starlark.MakeInt(int(band)))
	}
	return starlark.NewList(all)
}

func (a *prioMap) Unpack(val starlark.Value) error {
	list, ok := val.(starlark.Indexable)
	if !ok || list.Len() != len(a) {
		return want("list of 16 numbers", val)
	}
	for i := range a {
		band, err := number[int](list.Index(i), 0, 15)
		if err != nil {
			return err
		}
		a[i] = byte(band)
	}
	return nil
}
