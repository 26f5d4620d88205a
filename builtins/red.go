package builtins

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// Queues that drop packets the likelier, the longer they have been on average (tc-red(8), tc-choke(8)).
var (
	redQdisc = declareTC(tcKind{Name: "red", Args: &redArgs{}, Sizes: map[int]int{1: 16, 4: 8}, Fill: fillRED,
		Doc: "drops packets the likelier, the longer its queue is on average", Eg: "limit=60kb, avpkt=1kb"})
	chokeQdisc = declareTC(tcKind{Name: "choke", Args: &chokeArgs{}, Sizes: map[int]int{1: 16}, Fill: fillChoke,
		Doc: "does so, and drops packets of flows that have one waiting already", Eg: "limit=100, bandwidth=10mbit"})
)

type redArgs struct {
	Limit       sizeIn[width32]         `arg:"limit" nla:"1+0" doc:"bytes that it holds: \"60kb\""`
	Min         *sizeIn[width32]        `arg:"min?" nla:"1+4" doc:"average length up to which none is dropped; a third of max= when left out"`
	Max         *sizeIn[width32]        `arg:"max?" nla:"1+8" doc:"average length from which all are dropped; three times min=, or a quarter of limit=, when left out"`
	AvPkt       sizeIn[width32]         `arg:"avpkt" nla:"~1" unshown:"yes" doc:"average length of packets: \"1000b\""`
	Burst       *whole[width32]         `arg:"burst?" nla:"~2" unshown:"yes" doc:"packets that may come at once; (2 min + max) / 3 avpkt when left out"`
	Bandwidth   *rateIn[width64]        `arg:"bandwidth?" nla:"~3" unshown:"yes" doc:"rate of the link, by which the average falls while nothing waits: \"10mbit\" (when left out)"`
	Probability *fraction               `arg:"probability?" nla:"3" doc:"packets that are dropped just below max=: \"2%\" (when left out)"`
	ECN         *flagBit[bit0, width32] `arg:"ecn?" nla:"4+0" doc:"mark packets that can be (ECN) instead of dropping them"`
	HardDrop    *flagBit[bit1, width32] `arg:"harddrop?" nla:"4+0" doc:"drop all above max=, also those that could be marked"`
	Adaptive    *flagBit[bit2, width32] `arg:"adaptive?" nla:"4+0" doc:"adapt probability= to keep the length between min= and max="`
	NoDrop      *flagBit[bit3, width32] `arg:"nodrop?" nla:"4+0" doc:"with ecn=: pass what cannot be marked instead of dropping it"`
}

type chokeArgs struct {
	Limit       whole[width32]         `arg:"limit" nla:"1+0" doc:"packets that it holds"`
	Min         *whole[width32]        `arg:"min?" nla:"1+4" doc:"average length up to which none is dropped; a third of max= when left out"`
	Max         *whole[width32]        `arg:"max?" nla:"1+8" doc:"average length from which all are dropped; a quarter of limit= when left out"`
	AvPkt       *sizeIn[width32]       `arg:"avpkt?" nla:"~1" unshown:"yes" doc:"average length of packets; 1000 bytes when left out"`
	Burst       *whole[width32]        `arg:"burst?" nla:"~2" unshown:"yes" doc:"packets that may come at once; (2 min + max) / 3 when left out"`
	Bandwidth   rateIn[width64]        `arg:"bandwidth" nla:"~3" unshown:"yes" doc:"rate of the link, by which the average falls while nothing waits: \"10mbit\""`
	Probability *fraction              `arg:"probability?" nla:"3" doc:"packets that are dropped just below max=: \"2%\" (when left out)"`
	ECN         *flagBit[bit0, width8] `arg:"ecn?" nla:"1+15" doc:"mark packets that can be (ECN) instead of dropping them"`
}

// redLengths are a struct tc_red_qopt: limit, least and greatest length, and what its average is reckoned with.
var (
	redLimit = tcPlace{0, 1, 0}
	redMin   = tcPlace{0, 1, 4}
	redMax   = tcPlace{0, 1, 8}
)

func fillRED(o *tcOptions, given map[string]kindAttr) error {
	if o.number(redMax) == 0 {
		o.setNumber(redMax, 3*o.number(redMin))
	}
	o.room(tcPlace{0, 4, 0}, 8)
	copy(o.attrs[attrPlace(4)][4:], encodeNumber[width32](15)) // TC_RED_SUPPORTED_FLAGS
	o.room(redLimit, 16)[15] = 0                               // which the flags there would contradict
	return redAverage("red", o, given, 1)
}

func fillChoke(o *tcOptions, given map[string]kindAttr) error {
	if o.attrs[attrPlace(hiddenAt+1)] == nil && given["bandwidth"] != nil {
		o.attrs[attrPlace(hiddenAt+1)] = encodeNumber[width32](1000)
	}
	return redAverage("choke", o, given, o.number(attrPlace(hiddenAt+1)))
}

// redAverage sets what is reckoned of the average, whose lengths are in units of bytes (Floyd, Jacobson: Random Early
// Detection, 1993).
func redAverage(name string, o *tcOptions, given map[string]kindAttr, unit int) error {
	for _, word := range []string{"max", "avpkt", "burst", "bandwidth"} {
		if a := given[word]; a != nil && strings.Trim(string(a.encode()), "\x00") == "" {
			return fmt.Errorf("%s: %s= is 0, want more", name, word)
		}
	}
	if o.number(redMax) == 0 {
		o.setNumber(redMax, o.number(redLimit)/4)
	}
	if o.number(redMin) == 0 && given["min"] == nil {
		o.setNumber(redMin, o.number(redMax)/3)
	}
	least, most := o.number(redMin), o.number(redMax)
	if o.attrs[attrPlace(3)] == nil {
		o.attrs[attrPlace(3)] = encodeNumber[width32](wholePercent / 50)
	}
	chance := float64(o.number(attrPlace(3))) / (1 << 32)
	if least >= most {
		return fmt.Errorf("%s: min= %d is not less than max= %d", name, least, most)
	}
	opt := o.room(redLimit, 16)
	avpkt := o.number(attrPlace(hiddenAt + 1))
	if avpkt == 0 && given["min"] == nil && given["max"] == nil && given["burst"] == nil && given["bandwidth"] == nil {
		return nil // which nothing of it depends on
	}
	if avpkt == 0 {
		return fmt.Errorf("%s: the average depends on avpkt=, which the kernel does not show: want it, too", name)
	}
	burst, rate := o.number(attrPlace(hiddenAt+2)), o.number(attrPlace(hiddenAt+3))
	if burst == 0 {
		burst = (2*least + most) * unit / (3 * avpkt)
	}
	if rate == 0 {
		rate = 1250000
	}
	weight, ok := redWeight(least*unit/avpkt, burst)
	slope, fits := redSlope((most-least)*unit, chance)
	if !ok || !fits {
		return errors.New(name + ": no average follows so few packets: want more burst=, or less min=")
	}
	idle, cell := kernel.REDTable(weight, kernel.Ticks(uint64(avpkt), uint64(rate)))
	opt[12], opt[13], opt[14] = byte(weight), byte(slope), byte(cell)
	o.attrs[attrPlace(2)] = idle
	return nil
}

// redWeight is the weight of a new length in the average, as a power of 1/2: so much that a burst of packets which come
// at once to an empty queue brings the average to the least length at which some are dropped.
func redWeight(least, burst int) (int, bool) {
	wanted := float64(burst + 1 - least)
	for power, w := 1, 0.5; power < 32 && wanted >= 1; power, w = power+1, w/2 {
		if wanted <= (1-math.Pow(1-w, float64(burst)))/w {
			return power, true
		}
	}
	return 0, false
}

// redSlope is how fast the chance grows with the length, as a power of 1/2.
func redSlope(lengths int, chance float64) (int, bool) {
	chance /= float64(lengths)
	for power := range 32 {
		if chance > 1 {
			return power, true
		}
		chance *= 2
	}
	return 0, false
}

// fraction is a part of a hundred, which tc(8) writes as one of 1.
type fraction struct{ percent }

func (a fraction) ip(word string) string {
	return word + " " + strconv.FormatFloat(float64(a.percent)/(1<<32), 'g', 6, 64)
}

// flagBit is a bit of a number, which tc(8) sets by a word.
type flagBit[B bit, W width] bool

func (flagBit[B, W]) ArgType() string { return "bool" }
func (flagBit[B, W]) mask() []byte    { var b B; return encodeNumber[W](int(b.bit())) }
func (a flagBit[B, W]) flag() bool    { return bool(a) }
func (a flagBit[B, W]) encode() []byte {
	if !a {
		return encodeNumber[W](0)
	}
	return a.mask()
}
func (a *flagBit[B, W]) decode(data []byte) {
	var b B
	*a = decodeNumber[W](data)&int(b.bit()) != 0
}
func (a flagBit[B, W]) ip(word string) string { return map[bool]string{true: word}[bool(a)] }
func (a flagBit[B, W]) value() starlark.Value { return starlark.Bool(a) }
