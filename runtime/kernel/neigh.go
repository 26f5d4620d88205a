package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// linkNeighs are the raw messages of the neighbours that somebody gave a link, and of those it answers for; the others the kernel
// learns by itself.
func (n *Namespace) linkNeighs(index int) (mine [][]byte, err error) {
	all, err := n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{})
	for _, raw := range all {
		if at := neighHead(raw); at.index == index && given(raw) {
			mine = append(mine, raw)
		}
	}
	if err != nil {
		return nil, err
	}
	all, err = n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{Flags: netlink.NTF_PROXY})
	for _, raw := range all {
		if neighHead(raw).index == index {
			mine = append(mine, raw)
		}
	}
	return mine, err
}

func managed(raw []byte) bool {
	return rtnl.Uint32(raw, unix.SizeofNdMsg, netlink.NDA_FLAGS_EXT)&netlink.NTF_EXT_MANAGED != 0
}

// given reports whether somebody added a neighbour: a permanent one, one that a program learned (extern_learn) or has the
// kernel look after (managed), or one that nobody is asked for. Groups are of that last state, too, by the kernel itself.
func given(raw []byte) bool {
	lladdr := rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR)
	one := len(lladdr) > 0 && lladdr[0]&1 == 0 && len(bytes.Trim(lladdr, "\x00")) > 0
	state := neighHead(raw).state
	return state&unix.NUD_PERMANENT != 0 || raw[10]&netlink.NTF_EXT_LEARNED != 0 || managed(raw) || state&unix.NUD_NOARP != 0 && one
}

// restoreNeighs adds those that are missing. One that is there with another address was changed by somebody else.
func (n *Namespace) restoreNeighs(index int, want [][]byte) error {
	if want == nil {
		return nil
	}
	have, err := n.linkNeighs(index)
	errs := []error{err}
	for _, msg := range want {
		if slices.ContainsFunc(have, func(h []byte) bool { return neighKey(h) == neighKey(msg) }) {
			continue
		}
		msg = rtnl.Without(msg, unix.SizeofNdMsg, unix.NDA_CACHEINFO)
		if msg[10]&netlink.NTF_PROXY != 0 {
			// As ip-neighbour(8) adds one. The kernel does not say of a proxy that it is permanent, and drops others when the
			// link changes while it has no carrier.
			binary.NativeEndian.PutUint16(msg[8:], unix.NUD_PERMANENT)
		}
		if managed(msg) {
			msg = rtnl.Without(rtnl.Without(msg, unix.SizeofNdMsg, unix.NDA_LLADDR), unix.SizeofNdMsg, unix.NDA_PROBES)
			binary.NativeEndian.PutUint16(msg[8:], unix.NUD_NONE) // to be asked for anew
		}
		errs = append(errs, n.do(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, rtnl.Raw(msg)))
	}
	return errors.Join(errs...)
}

// neighKey is what makes a neighbour another one than the others of its link: its address, and whether it is one that is
// answered for.
func neighKey(raw []byte) string {
	return string(rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_DST)) + string(rune(raw[10]&netlink.NTF_PROXY))
}

// sameNeigh compares two neighbours' messages but for the times in NDA_CACHEINFO and the number of probes.
func sameNeigh(a, b []byte) bool {
	plain := func(msg []byte) []byte {
		return rtnl.Without(rtnl.Without(msg, unix.SizeofNdMsg, unix.NDA_CACHEINFO), unix.SizeofNdMsg, unix.NDA_PROBES)
	}
	return bytes.Equal(plain(a), plain(b))
}

// neighHead reads what is needed of a struct ndmsg.
func neighHead(raw []byte) (head struct{ index, state int }) {
	head.index = int(int32(binary.NativeEndian.Uint32(raw[4:])))
	head.state = int(binary.NativeEndian.Uint16(raw[8:]))
	return head
}
