package kernel

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A sample is a new link of a kind, as the kernel makes it when it is asked for nothing else. What a link of the kind
// has otherwise, somebody gave it.
type sample struct {
	raw    []byte            // its RTM_NEWLINK message
	tool   map[string][]byte // what ethtool(8) says of it
	queues map[string]string // what /sys says of its queues
}

// sample makes a link of a kind, one that Recreate can make, in a namespace that is dropped again, and looks at it. It
// is made once, and once in each mode. What it needs it gets from the IFLA_INFO_DATA of another one. nil: the kind
// cannot be made.
func (m *Machine) sample(kind string, info []byte) (*sample, error) {
	k := kindOf(kind)
	var data []byte
	for _, typ := range k.Needs {
		if value := rtnl.Attr(info, 0, typ); value != nil {
			data = append(data, nl.NewRtAttr(typ, value).Serialize()...)
		}
	}
	key := kind + string(rtnl.Attr(info, 0, k.Mode))
	if k.Device != 0 {
		key += string(data) // several queues make another link of it
	}
	if s, ok := m.samples[key]; ok || !k.Made {
		return s, nil
	}
	const index, lower = 100, 101 // the other end of a pair has the first
	n := &Namespace{m: m, fd: -1}
	defer n.release()
	s := &sample{}
	err := m.within(m.host.fd, func() error {
		if err := n.setUp(m.buf, func() ([][2]string, error) { return nil, nil }, false); err != nil {
			return err
		}
		add := func(index int, name, kind string, data []byte, more ...nl.NetlinkRequestData) error {
			info := nl.NewRtAttr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, nil)
			info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
			info.AddRtAttr(nl.IFLA_INFO_DATA|unix.NLA_F_NESTED, nil).AddChild(rtnl.Raw(data))
			parts := append(LinkSpec{LinkRef: LinkRef{Index: index, Name: name}}.parts(), info)
			_, err := n.conn.Execute(m.buf, unix.RTM_NEWLINK, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL,
				append(parts, more...)...)
			return err
		}
		var more []nl.NetlinkRequestData
		if !k.Lower.none && k.Lower.data == nil {
			if err := add(lower, "lower", kinds[0].Name, nil); err != nil {
				return err
			}
			more = append(more, nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(lower)))
		}
		var err error
		if k.Device != 0 {
			err = keepTun(LinkSpec{LinkRef: LinkRef{Index: index, Name: "sample"}, Kind: kind, Data: data})
		} else {
			err = add(index, "sample", kind, data, more...)
		}
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
	m.samples[key] = s
	return s, nil
}
