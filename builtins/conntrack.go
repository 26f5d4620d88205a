package builtins

import (
	"slices"
	"strconv"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var conntrackDecl = runtime.Query("conntrack", "list of struct",
	"Lists the connections that a namespace tracks, as rules of NAT and of states have it do (conntrack(8)): each "+
		"with proto (\"tcp\", \"udp\", \"icmp\" ..., or a number), state (of TCP, in conntrack(8)'s words; None for "+
		"others), orig and reply, the two directions with src, dst, sport, dport (0 where there are none), type, code "+
		"and id (of ICMP), packets and bytes (0 unless net.netfilter.nf_conntrack_acct is 1), status (a list of "+
		"words: \"assured\", \"seen_reply\", \"snat\", \"dnat\"), mark, zone and timeout (seconds).",
	&conntrackArgs{}).Needing("conntrack")

type conntrackArgs struct {
	NS    nsArg    `arg:"ns" doc:"namespace whose connections to list"`
	_     struct{} `arg:"*"`
	Proto protoArg `arg:"proto?" doc:"protocol that they are of; any when left out"`
	Src   *dstArg  `arg:"src?" doc:"prefix or address that they were begun from; any when left out"`
	Dst   *dstArg  `arg:"dst?" doc:"prefix or address that they were begun to; any when left out"`
	Dport *portArg `arg:"dport?" doc:"port that they were begun to, 1 to 65535; any when left out"`
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
	all = slices.DeleteFunc(all, func(c kernel.Connection) bool { return !a.about(c) })
	vals := make([]starlark.Value, len(all))
	for i, c := range all {
		vals[i] = connectionStruct(c)
	}
	return starlark.NewList(vals), nil
}

func (a *conntrackArgs) about(c kernel.Connection) bool {
	return (a.Proto == "" || int(kernel.Protocols[string(a.Proto)]) == c.Proto) &&
		(a.Src == nil || !a.Src.IsValid() || a.Src.Contains(c.Orig.Src)) &&
		(a.Dst == nil || !a.Dst.IsValid() || a.Dst.Contains(c.Orig.Dst)) &&
		(a.Dport == nil || int(*a.Dport) == c.Orig.Dport)
}

// connStatus are the bits of a status (linux/netfilter/nf_conntrack_common.h) that say something to people.
var connStatus = []struct {
	bit  uint32
	word string
}{{1 << 1, "seen_reply"}, {1 << 2, "assured"}, {1 << 4, "snat"}, {1 << 5, "dnat"}}

func connectionStruct(c kernel.Connection) starlark.Value {
	proto := strconv.Itoa(c.Proto)
	for word, number := range kernel.Protocols {
		if int(number) == c.Proto {
			proto = word
		}
	}
	var status []string
	for _, s := range connStatus {
		if c.Status&s.bit != 0 {
			status = append(status, s.word)
		}
	}
	fields := starlark.StringDict{"proto": starlark.String(proto), "state": starlark.None,
		"orig": tupleStruct(c.Orig), "reply": tupleStruct(c.Reply), "status": stringList(status),
		"mark": starlark.MakeUint64(uint64(c.Mark)), "zone": starlark.MakeInt(c.Zone),
		"timeout": starlark.MakeUint64(uint64(c.Timeout))}
	if c.State != "" {
		fields["state"] = starlark.String(c.State)
	}
	return newStruct("connection", fields)
}

func tupleStruct(t kernel.Tuple) starlark.Value {
	return newStruct("tuple", starlark.StringDict{"src": starlark.String(t.Src.String()),
		"dst": starlark.String(t.Dst.String()), "sport": starlark.MakeInt(t.Sport), "dport": starlark.MakeInt(t.Dport),
		"type": starlark.MakeInt(t.Type), "code": starlark.MakeInt(t.Code), "id": starlark.MakeInt(t.ID),
		"packets": starlark.MakeUint64(t.Packets), "bytes": starlark.MakeUint64(t.Bytes)})
}
