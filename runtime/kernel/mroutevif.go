package kernel

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// mrouteVIFTable holds the links that multicast is routed over, each by a number: the vif of linux/mroute.h, or the mif
// of linux/mroute6.h. The kernel takes them over a raw socket and lists them in /proc. An entry here is a header with
// family and index, and the number. One of a daemon goes with its socket, and is not ours.
var mrouteVIFTable = &Table{Name: "mroute_vif", One: "link of multicast routes", Many: "links of multicast routes",
	Header: mrouteVIFHeader, Families: []byte{unix.AF_INET, unix.AF_INET6}, On: onLink, Own: true, At: 4,
	Link: neighLink,
	Key:  func(raw []byte) string { return string(raw[:1]) }, Reads: readVIFs, Send: sendVIF}

const (
	mrouteVIFHeader = 8
	// MRouteVIF is the attribute of an entry that has its number.
	MRouteVIF = 1
	vifStatic = 0x8000 // VIFF_STATIC
	useIndex  = 8      // VIFF_USE_IFINDEX
)

// Of linux/mroute.h; those of linux/mroute6.h have the same numbers.
const (
	mrtInit   = 200
	mrtAddVIF = 202
	mrtDelVIF = 203
	mrtAddMFC = 204
	mrtDelMFC = 205
)

// An mrouteFamily is how the kernel routes multicast of a family.
type mrouteFamily struct {
	family, protocol, level int // of the socket; of its options
	file                    string
}

// mrouteOf is that of IPv4 or IPv6.
func mrouteOf(family byte) mrouteFamily {
	if family == unix.AF_INET6 {
		return mrouteFamily{unix.AF_INET6, unix.IPPROTO_ICMPV6, unix.IPPROTO_IPV6, "ip6_mr_vif"}
	}
	return mrouteFamily{unix.AF_INET, unix.IPPROTO_IGMP, unix.IPPROTO_IP, "ip_mr_vif"}
}

// socket opens one that multicast routing is set with, in the thread's namespace. What another than the one of
// MRT_INIT sets stays when it is closed.
func (f mrouteFamily) socket() (int, error) {
	return unix.Socket(f.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, f.protocol)
}

// tellMroute makes one request.
func (n *Namespace) tellMroute(family byte, option int, value []byte) error {
	f := mrouteOf(family)
	return n.Do(func() error {
		fd, err := f.socket()
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.SetsockoptString(fd, f.level, option, string(value))
	})
}

// A vif is a link that multicast is routed over.
type vif struct {
	number int
	name   string
	static bool
}

// vifs lists those of a family. A kernel without multicast routing has none.
func (n *Namespace) vifs(family byte) (all []vif, err error) {
	err = n.Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/" + mrouteOf(family).file)
		if os.IsNotExist(err) {
			return nil
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		for _, line := range lines[1:] { // below the names of columns
			f := strings.Fields(line)
			if len(f) < 7 {
				return fmt.Errorf("%q is no line of %s", line, mrouteOf(family).file)
			}
			number, err := strconv.Atoi(f[0])
			if err != nil {
				return err
			}
			flags, err := strconv.ParseUint(f[6], 16, 32)
			if err != nil {
				return err
			}
			all = append(all, vif{number, f[1], flags&vifStatic != 0})
		}
		return err
	})
	return all, err
}

// FreeVIF is a number that no link of multicast routes has.
func (n *Namespace) FreeVIF(family byte) (free int, err error) {
	all, err := n.vifs(family)
	for slices.ContainsFunc(all, func(v vif) bool { return v.number == free }) {
		free++
	}
	return free, fail(err, "list links of multicast routes", "", n)
}

// HasVIF reports whether multicast of a family is routed over a link.
func (n *Namespace) HasVIF(link string, family byte) (bool, error) {
	all, err := n.vifs(family)
	return slices.ContainsFunc(all, func(v vif) bool { return v.name == link }),
		fail(err, "list links of multicast routes", "", n)
}

func readVIFs(n *Namespace, l *Link) (all [][]byte, err error) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		vifs, err := n.vifs(family)
		if err != nil {
			return nil, err
		}
		for _, v := range vifs {
			if v.static && v.name == l.Name {
				raw := binary.NativeEndian.AppendUint32([]byte{family, 0, 0, 0}, uint32(l.Index))
				all = append(all, AppendAttr(raw, MRouteVIF, binary.NativeEndian.AppendUint32(nil, uint32(v.number))))
			}
		}
	}
	return all, nil
}

// sendVIF makes a link one of multicast routes, or takes that back: struct vifctl, or mif6ctl.
func sendVIF(n *Namespace, raw []byte, remove bool) error {
	order := binary.NativeEndian
	number, index := uint16(rtnl.Uint32(raw, mrouteVIFHeader, MRouteVIF)), uint32(neighLink(raw))
	msg := append(order.AppendUint16(nil, number), useIndex, 1) // of packets with this TTL or more
	switch {
	case raw[0] == unix.AF_INET:
		msg = append(order.AppendUint32(append(msg, 0, 0, 0, 0), index), 0, 0, 0, 0)
	case remove:
		msg = order.AppendUint16(nil, number) // a mifi_t
	default:
		msg[2] = 0
		msg = append(order.AppendUint16(msg, uint16(index)), 0, 0, 0, 0, 0, 0)
	}
	if remove {
		return n.tellMroute(raw[0], mrtDelVIF, msg)
	}
	return n.tellMroute(raw[0], mrtAddVIF, msg)
}
