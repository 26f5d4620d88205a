package kernel

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A generic is a family of generic netlink that has the attributes of a kind of link, instead of IFLA_INFO_DATA. Its
// name is the kind's.
type generic struct {
	get, set byte // commands: to list what a link has, and to set some of it
	index    int  // the attribute that says which link
	hides    []int
}

// speak is the namespace's socket of one of netlink's protocols, opened when it has none.
func (n *Namespace) speak(protocol int) (*rtnl.Conn, error) {
	if protocol == unix.NETLINK_ROUTE {
		return n.socket()
	}
	if c := n.conns[protocol]; c != nil {
		return c, nil
	}
	var c *rtnl.Conn
	err := n.Do(func() (err error) {
		c, err = rtnl.DialFor(protocol)
		return err
	})
	if err != nil {
		return nil, err
	}
	if n.conns == nil {
		n.conns = map[int]*rtnl.Conn{}
	}
	n.conns[protocol] = c
	return c, nil
}

// family is the number of a family of generic netlink, which is the type of its messages.
func (n *Namespace) family(name string) (*rtnl.Conn, int, error) {
	c, err := n.speak(unix.NETLINK_GENERIC)
	if err != nil || n.m.families[name] != 0 {
		return c, n.m.families[name], err
	}
	raw, err := c.Get(n.m.buf, unix.GENL_ID_CTRL, genericHead(unix.CTRL_CMD_GETFAMILY),
		nl.NewRtAttr(unix.CTRL_ATTR_FAMILY_NAME, nl.ZeroTerminated(name)))
	if err != nil {
		return nil, 0, fmt.Errorf("find family %s of generic netlink: %w", name, err)
	}
	id := rtnl.Attr(raw, unix.GENL_HDRLEN, unix.CTRL_ATTR_FAMILY_ID)
	if len(id) < 2 {
		return nil, 0, fmt.Errorf("find family %s of generic netlink: %w", name, unix.EBADMSG)
	}
	n.m.families[name] = int(binary.NativeEndian.Uint16(id))
	return c, n.m.families[name], nil
}

// genericHead is the header of a generic netlink message, struct genlmsghdr: a command of the first version.
func genericHead(command byte) rtnl.Raw { return rtnl.Raw{command, 1, 0, 0} }

// tellFamily makes one request of a family of generic netlink, which changes something.
func (n *Namespace) tellFamily(name string, body []byte) error {
	c, id, err := n.family(name)
	if err != nil {
		return err
	}
	return c.Do(n.m.buf, id, 0, rtnl.Raw(body))
}

// askFamily is what a kind's family has to say of a link: the messages, of which the kernel makes several when one
// would be too long.
func (n *Namespace) askFamily(name string, g *generic, index int) ([][]byte, error) {
	c, id, err := n.family(name)
	if err != nil {
		return nil, err
	}
	return c.Dump(n.m.buf, id, genericHead(g.get), nl.NewRtAttr(g.index, nl.Uint32Attr(uint32(index))))
}

// readFamily reads the attributes of a link's kind that generic netlink has, but for those that the row hides.
func (n *Namespace) readFamily(l *Link) error {
	g := kindOf(l.Kind).Generic
	if g == nil {
		return nil
	}
	all, err := n.askFamily(l.Kind, g, l.Index)
	if gone(err) {
		err = ErrGone // since it was read
	}
	if err != nil || len(all) == 0 {
		return err
	}
	info := all[0][unix.GENL_HDRLEN:]
	for _, typ := range g.hides {
		info = rtnl.Without(info, 0, typ)
	}
	l.Info = info
	return nil
}
