package kernel

import (
	"encoding/binary"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// mdbTable holds the groups (bridge-mdb(8)) that a bridge was told of behind a port. Those behind the bridge itself
// end by themselves.
var mdbTable = &Table{Name: "mdb", One: "group", Many: "groups",
	Get: unix.RTM_GETMDB, New: unix.RTM_NEWMDB, Del: unix.RTM_DELMDB, Header: sizeofBrPortMsg,
	Families: []byte{unix.AF_BRIDGE},
	Dumps:    []rtnl.Raw{append([]byte{unix.AF_BRIDGE}, make([]byte, sizeofBrPortMsg-1)...)}, Split: splitMDB,
	On: onPort, Link: mdbLink, Key: func(raw []byte) string { return string(raw) }, lists: portGroups,
	Own: true, Bridge: true, At: sizeofBrPortMsg + 4, Blank: func() []byte {
		return AppendAttr(make([]byte, sizeofBrPortMsg), mdbaSetEntry, make([]byte, sizeofBrMdbEntry))
	}}

// portGroups are a port's groups that were not learned. A bridge that takes none as it is would not take them again.
func portGroups(t *Table, n *Namespace, l *Link, _ *Image) (mine [][]byte, err error) {
	if l.Master == 0 {
		return nil, nil
	}
	if takes, err := n.takesGroups(l.Master); err != nil || !takes {
		return nil, unlessGone(err)
	}
	all, err := n.entries(t)
	for _, raw := range all {
		if mdbLink(raw) == l.Index && mdbEntry(raw)[4] == mdbPermanent {
			mine = append(mine, raw)
		}
	}
	return mine, err
}

// takesGroups reports whether a bridge can be told of groups.
func (n *Namespace) takesGroups(bridge int) (bool, error) {
	raw, err := n.linkMessage(bridge)
	if err != nil {
		return false, err
	}
	info := rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0, nl.IFLA_INFO_DATA)
	snooping := rtnl.Attr(info, 0, nl.IFLA_BR_MCAST_SNOOPING)
	return nl.DeserializeIfInfomsg(raw).Flags&unix.IFF_UP != 0 && len(snooping) == 1 && snooping[0] != 0, nil
}

// Of struct br_port_msg and struct br_mdb_entry (linux/if_bridge.h): index, state, flags, vid, address, protocol.
const (
	sizeofBrPortMsg  = 8
	sizeofBrMdbEntry = 28
	mdbPermanent     = 1

	mdbaMDB         = 1 // of an answer, and of an entry in it
	mdbaSources     = 2
	mdbaSource      = 4
	mdbaSetEntry    = 1 // of a request, and of its MDBA_SET_ENTRY_ATTRS
	mdbaSetAttrs    = 2
	mdbeAttrsSource = 1
)

// mdbEntry is the struct br_mdb_entry of a request, one of zeros when there is none.
func mdbEntry(raw []byte) []byte {
	if e := rtnl.Attr(raw, sizeofBrPortMsg, mdbaSetEntry); len(e) == sizeofBrMdbEntry {
		return e
	}
	return make([]byte, sizeofBrMdbEntry)
}

func mdbLink(raw []byte) int { return int(int32(binary.NativeEndian.Uint32(mdbEntry(raw)))) }

// splitMDB makes requests of the entries in an answer, but for groups with a list of their sources, which no request
// of ours has.
func splitMDB(raw []byte) (all [][]byte) {
	for group := range rtnl.Nested(rtnl.Attr(raw, sizeofBrPortMsg, mdbaMDB)) {
		for e := range rtnl.Nested(group) {
			if len(e) < sizeofBrMdbEntry || rtnl.Attr(e, sizeofBrMdbEntry, mdbaSources) != nil {
				continue
			}
			entry := slices.Clone(e[:sizeofBrMdbEntry])
			entry[5] = 0 // flags, which the kernel only shows
			head := append([]byte{unix.AF_BRIDGE}, raw[1:sizeofBrPortMsg]...)
			msg := slices.Concat(head, nl.NewRtAttr(mdbaSetEntry, entry).Serialize())
			if source := rtnl.Attr(e, sizeofBrMdbEntry, mdbaSource); source != nil {
				attrs := nl.NewRtAttr(mdbaSetAttrs|unix.NLA_F_NESTED, nil)
				attrs.AddRtAttr(mdbeAttrsSource, source)
				msg = append(msg, attrs.Serialize()...)
			}
			all = append(all, msg)
		}
	}
	return all
}
