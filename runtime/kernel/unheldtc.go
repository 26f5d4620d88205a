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

// keptQueue is a qdisc by default that the link would not get today: the kernel chose it by the txqlen of that time,
// and chooses again when the link arrives in a namespace (attach_default_qdiscs in net/sched/sch_generic.c).
func keptQueue(at *subject) ([]string, error) {
	given, err := at.n.readTC(at.l)
	if err != nil || len(given.qdiscs) > 0 {
		return nil, err
	}
	have := nl.BytesToString(rtnl.Attr(at.raw, unix.SizeofIfInfomsg, unix.IFLA_QDISC))
	// Most kinds that are made have none at any txqlen (IFF_NO_QUEUE, which the kernel does not show).
	queues := at.l.Kind == "" || kindOf(at.l.Kind).Device != 0
	if at.l.TxQLen == 0 && have != "noqueue" && have != "noop" || at.l.TxQLen > 0 && have == "noqueue" && queues {
		return []string{fmt.Sprintf("qdisc %s beside txqlen %d", have, at.l.TxQLen)}, nil
	}
	return nil, nil
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
