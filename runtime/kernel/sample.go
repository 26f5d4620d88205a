package kernel

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A sample is a new link of a kind, as the kernel makes it when it is asked for nothing else. What a link of the kind has
// otherwise, somebody gave it.
type sample struct {
	raw    []byte            // its RTM_NEWLINK message
	tool   map[string][]byte // what ethtool(8) says of it
	queues map[string]string // what /sys says of its queues
}

// sample makes a link of a kind, one that Recreate can make, in a namespace that is dropped again, and looks at it. It is
// made once. nil: the kind is none of these.
func (m *Machine) sample(kind string) (*sample, error) {
	if s, ok := m.samples[kind]; ok || kind != "veth" && kind != "bridge" {
		return s, nil
	}
	const index = 100 // the other end of a pair has the first
	n := &Namespace{m: m, fd: -1}
	defer n.release()
	s := &sample{}
	err := m.within(m.host.fd, func() error {
		if err := n.setUp(m.buf, func() ([][2]string, error) { return nil, nil }, false); err != nil {
			return err
		}
		msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
		msg.Index = index
		info := nl.NewRtAttr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, nil)
		info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
		_, err := n.conn.Execute(m.buf, unix.RTM_NEWLINK, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL, msg,
			nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated("sample")), info)
		if err == nil {
			s.queues, err = queueFiles("sample")
		}
		return err
	})
	if err == nil {
		s.raw, err = n.linkMessage(index)
	}
	if err == nil {
		s.tool, err = n.ethtool("sample")
	}
	if err != nil {
		return nil, fail(err, "look at a new link of kind", kind, nil)
	}
	m.samples[kind] = s
	return s, nil
}
