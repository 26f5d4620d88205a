package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// What of traffic control does not come back when its message is sent back, and what has to be repaired in it.

// qdiscsBack are the kinds of qdiscs that come back.
var qdiscsBack = []string{"pfifo", "bfifo", "pfifo_head_drop", "tbf", "netem", "htb", "hfsc", "fq", "fq_codel", "codel",
	"cake", "sfq", "prio", "red", "choke", "pie", "fq_pie", "drr", "qfq", "hhf", "skbprio", "ingress", "clsact",
	"multiq", "mqprio", "sfb", "pfifo_fast", "noqueue", "cbs", "etf", "ets"}

// Of linux/rtnetlink.h and linux/pkt_sched.h.
const (
	tcaIngressBlock = 13
	tcaEgressBlock  = 14
	netemJitter64   = 11
)

// qdiscLoses names what the kernel does not show of a qdisc, or does not take back.
func qdiscLoses(raw []byte) string {
	name := fmt.Sprintf("qdisc %s %x:", tcKind(raw), tcHandle(raw)>>16)
	switch options := tcOptions(raw); {
	case !slices.Contains(qdiscsBack, tcKind(raw)):
		return name
	case rtnl.Attr(raw, sizeofTcMsg, tcaIngressBlock) != nil, rtnl.Attr(raw, sizeofTcMsg, tcaEgressBlock) != nil:
		return "the shared block of " + name
	case tableOfSizes(raw):
		return "the size table of " + name
	case tcKind(raw) == "netem" && len(options) > sizeofNetem && rtnl.Attr(options, sizeofNetem, netemDist) == nil &&
		len(bytes.Trim(rtnl.Attr(options, sizeofNetem, netemJitter64), "\x00")) > 0:
		return "the distribution of " + name
	}
	return ""
}

// tableOfSizes reports whether a qdisc counts packets by a table, of which the kernel shows only how long it is.
func tableOfSizes(raw []byte) bool {
	spec := rtnl.Attr(rtnl.Attr(raw, sizeofTcMsg, nl.TCA_STAB), 0, 1) // struct tc_sizespec in TCA_STAB_BASE
	return len(spec) >= sizeofSizeSpec && binary.NativeEndian.Uint32(spec[20:]) != 0
}

const sizeofSizeSpec = 24

// Of linux/pkt_sched.h: the struct tc_netem_qopt that netem's options begin with, and the table of its delays.
const (
	sizeofNetem = 24
	netemDist   = 2
)

// filterLoses names what does not come back of a filter.
func filterLoses(raw []byte) string {
	name := fmt.Sprintf("filter %s pref %d", tcKind(raw), binary.NativeEndian.Uint32(raw[16:])>>16)
	if rtnl.Attr(raw, sizeofTcMsg, inBothBlocks) != nil {
		return "the direction of " + name
	}
	kind, ok := tcClassifiers[tcKind(raw)]
	if !ok || kind.program != 0 && rtnl.Attr(tcOptions(raw), 0, kind.program) != nil {
		return name
	}
	for action := range rtnl.Nested(rtnl.Attr(tcOptions(raw), 0, kind.actions)) {
		word := unix.ByteSliceToString(rtnl.Attr(action, 0, actKind))
		if _, ok := tcActions[word]; !ok || word == "bpf" && rtnl.Attr(rtnl.Attr(action, 0, actOptions), 0, 3) == nil {
			return "action " + word + " of " + name
		}
	}
	return ""
}

// tcRepairs make of options that a kind shows what it takes.
var tcRepairs = map[string]func(options []byte) []byte{
	"htb":   repairHTB,
	"red":   repairRED,
	"choke": stabIn(2),
	"ets":   repairETS,
	"sfq":   repairSFQ,

	"codel":    micros(1024, 1, 3, 5), // the kernel counts in units of CODEL_SHIFT and of PSCHED_SHIFT
	"fq_codel": micros(1024, 1, 3, 7),
	"pie":      micros(TickNs, 1),
	"fq_pie":   micros(TickNs, 3),
}

// micros make times, in microseconds, those that they were given as: the kernel counts in units of its own, and rounds
// down when it is told one and when it shows one.
func micros(unit uint64, attrs ...int) func([]byte) []byte {
	return func(options []byte) []byte {
		for at, typ := range rtnl.Attrs(options, 0) {
			if !slices.Contains(attrs, typ) || at+8 > len(options) {
				continue
			}
			shown := uint64(binary.NativeEndian.Uint32(options[at+4:]))
			if given := shown + 1; shown*1000/unit*unit/1000 != shown && given*1000/unit*unit/1000 == shown {
				binary.NativeEndian.PutUint32(options[at+4:], uint32(given))
			}
		}
		return options
	}
}

// repaired are the options of a message as they would be given. One that the kernel has sent has counters.
func repaired(raw []byte) []byte {
	options, repair := tcOptions(raw), tcRepairs[tcKind(raw)]
	if repair == nil || options == nil || rtnl.Attr(raw, sizeofTcMsg, nl.TCA_STATS2) == nil {
		return options
	}
	return repair(slices.Clone(options))
}

// Options are those of an entry of traffic control, as they would be given.
func (e Entry) Options() []byte { return repaired(e.Msg) }

// repairHTB makes the version the one that is taken, and leaves out a count of packets.
func repairHTB(options []byte) []byte {
	if init := rtnl.Attr(options, 0, 2); len(init) >= 20 { // struct tc_htb_glob in TCA_HTB_INIT
		binary.NativeEndian.PutUint32(init, 3)
		clear(init[16:20])
	}
	return options
}

// repairRED leaves out flags that the kernel shows in two places and takes in one (TCA_RED_FLAGS).
func repairRED(options []byte) []byte {
	if parms := rtnl.Attr(options, 0, 1); len(parms) == sizeofRED && rtnl.Attr(options, 0, 4) != nil {
		parms[sizeofRED-1] = 0
	}
	return stabIn(2)(options)
}

const sizeofRED = 16 // struct tc_red_qopt

// repairSFQ leaves out what one has that was told nothing: more flows than packets, which it cannot be told.
func repairSFQ(options []byte) []byte {
	if len(options) >= 20 && binary.NativeEndian.Uint32(options[16:]) > binary.NativeEndian.Uint32(options[8:]) {
		clear(options[8:12]) // struct tc_sfq_qopt: quantum, perturbation, limit, divisor, flows
		clear(options[16:20])
	}
	return options
}

// repairETS says of nests that they are some.
func repairETS(options []byte) []byte {
	for at, typ := range rtnl.Attrs(options, 0) {
		if typ == 3 || typ == 5 { // TCA_ETS_QUANTA, TCA_ETS_PRIOMAP
			binary.NativeEndian.PutUint16(options[at+2:], uint16(typ|unix.NLA_F_NESTED))
		}
	}
	return options
}

// stabIn adds the table by which RED's average forgets in idle times, which the kernel wants and does not show. tc(8)
// makes one that reaches the greatest value, 31, between 256 and 512 of the units that the kernel does show.
func stabIn(number int) func([]byte) []byte {
	return func(options []byte) []byte {
		if rtnl.Attr(options, 0, number) != nil {
			return options
		}
		table := make([]byte, 256)
		for i := range table {
			table[i] = byte(i * 31 / 384)
		}
		table[255] = 31
		return AppendAttr(options, number, table)
	}
}
