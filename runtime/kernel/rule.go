package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// ruleTable holds ip-rule(8)'s rules. Those of one priority are taken in the order in which they were added.
var ruleTable = &Table{Name: "rule", One: "rule", Many: "rules",
	Get: unix.RTM_GETRULE, New: unix.RTM_NEWRULE, Del: unix.RTM_DELRULE, Header: sizeofRule,
	Families: []byte{unix.AF_INET, unix.AF_INET6}, Dumps: []rtnl.Raw{ruleHead(unix.AF_INET), ruleHead(unix.AF_INET6)},
	On: onNamespace, Key: ruleKey, Plain: plainRule, Own: true,
	Place: func(raw []byte) string { return fmt.Sprint(raw[0], rulePriority(raw)) },
	Mark: func(raw []byte) []byte {
		return AppendAttr(rtnl.Without(raw, sizeofRule, unix.FRA_PROTOCOL), unix.FRA_PROTOCOL, []byte{protoForeign})
	}}

// sizeofRule is the length of a struct fib_rule_hdr: family, lengths of destination and source, tos, table, two
// more, action, flags.
const sizeofRule = 12

// Of linux/fib_rules.h: FIB_RULE_INVERT, and attributes since Linux 6.15, which are all ones for one port.
const (
	ruleInvert   = 2
	fraSportMask = 28
	fraDportMask = 29
)

func ruleHead(family byte) rtnl.Raw { return append([]byte{family}, make([]byte, sizeofRule-1)...) }

func rulePriority(raw []byte) uint32 { return uint32(rtnl.Uint32(raw, sizeofRule, unix.FRA_PRIORITY)) }

// plainRule leaves out what the kernel says of a rule that does not have it.
func plainRule(msg []byte) []byte {
	flags := binary.NativeEndian.Uint32(msg[8:]) & ruleInvert
	binary.NativeEndian.PutUint32(msg[8:], flags)
	msg[5], msg[6] = 0, 0
	msg = rtnl.Without(msg, sizeofRule, unix.FRA_PAD)
	for typ, none := range map[int][]byte{unix.FRA_PROTOCOL: {0}, unix.FRA_SUPPRESS_PREFIXLEN: {255, 255, 255, 255},
		fraSportMask: {255, 255}, fraDportMask: {255, 255}} {
		if bytes.Equal(rtnl.Attr(msg, sizeofRule, typ), none) {
			msg = rtnl.Without(msg, sizeofRule, typ)
		}
	}
	return msg
}

// ruleKey is all of a rule but who added it: the kernel takes no two that differ in that alone.
func ruleKey(raw []byte) string {
	return string(sorted(rtnl.Without(plainRule(slices.Clone(raw)), sizeofRule, unix.FRA_PROTOCOL), sizeofRule))
}

// FreePriority is the priority that the kernel gives a rule which has none: that of the second one, less 1.
func (n *Namespace) FreePriority(family int) (uint32, error) {
	all, err := n.dump(unix.RTM_GETRULE, ruleHead(map[int]byte{4: unix.AF_INET, 6: unix.AF_INET6}[family]))
	if err != nil || len(all) < 2 || rulePriority(all[1]) == 0 {
		return 0, fail(err, "list rules", "", n)
	}
	return rulePriority(all[1]) - 1, nil
}

// tableNumbers are the routing tables that have a name everywhere.
var tableNumbers = map[string]uint32{"local": unix.RT_TABLE_LOCAL, "main": unix.RT_TABLE_MAIN,
	"default": unix.RT_TABLE_DEFAULT}

// TableNumber is the number of a routing table that has a name everywhere.
func TableNumber(word string) (uint32, bool) { n, ok := tableNumbers[word]; return n, ok }

// TableWord is the name of a routing table that has one everywhere, and the number of another one.
func TableWord(number uint32) string { return wordOf(tableNumbers, number) }

// WordOf is the word for a number of a table of words, the number itself when there is none.
func WordOf(words map[string]byte, number byte) string { return wordOf(words, number) }

// wordOf is the word for a number, the number itself when there is none.
func wordOf[T byte | uint32](words map[string]T, number T) string {
	for word, n := range words {
		if n == number {
			return word
		}
	}
	return strconv.FormatUint(uint64(number), 10)
}
