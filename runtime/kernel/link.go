package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// FreeIndex chooses the index of a link that is to be made, so that a journal can name it before it is there. In a
// namespace of our own that is the next one; elsewhere a random one from a range that the kernel does not reach by
// counting, so that nobody else's link is taken for ours.
func (n *Namespace) FreeIndex() (int, error) {
	for {
		index := n.next
		if index > 0 {
			n.next++
		} else {
			index = lowIndex + rand.IntN(1<<30-lowIndex)
		}
		if o := (Object{Cookie: n.ref.Cookie, Index: index}); n.m.used[o] {
			continue
		} else if n.m.used[o] = true; n.alone {
			return index, nil
		}
		switch _, err := n.linkByIndex(index); {
		case errors.Is(err, ErrGone):
			return index, nil
		case err != nil:
			return 0, fail(err, "choose index of link", "", n)
		}
	}
}

// KeepIndex is the index itself, when no link of the namespace has it or had it in this run, and another one otherwise.
func (n *Namespace) KeepIndex(index int) (int, error) {
	if !n.m.used[Object{Cookie: n.ref.Cookie, Index: index}] && n.IndexFree(index) {
		return index, nil
	}
	return n.FreeIndex()
}

// FreeName is the first of prefix0, prefix1 ... that no link in the namespace has and that is not among the others.
func (n *Namespace) FreeName(prefix string, others ...string) (string, error) {
	links, err := n.Links()
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, name := range others {
		taken[name] = true
	}
	for _, l := range links {
		taken[l.Name] = true
	}
	for i := 0; ; i++ {
		if name := fmt.Sprintf("%s%d", prefix, i); !taken[name] {
			return name, nil
		}
	}
}

// DelLink deletes a link by its identity, wherever it was moved to. A link that is gone is ErrGone.
func (m *Machine) DelLink(ref LinkRef) error {
	n, index, err := m.find(ref)
	if err != nil {
		return fail(err, "delete link", ref.Name, n)
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	err = n.do(unix.RTM_DELLINK, 0, msg)
	return n.reallyGone(err, "delete link", ref.Name, func() (bool, error) {
		_, err := n.linkByIndex(index)
		return !errors.Is(err, ErrGone), unlessGone(err)
	})
}

// lowIndex is where the indexes begin that FreeIndex gives to links in namespaces which the run has not made.
const lowIndex = 1 << 24

// DelMade deletes a link that this run or a dead one made, which the index must bear out: in a namespace that no run
// made, it is one that the kernel does not reach by counting. A link that is gone is ErrGone.
func (m *Machine) DelMade(ref LinkRef) error {
	n, err := m.Namespace(ref.NS)
	if err == nil && n.next == 0 && (n.base || ref.NS.Token == "") && ref.Index < lowIndex {
		return fail(fmt.Errorf("index %d is none that nsscript gives: %w", ref.Index, ErrDiverged),
			"delete link", ref.Name, n)
	}
	return m.DelLink(ref)
}

// find is the namespace and index that a link is at now.
func (m *Machine) find(ref LinkRef) (*Namespace, int, error) {
	at := m.where(ref.Object())
	if err := validIndex(at.Index); err != nil {
		return nil, 0, err
	}
	ns := ref.NS
	if at.Cookie != ns.Cookie {
		ns = NSRef{Cookie: at.Cookie}
		if ref, ok := m.closed[at.Cookie]; ok {
			ns = ref
		}
	}
	n, err := m.Namespace(ns)
	return n, at.Index, err
}

// A Link is a link as the kernel shows it at one moment.
type Link struct {
	LinkRef
	Kind   string
	MAC    net.HardwareAddr
	MTU    int
	Up     bool
	TxQLen int
	Group  int
	Alias  string
	Info   []byte // IFLA_INFO_DATA
	Master int    // index of the bridge it is a port of, 0 when of none
	// The kind of that, and what the link is as its port (IFLA_INFO_SLAVE_DATA).
	MasterKind string
	PortInfo   []byte
	State      string // RFC 2863's, in ip-link(8)'s words
	// Whether it can carry packets: with most kinds of link, whether the other end is there and up.
	Carrier  bool
	flags    int // those of userFlags that it has
	Altnames []string
	token    string // of IPv6 autoconfiguration, empty for none
	peer     int    // IFLA_LINK
	peerNS   int    // IFLA_LINK_NETNSID, -1 in the same namespace
	Stats    netlink.LinkStatistics64
}

// Read asks the kernel for a link, by its identity. The error is ErrGone when it is not there.
func (m *Machine) Read(ref LinkRef) (*Link, error) {
	n, index, err := m.find(ref)
	if err != nil {
		return nil, fail(err, "read link", ref.Name, n)
	}
	l, err := n.linkByIndex(index)
	if err == nil {
		err = n.readFamily(l)
	}
	if err != nil {
		return nil, fail(err, "read link", ref.Name, n)
	}
	return l, nil
}

// Beside reads the link that has an index in the namespace of another one: its master, in the kernel's word.
func (m *Machine) Beside(l *Link, index int) (*Link, error) {
	n, err := m.Namespace(l.NS)
	if err == nil {
		l, err = n.linkByIndex(index)
	}
	return l, fail(err, "read link", "with index "+strconv.Itoa(index), n)
}

// Current is the reference to a link brought up to date: where it is and what it is called now. A link that is gone
// keeps its old one.
func (m *Machine) Current(ref LinkRef) LinkRef {
	if m.where(ref.Object()) == ref.Object() && !m.renamed[ref.Object()] {
		return ref
	}
	if l, err := m.Read(ref); err == nil {
		return l.LinkRef
	}
	return ref
}

// Link finds a link by its name. The error is ErrGone when there is none.
func (n *Namespace) Link(name string) (*Link, error) {
	links, err := n.Links()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range links {
		if l.Name == name {
			return l, nil
		}
		names = append(names, l.Name)
	}
	return nil, &Error{Op: "find link", Object: name, NS: n.Name(), Err: unix.ENODEV,
		Hint: n.Name() + " has " + strings.Join(names, ", ")}
}

// Links lists the namespace's links in the order of their indexes.
func (n *Namespace) Links() ([]*Link, error) {
	all, err := n.dump(unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC))
	if err != nil {
		return nil, fail(err, "list links", "", n)
	}
	links := make([]*Link, len(all))
	for i, raw := range all {
		if links[i], err = n.parse(raw); err != nil {
			return nil, fail(err, "list links", "", n)
		}
	}
	return links, nil
}

func (n *Namespace) linkByIndex(index int) (*Link, error) {
	raw, err := n.linkMessage(index)
	if err != nil {
		return nil, err
	}
	return n.parse(raw)
}

// parse reads an RTM_NEWLINK message.
func (n *Namespace) parse(raw []byte) (*Link, error) {
	l, err := netlink.LinkDeserialize(nil, raw)
	if err != nil {
		return nil, err
	}
	a := l.Attrs()
	link := &Link{
		LinkRef: n.at(a.Index),
		Kind:    l.Type(), MAC: a.HardwareAddr, MTU: a.MTU, Up: a.Flags&net.FlagUp != 0, TxQLen: a.TxQLen,
		Group: int(a.Group), Alias: a.Alias, Master: a.MasterIndex, flags: int(a.RawFlags) & userFlags,
		token: tokenOf(raw), Altnames: altnames(raw), Info: infoOf(raw), MasterKind: slaveKind(raw),
		PortInfo: portInfoOf(raw), peer: a.ParentIndex, peerNS: a.NetNsID,
	}
	link.Name = a.Name
	link.Carrier = link.Up && carrier(raw) == 1
	link.State = stateWords[min(int(a.OperState), len(stateWords)-1)]
	if _, ok := l.(*netlink.Tuntap); ok {
		link.Kind = tunKind(link.Info)
	}
	if a.Flags&net.FlagLoopback != 0 {
		link.Kind = "loopback"
	}
	if a.Statistics != nil {
		link.Stats = netlink.LinkStatistics64(*a.Statistics)
	}
	return link, nil
}

// MarshalJSON writes the link for `show --json` and for events.
func (l *Link) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"name": l.Name, "index": l.Index, "kind": l.Kind, "mac": l.MAC.String(),
		"mtu": l.MTU, "up": l.Up})
}
