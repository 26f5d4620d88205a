package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// lostTC is what does not come back of a link's qdiscs, classes and filters.
func lostTC(at *subject) (found []string, err error) {
	all, err := at.n.readTC(at.l)
	for _, p := range all.order() {
		if lost := tableNamed(p.Table).Loses; lost != nil && lost(p.Msg) != "" {
			found = append(found, lost(p.Msg))
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
