package kernel

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// addrLabelTable holds ip-addrlabel(8)'s labels.
var addrLabelTable = &Table{Name: "addrlabel", One: "address label", Many: "address labels",
	Get: unix.RTM_GETADDRLABEL, New: unix.RTM_NEWADDRLABEL, Del: unix.RTM_DELADDRLABEL, Header: sizeofAddrLabel,
	Families: []byte{unix.AF_INET6},
	Dumps:    []rtnl.Raw{append([]byte{unix.AF_INET6}, make([]byte, sizeofAddrLabel-1)...)},
	On:       onNamespace, Own: true, Plain: plainAddrLabel,
	Key: func(raw []byte) string {
		return string(raw[2:8]) + string(rtnl.Attr(raw, sizeofAddrLabel, ifalAddress))
	}}

// Of linux/if_addrlabel.h: the length of a struct ifaddrlblmsg (family, two more, length of the prefix, flags, index,
// sequence number), and an attribute.
const (
	sizeofAddrLabel = 12
	ifalAddress     = 1
)

// plainAddrLabel leaves out how often the table has changed.
func plainAddrLabel(msg []byte) []byte {
	binary.NativeEndian.PutUint32(msg[8:], 0)
	return msg
}
