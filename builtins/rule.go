package builtins

import (
	"errors"
	"fmt"
	"math"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var ruleDecl = runtime.Change("rule", "rule",
	"Adds a rule to a namespace: which routing table a packet is routed by (ip-rule(8)). "+
		"All that is given must fit the packet.", &ruleArgs{}).Needing("routing-tables")

type ruleArgs struct {
	NS       nsArg        `arg:"ns" doc:"the namespace"`
	_        struct{}     `arg:"*"`
	Priority *priorityArg `arg:"priority?" doc:"0 to 4294967295, lower first; one before the main table's when left out" nla:"6,u32"`
	Src      *dstArg      `arg:"src?" doc:"prefix that the packet's source is in: from in ip-rule(8)"`
	Dst      *dstArg      `arg:"dst?" doc:"prefix that its destination is in: to in ip-rule(8)"`
	IIF      *devArg      `arg:"iif?" doc:"link that it came by, or its name; lo for the namespace's own packets" nla:"3,string"`
	OIF      *devArg      `arg:"oif?" doc:"link that its socket is bound to, or its name" nla:"17,string"`
	FWMark   *markArg     `arg:"fwmark?" doc:"its mark: a number, or \"MARK/MASK\""`
	TOS      int          `arg:"tos?" doc:"its type of service, 0 to 255"`
	IPProto  *ipProtoArg  `arg:"ipproto?" doc:"its protocol: \"tcp\", \"udp\", \"icmp\" ... or a number" nla:"22,u8"`
	SPort    *rangeArg    `arg:"sport?" doc:"its source port, or \"FIRST-LAST\"" nla:"23,u16-u16"`
	DPort    *rangeArg    `arg:"dport?" doc:"its destination port, or \"FIRST-LAST\"" nla:"24,u16-u16"`
	UIDs     *rangeArg    `arg:"uidrange?" doc:"the users whose packets it is for, \"FIRST-LAST\"" nla:"20,u32-u32"`
	Not      bool         `arg:"invert?" doc:"the packets that all this does not fit: not in ip-rule(8)"`
	Table    *tableArg    `arg:"table?" doc:"routing table to look into: its number, or main, local, default; main when left out"`
	Suppress *int         `arg:"suppress_prefixlength?" doc:"pay no heed to a route that it finds there with a prefix of this length or less" nla:"14,u32"`
	Goto     *priorityArg `arg:"goto?" doc:"priority of the rule to go on with, instead of a table" nla:"4,u32"`
	Type     *ruleTypeArg `arg:"type?" doc:"blackhole, unreachable or prohibit, instead of a table"`
	Family   familyArg    `arg:"family?" doc:"4 or 6; that of src= and dst=, else 4, when left out"`
}

func (a *ruleArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	r := kernel.Rule{Family: int(a.Family), TOS: byte(a.TOS), Table: unix.RT_TABLE_MAIN, Not: a.Not}
	var attrs []byte
	for _, p := range []struct {
		prefix *dstArg
		attr   int
		bits   *int
	}{{a.Src, unix.FRA_SRC, &r.Src}, {a.Dst, unix.FRA_DST, &r.Dst}} {
		if p.prefix == nil || !p.prefix.IsValid() {
			continue
		}
		family := familyOf(p.prefix.Addr())
		if r.Family != 0 && r.Family != family {
			return nil, fmt.Errorf("rule: %s is an IPv%d prefix, and the rule is for IPv%d", p.prefix, family, r.Family)
		}
		r.Family, *p.bits = family, p.prefix.Bits()
		attrs = kernel.AppendAttr(attrs, p.attr, p.prefix.Addr().AsSlice())
	}
	if r.Family == 0 {
		r.Family = 4
	}
	switch n := given(a.Table != nil, a.Goto != nil, a.Type != nil); {
	case a.TOS < 0 || a.TOS > math.MaxUint8:
		return nil, fmt.Errorf("rule: tos=%d is not from 0 to 255", a.TOS)
	case n > 1:
		return nil, errors.New("rule: table=, goto= and type= are three ways to say what is done: want one of them")
	case a.Goto != nil:
		r.Type, r.Table = "goto", 0
	case a.Type != nil:
		r.Type, r.Table = string(*a.Type), 0
	case a.Table != nil:
		r.Table = uint32(*a.Table)
	}
	if a.FWMark != nil {
		attrs = append(attrs, a.FWMark.attributes()...)
	}
	if a.Priority == nil {
		n, err := tx.Machine().Namespace(a.NS.NSRef)
		if err != nil {
			return nil, err
		}
		free, err := n.FreePriority(r.Family)
		if err != nil {
			return nil, err
		}
		a.Priority = (*priorityArg)(&free)
	}
	more, err := attributes(a)
	if err != nil {
		return nil, fmt.Errorf("rule: %w", err)
	}
	e := kernel.Entry{NS: a.NS.NSRef, Table: "rule", Msg: r.Message(append(attrs, more...))}
	return &entryValue{tx.View, e}, tx.Apply(&addEntry{e})
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

var ruleType = &runtime.Type{Name: "rule",
	Doc: "A rule of a namespace: which routing table packets are routed by (ip-rule(8)).",
	Attrs: []runtime.Attr{
		entryNumber("priority", "its priority, lower first", unix.FRA_PRIORITY),
		entryNumber("table", "number of the routing table that it looks into, 0 for none", unix.FRA_TABLE),
		entryAttr("family", "int", "4 or 6", func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
			return starlark.MakeInt(e.Family()), nil
		}),
		entryNS,
	}}

var ruleDeleteDecl = runtime.Change("rule.delete", "None", "Deletes the rule.", &entryDeleteArgs{})

// priorityArg is the priority of a rule.
type priorityArg uint32

func (priorityArg) ArgType() string { return "int" }

func (a *priorityArg) Unpack(val starlark.Value) error {
	n, err := number[int](val, 0, math.MaxUint32)
	*a = priorityArg(n)
	return err
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

// ruleTypeArg is what is done with a packet that no table is looked into for.
type ruleTypeArg string

func (ruleTypeArg) ArgType() string                      { return "string" }
func (ruleTypeArg) Choices(*runtime.Vocabulary) []string { return kernel.RuleTypes() }

func (a *ruleTypeArg) Unpack(val starlark.Value) error {
	s, err := choice(val, kernel.RuleTypes())
	*a = ruleTypeArg(s)
	return err
}
