package kernel

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// TickNs is the unit of times in the options of tbf, htb and police, in nanoseconds (PSCHED_SHIFT, net/pkt_sched.h).
const TickNs = 64

// Ticks is how long a number of bytes takes at a rate of bytes a second, as the kernel counts it.
func Ticks(size, rate uint64) uint32 {
	high, low := bits.Mul64(size, 1e9)
	if rate == 0 || high >= rate {
		return math.MaxUint32
	}
	ns, rest := bits.Div64(high, low, rate)
	if rest > 0 {
		ns++
	}
	return uint32(min((ns+TickNs-1)/TickNs, math.MaxUint32))
}

// TickBytes is how many bytes a rate makes in a number of ticks: the whole ones, or up to the next whole one.
func TickBytes(ticks uint32, rate uint64, up bool) uint64 {
	high, low := bits.Mul64(uint64(ticks)*TickNs, rate)
	if high >= 1e9 {
		return math.MaxUint64
	}
	size, rest := bits.Div64(high, low, 1e9)
	if up && rest > 0 {
		size++
	}
	return size
}

// sizeofRateTable is the length of a table of times, TC_RTAB_SIZE.
const sizeofRateTable = 1024

// rateTable is how long packets take at a rate, by their size in units of 1<<cell bytes. The kernel wants it, and
// reckons itself.
func rateTable(rate uint64, cell int) (table []byte) {
	for i := range sizeofRateTable / 4 {
		table = binary.NativeEndian.AppendUint32(table, Ticks(uint64(i+1)<<cell, rate))
	}
	return table
}

// rateCell is the usual unit of a table, for packets of up to 2,048 bytes.
const rateCell = 3

// sizeofRateSpec is the length of a struct tc_ratespec: unit, link layer, overhead, alignment, mpu, rate.
const sizeofRateSpec = 12

// PoliceTables adds the tables that the kernel wants of police, and does not show.
func PoliceTables(options []byte) []byte { return policeTables(options) }

func policeTables(options []byte) []byte {
	police := rtnl.Attr(options, 0, 1) // struct tc_police in TCA_POLICE_TBF
	for _, of := range []struct{ at, table int }{{20, 2}, {32, 3}} {
		if len(police) < of.at+sizeofRateSpec || rtnl.Attr(options, 0, of.table) != nil {
			continue
		}
		spec := police[of.at : of.at+sizeofRateSpec]
		if rate := binary.NativeEndian.Uint32(spec[8:]); rate != 0 {
			spec[0], spec[1] = rateCell, max(spec[1], 1)
			options = AppendAttr(options, of.table, rateTable(uint64(rate), rateCell))
			police = rtnl.Attr(options, 0, 1)
		}
	}
	return options
}

// REDTable is how much the average of a queue's length falls while nothing waits, by the time (RED): for a weight of
// new lengths that is a power of 1/2, and the time of a packet in ticks. The unit of time is a power of 2 of ticks.
func REDTable(weight int, packet uint32) (table []byte, cell int) {
	const most = 31
	forgets := -math.Log(1-1/float64(uint64(1)<<weight)) / float64(packet) // in a tick
	for ; cell < 32 && most/forgets/float64(uint64(1)<<cell) >= 2*sizeofREDTable; cell++ {
	}
	table = make([]byte, sizeofREDTable)
	for i := range table {
		table[i] = byte(min(float64(uint64(i)<<cell)*forgets, most))
	}
	table[sizeofREDTable-1] = most
	return table, cell
}

const sizeofREDTable = 256
