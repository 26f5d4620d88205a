package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// sizeofTcMsg is the length of a struct tcmsg: family, index, handle, parent, info.
const sizeofTcMsg = 20

// givenQdiscs are a link's qdiscs, with the classes and filters in them, but for its default ones, which have no
// handle.
func givenQdiscs(at *subject) (found []string, err error) {
	ask := make([]byte, sizeofTcMsg)
	binary.NativeEndian.PutUint32(ask[4:], uint32(at.l.Index))
	all, err := at.n.dumpOrNone(unix.RTM_GETQDISC, rtnl.Raw(ask))
	for _, raw := range all {
		handle := binary.NativeEndian.Uint32(raw[8:])
		if int(binary.NativeEndian.Uint32(raw[4:])) == at.l.Index && handle != 0 {
			found = append(found,
				fmt.Sprintf("qdisc %s %x:",
					unix.ByteSliceToString(rtnl.Attr(raw, sizeofTcMsg, nl.TCA_KIND)), handle>>16))
		}
	}
	return found, err
}

// sizeofTcaMsg is the length of a struct tcamsg.
const sizeofTcaMsg = 4

// actionsTo are the actions of filters anywhere in the namespace that send packets to the link: the kernel forgets
// where to.
func actionsTo(at *subject) (found []string, err error) {
	table := nl.NewRtAttr(nl.TCA_ACT_TAB|unix.NLA_F_NESTED, nil)
	table.AddRtAttr(1|unix.NLA_F_NESTED, nil).AddRtAttr(nl.TCA_ACT_KIND, nl.ZeroTerminated("mirred"))
	all, err := at.n.dumpOrNone(unix.RTM_GETACTION, rtnl.Raw(make([]byte, sizeofTcaMsg)), table)
	for _, raw := range all {
		list := rtnl.Attr(raw, sizeofTcaMsg, nl.TCA_ACT_TAB)
		for action := range rtnl.Nested(list) {
			// struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, ifindex
			m := rtnl.Attr(rtnl.Attr(action, 0, nl.TCA_ACT_OPTIONS), 0, nl.TCA_MIRRED_PARMS)
			if len(m) >= 28 && int(binary.NativeEndian.Uint32(m[24:])) == at.l.Index {
				found = append(found, fmt.Sprintf("action mirred index %d", binary.NativeEndian.Uint32(m)))
			}
		}
	}
	return found, err
}

// dumpOrNone is a dump of what a kernel may have been built without.
func (n *Namespace) dumpOrNone(kind int, parts ...nl.NetlinkRequestData) ([][]byte, error) {
	all, err := n.dump(kind, parts...)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	return all, err
}
