package builtins

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "nexthop", Args: &nexthopArgs{}, Key: []string{"id"}, Del: 2,
	Doc: "Makes a nexthop object: a way, or a group of ways, that routes share by its id (ip-nexthop(8)). " +
		"Changing it changes them all at once.",
	Value:   "A nexthop object (ip-nexthop(8)).",
	NSList:  "nexthops",
	ListDoc: "its nexthop objects",
	Needs:   []string{"routing-tables"}})

type nexthopArgs struct {
	NS         nsArg                             `arg:"ns" doc:"the namespace"`
	_          struct{}                          `arg:"*"`
	ID         *whole[widthSome]                 `arg:"id?" nla:"1" doc:"its number, 1 to 4294967295; a free one when left out"`
	Via        *gatewayAttr                      `arg:"via?" nla:"6" doc:"gateway: an address, or a link or a namespace, of which it is the address in a subnet that ns is in"`
	Dev        *linkArg                          `arg:"dev?" dev:"2" doc:"link to send over; that whose subnet the gateway is in when left out"`
	Onlink     isSet[width8]                     `arg:"onlink?" nla:"@4&4" doc:"take the gateway for a neighbour, whatever subnets the link is in"`
	Encap      *wayEncap                         `arg:"encap?" nla:"7,8" doc:"what to put around packets: encap.mpls(), encap.seg6(), encap.ip() and so on"`
	Blackhole  present                           `arg:"blackhole?" nla:"4" doc:"drop packets, without an answer"`
	Group      nexthopGroup                      `arg:"group?" nla:"2" doc:"a list of other objects or their ids, or of (object, weight) with a weight of 1 to 256"`
	Type       *nexthopGroupType                 `arg:"type?" nla:"3" doc:"of a group: mpath, which hashes each packet's flow, or resilient, which keeps flows where they are when members change; mpath when left out"`
	Buckets    *whole[width16]                   `arg:"buckets?" nla:"12/1" doc:"of a resilient group: how many buckets flows are hashed to, at least one a member"`
	Idle       *lasting[inCentiseconds, width32] `arg:"idle_timer?" nla:"12/2" doc:"of a resilient group: how long a bucket carries nothing before it may be moved; 120s when left out"`
	Unbalanced *lasting[inCentiseconds, width32] `arg:"unbalanced_timer?" nla:"12/3" doc:"of a resilient group: how long it may be out of balance before busy buckets are moved; for ever when left out"`
	FDB        present                           `arg:"fdb?" nla:"11" doc:"for forwarding entries of vxlans instead of routes (fdb(nhid=))"`
	Family     familyArg                         `arg:"family?" doc:"4 or 6, for a blackhole; that of via=, else 4, when left out"`
}

// nexthopGroupType is NEXTHOP_GRP_TYPE_MPATH and so on (linux/nexthop.h).
type nexthopGroupType = oneOf[nexthopGroupTypes, width16]

type nexthopGroupTypes struct{}

func (nexthopGroupTypes) words() map[string]int { return map[string]int{"mpath": 0, "resilient": 1} }

func (a *nexthopArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	e := kernel.Entry{NS: a.NS.NSRef}
	if given(a.Via != nil || a.Dev != nil, bool(a.Blackhole), a.Group != nil) != 1 {
		return nil, errors.New("nexthop: want via= or dev=, or blackhole=, or group=")
	}
	if a.Type == nil && a.Group != nil {
		a.Type = new(nexthopGroupType)
		*a.Type = "mpath"
	}
	resilient := a.Type != nil && *a.Type == "resilient"
	switch {
	case a.Encap != nil && a.Via == nil && a.Dev == nil:
		return nil, errors.New("nexthop: encap= is of one way, with via= or dev=")
	case a.Group == nil && a.Type != nil:
		return nil, errors.New("nexthop: type= is of a group")
	case !resilient && (a.Buckets != nil || a.Idle != nil || a.Unbalanced != nil):
		return nil, errors.New("nexthop: buckets=, idle_timer= and unbalanced_timer= are of a group with " +
			"type=\"resilient\"")
	case resilient && (a.Buckets == nil || int(*a.Buckets) < len(a.Group)):
		return nil, errors.New("nexthop: a resilient group wants buckets=, at least one a member")
	case resilient:
		// The kernel says these, given or not.
		if a.Idle == nil {
			idle := lasting[inCentiseconds, width32](12000)
			a.Idle = &idle
		}
		if a.Unbalanced == nil {
			a.Unbalanced = new(lasting[inCentiseconds, width32])
		}
	}
	if err := a.gateway(tx, &e); err != nil {
		return nil, err
	}
	if err := a.number(tx); err != nil {
		return nil, err
	}
	return addNew(tx, e, a, func(msg []byte) []byte {
		if e.Link != nil {
			msg = kernel.AppendAttr(msg, unix.NHA_OIF, encodeNumber[width32](e.Link.Index))
		}
		switch {
		case a.Group != nil:
			msg[0] = unix.AF_UNSPEC
		case a.Via != nil:
			msg[0] = netlinkFamily(a.Via.Addr)
		case a.Family == 6:
			msg[0] = unix.AF_INET6
		default:
			msg[0] = unix.AF_INET
		}
		return msg
	})
}

// gateway finds the gateway's address, and the link that it is behind.
func (a *nexthopArgs) gateway(tx *runtime.Tx, e *kernel.Entry) (err error) {
	if a.Dev != nil {
		e.Link = &a.Dev.LinkRef
	}
	if a.Via == nil {
		return nil
	}
	a.Via.Addr, err = a.Via.to.gateway(tx.View, e.NS, e.Link, int(a.Family))
	if err != nil || e.Link != nil || bool(a.FDB) {
		return err
	}
	n, err := tx.Machine().Namespace(e.NS)
	if err != nil {
		return err
	}
	carried, others, err := n.Addrs()
	for _, own := range append(carried, others...) {
		if own.Subnet().Contains(a.Via.Addr) {
			e.Link = &own.Link
			return nil
		}
	}
	if err == nil {
		err = &kernel.Error{Op: "add nexthop object", Object: "via " + a.Via.String(), NS: e.NS.String(),
			Err: fmt.Errorf("no link is in a subnet with it: %w", unix.ENETUNREACH), Hint: "dev= says the link"}
	}
	return err
}

// number takes the next free id when none is given.
func (a *nexthopArgs) number(tx *runtime.Tx) error {
	if a.ID != nil {
		return nil
	}
	n, err := tx.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return err
	}
	all, err := n.Entries("nexthop", nil)
	id := whole[widthSome](1)
	for _, e := range all {
		id = max(id, whole[widthSome](e.Number(unix.NHA_ID)+1))
	}
	a.ID = &id
	return err
}

// gatewayAttr is the address of a gateway, found from what has it.
type gatewayAttr struct {
	netip.Addr
	to endpointArg
}

func (gatewayAttr) ArgType() string { return endpointArg{}.ArgType() }

func (a *gatewayAttr) UnpackIn(v *runtime.View, val starlark.Value) error {
	return a.to.UnpackIn(v, val)
}

func (a gatewayAttr) encode() []byte        { return a.AsSlice() }
func (a *gatewayAttr) decode(data []byte)   { a.Addr, _ = netip.AddrFromSlice(data) }
func (a gatewayAttr) ip(word string) string { return word + " " + a.Addr.String() }
func (a gatewayAttr) value() starlark.Value { return starlark.String(a.Addr.String()) }

// nexthopGroup are the members of a group, each a struct nexthop_grp (linux/nexthop.h).
type nexthopGroup []nexthopMember

type nexthopMember struct{ id, weight int }

func (nexthopGroup) ArgType() string  { return "list of nexthop, id or (nexthop, weight)" }
func (nexthopMember) ArgType() string { return "nexthop, id or (nexthop, weight)" }

func (a *nexthopMember) UnpackIn(v *runtime.View, val starlark.Value) (err error) {
	if _, pair := val.(starlark.Tuple); pair && v.Dry() {
		return nil // of what is not known yet
	}
	a.weight = 1
	if pair, ok := val.(starlark.Tuple); ok && len(pair) == 2 {
		val = pair[0]
		if a.weight, err = number[int](pair[1], 1, 256); err != nil {
			return fmt.Errorf("weight: %w", err)
		}
	}
	if e, ok := val.(*entryValue); ok && e.entry.Table == "nexthop" {
		a.id = e.entry.Number(unix.NHA_ID)
	} else if a.id, err = number[int](val, 1, 1<<32-1); err != nil {
		return want("nexthop object, its id, or (nexthop, weight)", val)
	}
	return nil
}

func (a nexthopGroup) none() bool { return len(a) == 0 }

func (a nexthopGroup) encode() (data []byte) {
	for _, m := range a {
		data = binary.NativeEndian.AppendUint32(data, uint32(m.id))
		data = append(data, byte(m.weight-1), byte((m.weight-1)>>8), 0, 0)
	}
	return data
}

func (a *nexthopGroup) decode(data []byte) {
	*a = nil
	for m := range slices.Chunk(data, 8) {
		if len(m) == 8 {
			id, weight := int(binary.NativeEndian.Uint32(m)), 1+int(m[4])+int(m[5])<<8
			*a = append(*a, nexthopMember{id, weight})
		}
	}
}

func (a nexthopGroup) ip(word string) string {
	var all []string
	for _, m := range a {
		one := itoa(m.id)
		if m.weight > 1 {
			one += "," + itoa(m.weight)
		}
		all = append(all, one)
	}
	return word + " " + strings.Join(all, "/")
}

func (a nexthopGroup) value() starlark.Value {
	var all []starlark.Value
	for _, m := range a {
		all = append(all, starlark.Tuple{starlark.MakeInt(m.id), starlark.MakeInt(m.weight)})
	}
	return starlark.NewList(all)
}
