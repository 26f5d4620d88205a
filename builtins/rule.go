package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "rule", Args: &ruleArgs{}, Key: []string{"priority"},
	Doc: "Adds a rule to a namespace: which routing table a packet is routed by (ip-rule(8)). " +
		"All that is given must fit the packet.",
	Value:   "A rule of a namespace: which routing table packets are routed by (ip-rule(8)).",
	NSList:  "rules",
	ListDoc: "its rules of both families, in the order in which they are looked at",
	Needs:   []string{"routing-tables"},
	Has: []runtime.Attr{
		entryAttr("family", "int", "4 or 6", func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
			return starlark.MakeInt(e.Family()), nil
		}),
	}})

type ruleArgs struct {
	NS        nsArg               `arg:"ns" doc:"the namespace"`
	_         struct{}            `arg:"*"`
	Priority  *whole[width32]     `arg:"priority?" nla:"6" zero:"yes" doc:"0 to 4294967295, lower first; one before the main table's when left out"`
	Not       isSet[width8]       `arg:"invert?" nla:"@8&2" ip:"not" doc:"the packets that all the rest does not fit: not in ip-rule(8)"`
	Src       *prefixAttr         `arg:"src?" nla:"2@2" ip:"from" else:"from all" doc:"prefix that the packet's source is in: from in ip-rule(8)"`
	Dst       *prefixAttr         `arg:"dst?" nla:"1@1" ip:"to" doc:"prefix that its destination is in: to in ip-rule(8)"`
	TOS       *tosAttr            `arg:"tos?" nla:"@3" doc:"its type of service, 0 to 255"`
	FWMark    *markArg            `arg:"fwmark?" nla:"10,16" doc:"its mark: a number, or \"MARK/MASK\""`
	IIF       *devArg             `arg:"iif?" nla:"3" doc:"link that it came by, or its name; lo for the namespace's own packets"`
	OIF       *devArg             `arg:"oif?" nla:"17" doc:"link that its socket is bound to, or its name"`
	L3Mdev    isSet[width8]       `arg:"l3mdev?" nla:"19&1" doc:"look into the table of the VRF that it came by or goes over, instead of a table of its own"`
	UIDs      *rangeArg[width32]  `arg:"uidrange?" nla:"20" doc:"the users whose packets it is for, \"FIRST-LAST\""`
	IPProto   *ipProtoArg         `arg:"ipproto?" nla:"22" doc:"its protocol: \"tcp\", \"udp\", \"icmp\" ... or a number"`
	SPort     *rangeArg[width16]  `arg:"sport?" nla:"23" doc:"its source port, or \"FIRST-LAST\""`
	DPort     *rangeArg[width16]  `arg:"dport?" nla:"24" doc:"its destination port, or \"FIRST-LAST\""`
	TunID     *whole[widthTunnel] `arg:"tun_id?" nla:"12" doc:"id of the tunnel that it came out of, for links that are external"`
	Table     *tableArg           `arg:"table?" nla:"15" doc:"routing table to look into: its number, or main, local, default; main when left out"`
	Suppress  *suppressAttr       `arg:"suppress_prefixlength?" nla:"14" doc:"pay no heed to a route that it finds there with a prefix of this length or less"`
	SuppressG *suppressAttr       `arg:"suppress_ifgroup?" nla:"13" doc:"pay no heed to a route that it finds there over a link of this group"`
	Goto      *whole[width32]     `arg:"goto?" nla:"4" doc:"priority of the rule to go on with, instead of a table"`
	Type      *ruleTypeArg        `arg:"type?" nla:"@7" doc:"blackhole, unreachable or prohibit, instead of a table"`
	Realms    *whole[width32]     `arg:"realms?" nla:"11" doc:"routing realm of what it fits (ip-route(8)), as a number: 65536 times the source's and the destination's"`
	Family    familyArg           `arg:"family?" doc:"4 or 6; that of src= and dst=, else 4, when left out"`
}

func (a *ruleArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	family := int(a.Family)
	for _, p := range []*prefixAttr{a.Src, a.Dst} {
		if p == nil || !p.IsValid() {
			continue
		}
		if of := familyOf(p.Addr()); family != 0 && family != of {
			return nil, fmt.Errorf("rule: %s is an IPv%d prefix, and the rule is for IPv%d", p, of, family)
		}
		family = familyOf(p.Addr())
	}
	family = cmp.Or(family, 4)
	table := tableArg(unix.RT_TABLE_MAIN)
	switch n := given(a.Table != nil, a.Goto != nil, a.Type != nil, bool(a.L3Mdev)); {
	case n > 1:
		return nil, errors.New("rule: table=, l3mdev=, goto= and type= are ways to say what is done: want one of them")
	case a.Table == nil && n == 0:
		a.Table = &table
	}
	if a.Priority == nil {
		n, err := tx.Machine().Namespace(a.NS.NSRef)
		if err != nil {
			return nil, err
		}
		free, err := n.FreePriority(family)
		if err != nil {
			return nil, err
		}
		priority := whole[width32](free)
		a.Priority = &priority
	}
	return addNew(tx, kernel.Entry{NS: a.NS.NSRef}, a, func(msg []byte) []byte {
		msg[0] = map[int]byte{4: unix.AF_INET, 6: unix.AF_INET6}[family]
		switch {
		case a.Goto != nil:
			msg[7] = unix.FR_ACT_GOTO
		case a.Type == nil:
			msg[7] = unix.FR_ACT_TO_TBL
		}
		if a.Table == nil {
			return kernel.AppendAttr(msg, unix.FRA_TABLE, make([]byte, 4))
		}
		if msg[4] = byte(*a.Table); *a.Table > math.MaxUint8 {
			msg[4] = unix.RT_TABLE_COMPAT
		}
		return msg
	})
}

// given counts.
func given(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// tableArg is a routing table, by its number or by one of the names that it has everywhere.
type tableArg uint32

func (tableArg) ArgType() string { return `int, "main", "local" or "default"` }

func (a *tableArg) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok {
		n, ok := kernel.TableNumber(s)
		if *a = tableArg(n); !ok {
			return fmt.Errorf("%q is no table: want a number, main, local or default", s)
		}
		return nil
	}
	n, err := number[int](val, 1, math.MaxUint32)
	*a = tableArg(n)
	return err
}

func (a tableArg) encode() []byte        { return encodeNumber[width32](int(a)) }
func (a *tableArg) decode(data []byte)   { *a = tableArg(decodeNumber[width32](data)) }
func (a tableArg) ip(word string) string { return word + " " + kernel.TableWord(uint32(a)) }
func (a tableArg) value() starlark.Value { return starlark.MakeInt(int(a)) }
func (a tableArg) none() bool            { return a == 0 } // it looks into none

// ruleTypeArg is what is done with a packet that no table is looked into for.
type ruleTypeArg struct{ oneOf[ruleTypes, width8] }

type ruleTypes struct{}

func (ruleTypes) words() map[string]int {
	return map[string]int{"nop": unix.FR_ACT_NOP, "blackhole": unix.FR_ACT_BLACKHOLE,
		"unreachable": unix.FR_ACT_UNREACHABLE, "prohibit": unix.FR_ACT_PROHIBIT}
}

// none reports whether other attributes say what is done.
func (a ruleTypeArg) none() bool { return ruleTypes{}.words()[string(a.oneOf)] == 0 }

// suppressAttr is a number that is all ones where there is none.
type suppressAttr struct{ whole[width32] }

func (a suppressAttr) none() bool { return a.whole == math.MaxUint32 }

// tosAttr is a type of service, which ip(8) takes in hexadecimal.
type tosAttr struct{ whole[width8] }

func (a tosAttr) ip(word string) string { return fmt.Sprintf("%s %#02x", word, int(a.whole)) }
