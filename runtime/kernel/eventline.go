package kernel

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Lines are events as people read them, each in the words of its command, as `ip monitor` writes them. names are those
// of the namespace's links by their indexes; what the events tell of these is added to them.
func (n *Namespace) Lines(heard []Heard, names map[int]string) (all []string) {
	for _, h := range heard {
		line := h.Kind + " " + n.words(h, names)
		if h.Gone {
			line = "deleted " + line
		}
		all = append(all, line)
	}
	return all
}

// LinkNames are the names of the namespace's links by their indexes.
func (n *Namespace) LinkNames() (map[int]string, error) {
	refs, err := n.linkRefs()
	names := map[int]string{}
	for index, ref := range refs {
		names[index] = ref.Name
	}
	return names, err
}

// nameIn is the name of a link, which may not be known yet.
func nameIn(names map[int]string, index int) string {
	return cmp.Or(names[index], fmt.Sprintf("if%d", index))
}

func (n *Namespace) words(h Heard, names map[int]string) string {
	entry := Entry{NS: h.NS, Table: h.Kind, Msg: h.Msg}
	switch h.Kind {
	case "link":
		return linkLine(h.Msg, names)
	case "addr":
		return addrLine(h.Msg, names)
	case "route":
		return routeLine(h.Msg, names, false)
	case fdbEvent:
		words := net.HardwareAddr(rtnl.Attr(h.Msg, unix.SizeofNdMsg, unix.NDA_LLADDR)).String() + " dev " +
			nameIn(names, neighLink(h.Msg))
		if vid := rtnl.Attr(h.Msg, unix.SizeofNdMsg, unix.NDA_VLAN); len(vid) == 2 {
			words += fmt.Sprintf(" vlan %d", binary.NativeEndian.Uint16(vid))
		}
		return words
	case "neigh":
		index := neighLink(h.Msg)
		entry.Link = &LinkRef{NS: h.NS, Index: index, Name: nameIn(names, index)}
		return entry.shown()
	}
	return entry.shown()
}

// shown is an entry in its words, whoever it is from: the kernel's own are not as a journal would have them.
func (e Entry) shown() string {
	if t := tableNamed(e.Table); t != nil && t.text != nil {
		return strings.Join(t.text(e), " ")
	}
	return ""
}

// linkLine is what a message says of a link that changes most.
func linkLine(raw []byte, names map[int]string) string {
	head := nl.DeserializeIfInfomsg(raw)
	at := func(typ int) []byte { return rtnl.Attr(raw, unix.SizeofIfInfomsg, typ) }
	name := unix.ByteSliceToString(at(unix.IFLA_IFNAME))
	names[int(head.Index)] = name
	words := []string{name, "down"}
	if head.Flags&unix.IFF_UP != 0 {
		words[1] = "up"
	}
	if state := at(unix.IFLA_OPERSTATE); len(state) == 1 && int(state[0]) < len(stateWords) {
		words = append(words, "state", stateWords[state[0]])
	}
	if mtu := rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_MTU); mtu > 0 {
		words = append(words, fmt.Sprintf("mtu %d", mtu))
	}
	if master := rtnl.Uint32(raw, unix.SizeofIfInfomsg, unix.IFLA_MASTER); master > 0 {
		words = append(words, "master", nameIn(names, master))
	}
	if state := portState(raw); state != "" {
		words = append(words, "port", state)
	}
	return strings.Join(words, " ")
}

// addrLine is what a message says of an address.
func addrLine(raw []byte, names map[int]string) string {
	a, _ := parseAddr(raw)
	words := []string{a.Prefix.String()}
	if a.Peer.IsValid() {
		words = append(words, "peer", a.Peer.String())
	}
	words = append(words, "dev", nameIn(names, int(nl.DeserializeIfAddrmsg(raw).Index)))
	flags := rtnl.Uint32(raw, unix.SizeofIfAddrmsg, unix.IFA_FLAGS)
	if flags&unix.IFA_F_DADFAILED != 0 {
		words = append(words, "dadfailed")
	} else if flags&unix.IFA_F_TENTATIVE != 0 {
		words = append(words, "tentative")
	}
	return strings.Join(words, " ")
}
