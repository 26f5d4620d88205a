package kernel

import (
	"encoding/binary"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// An Event is what happens to a link that others stand on.
type Event int

const (
	Changed Event = iota // it goes down, or gets another mtu
	Moved                // to another namespace
	Deleted
)

// A standing is how the links of a kind name those that they stand on, and what they outlive. Of a kind without one it is
// IFLA_LINK, and nothing.
type standing struct {
	data     []int // the attributes of IFLA_INFO_DATA that name the lower links, instead of IFLA_LINK
	on       bool  // false: it stands on none, and IFLA_LINK is the other end of a pair, or its own index in a namespace it left
	outlives Event // the worst that can happen to a lower link
}

var (
	apart  = standing{}
	upper  = standing{on: true, outlives: Moved}
	tunnel = standing{on: true, outlives: Deleted} // it has the index of the lower link and no more
)

// standings are the numbers of linux/if_link.h, linux/if_tunnel.h and what the drivers do about NETDEV_UNREGISTER.
var standings = map[string]standing{
	"veth": apart, "netkit": apart, "vxcan": apart, "netdevsim": apart,
	"geneve": apart, "bareudp": apart, "gtp": apart, "ppp": apart,
	"vlan": upper, "macvlan": upper, "macvtap": upper, "ipvlan": upper, "ipvtap": upper,
	"gre": tunnel, "gretap": tunnel, "erspan": tunnel, "ip6gre": tunnel, "ip6gretap": tunnel, "ip6erspan": tunnel,
	"ipip": tunnel, "sit": tunnel, "ip6tnl": tunnel, "vti": tunnel, "vti6": tunnel,
	"vxlan": {on: true, data: []int{nl.IFLA_VXLAN_LINK}},
	"hsr":   {on: true, data: []int{1, 2}}, // IFLA_HSR_SLAVE1, IFLA_HSR_SLAVE2
	"amt":   {on: true, data: []int{4}},    // IFLA_AMT_LINK
}

func standingOf(kind string) standing {
	if s, ok := standings[kind]; ok {
		return s
	}
	return standing{on: true}
}

// goes reports whether a link of a kind is deleted when that happens to one that it stands on.
func goes(kind string, e Event) bool { return e > standingOf(kind).outlives }

// An upperLink is a link that stands on others.
type upperLink struct {
	index, master int
	name, kind    string
	lower         []int // their indexes
	nsid          int   // the id of their namespace, -1 for the link's own
}

// noStats is IFLA_EXT_MASK with RTEXT_FILTER_SKIP_STATS.
var noStats = attrMessage(unix.IFLA_EXT_MASK, 1<<3)

// attrMessage is one attribute with a number.
func attrMessage(typ int, value uint32) []byte {
	return nl.NewRtAttr(typ, nl.Uint32Attr(value)).Serialize()
}

// upperLinks lists the links that stand on others, of the namespace itself or of one that it knows by the id.
func (n *Namespace) upperLinks(id int) (found []upperLink, err error) {
	ask := slices.Concat(nl.NewIfInfomsg(unix.AF_UNSPEC).Serialize(), noStats)
	if id >= 0 {
		ask = append(ask, attrMessage(unix.IFLA_TARGET_NETNSID, uint32(id))...)
	}
	all, err := n.dump(unix.RTM_GETLINK, rtnl.Raw(ask))
	for _, raw := range all {
		if u := readUpper(raw); len(u.lower) > 0 {
			found = append(found, u)
		}
	}
	return found, err
}

func readUpper(raw []byte) upperLink {
	const header = unix.SizeofIfInfomsg
	info := rtnl.Attr(raw, header, unix.IFLA_LINKINFO)
	u := upperLink{index: int(int32(binary.NativeEndian.Uint32(raw[4:]))), master: rtnl.Uint32(raw, header, unix.IFLA_MASTER),
		name: unix.ByteSliceToString(rtnl.Attr(raw, header, unix.IFLA_IFNAME)), kind: unix.ByteSliceToString(rtnl.Attr(info, 0, nl.IFLA_INFO_KIND)), nsid: -1}
	if id := rtnl.Attr(raw, header, unix.IFLA_LINK_NETNSID); len(id) >= 4 {
		u.nsid = int(int32(binary.NativeEndian.Uint32(id)))
	}
	s := standingOf(u.kind)
	lower := func(index int) {
		if index > 0 {
			u.lower = append(u.lower, index)
		}
	}
	switch data := rtnl.Attr(info, 0, nl.IFLA_INFO_DATA); {
	case !s.on:
	case s.data == nil:
		lower(rtnl.Uint32(raw, header, unix.IFLA_LINK))
	default:
		for _, typ := range s.data {
			lower(rtnl.Uint32(data, 0, typ))
		}
	}
	return u
}
