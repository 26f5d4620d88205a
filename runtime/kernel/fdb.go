package kernel

import (
	"bytes"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// fdbTable holds the forwarding entries (bridge-fdb(8)) of links that have a table of their own: those of a bridge
// that are the bridge itself, and those of a vxlan, which say behind which other end an address is.
var fdbTable = fdb("fdb", onLink, func(l *Link) bool { return kindOf(l.Kind).bridges() || kindOf(l.Kind).FDB },
	func(l *Link, raw []byte) bool {
		master := fdbMaster(raw)
		return kindOf(l.Kind).bridges() && master == l.Index ||
			kindOf(l.Kind).FDB && master == 0 && raw[10]&netlink.NTF_SELF != 0
	})

// portFDBTable holds the addresses that a bridge was given behind a port.
var portFDBTable = fdb("port fdb", onPort, nil, func(l *Link, raw []byte) bool {
	master := fdbMaster(raw)
	return master != 0 && master != l.Index
})

func fdbMaster(raw []byte) int { return rtnl.Uint32(raw, unix.SizeofNdMsg, unix.NDA_MASTER) }

// behindAnother is EEXIST when a bridge was given the address behind another of its ports, or as its own: the kernel
// would take it from there.
func behindAnother(n *Namespace, t *Table, e Entry) error {
	l, err := n.linkByIndex(e.Link.Index)
	if err != nil {
		return err
	}
	bridge := l.Master
	if e.Table == "fdb" {
		bridge = l.Index
	}
	all, err := n.entries(t)
	for _, raw := range all {
		if fdbMaster(raw) != bridge || neighLink(raw) == l.Index || fdbKey(raw) != fdbKey(e.Msg) {
			continue
		}
		other, err := n.linkByIndex(neighLink(raw))
		if err == nil && givenFDB(other, raw) {
			err = fmt.Errorf("the bridge has it behind %s: %w", other.Name, unix.EEXIST)
		}
		if err != nil {
			return unlessGone(err)
		}
	}
	return err
}

// fdb is a row for the forwarding entries that are of a part of all. Those without a master and a table are a link's
// filter.
func fdb(name string, on holder, of func(*Link) bool, part func(*Link, []byte) bool) *Table {
	return &Table{Name: name, One: "forwarding entry", Many: "forwarding entries",
		Get: unix.RTM_GETNEIGH, New: unix.RTM_NEWNEIGH, Del: unix.RTM_DELNEIGH, Header: unix.SizeofNdMsg,
		Families: []byte{unix.AF_BRIDGE}, Dumps: []rtnl.Raw{ndMsg(unix.AF_BRIDGE, 0)},
		On: on, Of: of, Link: neighLink, Key: fdbKey, Plain: plainFDB, Flags: fdbFlags,
		Own: true, At: 4, Shown: plainFDB, Clashes: behindAnother,
		Mine: func(l *Link, raw []byte) bool { return part(l, raw) && givenFDB(l, raw) }}
}

// givenFDB reports whether somebody added a forwarding entry. The others are learned, or the link's own address.
func givenFDB(l *Link, raw []byte) bool {
	state := neighState(raw)
	own := state&unix.NUD_PERMANENT != 0 && bytes.Equal(rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR), l.MAC)
	return !own && (state&(unix.NUD_NOARP|unix.NUD_PERMANENT) != 0 || raw[10]&netlink.NTF_EXT_LEARNED != 0)
}

// fdbKey is an entry's address, its vlan or network, and where it is where there can be several: a vxlan sends what
// it knows no other end for to all that it has for the address of zeros.
func fdbKey(raw []byte) (key string) {
	for _, typ := range []int{unix.NDA_LLADDR, unix.NDA_VLAN, netlink.NDA_SRC_VNI} {
		key += string(rtnl.Attr(raw, unix.SizeofNdMsg, typ)) + "/"
	}
	if severalFDB(raw) {
		for _, typ := range []int{unix.NDA_DST, unix.NDA_PORT, unix.NDA_VNI, unix.NDA_IFINDEX} {
			key += string(rtnl.Attr(raw, unix.SizeofNdMsg, typ)) + "/"
		}
	}
	return key
}

// severalFDB reports whether there can be several entries of one address: of a vxlan, for groups and for the address
// of zeros.
func severalFDB(raw []byte) bool {
	mac := rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR)
	return rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_DST) != nil && len(mac) > 0 &&
		(mac[0]&1 != 0 || len(bytes.Trim(mac, "\x00")) == 0)
}

func fdbFlags(raw []byte) int {
	if severalFDB(raw) {
		return unix.NLM_F_CREATE | unix.NLM_F_APPEND
	}
	return unix.NLM_F_CREATE | unix.NLM_F_REPLACE
}

// plainFDB says where the entry goes, as bridge(8) does: to the link itself or to the bridge that it is a port of.
func plainFDB(msg []byte) []byte {
	to := byte(netlink.NTF_SELF)
	if master := rtnl.Uint32(msg, unix.SizeofNdMsg, unix.NDA_MASTER); master != 0 && master != neighLink(msg) ||
		msg[10]&netlink.NTF_MASTER != 0 {
		to = netlink.NTF_MASTER
	}
	for _, typ := range []int{unix.NDA_CACHEINFO, unix.NDA_MASTER, unix.NDA_LINK_NETNSID} {
		msg = rtnl.Without(msg, unix.SizeofNdMsg, typ)
	}
	if rtnl.Uint32(msg, unix.SizeofNdMsg, netlink.NDA_FLAGS_EXT) == 0 {
		msg = rtnl.Without(msg, unix.SizeofNdMsg, netlink.NDA_FLAGS_EXT)
	}
	msg[11] = 0 // type, which only a vxlan shows
	msg[10] = to | msg[10]&(netlink.NTF_STICKY|netlink.NTF_EXT_LEARNED|netlink.NTF_ROUTER)
	return msg
}
