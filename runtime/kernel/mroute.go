package kernel

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// mrouteTable holds multicast routes (ip-mroute(8)). They are listed over rtnetlink, and the kernel takes them over a
// raw socket, with the numbers of links. Those of a daemon go with its socket.
var mrouteTable = &Table{Name: "mroute", One: "multicast route", Many: "multicast routes",
	Get: unix.RTM_GETROUTE, Header: unix.SizeofRtMsg, Families: []byte{familyIPMR, familyIP6MR},
	Dumps: []rtnl.Raw{mrouteHead(familyIPMR, 0), mrouteHead(familyIP6MR, 0)},
	Blank: func() []byte { return mrouteHead(familyIPMR, unix.RTPROT_STATIC) },
	On:    onNamespace, Own: true, Split: splitMroute, Send: sendMroute,
	Key: func(raw []byte) string {
		return string(raw[:1]) + string(mrouteAttr(raw, unix.RTA_DST)) + string(mrouteAttr(raw, unix.RTA_SRC))
	},
	// The kernel does not show links that are no longer there, and has them again when these are.
	Moves: func(raw []byte) []byte {
		return rtnl.Without(rtnl.Without(raw, unix.SizeofRtMsg, unix.RTA_IIF), unix.SizeofRtMsg, unix.RTA_MULTIPATH)
	},
	Learned: func(raw []byte) bool { return raw[5] != unix.RTPROT_STATIC }}

// Of linux/rtnetlink.h.
const (
	familyIPMR  = 128
	familyIP6MR = 129
	maxVIFs     = 32 // of linux/mroute.h and linux/mroute6.h
)

func mrouteAttr(raw []byte, typ int) []byte { return rtnl.Attr(raw, unix.SizeofRtMsg, typ) }

// mrouteHead is the header of a message; 0 is no protocol.
func mrouteHead(family, protocol byte) []byte {
	msg := make([]byte, unix.SizeofRtMsg)
	msg[0], msg[5] = family, protocol
	return msg
}

// splitMroute is what a route says that is there: where from, where to, and for whom. One that the kernel waits to be
// told of has no links.
func splitMroute(raw []byte) [][]byte {
	if len(raw) < unix.SizeofRtMsg || raw[0] != familyIPMR && raw[0] != familyIP6MR ||
		mrouteAttr(raw, unix.RTA_DST) == nil { // a kernel without it lists others
		return nil
	}
	msg := mrouteHead(raw[0], raw[5])
	for _, typ := range []int{unix.RTA_DST, unix.RTA_SRC, unix.RTA_IIF, unix.RTA_MULTIPATH} {
		if value := mrouteAttr(raw, typ); value != nil {
			msg = AppendAttr(msg, typ, value)
		}
	}
	return [][]byte{msg}
}

// MrouteLinks is the value of RTA_MULTIPATH for links that a multicast route leads to.
func MrouteLinks(indexes []int) (value []byte) {
	for _, index := range indexes {
		value = append(value, unix.SizeofRtNexthop, 0, 0, 1)
		value = binary.NativeEndian.AppendUint32(value, uint32(index))
	}
	return value
}

// ReadMrouteLinks reads one.
func ReadMrouteLinks(value []byte) (indexes []int) {
	for ; len(value) >= unix.SizeofRtNexthop; value = value[unix.SizeofRtNexthop:] {
		indexes = append(indexes, int(binary.NativeEndian.Uint32(value[4:])))
	}
	return indexes
}

// sendMroute makes the request that adds a route, or takes one away: struct mfcctl, or mf6cctl.
func sendMroute(n *Namespace, raw []byte, remove bool) error {
	family := byte(unix.AF_INET)
	if raw[0] == familyIP6MR {
		family = unix.AF_INET6
	}
	numbers, err := n.vifNumbers(family)
	if err != nil {
		return err
	}
	number := func(index int) (int, error) {
		if i, ok := numbers[index]; ok || remove {
			return i, nil
		}
		return 0, fmt.Errorf("link %d is none of multicast routes: %w", index, unix.EADDRNOTAVAIL)
	}
	from, err := number(rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_IIF))
	if err != nil {
		return err
	}
	var to []int
	for _, index := range ReadMrouteLinks(mrouteAttr(raw, unix.RTA_MULTIPATH)) {
		i, err := number(index)
		if err != nil {
			return err
		}
		if i >= maxVIFs {
			return unix.EINVAL
		}
		to = append(to, i)
	}
	option := mrtAddMFC
	if remove {
		option = mrtDelMFC
	}
	source, group := mrouteAttr(raw, unix.RTA_SRC), mrouteAttr(raw, unix.RTA_DST)
	if size := map[byte]int{unix.AF_INET: 4, unix.AF_INET6: 16}[family]; len(source) != size || len(group) != size {
		return unix.EINVAL
	}
	return n.tellMroute(family, option, mrouteRequest(family, source, group, from, to))
}

// mrouteRequest is the kernel's struct of a route.
func mrouteRequest(family byte, source, group []byte, from int, to []int) []byte {
	order := binary.NativeEndian
	if family == unix.AF_INET6 {
		var set [8]uint32
		for _, i := range to {
			set[i/32] |= 1 << (i % 32)
		}
		msg := slices.Concat(sockaddr6(source), sockaddr6(group))
		msg = order.AppendUint16(order.AppendUint16(msg, uint16(from)), 0)
		for _, bits := range set {
			msg = order.AppendUint32(msg, bits)
		}
		return msg
	}
	ttls := slices.Repeat([]byte{0}, 32) // 0 is no TTL: it is not sent there
	for _, i := range to {
		ttls[i] = 1
	}
	msg := order.AppendUint16(slices.Concat(source, group), uint16(from))
	return append(append(msg, ttls...), make([]byte, 2+4*4)...)
}

func sockaddr6(ip []byte) []byte {
	return slices.Concat(binary.NativeEndian.AppendUint16(nil, unix.AF_INET6), make([]byte, 6), ip, make([]byte, 4))
}

// vifNumbers are the numbers of links by their indexes.
func (n *Namespace) vifNumbers(family byte) (map[int]int, error) {
	vifs, err := n.vifs(family)
	if err != nil {
		return nil, err
	}
	links, err := n.Links()
	numbers := map[int]int{}
	for _, v := range vifs {
		for _, l := range links {
			if l.Name == v.name {
				numbers[l.Index] = v.number
			}
		}
	}
	return numbers, err
}
