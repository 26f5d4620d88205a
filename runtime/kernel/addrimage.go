package kernel

import (
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// OnlyAdds reports whether the addresses and routes of an image differ from those of an older one of its link in an
// address alone, and in the routes that the kernel makes with that: removing the address takes nothing away then that
// the older image has not.
func (img *Image) OnlyAdds(a Addr, older *Image) bool {
	if img == nil || older == nil {
		return img == older
	}
	key := Addr{Prefix: a.Prefix, Peer: a.Peer}
	addrs := slices.DeleteFunc(slices.Clone(img.addrs()), func(msg []byte) bool { return addrKey(msg) == key })
	routes := slices.DeleteFunc(slices.Clone(img.routes()), func(r []byte) bool {
		return nl.DeserializeRtMsg(r).Protocol == unix.RTPROT_KERNEL &&
			!slices.ContainsFunc(older.routes(), func(o []byte) bool { return sameRoute(o, r) })
	})
	return slices.EqualFunc(addrs, older.addrs(), sameAddr) && slices.EqualFunc(routes, older.routes(), sameRoute)
}
