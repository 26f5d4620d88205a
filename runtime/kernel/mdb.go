package kernel

import (
	"encoding/binary"
	"net/netip"
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
	On: onPort, Link: mdbLink, Key: mdbKey, Plain: plainMDB, lists: portGroups,
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
	implied := map[string]bool{}
	for _, raw := range all {
		for source := range rtnl.Nested(mdbAttr(raw, mdbeAttrsSources)) {
			implied[groupKey(raw, rtnl.Attr(source, 0, mdbeSourceAddress))] = true
		}
	}
	for _, raw := range all {
		if mdbLink(raw) == l.Index && mdbEntry(raw)[4] == mdbPermanent && !implied[mdbKey(raw)] {
			mine = append(mine, raw)
		}
	}
	return mine, err
}

// mdbKey is what makes an entry another one: its bridge, its port, its group, its vlan and its source.
func mdbKey(raw []byte) string { return groupKey(raw, mdbAttr(raw, mdbeAttrsSource)) }

// groupKey is that of the entry for one source of an entry's group. The kernel makes those of a list of sources by
// itself.
func groupKey(raw, source []byte) string {
	return string(raw[4:sizeofBrPortMsg]) + string(mdbEntry(raw)) + string(source)
}

// mdbAttr is a part of a request's MDBA_SET_ENTRY_ATTRS.
func mdbAttr(raw []byte, typ int) []byte {
	return rtnl.Attr(rtnl.Attr(raw, sizeofBrPortMsg, mdbaSetAttrs), 0, typ)
}

// plainMDB says of what is nested that it is, which the kernel wants to be told.
func plainMDB(raw []byte) []byte {
	attrs := rtnl.Attr(raw, sizeofBrPortMsg, mdbaSetAttrs)
	if attrs == nil {
		return raw
	}
	if sources := rtnl.Attr(attrs, 0, mdbeAttrsSources); sources != nil {
		attrs = AppendAttr(rtnl.Without(attrs, 0, mdbeAttrsSources), mdbeAttrsSources|unix.NLA_F_NESTED, sources)
	}
	return AppendAttr(rtnl.Without(raw, sizeofBrPortMsg, mdbaSetAttrs), mdbaSetAttrs|unix.NLA_F_NESTED, attrs)
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

	mdbaMDB           = 1 // of an answer, of an entry in it, and of one of its sources
	mdbaSources       = 2
	mdbaMode          = 3
	mdbaSource        = 4
	mdbaProtocol      = 5
	mdbaSourceAddress = 1
	mdbaSetEntry      = 1 // of a request, of its MDBA_SET_ENTRY_ATTRS, and of one of its sources
	mdbaSetAttrs      = 2
	mdbeAttrsSource   = 1
	mdbeAttrsSources  = 2
	mdbeAttrsMode     = 3
	mdbeAttrsProtocol = 4
	mdbeSourceAddress = 1
)

// mdbEntry is the struct br_mdb_entry of a request, one of zeros when there is none.
func mdbEntry(raw []byte) []byte {
	if e := rtnl.Attr(raw, sizeofBrPortMsg, mdbaSetEntry); len(e) == sizeofBrMdbEntry {
		return e
	}
	return make([]byte, sizeofBrMdbEntry)
}

func mdbLink(raw []byte) int { return int(int32(binary.NativeEndian.Uint32(mdbEntry(raw)))) }

// splitMDB makes requests of the entries in an answer.
func splitMDB(raw []byte) (all [][]byte) {
	for group := range rtnl.Nested(rtnl.Attr(raw, sizeofBrPortMsg, mdbaMDB)) {
		for e := range rtnl.Nested(group) {
			if len(e) < sizeofBrMdbEntry {
				continue
			}
			entry := slices.Clone(e[:sizeofBrMdbEntry])
			entry[5] = 0 // flags, which the kernel only shows
			head := append([]byte{unix.AF_BRIDGE}, raw[1:sizeofBrPortMsg]...)
			msg := AppendAttr(head, mdbaSetEntry, entry)
			if attrs := mdbAttrs(e); attrs != nil {
				msg = AppendAttr(msg, mdbaSetAttrs|unix.NLA_F_NESTED, attrs)
			}
			all = append(all, msg)
		}
	}
	return all
}

// mdbAttrs are those of the request that makes an entry of an answer, but for what is so without them.
func mdbAttrs(e []byte) (attrs []byte) {
	if source := rtnl.Attr(e, sizeofBrMdbEntry, mdbaSource); source != nil {
		attrs = AppendAttr(attrs, mdbeAttrsSource, source)
	}
	var sources []netip.Addr
	for source := range rtnl.Nested(rtnl.Attr(e, sizeofBrMdbEntry, mdbaSources)) {
		if ip, ok := netip.AddrFromSlice(rtnl.Attr(source, 0, mdbaSourceAddress)); ok {
			sources = append(sources, ip)
		}
	}
	if mode := rtnl.Attr(e, sizeofBrMdbEntry, mdbaMode); sources != nil && mode != nil {
		attrs = AppendAttr(attrs, mdbeAttrsSources, GroupSources(sources))
		attrs = AppendAttr(attrs, mdbeAttrsMode, mode)
	}
	by := rtnl.Attr(e, sizeofBrMdbEntry, mdbaProtocol)
	if e[4] == mdbPermanent && len(by) == 1 && by[0] != unix.RTPROT_STATIC {
		attrs = AppendAttr(attrs, mdbeAttrsProtocol, by)
	}
	return attrs
}

// GroupSources is the value of MDBE_ATTR_SRC_LIST for the sources of a group, in order; ReadGroupSources reads one.
func GroupSources(all []netip.Addr) (value []byte) {
	for _, ip := range slices.SortedFunc(slices.Values(all), netip.Addr.Compare) {
		value = AppendAttr(value, 1|unix.NLA_F_NESTED, AppendAttr(nil, mdbeSourceAddress, ip.AsSlice()))
	}
	return value
}

func ReadGroupSources(value []byte) (all []netip.Addr) {
	for one := range rtnl.Nested(value) {
		if ip, ok := netip.AddrFromSlice(rtnl.Attr(one, 0, mdbeSourceAddress)); ok {
			all = append(all, ip)
		}
	}
	return all
}
