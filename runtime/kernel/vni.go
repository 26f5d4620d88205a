package kernel

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// vniTable holds the network identifiers (bridge-vni(8)) that a vxlan with a filter takes.
var vniTable = &Table{Name: "bridge_vni", One: "vni of a vxlan", Many: "vnis of vxlans",
	Get: rtmGetTunnel, New: rtmNewTunnel, Del: rtmDelTunnel, Header: sizeofTunnel, Families: []byte{unix.AF_BRIDGE},
	Dumps: []rtnl.Raw{append(rtnl.Raw{unix.AF_BRIDGE}, make([]byte, sizeofTunnel-1)...)}, Split: splitVNIs,
	Plain: func(raw []byte) []byte {
		if one := splitVNIs(raw); len(one) == 1 {
			return one[0]
		}
		return raw
	},
	On: onLink, Link: neighLink, At: 4, Own: true,
	Of: func(l *Link) bool {
		return kindOf(l.Kind).FDB && slices.Equal(InfoAttr(l.Info, vxlanFilter), []byte{1})
	},
	Key: func(raw []byte) string {
		return string(rtnl.Attr(rtnl.Attr(raw, sizeofTunnel, vniEntry), 0, vniStart))
	}}

// Of linux/if_link.h and linux/rtnetlink.h: struct tunnel_msg, and what is in a message.
const (
	rtmNewTunnel = 120
	rtmDelTunnel = 121
	rtmGetTunnel = 122
	sizeofTunnel = 8
	vxlanFilter  = 30 // IFLA_VXLAN_VNIFILTER

	vniEntry  = 1
	vniStart  = 1
	vniEnd    = 2
	vniGroup  = 3
	vniGroup6 = 4
)

// MostVNIs is how many identifiers one call adds. A longer range, which is somebody else's, is one entry.
const MostVNIs = 4096

// splitVNIs makes requests of the identifiers of a link. Those that follow each other the kernel says by the first and
// the last.
func splitVNIs(raw []byte) (all [][]byte) {
	if len(raw) < sizeofTunnel {
		return nil
	}
	for typ, nest := range Attrs(raw[sizeofTunnel:]) {
		if typ != vniEntry {
			continue
		}
		first := rtnl.Uint32(nest, 0, vniStart)
		last := min(max(first, rtnl.Uint32(nest, 0, vniEnd)), 1<<24-1)
		step := 1
		if last-first >= MostVNIs {
			step = last - first + 1
		}
		for vni := first; vni <= last; vni += step {
			one := AppendAttr(nil, vniStart, binary.NativeEndian.AppendUint32(nil, uint32(vni)))
			if step > 1 {
				one = AppendAttr(one, vniEnd, binary.NativeEndian.AppendUint32(nil, uint32(last)))
			}
			for _, group := range []int{vniGroup, vniGroup6} {
				if ip := rtnl.Attr(nest, 0, group); ip != nil {
					one = AppendAttr(one, group, ip)
				}
			}
			all = append(all, AppendAttr(slices.Clone(raw[:sizeofTunnel]), vniEntry|unix.NLA_F_NESTED, one))
		}
	}
	return all
}
