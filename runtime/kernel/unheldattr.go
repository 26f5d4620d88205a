package kernel

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// heldAttrs are the attributes of a link's message that an image holds.
var heldAttrs = []int{unix.IFLA_ADDRESS, unix.IFLA_IFNAME, unix.IFLA_MTU, unix.IFLA_MASTER, unix.IFLA_TXQLEN,
	unix.IFLA_IFALIAS, unix.IFLA_GROUP, unix.IFLA_LINKINFO, unix.IFLA_AF_SPEC, unix.IFLA_PROP_LIST}

// shownAttrs are those that follow from others, or from what surrounds the link: states, counters, bounds, the other
// end.
var shownAttrs = []int{unix.IFLA_LINK, unix.IFLA_LINK_NETNSID, unix.IFLA_QDISC, unix.IFLA_STATS, unix.IFLA_STATS64,
	unix.IFLA_MAP, unix.IFLA_OPERSTATE, unix.IFLA_PROMISCUITY, unix.IFLA_ALLMULTI, unix.IFLA_CARRIER,
	unix.IFLA_CARRIER_CHANGES, unix.IFLA_CARRIER_UP_COUNT, unix.IFLA_CARRIER_DOWN_COUNT, unix.IFLA_MIN_MTU,
	unix.IFLA_MAX_MTU, unix.IFLA_TSO_MAX_SIZE, unix.IFLA_TSO_MAX_SEGS, unix.IFLA_PERM_ADDRESS, unix.IFLA_EVENT,
	unix.IFLA_NEW_NETNSID, unix.IFLA_NEW_IFINDEX, unix.IFLA_IF_NETNSID, iflaHeadroom, iflaTailroom}

// Room for the headers of ports, which a bridge gives its ports (linux/if_link.h of Linux 6.17).
const (
	iflaHeadroom = 68
	iflaTailroom = 69
)

// attrWords are ip-link(8)'s words for others.
var attrWords = map[int]string{unix.IFLA_BROADCAST: "broadcast address", unix.IFLA_NUM_TX_QUEUES: "numtxqueues",
	unix.IFLA_NUM_RX_QUEUES: "numrxqueues", unix.IFLA_LINKMODE: "mode", unix.IFLA_PROTO_DOWN: "protodown",
	unix.IFLA_PROTO_DOWN_REASON: "protodown_reason", unix.IFLA_XDP: "xdp program",
	unix.IFLA_GSO_MAX_SIZE: "gso_max_size", unix.IFLA_GSO_MAX_SEGS: "gso_max_segs",
	unix.IFLA_GRO_MAX_SIZE: "gro_max_size", unix.IFLA_GSO_IPV4_MAX_SIZE: "gso_ipv4_max_size",
	unix.IFLA_GRO_IPV4_MAX_SIZE: "gro_ipv4_max_size", unix.IFLA_VFINFO_LIST: "vf"}

// queueWords are the words of how many queues a link has.
var queueWords = []string{attrWords[unix.IFLA_NUM_TX_QUEUES], attrWords[unix.IFLA_NUM_RX_QUEUES]}

// oneQueue reports whether a link that may have many queues has one each way.
func oneQueue(raw []byte) bool {
	return kindOf(kindName(raw)).Queues && rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_NUM_TX_QUEUES) == 1 &&
		rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_NUM_RX_QUEUES) == 1
}

// givenAttrs are the attributes of a link's message in which it is other than a new link of its kind and that no image
// holds.
func givenAttrs(at *subject) ([]string, error) {
	s, err := at.m.sample(at.l.Kind, infoOf(at.raw))
	if s == nil {
		return nil, err
	}
	found := otherAttrs(at.raw, s.raw)
	if oneQueue(at.raw) {
		found = slices.DeleteFunc(found, func(word string) bool { return slices.Contains(queueWords, word) })
	}
	return found, nil
}

func otherAttrs(raw, fresh []byte) (found []string) {
	most := rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_TSO_MAX_SIZE)
	for _, msg := range [][]byte{raw, fresh} {
		for _, t := range rtnl.Attrs(msg, unix.SizeofIfInfomsg) {
			have, want := rtnl.Attr(raw, unix.SizeofIfInfomsg, t), rtnl.Attr(fresh, unix.SizeofIfInfomsg, t)
			switch {
			case slices.Contains(heldAttrs, t), slices.Contains(shownAttrs, t), bytes.Equal(have, want):
			case strings.HasPrefix(attrWords[t], "gso_") && bytes.Equal(have, most):
				// A bridge's, that a port has bounded.
			case attrWords[t] != "":
				found = append(found, attrWords[t])
			default:
				found = append(found, fmt.Sprintf("attribute %d", t))
			}
		}
	}
	return found
}

// givenMode is the state of a link, and of the other end of a pair, whose mode is not the default: somebody else has
// said that it is up, and would have to say it again.
func givenMode(at *subject) (found []string, err error) {
	if modeUp(at.raw) {
		found = append(found, "state up in mode dormant")
	}
	peer, err := at.m.Peer(at.l)
	if err != nil {
		return found, nil // it has none, or in a namespace that this run knows nothing of
	}
	n, err := at.m.Namespace(peer.NS)
	if err != nil {
		return found, unlessGone(err)
	}
	raw, err := n.linkMessage(peer.Index)
	if err == nil && modeUp(raw) {
		found = append(found, "state up in mode dormant of "+peer.Name+" in "+peer.NS.String())
	}
	return found, unlessGone(err)
}

// modeUp reports whether the message of a link has it up in another mode than the default.
func modeUp(raw []byte) bool {
	mode, state := rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKMODE),
		rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_OPERSTATE)
	return len(mode) == 1 && mode[0] != 0 && len(state) == 1 && state[0] == operUp
}

// operUp is IF_OPER_UP (linux/if.h).
const operUp = 6
