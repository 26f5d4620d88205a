package builtins

import (
	"bytes"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var conntrackDecl = runtime.Query("conntrack", "connections",
	"Lists the connections that a namespace tracks, as rules of NAT and of states have it do (conntrack(8)): those "+
		"about which all that is given holds.", &conntrackArgs{}).Needing("conntrack")

type conntrackArgs struct {
	NS    nsArg         `arg:"ns" doc:"namespace whose connections to list"`
	_     struct{}      `arg:"*"`
	Proto protoArg      `arg:"proto?" doc:"protocol that they are of; any when left out"`
	Src   *dstArg       `arg:"src?" doc:"prefix or address that they were begun from; any when left out"`
	Dst   *dstArg       `arg:"dst?" doc:"prefix or address that they were begun to; any when left out"`
	Sport *portArg      `arg:"sport?" doc:"port that they were begun from, 1 to 65535; any when left out"`
	Dport *portArg      `arg:"dport?" doc:"port that they were begun to, 1 to 65535; any when left out"`
	State *connStateArg `arg:"state?" doc:"state of TCP or SCTP, in conntrack(8)'s words: \"ESTABLISHED\"; any when left out"`
	Mark  *markArg      `arg:"mark?" doc:"mark that they have (ct mark): a number, or \"MARK/MASK\"; any when left out"`
	Zone  *zoneArg      `arg:"zone?" doc:"zone that they are tracked in, 0 to 65535; any when left out"`
}

func (a *conntrackArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, err := v.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	all, err := n.Connections()
	if err != nil {
		return nil, err
	}
	found := &connections{v: v, ns: a.NS.NSRef}
	for _, c := range all {
		if a.about(c) {
			found.Tuple = append(found.Tuple, &connection{v, a.NS.NSRef, c})
		}
	}
	return found, nil
}

func (a *conntrackArgs) about(c kernel.Connection) bool {
	return (a.Proto == "" || int(kernel.Protocols[string(a.Proto)]) == c.Proto) &&
		(a.Src == nil || !a.Src.IsValid() || a.Src.Contains(c.Orig.Src)) &&
		(a.Dst == nil || !a.Dst.IsValid() || a.Dst.Contains(c.Orig.Dst)) &&
		(a.Sport == nil || int(*a.Sport) == c.Orig.Sport) && (a.Dport == nil || int(*a.Dport) == c.Orig.Dport) &&
		(a.State == nil || string(*a.State) == c.State) && (a.Zone == nil || int(*a.Zone) == c.Zone) &&
		(a.Mark == nil || c.Mark&a.Mark.mask == a.Mark.mark)
}

// connStateArg is a state of a connection of TCP or SCTP.
type connStateArg string

func (connStateArg) ArgType() string                      { return "string" }
func (connStateArg) Choices(*runtime.Vocabulary) []string { return kernel.ConnectionStates() }
func (a *connStateArg) Unpack(val starlark.Value) error   { return oneWord(a, val, a.Choices(nil)) }

// zoneArg is a zone of connections.
type zoneArg int

func (zoneArg) ArgType() string { return "int" }
func (a *zoneArg) Unpack(val starlark.Value) (err error) {
	*a, err = number[zoneArg](val, 0, 1<<16-1)
	return err
}

// connections are those that were found, as they were then. In a script they are a list that cannot be changed.
type connections struct {
	starlark.Tuple
	v  *runtime.View
	ns kernel.NSRef
}

var (
	_ starlark.HasAttrs   = (*connections)(nil)
	_ starlark.HasBinary  = (*connections)(nil)
	_ starlark.Sliceable  = (*connections)(nil)
	_ starlark.Comparable = (*connections)(nil)
)

func (c *connections) Type() string                          { return "connections" }
func (c *connections) String() string                        { return starlark.NewList(c.Tuple).String() }
func (c *connections) Attr(n string) (starlark.Value, error) { return c.v.Attr("connections", c, n) }
func (c *connections) AttrNames() []string                   { return c.v.AttrNames("connections") }

func (c *connections) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "connections", c.ns.Object() == other.(*connections).ns.Object() &&
		slices.EqualFunc(c.Tuple, other.(*connections).Tuple, sameConnection))
}

func (c *connections) Slice(start, end, step int) starlark.Value {
	return &connections{c.Tuple.Slice(start, end, step).(starlark.Tuple), c.v, c.ns}
}

// Binary answers whether something is among them.
func (c *connections) Binary(op syntax.Token, other starlark.Value, side starlark.Side) (starlark.Value, error) {
	if op != syntax.IN || side == starlark.Left {
		return nil, nil
	}
	return starlark.Binary(op, other, c.Tuple)
}

// connection is one of them.
type connection struct {
	v  *runtime.View
	ns kernel.NSRef
	kernel.Connection
}

var (
	_ starlark.HasAttrs   = (*connection)(nil)
	_ starlark.Comparable = (*connection)(nil)
)

func (c *connection) Freeze()                               {}
func (c *connection) Truth() starlark.Bool                  { return true }
func (c *connection) Type() string                          { return "connection" }
func (c *connection) Hash() (uint32, error)                 { return starlark.Bytes(c.Key).Hash() }
func (c *connection) Attr(n string) (starlark.Value, error) { return c.v.Attr("connection", c, n) }
func (c *connection) AttrNames() []string                   { return c.v.AttrNames("connection") }

func (c *connection) String() string {
	words := c.Key.Words(false)
	if c.State != "" {
		words += " " + c.State
	}
	return words + " in " + c.ns.String()
}

func (c *connection) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "connection", sameConnection(c, other))
}

func sameConnection(x, y starlark.Value) bool {
	a, b := x.(*connection), y.(*connection)
	return a.ns.Object() == b.ns.Object() && bytes.Equal(a.Key, b.Key)
}

// connStatus are the bits of a status (linux/netfilter/nf_conntrack_common.h) that say something to people.
var connStatus = []struct {
	bit  uint32
	word string
}{{1 << 1, "seen_reply"}, {1 << 2, "assured"}, {1 << 4, "snat"}, {1 << 5, "dnat"}, {1 << 14, "offload"}}

var (
	connectionsType = &runtime.Type{Name: "connections", Doc: "Connections that conntrack() has found, as they were " +
		"then: a list of connection that cannot be changed.", Elem: "connection", Attrs: []runtime.Attr{
		{Name: "ns", Type: "namespace", Doc: "namespace that tracked them",
			Get: func(v *runtime.View, c starlark.Value) (starlark.Value, error) {
				return &nsValue{v, c.(*connections).ns}, nil
			}},
	}}
	connectionType = &runtime.Type{Name: "connection", Doc: "A connection, as conntrack() found it.", Attrs: connAttrs}

	connAttrs = []runtime.Attr{
		connAttr("ns", "namespace", "namespace that tracked it",
			func(c *connection) starlark.Value { return &nsValue{c.v, c.ns} }),
		connAttr("proto", "string", "its protocol: \"tcp\", \"udp\", \"sctp\", \"icmp\", \"icmpv6\", or a number",
			func(c *connection) starlark.Value { return starlark.String(kernel.ProtocolName(c.Proto)) }),
		connAttr("state", "string", "of TCP and SCTP, in conntrack(8)'s words; None for others",
			func(c *connection) starlark.Value {
				if c.State == "" {
					return starlark.None
				}
				return starlark.String(c.State)
			}),
		connAttr("orig", "struct", "the direction in which it was begun: src, dst, sport and dport (0 where there are "+
			"none), type, code and id (of ICMP), packets and bytes (0 unless net.netfilter.nf_conntrack_acct is 1)",
			func(c *connection) starlark.Value { return tupleStruct(c.Orig) }),
		connAttr("reply", "struct", "the direction of the answers: the same, of packets as they come in",
			func(c *connection) starlark.Value { return tupleStruct(c.Reply) }),
		connAttr("status", "list of string", "what became of it: \"assured\", \"seen_reply\", \"snat\", \"dnat\", "+
			"\"offload\" (it is in a flowtable)", func(c *connection) starlark.Value {
			var status []string
			for _, s := range connStatus {
				if c.Status&s.bit != 0 {
					status = append(status, s.word)
				}
			}
			return stringList(status)
		}),
		connAttr("mark", "int", "its mark (ct mark)",
			func(c *connection) starlark.Value { return starlark.MakeUint64(uint64(c.Mark)) }),
		connAttr("zone", "int", "zone that it is tracked in; 0 is the usual one",
			func(c *connection) starlark.Value { return starlark.MakeInt(c.Zone) }),
		connAttr("timeout", "int", "seconds after which it is forgotten, unless a packet comes",
			func(c *connection) starlark.Value { return starlark.MakeUint64(uint64(c.Timeout)) }),
	}
)

func connAttr(name, typ, doc string, get func(*connection) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, c starlark.Value) (starlark.Value, error) { return get(c.(*connection)), nil }}
}

func tupleStruct(t kernel.Tuple) starlark.Value {
	return newStruct("tuple", starlark.StringDict{"src": starlark.String(t.Src.String()),
		"dst": starlark.String(t.Dst.String()), "sport": starlark.MakeInt(t.Sport), "dport": starlark.MakeInt(t.Dport),
		"type": starlark.MakeInt(t.Type), "code": starlark.MakeInt(t.Code), "id": starlark.MakeInt(t.ID),
		"packets": starlark.MakeUint64(t.Packets), "bytes": starlark.MakeUint64(t.Bytes)})
}
