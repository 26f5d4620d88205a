package kernel

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// nexthopTable holds ip-nexthop(8)'s objects. The kernel deletes one, and the routes through it, when the link that
// it goes over loses its carrier, and takes it out of the groups that it is in.
var nexthopTable = &Table{Name: "nexthop", One: "nexthop object", Many: "nexthop objects",
	Get: unix.RTM_GETNEXTHOP, New: unix.RTM_NEWNEXTHOP, Del: unix.RTM_DELNEXTHOP, Header: unix.SizeofNhmsg,
	Families: []byte{unix.AF_UNSPEC, unix.AF_INET, unix.AF_INET6}, Dumps: []rtnl.Raw{make([]byte, unix.SizeofNhmsg)},
	On: onLink, Goes: Closing, Link: nexthopLink, Key: nexthopID,
	Plain: plainNexthop, Own: true, Holds: usingNexthop, Remove: func(raw []byte) []byte {
		return AppendAttr(make([]byte, unix.SizeofNhmsg), unix.NHA_ID, rtnl.Attr(raw, unix.SizeofNhmsg, unix.NHA_ID))
	},
	Mark:  func(raw []byte) []byte { raw[2] = protoForeign; return raw },
	lists: linkNexthops, put: restoreNexthops}

func nexthopLink(raw []byte) int {
	if oif := rtnl.Uint32(raw, unix.SizeofNhmsg, unix.NHA_OIF); oif != 0 {
		return oif
	}
	return notOne // a group, or one that goes nowhere
}

// NHA_RES_GROUP, in it NHA_RES_GROUP_UNBALANCED_TIME, and NHA_OP_FLAGS of linux/nexthop.h.
const (
	nhaResGroup       = 12
	nhaUnbalancedTime = 4
	nhaOpFlags        = 14
)

func nexthopID(raw []byte) string { return string(rtnl.Attr(raw, unix.SizeofNhmsg, unix.NHA_ID)) }

func plainNexthop(msg []byte) []byte {
	msg[1] = 0 // scope
	msg = rtnl.Without(msg, unix.SizeofNhmsg, nhaOpFlags)
	binary.NativeEndian.PutUint32(msg[4:], binary.NativeEndian.Uint32(msg[4:])&unix.RTNH_F_ONLINK)
	if encap := rtnl.Attr(msg, unix.SizeofNhmsg, unix.NHA_ENCAP); encap != nil {
		msg = AppendAttr(rtnl.Without(msg, unix.SizeofNhmsg, unix.NHA_ENCAP), unix.NHA_ENCAP|unix.NLA_F_NESTED, encap)
	}
	if group := rtnl.Attr(msg, unix.SizeofNhmsg, nhaResGroup); group != nil {
		msg = rtnl.Without(msg, unix.SizeofNhmsg, nhaResGroup)
		msg = append(msg, nl.NewRtAttr(nhaResGroup|unix.NLA_F_NESTED,
			rtnl.Without(group, 0, nhaUnbalancedTime)).Serialize()...)
	}
	return msg
}

// grouped are the parts of a group, each a struct nexthop_grp: id, weight, two more.
func grouped(raw []byte) [][]byte {
	return slices.Collect(slices.Chunk(rtnl.Attr(raw, unix.SizeofNhmsg, unix.NHA_GROUP), 8))
}

// member is the key of an object in a group.
func member(m []byte) string { return string(m[:min(4, len(m))]) }

// linkNexthops are the objects over a link, and the groups that one of them is in.
func linkNexthops(t *Table, n *Namespace, l *Link, _ *Image) (mine [][]byte, err error) {
	all, err := n.entries(t)
	over := map[string]bool{}
	for _, raw := range all {
		if nexthopLink(raw) == l.Index {
			over[t.Key(raw)], mine = true, append(mine, raw)
		}
	}
	for _, raw := range all {
		if slices.ContainsFunc(grouped(raw), func(m []byte) bool { return over[member(m)] }) {
			mine = append(mine, raw)
		}
	}
	return mine, err
}

// restoreNexthops adds the objects that are missing, and completes their groups with all those members that are
// there: one that is over another link comes back with that.
func restoreNexthops(t *Table, n *Namespace, _ *Link, img *Image) error {
	want := img.Parts[t.Name]
	if len(want) == 0 {
		return nil
	}
	all, err := n.entries(t)
	errs := []error{err}
	have := map[string][]byte{}
	for _, raw := range all {
		have[t.Key(raw)] = raw
	}
	for _, raw := range want {
		key := t.Key(raw)
		was, there := have[key]
		isMember := func(m []byte) bool {
			return slices.ContainsFunc(grouped(raw), func(w []byte) bool { return bytes.Equal(m, w) })
		}
		switch {
		case len(grouped(raw)) == 0 && !there:
			err := n.addEntry(t, raw)
			if err == nil {
				have[key] = raw
			} else if img.downByOthers && errors.Is(err, unix.ENETDOWN) {
				continue // who has set it down has taken it
			}
			errs = append(errs, err)
		case len(grouped(raw)) > 0 && !slices.ContainsFunc(grouped(was), func(m []byte) bool { return !isMember(m) }):
			errs = append(errs, n.completeGroup(t, raw, was, have))
		}
	}
	return errors.Join(errs...)
}

// completeGroup gives a group all its members that are there, unless it has them.
func (n *Namespace) completeGroup(t *Table, want, was []byte, have map[string][]byte) error {
	var all []byte
	for _, m := range grouped(want) {
		if have[member(m)] != nil {
			all = append(all, m...)
		}
	}
	if len(all) == 0 || bytes.Equal(all, rtnl.Attr(was, unix.SizeofNhmsg, unix.NHA_GROUP)) {
		return nil
	}
	msg := rtnl.Without(want, unix.SizeofNhmsg, unix.NHA_GROUP)
	return n.addEntry(t, append(msg, nl.NewRtAttr(unix.NHA_GROUP, all).Serialize()...))
}

// usingNexthop are the groups and routes that go with an object.
func usingNexthop(n *Namespace, raw []byte) (found []string, err error) {
	id := nexthopID(raw)
	all, err := n.dump(unix.RTM_GETNEXTHOP, rtnl.Raw(make([]byte, unix.SizeofNhmsg)))
	for _, other := range all {
		if slices.ContainsFunc(grouped(other), func(m []byte) bool { return member(m) == id }) {
			group := rtnl.Uint32(other, unix.SizeofNhmsg, unix.NHA_ID)
			found = append(found, fmt.Sprintf("its place in nexthop group %d", group))
		}
	}
	routes, e := n.routes46()
	for _, r := range routes {
		if string(rtnl.Attr(r, unix.SizeofRtMsg, rtaNexthop)) == id {
			dst := prefixText(rtnl.Attr(r, unix.SizeofRtMsg, unix.RTA_DST), r[1])
			found = append(found, "route to "+cmp.Or(dst, "default"))
		}
	}
	return found, errors.Join(err, e)
}
