package kernel

import (
	"bytes"
	"encoding/binary"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// neighTable holds ip-neighbour(8)'s neighbours, and the addresses that a link answers for (proxies).
var neighTable = &Table{Name: "neigh", One: "neighbour", Many: "neighbours",
	Get: unix.RTM_GETNEIGH, New: unix.RTM_NEWNEIGH, Del: unix.RTM_DELNEIGH, Header: unix.SizeofNdMsg,
	Families: []byte{unix.AF_INET, unix.AF_INET6},
	Dumps:    []rtnl.Raw{ndMsg(unix.AF_UNSPEC, 0), ndMsg(unix.AF_UNSPEC, netlink.NTF_PROXY)},
	On:       onLink, Goes: Closing, Link: neighLink, Key: neighKey, Plain: plainNeigh, Flags: replacing,
	Own: true, At: 4, Mark: func(raw []byte) []byte { return AppendAttr(raw, ndaProtocol, []byte{protoForeign}) },
	Mine:    func(_ *Link, raw []byte) bool { return raw[10]&netlink.NTF_PROXY != 0 || given(raw) },
	Learned: func(raw []byte) bool { return neighState(raw)&learnedStates != 0 && !given(raw) },
	Fits:    addressed}

// addressed reports whether a neighbour's link-layer address is one of the link's: the kernel cuts off what is longer.
func addressed(l *Link, raw []byte) bool {
	lladdr := rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR)
	return lladdr == nil || len(lladdr) == len(l.MAC)
}

// learnedStates are those that a neighbour has which is asked for.
const learnedStates = unix.NUD_INCOMPLETE | unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE |
	unix.NUD_FAILED

// ndaProtocol is NDA_PROTOCOL of linux/neighbour.h.
const ndaProtocol = 12

// replacing are the flags of a request whose entry may have one in its place that the kernel has learned.
func replacing([]byte) int { return unix.NLM_F_CREATE | unix.NLM_F_REPLACE }

// ndMsg is a struct ndmsg: family, index, state, flags, type.
func ndMsg(family, flags byte) rtnl.Raw {
	msg := make([]byte, unix.SizeofNdMsg)
	msg[0], msg[10] = family, flags
	return msg
}

func neighLink(raw []byte) int  { return int(int32(binary.NativeEndian.Uint32(raw[4:]))) }
func neighState(raw []byte) int { return int(binary.NativeEndian.Uint16(raw[8:])) }

func managed(raw []byte) bool {
	return rtnl.Uint32(raw, unix.SizeofNdMsg, netlink.NDA_FLAGS_EXT)&netlink.NTF_EXT_MANAGED != 0
}

// given reports whether somebody added a neighbour: a permanent one, one that a program learned (extern_learn) or
// has the kernel look after (managed), or one that nobody is asked for. Groups are of that last state, too, by the
// kernel itself.
func given(raw []byte) bool {
	lladdr := rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR)
	one := len(lladdr) > 0 && lladdr[0]&1 == 0 && len(bytes.Trim(lladdr, "\x00")) > 0
	state := neighState(raw)
	return state&unix.NUD_PERMANENT != 0 || raw[10]&netlink.NTF_EXT_LEARNED != 0 || managed(raw) ||
		state&unix.NUD_NOARP != 0 && one
}

// neighKey is what makes a neighbour another one than the others of its link: its address, and whether it is one
// that is answered for.
func neighKey(raw []byte) string {
	return string(rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_DST)) + string(rune(raw[10]&netlink.NTF_PROXY))
}

func plainNeigh(msg []byte) []byte {
	msg[11] = 0 // what its address is (rtm_type), which the kernel only shows
	msg = rtnl.Without(rtnl.Without(msg, unix.SizeofNdMsg, unix.NDA_CACHEINFO), unix.SizeofNdMsg, unix.NDA_PROBES)
	if msg[10]&netlink.NTF_PROXY != 0 {
		// As ip-neighbour(8) adds one. The kernel does not say of a proxy that it is permanent, and drops others
		// when the link changes while it has no carrier.
		binary.NativeEndian.PutUint16(msg[8:], unix.NUD_PERMANENT)
	}
	if managed(msg) {
		msg = rtnl.Without(msg, unix.SizeofNdMsg, unix.NDA_LLADDR)
		binary.NativeEndian.PutUint16(msg[8:], unix.NUD_NONE) // to be asked for anew
	}
	return msg
}
