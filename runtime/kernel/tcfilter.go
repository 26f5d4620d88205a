package kernel

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// filterTable holds the filters of qdiscs and classes, and the hash tables of u32 that somebody made. The hash table
// that each priority of u32 begins with has a number that the kernel chooses: it is no part of what a filter is.
var filterTable = &Table{Name: "tc_filter", One: "filter", Many: "filters",
	Get: unix.RTM_GETTFILTER, New: unix.RTM_NEWTFILTER, Del: unix.RTM_DELTFILTER,
	Header: sizeofTcMsg, Families: []byte{unix.AF_UNSPEC}, On: onLink, Goes: Moving, At: 4, Own: true, Link: tcLink,
	Reads: readFilters, Flags: exclusively,
	Key: filterKey, Plain: plainFilter, Moves: func(raw []byte) []byte { return tcHead(unrooted(raw)) },
	Send: sendFilter, Loses: filterLoses, Clashes: onItsLink(u32Clash), put: withQdiscs}

// u32Clash refuses a u32 filter of a preference that the other direction of a clsact has some of: the kernel shows
// those of one preference in both directions, and would delete one for the other.
func u32Clash(have [][]byte, raw []byte) error {
	if block := tcParent(raw); block != tcInBlock && block != tcOutBlock || tcKind(raw) != "u32" {
		return nil
	}
	for _, f := range have {
		if tcKind(f) == "u32" && tcParent(f) == tcParent(raw)^tcInBlock^tcOutBlock &&
			string(f[18:20]) == string(raw[18:20]) {
			return fmt.Errorf("%w: the other direction has u32 filters of this pref, and the kernel confuses them",
				unix.EEXIST)
		}
	}
	return nil
}

// inBothBlocks is an attribute of none but those u32 filters that a clsact shows in both directions, of which nobody
// can tell which one they are of.
const inBothBlocks = 1000

// sendFilter makes the request that adds a filter, or takes it away. The latter names its hash table, or none when
// nothing else is in its priority: while other priorities have some of u32, the kernel would keep an empty table.
func sendFilter(n *Namespace, raw []byte, remove bool) error {
	if !remove {
		return n.do(unix.RTM_NEWTFILTER, exclusively(nil), rtnl.Raw(raw))
	}
	msg := tcHead(raw)
	if tcKind(raw) == "u32" {
		all, err := n.dump(unix.RTM_GETTFILTER, tcAsk(tcLink(raw), tcParent(raw)))
		if err != nil {
			return err
		}
		priority := func(raw []byte) string { return filterKey(raw)[4:] } // without the handle
		if !slices.ContainsFunc(all, func(o []byte) bool {
			return isFilter(o) && priority(o) == priority(raw) && filterKey(o) != filterKey(raw)
		}) {
			clear(msg[8:12])
		}
	}
	return n.do(unix.RTM_DELTFILTER, 0, rtnl.Raw(msg))
}

// u32Root is the first number of a hash table that the kernel chooses: the greatest 12 bits of a handle.
const u32Root = 0x80000000

// unrooted is a message without the number of the hash table that the kernel chose, and without that of the first
// chain, which requests leave out.
func unrooted(raw []byte) []byte {
	raw = slices.Clone(raw)
	if chain := rtnl.Attr(raw, sizeofTcMsg, tcaChain); len(chain) == 4 && binary.NativeEndian.Uint32(chain) == 0 {
		raw = rtnl.Without(raw, sizeofTcMsg, tcaChain)
	}
	if h := tcHandle(raw); tcKind(raw) == "u32" && h >= u32Root {
		binary.NativeEndian.PutUint32(raw[8:], h&0xfffff)
	}
	return raw
}

// filterKey is where a filter is: parent, priority and protocol, chain, handle.
func filterKey(raw []byte) string {
	raw = unrooted(raw)
	return string(raw[8:sizeofTcMsg]) + string(rtnl.Attr(raw, sizeofTcMsg, tcaChain))
}

// readFilters asks for those of each qdisc and class that can have some.
func readFilters(n *Namespace, l *Link) (all [][]byte, err error) {
	qdiscs, err := readQdiscs(n, l)
	if err != nil {
		return nil, err
	}
	classes, err := readClasses(n, l)
	var parents []uint32
	for _, q := range qdiscs {
		switch tcKind(q) {
		case "clsact":
			parents = append(parents, tcInBlock, tcOutBlock)
		default:
			parents = append(parents, tcHandle(q))
		}
	}
	for _, c := range classes {
		parents = append(parents, tcHandle(c))
	}
	for _, parent := range parents {
		var some [][]byte
		if err == nil {
			some, err = n.dumpTC(unix.RTM_GETTFILTER, l, parent)
		}
		for _, raw := range some {
			if !isFilter(raw) {
				continue
			}
			if parent == tcOutBlock && tcKind(raw) == "u32" {
				for i, other := range all {
					if tcParent(other) == tcInBlock && string(other[8:12]) == string(raw[8:12]) &&
						string(other[18:20]) == string(raw[18:20]) && tcKind(other) == "u32" {
						all[i] = AppendAttr(slices.Clip(other), inBothBlocks, nil)
						raw = AppendAttr(slices.Clip(raw), inBothBlocks, nil)
					}
				}
			}
			all = append(all, raw)
		}
	}
	return all, err
}

// isFilter reports whether a message is not only about a priority, or what the kernel makes with one.
func isFilter(raw []byte) bool {
	return len(raw) >= sizeofTcMsg && tcOptions(raw) != nil && tcHandle(raw) != 0 && !u32RootTable(raw)
}

// u32RootTable reports whether a message is about a hash table that the kernel makes by itself.
func u32RootTable(raw []byte) bool {
	return tcKind(raw) == "u32" && tcHandle(raw) >= u32Root && tcHandle(raw)&0xfffff == 0
}

// plainFilter is the message that adds what a message of a dump tells of.
func plainFilter(raw []byte) []byte {
	raw = unrooted(raw)
	msg := tcHead(raw)
	kind := tcClassifiers[tcKind(raw)]
	var options []byte
	nested := tcOptions(raw)
	for at, typ := range rtnl.Attrs(nested, 0) {
		value := slices.Clone(nested[at+4 : at+int(binary.NativeEndian.Uint16(nested[at:]))])
		switch {
		case slices.Contains(kind.shown, typ):
			continue
		case typ == kind.flags && len(value) == 4:
			// The rest says what the hardware has.
			binary.NativeEndian.PutUint32(value, binary.NativeEndian.Uint32(value)&tcSkips)
		case kind.name == "flower" && typ == flowerEtherType && tagged(nested):
			continue // which the kernel shows as that behind the vlan tag, if at all
		case kind.name == "u32" && typ == u32Hash && len(value) == 4 && binary.NativeEndian.Uint32(value) >= u32Root:
			continue
		case typ == kind.actions:
			value, typ = plainActions(value), typ|unix.NLA_F_NESTED
		}
		options = AppendAttr(options, typ, value)
	}
	if kind.name == "flower" && tagged(nested) {
		options = AppendAttr(options, flowerEtherType, raw[16:18])
	}
	return AppendAttr(msg, nl.TCA_OPTIONS|unix.NLA_F_NESTED, options)
}

// tagged reports whether a flower filter looks at a vlan tag. It would be of all packets, tagged or not, if it did not
// say of what protocol these are.
func tagged(options []byte) bool {
	for _, typ := range rtnl.Attrs(options, 0) {
		if slices.Contains([]int{flowerVlanID, flowerVlanPrio, flowerVlanType}, typ) {
			return true
		}
	}
	return false
}

const (
	u32Hash = 2 // TCA_U32_HASH

	flowerEtherType = 8  // TCA_FLOWER_KEY_ETH_TYPE
	flowerVlanID    = 23 // TCA_FLOWER_KEY_VLAN_ID, _PRIO, _ETH_TYPE
	flowerVlanPrio  = 24
	flowerVlanType  = 25
	tcSkips         = 1 | 2 // TCA_CLS_FLAGS_SKIP_HW, TCA_CLS_FLAGS_SKIP_SW (linux/pkt_cls.h)
)

// A tcClassifier is a kind of filter: where its actions and flags are, and what it only shows.
type tcClassifier struct {
	name           string
	actions, flags int
	shown          []int
	program        int // the attribute that names a program that only who loaded it has
}

// tcClassifiers are those that come back when they are sent back (linux/pkt_cls.h).
var tcClassifiers = map[string]tcClassifier{
	"u32":      {name: "u32", actions: 7, flags: 11, shown: []int{9}},
	"matchall": {name: "matchall", actions: 2, flags: 3, shown: []int{4}},
	"flower":   {name: "flower", actions: 3, flags: 22, shown: []int{86}},
	"fw":       {name: "fw", actions: 4},
	"basic":    {name: "basic", actions: 3, shown: []int{5}},
	"bpf":      {name: "bpf", actions: 1, flags: 9, shown: []int{10, 11}, program: 11},
	"route":    {name: "route", actions: 6},
	"cgroup":   {name: "cgroup", actions: 1},
	"flow":     {name: "flow", actions: 9},
}

// A tcAction is a kind of action: its parameters, which begin with its index, and its times.
type tcAction struct{ params, times, extended int }

// tcActions are those that come back when they are sent back (linux/tc_act).
var tcActions = map[string]tcAction{
	"gact": {params: 2, times: 1}, "mirred": {params: 2, times: 1}, "police": {params: 1, times: 6},
	"vlan": {params: 2, times: 1}, "skbedit": {params: 2, times: 1}, "csum": {params: 1, times: 2},
	"pedit": {params: 2, times: 1, extended: 4}, "nat": {params: 1, times: 2}, "tunnel_key": {params: 2, times: 1},
	"connmark": {params: 1, times: 2}, "ct": {params: 1, times: 2}, "mpls": {params: 2, times: 1},
	"sample": {params: 2, times: 1}, "simple": {params: 2, times: 1}, "skbmod": {params: 2, times: 1},
	"ctinfo": {params: 3, times: 2}, "ife": {params: 1, times: 2}, "bpf": {params: 2, times: 1}}

// Of an action (linux/pkt_cls.h): what it is, what it is set to, and what is said of it besides.
const (
	actKind    = 1
	actOptions = 2
	actCookie  = 6
	actFlags   = 7
	actHwStats = 8
)

// plainActions are the actions of a filter without their indexes, times and counters. One with an index would be the
// one that has it, and a kernel that waits for that to go may wait for ever.
func plainActions(list []byte) (plain []byte) {
	for at, number := range rtnl.Attrs(list, 0) {
		action := list[at+4 : at+int(binary.NativeEndian.Uint16(list[at:]))]
		name := rtnl.Attr(action, 0, actKind)
		kind := tcActions[unix.ByteSliceToString(name)]
		var options []byte
		for at, typ := range rtnl.Attrs(rtnl.Attr(action, 0, actOptions), 0) {
			all := rtnl.Attr(action, 0, actOptions)
			value := slices.Clone(all[at+4 : at+int(binary.NativeEndian.Uint16(all[at:]))])
			if typ == kind.times {
				continue
			}
			if (typ == kind.params || typ == kind.extended) && len(value) >= 4 {
				clear(value[:4])
			}
			flags := int(binary.NativeEndian.Uint16(all[at+2:])) & unix.NLA_F_NESTED
			options = AppendAttr(options, typ|flags, value)
		}
		if unix.ByteSliceToString(name) == "police" {
			options = policeTables(options)
		}
		one := AppendAttr(AppendAttr(nil, actKind, name), actOptions|unix.NLA_F_NESTED, options)
		for _, typ := range []int{actCookie, actFlags, actHwStats} {
			if value := rtnl.Attr(action, 0, typ); value != nil {
				one = AppendAttr(one, typ, value)
			}
		}
		plain = AppendAttr(plain, number|unix.NLA_F_NESTED, one)
	}
	return plain
}
