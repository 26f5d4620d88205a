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

// A standing is what links of a kind stand on, and what they outlive. The zero value is the link of their IFLA_LINK,
// with which they go.
type standing struct {
	none     bool  // nothing: IFLA_LINK is the other end of a pair, or its own index in a namespace that it left
	data     []int // the attributes of IFLA_INFO_DATA that name the lower links, instead of IFLA_LINK
	outlives Event // the worst that can happen to a lower link
	here     bool  // a new link's lower link, and where its packets leave, is in its own namespace
}

// goes reports whether a link of a kind is deleted when that happens to one that it stands on.
func goes(kind string, e Event) bool { return e > kindOf(kind).Lower.outlives }

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
	u := upperLink{index: int(int32(binary.NativeEndian.Uint32(raw[4:]))),
		master: rtnl.Uint32(raw, header, unix.IFLA_MASTER),
		name:   unix.ByteSliceToString(rtnl.Attr(raw, header, unix.IFLA_IFNAME)),
		kind:   unix.ByteSliceToString(rtnl.Attr(info, 0, nl.IFLA_INFO_KIND)), nsid: -1}
	if id := rtnl.Attr(raw, header, unix.IFLA_LINK_NETNSID); len(id) >= 4 {
		u.nsid = int(int32(binary.NativeEndian.Uint32(id)))
	}
	s := kindOf(u.kind).Lower
	lower := func(index int) {
		if index > 0 {
			u.lower = append(u.lower, index)
		}
	}
	switch data := rtnl.Attr(info, 0, nl.IFLA_INFO_DATA); {
	case s.none:
	case s.data == nil:
		lower(rtnl.Uint32(raw, header, unix.IFLA_LINK))
	default:
		for _, typ := range s.data {
			lower(rtnl.Uint32(data, 0, typ))
		}
	}
	return u
}
