package kernel

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// mptcpTable holds ip-mptcp(8)'s endpoints. A message is that of generic netlink: its first byte is a command.
var mptcpTable = &Table{Name: "mptcp_endpoint", One: "mptcp endpoint", Many: "mptcp endpoints",
	Generic: "mptcp_pm", Get: mptcpGet, New: mptcpAdd, Del: mptcpDel, Header: unix.GENL_HDRLEN,
	Families: []byte{mptcpAdd}, Dumps: []rtnl.Raw{genericHead(mptcpGet)}, Split: splitMPTCP,
	On: onNamespace, Own: true, Blank: func() []byte { return genericHead(mptcpAdd) }, Plain: plainMPTCP,
	Key: func(raw []byte) string { return string(rtnl.Attr(mptcpAddr(raw), 0, mptcpAddrID)) },
	Remove: func(raw []byte) []byte {
		raw[0] = mptcpDel
		return raw
	}}

// mptcpLimitsTable holds the limits of a namespace, which are one entry.
var mptcpLimitsTable = &Table{Name: "mptcp_limits", One: "mptcp limits", Many: "mptcp limits",
	Generic: "mptcp_pm", Get: mptcpGetLimits, New: mptcpSetLimits, Header: unix.GENL_HDRLEN,
	Families: []byte{mptcpSetLimits}, On: onNamespace, Own: true,
	Blank: func() []byte { return genericHead(mptcpSetLimits) }, Key: func([]byte) string { return "" },
	Zero: map[int][]byte{}, Reads: func(n *Namespace, _ *Link) ([][]byte, error) {
		c, id, err := n.family("mptcp_pm")
		if err != nil {
			return nil, err
		}
		raw, err := c.Get(n.m.buf, id, genericHead(mptcpGetLimits))
		if err == nil {
			raw[0] = mptcpSetLimits
		}
		return [][]byte{raw}, err
	}}

// Of linux/mptcp_pm.h: commands, an attribute, and in that another one.
const (
	mptcpAdd       = 1
	mptcpDel       = 2
	mptcpGet       = 3
	mptcpSetLimits = 5
	mptcpGetLimits = 6
	mptcpAttr      = 1
	mptcpAddrID    = 2
	mptcpAddrPort  = 5
)

func mptcpAddr(raw []byte) []byte { return rtnl.Attr(raw, unix.GENL_HDRLEN, mptcpAttr) }

func splitMPTCP(raw []byte) [][]byte {
	if mptcpAddr(raw) == nil {
		return nil
	}
	return [][]byte{plainMPTCP(raw)}
}

// plainMPTCP has the attributes in the order of their numbers, without a port that is none.
func plainMPTCP(msg []byte) []byte {
	var nest []byte
	addr := mptcpAddr(msg)
	var types []int
	for _, typ := range rtnl.Attrs(addr, 0) {
		types = append(types, typ)
	}
	for _, typ := range slices.Compact(slices.Sorted(slices.Values(types))) {
		value := rtnl.Attr(addr, 0, typ)
		if typ != mptcpAddrPort || len(bytes.Trim(value, "\x00")) > 0 {
			nest = AppendAttr(nest, typ, value)
		}
	}
	return AppendAttr(genericHead(mptcpAdd), mptcpAttr|unix.NLA_F_NESTED, nest)
}
