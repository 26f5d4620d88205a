package kernel

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// maxAltname is the length of the longest (ALTIFNAMSIZ in linux/if.h, with a zero byte).
const maxAltname = 127

// altnames are the other names in a link's message (`ip link property`).
func altnames(raw []byte) (names []string) {
	for name := range rtnl.Nested(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_PROP_LIST)) {
		names = append(names, unix.ByteSliceToString(name))
	}
	return names
}

// restoreAltnames gives a link that was made anew its other names.
func (m *Machine) restoreAltnames(img *Image) error {
	if img == nil || len(img.Altnames) == 0 {
		return nil
	}
	n, index, err := m.find(img.Link)
	if err != nil {
		return fail(err, "restore link", img.Link.Name, n)
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	list := nl.NewRtAttr(unix.IFLA_PROP_LIST|unix.NLA_F_NESTED, nil)
	for _, name := range img.Altnames {
		list.AddRtAttr(unix.IFLA_ALT_IFNAME, nl.ZeroTerminated(name))
	}
	return fail(n.do(unix.RTM_NEWLINKPROP, unix.NLM_F_CREATE|unix.NLM_F_EXCL, msg, list), "restore altnames of link",
		img.Link.Name, n)
}
