package kernel

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// userFlags are the flags of a link that are set apart from all else: `ip link set LINK arp off promisc on` and so on.
const userFlags = unix.IFF_NOARP | unix.IFF_PROMISC | unix.IFF_ALLMULTI | unix.IFF_MULTICAST | unix.IFF_DYNAMIC |
	unix.IFF_DEBUG | unix.IFF_NOTRAILERS

// SetLink sets one attribute of a link, in `ip link set`'s words: name, mtu, mac, txqlen, alias, group, up ("on" or
// "off"), master (an interface index, 0 for none) or flags (a number, of userFlags). One attribute is one request: it
// happens wholly or not at all.
func (m *Machine) SetLink(ref LinkRef, attr, value string) error {
	n, index, err := m.find(ref)
	if err != nil {
		return fail(err, "set "+attr+" of link", ref.Name, n)
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	parts := []nl.NetlinkRequestData{msg}
	switch attr {
	case "up":
		msg.Change = unix.IFF_UP
		if value == "on" {
			msg.Flags = unix.IFF_UP
		}
	case "flags":
		flags, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fail(err, "set "+attr+" of link", ref.Name, n)
		}
		msg.Change, msg.Flags = userFlags, uint32(flags)
	default:
		a, err := linkAttr(attr, value)
		if err != nil {
			return fail(err, "set "+attr+" of link", ref.Name, n)
		}
		parts = append(parts, a)
	}
	switch attr {
	case "up", "master":
		if ref.Index != loopback { // which always has its carrier
			m.awaitingCarrier = append(m.awaitingCarrier, ref)
			m.awaitingAutoconf = append(m.awaitingAutoconf, n.ref)
		}
	case "name":
		m.renamed[ref.Object()] = true
	}
	return fail(n.do(unix.RTM_NEWLINK, 0, parts...), "set "+attr+" of link", ref.Name, n)
}

// SetInfo sets attributes of a link's IFLA_INFO_DATA, and leaves the others as they are.
func (m *Machine) SetInfo(ref LinkRef, kind string, data []byte) error {
	op := "set " + kind + " link"
	n, index, err := m.find(ref)
	if err != nil {
		return fail(err, op, ref.Name, n)
	}
	if g := kindOf(kind).Generic; g != nil {
		body := slices.Concat(genericHead(g.set), attrMessage(g.index, uint32(index)), data)
		return fail(n.tellFamily(kind, body), op, ref.Name, n)
	}
	if kindOf(kind).Whole {
		now, err := n.linkInfo(index, nl.IFLA_INFO_DATA)
		if err != nil {
			return fail(err, op, ref.Name, n)
		}
		for _, typ := range rtnl.Attrs(data, 0) {
			now = rtnl.Without(now, 0, typ)
		}
		data = slices.Concat(now, data)
	}
	return fail(n.setInfo(index, nl.IFLA_INFO_KIND, kind, data), op, ref.Name, n)
}

// SetPortInfo sets attributes of a link's IFLA_INFO_SLAVE_DATA, what it is as a port of a master of the kind.
func (m *Machine) SetPortInfo(ref LinkRef, kind string, data []byte) error {
	op := "set port of " + kind
	n, index, err := m.find(ref)
	if err != nil {
		return fail(err, op, ref.Name, n)
	}
	return fail(n.setInfo(index, nl.IFLA_INFO_SLAVE_KIND, kind, data), op, ref.Name, n)
}

// setInfo sets what a link has of its kind (IFLA_INFO_KIND) or as a port (IFLA_INFO_SLAVE_KIND).
func (n *Namespace) setInfo(index, of int, kind string, data []byte) error {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, nil)
	info.AddRtAttr(of, nl.NonZeroTerminated(kind))
	of += nl.IFLA_INFO_DATA - nl.IFLA_INFO_KIND
	info.AddRtAttr(of|unix.NLA_F_NESTED, nil).AddChild(rtnl.Raw(data))
	return n.do(unix.RTM_NEWLINK, 0, msg, info)
}

func linkAttr(attr, value string) (*nl.RtAttr, error) {
	switch attr {
	case "name":
		return nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(value)), nil
	case "alias":
		return nl.NewRtAttr(unix.IFLA_IFALIAS, []byte(value)), nil
	case "mac":
		mac, err := net.ParseMAC(value)
		return nl.NewRtAttr(unix.IFLA_ADDRESS, mac), err
	}
	kind, ok := map[string]int{"mtu": unix.IFLA_MTU, "txqlen": unix.IFLA_TXQLEN, "group": unix.IFLA_GROUP,
		"master": unix.IFLA_MASTER}[attr]
	if !ok {
		return nil, fmt.Errorf("a link has no attribute %q", attr)
	}
	number, err := strconv.ParseUint(value, 10, 32)
	return nl.NewRtAttr(kind, nl.Uint32Attr(uint32(number))), err
}

// Attr is the value that SetLink would be given to make the attribute what it is.
func (l *Link) Attr(attr string) string {
	switch attr {
	case "name":
		return l.Name
	case "alias":
		return l.Alias
	case "mac":
		return l.MAC.String()
	case "mtu":
		return strconv.Itoa(l.MTU)
	case "txqlen":
		return strconv.Itoa(l.TxQLen)
	case "group":
		return strconv.Itoa(l.Group)
	case "master":
		return strconv.Itoa(l.Master)
	case "flags":
		return strconv.Itoa(l.flags)
	}
	if l.Up {
		return "on"
	}
	return "off"
}

// MoveLink moves a link to another namespace, under an index that is free there, and gives it another name on the way
// unless that is empty. The kernel drops its addresses, routes and state.
func (m *Machine) MoveLink(ref LinkRef, to NSRef, index int, name string) error {
	n, at, err := m.find(ref)
	if err != nil {
		return fail(err, "move link", ref.Name, n)
	}
	dst, err := m.Namespace(to)
	if err != nil {
		return fail(err, "move link", ref.Name+" to "+to.String(), n)
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(at)
	parts := []nl.NetlinkRequestData{msg, nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(dst.fd)))}
	if index != at {
		parts = append(parts, nl.NewRtAttr(unix.IFLA_NEW_IFINDEX, nl.Uint32Attr(uint32(index))))
	}
	if name != "" {
		parts = append(parts, nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	}
	if err := n.do(unix.RTM_NEWLINK, 0, parts...); err != nil {
		err = fail(err, "move link", ref.Name+" to "+dst.Name(), n)
		if name == "" || dst.IndexFree(index) {
			return err
		}
		// Its old name was free there, and the new one somebody else's by then.
		m.Moved(m.where(ref.Object()), Object{Cookie: dst.ref.Cookie, Index: index})
		return Partly(err)
	}
	m.Moved(m.where(ref.Object()), Object{Cookie: dst.ref.Cookie, Index: index})
	return nil
}

// ValidAttr says what is wrong with the value of a link's attribute, in SetLink's words.
func ValidAttr(attr, value string) error {
	bad := false
	switch attr {
	case "name":
		return validDevName(value)
	case "up":
		bad = value != "on" && value != "off"
	case "mac":
		bad = len(value) > 3*32 || // MAX_ADDR_LEN
			strings.Trim(value, "0123456789abcdef:") != ""
	case "alias":
		if len(value) > 255 || strings.Contains(value, "\x00") {
			return fmt.Errorf("alias of %d bytes: up to 255 are allowed (IFALIASZ), and no zero bytes", len(value))
		}
	case "mtu", "txqlen", "group", "master", "flags":
		_, err := strconv.ParseUint(value, 10, 32)
		bad = err != nil
	default:
		return fmt.Errorf("a link has no attribute %q", attr)
	}
	if bad {
		return fmt.Errorf("%q is no %s of a link", value, attr)
	}
	return nil
}
