package kernel

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// givenMACs are the addresses beside its own that a link lets in since somebody said so: not those of the groups that a
// namespace listens to, nor those of other links, which may stand on this one.
func givenMACs(at *subject) ([]string, error) {
	raw, err := at.n.linkMessage(at.l.Index)
	if err != nil {
		return nil, err
	}
	// The groups of a tunnel are all at its other end.
	own := map[string]bool{string(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_BROADCAST)): true}
	if err := at.n.wanted(own); err != nil {
		return nil, err
	}
	found, err := at.lets(own)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	above := at.m.LookAbove()
	defer above.Close()
	if err := above.look(at.n, at.l.LinkRef); err != nil {
		return nil, err
	}
	for n := range above.near {
		if err := n.wanted(own); err != nil {
			return nil, err
		}
	}
	return at.lets(own)
}

// wanted adds the addresses of a namespace's links, and of the groups that it listens to.
func (n *Namespace) wanted(all map[string]bool) error {
	links, err := n.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		all[string(l.MAC)] = true
	}
	return n.Do(func() error { return listenedTo(all) })
}

// lets are the addresses that a link lets in and that are not among those known, or were given by SIOCADDMULTI.
func (at *subject) lets(known map[string]bool) (found []string, err error) {
	all, err := at.n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{Family: unix.AF_BRIDGE})
	if err != nil {
		return nil, err
	}
	// What a bridge was given behind its other ports, a port lets in.
	for _, raw := range all {
		if master := rtnl.Uint32(raw, unix.SizeofNdMsg, unix.NDA_MASTER); master != 0 && master == at.l.Master {
			known[string(rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR))] = true
		}
	}
	for _, raw := range all {
		mac := net.HardwareAddr(rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR))
		mine := neighLink(raw) == at.l.Index && raw[10]&netlink.NTF_SELF != 0 && len(mac) > 0 && mac[0]&1 == 0
		// of a vxlan or a bridge
		table := rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_DST) != nil ||
			rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_MASTER) != nil
		if mine && !table && !known[string(mac)] {
			found = append(found, "address "+mac.String())
		}
	}
	err = at.n.Do(func() error {
		// index, name, how many want it, how often it was given by SIOCADDMULTI, address
		return lines("/proc/thread-self/net/dev_mcast", func(f []string) {
			if len(f) != 5 || f[0] != strconv.Itoa(at.l.Index) {
				return
			}
			if mac, err := hex.DecodeString(f[4]); err == nil && (f[3] != "0" || !known[string(mac)]) {
				found = append(found, "address "+net.HardwareAddr(mac).String())
			}
		})
	})
	return found, err
}

// listenedTo adds the link-layer addresses of all groups that the thread's namespace listens to (RFC 1112, RFC 2464).
func listenedTo(groups map[string]bool) error {
	err := lines("/proc/thread-self/net/igmp", func(f []string) {
		// The lines of links have more to say than those of their groups, which begin with the group.
		if ip, err := strconv.ParseUint(f[0], 16, 32); err == nil && len(f[0]) == 8 {
			b := binary.NativeEndian.AppendUint32(nil, uint32(ip))
			groups[string([]byte{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]})] = true
		}
	})
	if err != nil {
		return err
	}
	return lines("/proc/thread-self/net/igmp6", func(f []string) {
		if len(f) < 3 {
			return
		}
		if ip, err := hex.DecodeString(f[2]); err == nil && len(ip) == 16 {
			groups["\x33\x33"+string(ip[12:])] = true
		}
	})
}

// lines calls fn with the fields of each line of a file that has any. A file that is not there, since the kernel was
// built without what it tells of, has none.
func lines(path string, fn func(fields []string)) error {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 0 {
			fn(f)
		}
	}
	return err
}
