package kernel

import (
	"errors"
	"fmt"
	"math"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A LinkSpec says what a new link, or one end of a pair, is to be. NS, Index, Name and Kind must be given; the other
// end's kind is that of the first.
type LinkSpec struct {
	LinkRef
	Kind  string   `json:"kind,omitempty"`
	MAC   string   `json:"mac,omitempty"` // "" lets the kernel choose
	MTU   int      `json:"mtu,omitempty"` // 0: the kind's default
	Up    bool     `json:"up,omitempty"`
	Lower *LinkRef `json:"lower,omitempty"` // the link that it stands on, which can be in another namespace
	// The namespace that its packets leave from, for a kind that has its socket where it was made; nil: its own.
	Socket *NSRef    `json:"socket,omitempty"`
	Data   []byte    `json:"data,omitempty"` // IFLA_INFO_DATA, without the lower link and the other end
	Peer   *LinkSpec `json:"peer,omitempty"` // the other end of a pair

	// One queue each way, of a kind that has more when nobody asks for that and uses one. The kernel waits for two
	// grace periods of RCU before it has put the others aside, and nobody else can change a link meanwhile.
	OneQueue bool `json:"one_queue,omitempty"`
}

// Valid says what is wrong with a link that was to be made.
func (l LinkSpec) Valid() error {
	if err := l.LinkRef.Valid(); err != nil {
		return err
	}
	if _, err := net.ParseMAC(l.MAC); l.MAC != "" && err != nil {
		return err
	}
	if l.MTU < 0 || l.MTU > math.MaxInt32 {
		return fmt.Errorf("%d is no mtu", l.MTU)
	}
	if l.Peer != nil && l.Peer.Peer != nil {
		return errors.New("a link has more than two ends")
	}
	return rtnl.ValidAttrs(l.Data)
}

// OnLink reports whether the lower link is its IFLA_LINK, and not told in its Data.
func (l LinkSpec) OnLink() bool { return l.Lower != nil && kindOf(l.Kind).Lower.data == nil }

// Device reports whether the kind's links are made by opening a device.
func (l LinkSpec) Device() bool { return kindOf(l.Kind).Device != 0 }

// Paired reports whether the kind's links come as pairs.
func (l LinkSpec) Paired() bool { return kindOf(l.Kind).Peer != 0 }

// ManyQueues reports whether links of a kind have more queues than they use when nobody asks for one: see
// LinkSpec.OneQueue.
func ManyQueues(kind string) bool { return kindOf(kind).Queues }

// AddLink makes a link of any kind with its own name and index, or a pair, each end in place in its namespace: in one
// request.
func (m *Machine) AddLink(l LinkSpec) error {
	op := "add " + l.Kind
	n, err := m.Namespace(l.NS)
	if err != nil {
		return fail(err, op, l.Name, nil)
	}
	if l.Device() {
		return m.addTun(n, l)
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(l.Kind))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA|unix.NLA_F_NESTED, nil)
	data.AddChild(rtnl.Raw(l.Data))
	parts := l.parts()
	other, last, asked := n, l, n
	if l.Peer != nil {
		last = *l.Peer
		if other, err = m.Namespace(last.NS); err != nil {
			return fail(err, op, last.Name, n)
		}
		peer := data.AddRtAttr(kindOf(l.Kind).Peer|unix.NLA_F_NESTED, nil)
		for _, part := range last.parts() {
			peer.AddChild(part)
		}
		if other != n {
			peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(other.fd)))
		}
	}
	if l.Lower != nil {
		// The kernel looks for the lower link in the namespace that it is asked in.
		var index int
		if asked, index, err = m.find(*l.Lower); err == nil && asked != n && kindOf(l.Kind).Lower.here {
			err = fmt.Errorf("%w: it is in %s; make the tunnel there, and move it", unix.EXDEV, asked.Name())
		}
		if err != nil {
			return fail(err, op, l.Name+" on link "+l.Lower.Name, n)
		}
		if !l.OnLink() {
			data.AddRtAttr(kindOf(l.Kind).Lower.data[0], nl.Uint32Attr(uint32(index)))
		} else {
			parts = append(parts, nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(uint32(index))))
		}
		if asked != n {
			asked.alone = false // what stands on its links is elsewhere too
			parts = append(parts, nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(n.fd))))
		}
		if l.Up { // its carrier is the lower link's
			m.awaitingCarrier = append(m.awaitingCarrier, *l.Lower, l.LinkRef)
		}
	}
	if l.Socket != nil {
		if asked, err = m.Namespace(*l.Socket); err != nil {
			return fail(err, op, l.Name+" with its socket in "+l.Socket.String(), n)
		}
		if asked != n {
			parts = append(parts, nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(n.fd))))
		}
	}
	if l.Up {
		m.awaitingAutoconf = append(m.awaitingAutoconf, n.ref)
	}
	err = asked.do(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, append(parts, info)...)
	if errors.Is(err, unix.EEXIST) {
		return linkTaken(err, n, other, l, last)
	}
	return m.whyRefused(fail(err, op, l.Name, n), l)
}

// parts are the header of a message about the link, whose index and flags are honoured in a peer too, and its
// attributes.
func (l LinkSpec) parts() []nl.NetlinkRequestData {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(l.Index)
	if l.Up {
		msg.Flags, msg.Change = unix.IFF_UP, unix.IFF_UP
	}
	parts := []nl.NetlinkRequestData{msg, nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(l.Name))}
	if l.MTU > 0 {
		parts = append(parts, nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(l.MTU))))
	}
	if l.OneQueue {
		parts = append(parts, nl.NewRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1)),
			nl.NewRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1)))
	}
	if mac, err := net.ParseMAC(l.MAC); err == nil {
		parts = append(parts, nl.NewRtAttr(unix.IFLA_ADDRESS, mac))
	}
	return parts
}

// ErrNameTaken is of a link whose name or index another one has.
var ErrNameTaken error = nameTaken{unix.EEXIST}

type nameTaken struct{ error }

func (e nameTaken) Unwrap() error { return e.error }

// linkTaken finds out which name, or what else, the kernel's EEXIST is about.
func linkTaken(err error, na, nb *Namespace, a, b LinkSpec) error {
	if _, e := nb.Link(b.Name); e == nil {
		na, a = nb, b
	} else if rtnl.Explanation(err) != "" {
		return fail(err, "add "+a.Kind, a.Name, na)
	} else if kindOf(a.Kind).Lower.here && gone(e) && na.IndexFree(a.Index) {
		return fail(fmt.Errorf("%w: another %s link has the same ends, keys or id", unix.EEXIST, a.Kind),
			"add "+a.Kind, a.Name, na)
	}
	return hinted(fail(ErrNameTaken, "add link", a.Name, na), "%s has a link %s already", na.Name(), a.Name)
}

// UnknownKind reports whether a link was not made because this kernel has none of its kind.
func UnknownKind(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) && rtnl.Explanation(err) == "Unknown device type"
}

// whyRefused tells what a lower link has to do with it that the kernel refused another one on it.
func (m *Machine) whyRefused(err error, l LinkSpec) error {
	switch {
	case UnknownKind(err):
		return hinted(err, "this kernel has no %s links", l.Kind)
	case l.Lower == nil && errors.Is(err, unix.EBUSY):
		return hinted(err, "another %s link has the same ends, keys or id", l.Kind)
	case l.Lower == nil || !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EINVAL):
		return err
	}
	lower, e := m.Read(*l.Lower)
	switch {
	case e != nil:
		return err // the first one says what is wrong
	case errors.Is(err, unix.EBUSY) && lower.Master != 0:
		return hinted(err, "link %s is a port of another one, which takes its packets", lower.Name)
	case errors.Is(err, unix.EBUSY):
		return hinted(err, "links of another kind that stand on %s take its packets", lower.Name)
	case lower.Kind == "loopback":
		return hinted(err, "a %s link cannot stand on a loopback link", l.Kind)
	case l.MTU > lower.MTU:
		return hinted(err, "the MTU of link %s, on which it is to stand, is %d", lower.Name, lower.MTU)
	}
	return err
}
