package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// ruleTable holds ip-rule(8)'s rules. Those of one priority are taken in the order in which they were added.
var ruleTable = &Table{Name: "rule", One: "rule", Many: "rules",
	Get: unix.RTM_GETRULE, New: unix.RTM_NEWRULE, Del: unix.RTM_DELRULE, Header: sizeofRule,
	Families: []byte{unix.AF_INET, unix.AF_INET6}, Dumps: []rtnl.Raw{ruleHead(unix.AF_INET), ruleHead(unix.AF_INET6)},
	On: onNamespace, Key: ruleKey, Plain: plainRule, Text: ruleText,
	Place: func(raw []byte) string { return fmt.Sprint(raw[0], rulePriority(raw)) },
	Mark:  func(raw []byte) []byte { return AppendAttr(raw, unix.FRA_PROTOCOL, []byte{protoForeign}) }}

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

// RuleTypes are the words for what a rule does, other than to look into a table.
func RuleTypes() []string { return []string{"blackhole", "unreachable", "prohibit"} }

var ruleActions = map[string]byte{"": unix.FR_ACT_TO_TBL, "goto": unix.FR_ACT_GOTO, "blackhole": unix.FR_ACT_BLACKHOLE,
	"unreachable": unix.FR_ACT_UNREACHABLE, "prohibit": unix.FR_ACT_PROHIBIT}

// A Rule is what makes a message of a rule, beside its attributes.
type Rule struct {
	Family   int // 4 or 6
	Src, Dst int // lengths of the prefixes in FRA_SRC and FRA_DST
	TOS      byte
	Table    uint32
	Type     string // one of RuleTypes, "goto", or empty
	Not      bool
}

// Message is a rule with attributes.
func (r Rule) Message(attrs []byte) []byte {
	msg := ruleHead(map[int]byte{4: unix.AF_INET, 6: unix.AF_INET6}[r.Family])
	msg[1], msg[2], msg[3] = byte(r.Dst), byte(r.Src), r.TOS
	msg[7] = ruleActions[r.Type]
	if msg[4] = byte(r.Table); r.Table > math.MaxUint8 {
		msg[4] = unix.RT_TABLE_COMPAT
	}
	if r.Not {
		binary.NativeEndian.PutUint32(msg[8:], ruleInvert)
	}
	return AppendAttr(slices.Concat(msg, attrs), unix.FRA_TABLE, binary.NativeEndian.AppendUint32(nil, r.Table))
}

// FreePriority is the priority that the kernel gives a rule which has none: that of the second one, less 1.
func (n *Namespace) FreePriority(family int) (uint32, error) {
	all, err := n.dump(unix.RTM_GETRULE, ruleHead(map[int]byte{4: unix.AF_INET, 6: unix.AF_INET6}[family]))
	if err != nil || len(all) < 2 || rulePriority(all[1]) == 0 {
		return 0, fail(err, "list rules", "", n)
	}
	return rulePriority(all[1]) - 1, nil
}

// ruleText is a rule in ip-rule(8)'s words.
func ruleText(raw []byte, _ string) (words []string) {
	add := func(w ...string) { words = append(words, w...) }
	at := func(typ int) []byte { return rtnl.Attr(raw, sizeofRule, typ) }
	number := func(typ int) string { return strconv.FormatUint(uint64(uint32(rtnl.Uint32(raw, sizeofRule, typ))), 10) }
	add("priority", number(unix.FRA_PRIORITY))
	if binary.NativeEndian.Uint32(raw[8:])&ruleInvert != 0 {
		add("not")
	}
	prefix := func(word string, ip []byte, bits byte) {
		if bits > 0 {
			add(word, prefixText(ip, bits))
		}
	}
	if prefix("from", at(unix.FRA_SRC), raw[2]); raw[2] == 0 {
		add("from", "all")
	}
	prefix("to", at(unix.FRA_DST), raw[1])
	if raw[3] != 0 {
		add("tos", fmt.Sprintf("%#02x", raw[3]))
	}
	if at(unix.FRA_FWMARK) != nil {
		mark := fmt.Sprintf("%#x", uint32(rtnl.Uint32(raw, sizeofRule, unix.FRA_FWMARK)))
		if mask := uint32(rtnl.Uint32(raw, sizeofRule, unix.FRA_FWMASK)); mask != math.MaxUint32 {
			mark += fmt.Sprintf("/%#x", mask)
		}
		add("fwmark", mark)
	}
	dev := func(word string, name []byte) {
		if len(name) > 1 {
			add(word, unix.ByteSliceToString(name))
		}
	}
	dev("iif", at(unix.FRA_IIFNAME))
	dev("oif", at(unix.FRA_OIFNAME))
	if v := at(unix.FRA_L3MDEV); len(v) == 1 && v[0] != 0 {
		add("l3mdev")
	}
	if v := at(unix.FRA_UID_RANGE); len(v) == 8 {
		add("uidrange", fmt.Sprintf("%d-%d", binary.NativeEndian.Uint32(v), binary.NativeEndian.Uint32(v[4:])))
	}
	if v := at(unix.FRA_IP_PROTO); len(v) == 1 {
		add("ipproto", wordOf(ipProtocols, v[0]))
	}
	ports := func(word string, v []byte) {
		if len(v) != 4 {
			return
		}
		from, to := binary.NativeEndian.Uint16(v), binary.NativeEndian.Uint16(v[2:])
		if add(word, strconv.Itoa(int(from))); from != to {
			words[len(words)-1] += "-" + strconv.Itoa(int(to))
		}
	}
	ports("sport", at(unix.FRA_SPORT_RANGE))
	ports("dport", at(unix.FRA_DPORT_RANGE))
	if v := at(unix.FRA_TUN_ID); len(v) == 8 {
		add("tun_id", strconv.FormatUint(binary.BigEndian.Uint64(v), 10))
	}
	switch raw[7] {
	case unix.FR_ACT_TO_TBL:
		add("table", wordOf(tableNumbers, uint32(rtnl.Uint32(raw, sizeofRule, unix.FRA_TABLE))))
		if v := at(unix.FRA_SUPPRESS_PREFIXLEN); len(v) == 4 && binary.NativeEndian.Uint32(v) != math.MaxUint32 {
			add("suppress_prefixlength", number(unix.FRA_SUPPRESS_PREFIXLEN))
		}
		if v := at(unix.FRA_SUPPRESS_IFGROUP); len(v) == 4 && binary.NativeEndian.Uint32(v) != math.MaxUint32 {
			add("suppress_ifgroup", number(unix.FRA_SUPPRESS_IFGROUP))
		}
	case unix.FR_ACT_GOTO:
		add("goto", number(unix.FRA_GOTO))
	case unix.FR_ACT_NOP:
		add("nop")
	default:
		add("type", wordOf(ruleActions, raw[7]))
	}
	if v := at(unix.FRA_FLOW); len(v) == 4 {
		add("realms", number(unix.FRA_FLOW))
	}
	return words
}

// Words that ip(8) has for numbers.
var (
	tableNumbers = map[string]uint32{"local": unix.RT_TABLE_LOCAL, "main": unix.RT_TABLE_MAIN,
		"default": unix.RT_TABLE_DEFAULT}
	ipProtocols = map[string]byte{"icmp": unix.IPPROTO_ICMP, "tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP,
		"ipv6-icmp": unix.IPPROTO_ICMPV6, "sctp": unix.IPPROTO_SCTP, "esp": unix.IPPROTO_ESP}
)

// TableNumber is the number of a routing table that has a name everywhere.
func TableNumber(word string) (uint32, bool) { n, ok := tableNumbers[word]; return n, ok }

// IPProtocol is the number of a protocol that has a name here.
func IPProtocol(word string) (byte, bool) { n, ok := ipProtocols[word]; return n, ok }

// wordOf is the word for a number, the number itself when there is none.
func wordOf[T byte | uint32](words map[string]T, number T) string {
	for word, n := range words {
		if n == number {
			return word
		}
	}
	return strconv.FormatUint(uint64(number), 10)
}
