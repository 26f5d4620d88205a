package builtins

import (
	"errors"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// tbfQdisc lets a rate through (tc-tbf(8)).
var tbfQdisc = declareTC(tcKind{Name: "tbf", Args: &tbfArgs{}, Sizes: map[int]int{1: 36},
	Doc: "lets no more through than a rate", Fill: fillTBF, Shown: showTBF,
	Eg: "rate=1mbit, burst=10kb, limit=10kb"})

type tbfArgs struct {
	Rate      rateIn[width64]                  `arg:"rate" nla:"1+8" wide:"4" doc:"the rate: \"10mbit\""`
	Burst     *sizeIn[width32]                 `arg:"burst?" nla:"~1" unshown:"yes" doc:"bytes that can leave at once: \"32kb\"; what the rate makes in 4 ms, and at least 10 packets of 1,600 bytes, when left out"`
	Latency   *tcTime[inMicroseconds, width32] `arg:"latency?" nla:"~2" doc:"longest time that a packet waits: \"50ms\", which is so when neither this nor limit= is given"`
	Limit     *sizeIn[width32]                 `arg:"limit?" nla:"1+24" doc:"bytes that wait: \"64kb\", instead of latency="`
	Peak      *rateIn[width64]                 `arg:"peakrate?" nla:"1+20" wide:"5" doc:"rate of a burst, with mtu="`
	MTU       *sizeIn[width32]                 `arg:"mtu?" nla:"~3" unshown:"yes" doc:"bytes that can leave at once at the peakrate: \"2kb\""`
	MPU       *sizeIn[width16]                 `arg:"mpu?" nla:"1+6" doc:"least bytes that a packet counts"`
	Overhead  *whole[width16]                  `arg:"overhead?" nla:"1+2" doc:"bytes that each packet counts more"`
	LinkLayer *linkLayer                       `arg:"linklayer?" nla:"1+1" doc:"ethernet, or atm: packets are sent in cells of 48 bytes"`
}

type (
	linkLayer  = oneOf[linkLayers, width8]
	linkLayers struct{} // enum tc_link_layer
)

func (linkLayers) words() map[string]int { return map[string]int{"ethernet": 1, "atm": 2} }

// Places in tbf's options: a struct tc_tbf_qopt, and what a number of 64 bits has.
var (
	tbfRate  = tcRate{tcPlace{0, 1, 0}, 4}
	tbfPeak  = tcRate{tcPlace{0, 1, 12}, 5}
	tbfLimit = tcPlace{0, 1, 24}
	tbfTicks = tcPlace{0, 1, 28}
	tbfMTU   = tcPlace{0, 1, 32}
)

// A tcRate is a struct tc_ratespec: unit of a table, link layer, overhead, alignment, mpu, rate; and the attribute that
// has the rate when 32 bits are too few.
type tcRate struct {
	at   tcPlace
	wide int
}

// read is the rate in bytes a second.
func (r tcRate) read(o *tcOptions) int {
	if wide := o.attrs[attrPlace(r.wide)]; wide != nil {
		return decodeNumber[width64](wide)
	}
	return o.number(tcPlace{r.at.nest, r.at.number, r.at.offset + 8})
}

func (r tcRate) set(o *tcOptions, rate int) {
	o.setNumber(tcPlace{r.at.nest, r.at.number, r.at.offset + 8}, min(rate, 1<<32-1))
	if rate >= 1<<32-1 {
		o.attrs[attrPlace(r.wide)] = encodeNumber[width64](rate)
	}
}

// layered sets the link layer where none is: without one the kernel guesses.
func (r tcRate) layered(o *tcOptions) {
	if s := o.struct_(r.at); len(s) > r.at.offset+1 && s[r.at.offset+1] == 0 {
		s[r.at.offset+1] = 1
	}
}

// usualBurst is the burst of a rate when nobody says one: for 4 ms, which a busy machine can be late, and no less than
// what is sent at once.
func usualBurst(rate int) int { return max(rate/250, 16000) }

func fillTBF(o *tcOptions, given map[string]kindAttr) error {
	hidden := func(n int) int { return o.number(attrPlace(hiddenAt + n)) }
	burst, latency, mtu := hidden(1), hidden(2), hidden(3)
	rate, peak := tbfRate.read(o), tbfPeak.read(o)
	limit := o.number(tbfLimit)
	switch {
	case peak != 0 && mtu == 0:
		return errors.New("tbf: peakrate= needs mtu=")
	case peak != 0 && peak <= rate:
		return errors.New("tbf: peakrate= is not more than rate=")
	case given["limit"] != nil && latency != 0:
		return errors.New("tbf: limit= and latency= exclude each other")
	}
	if burst == 0 {
		burst = usualBurst(rate)
	}
	if limit == 0 || latency != 0 {
		if latency == 0 {
			latency = 50000
		}
		limit = waiting(rate, latency, burst)
		if peak != 0 {
			limit = min(limit, waiting(peak, latency, mtu))
		}
		if limit >= 1<<32 {
			return errors.New("tbf: so much cannot wait: want less latency=")
		}
		o.setNumber(tbfLimit, limit)
	}
	o.setNumber(tbfTicks, int(kernel.Ticks(uint64(burst), uint64(rate))))
	o.attrs[attrPlace(6)] = encodeNumber[width32](burst)
	tbfRate.layered(o)
	if peak != 0 {
		o.setNumber(tbfMTU, int(kernel.Ticks(uint64(mtu), uint64(peak))))
		o.attrs[attrPlace(7)] = encodeNumber[width32](mtu)
		tbfPeak.layered(o)
		s := o.struct_(tbfPeak.at) // both are counted alike
		copy(s[13:15], s[1:3])
		copy(s[18:20], s[6:8])
	}
	return nil
}

// waiting is how many bytes wait for a time of so many microseconds.
func waiting(rate, micros, burst int) int { return int(float64(rate)*float64(micros)/1e6) + burst }

// showTBF reads bytes from times.
func showTBF(o *tcOptions) {
	ticks := func(at tcPlace, rate, to int) {
		if n := o.number(at); n != 0 && rate != 0 {
			size := kernel.TickBytes(uint32(n), uint64(rate), true) // the kernel has rounded down
			o.attrs[attrPlace(hiddenAt+to)] = encodeNumber[width32](int(min(size, 1<<32-1)))
		}
	}
	ticks(tbfTicks, tbfRate.read(o), 1)
	ticks(tbfMTU, tbfPeak.read(o), 3)
}
