package kernel

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// socket is the namespace's rtnetlink socket, opened when it has none.
func (n *Namespace) socket() (*rtnl.Conn, error) {
	if n.conn != nil {
		return n.conn, nil
	}
	err := n.Do(func() (err error) {
		n.conn, err = rtnl.Dial()
		return err
	})
	return n.conn, err
}

// do makes one request that changes something and waits for its acknowledgement.
func (n *Namespace) do(kind, flags int, parts ...nl.NetlinkRequestData) error {
	c, err := n.socket()
	if err != nil {
		return err
	}
	return c.Do(n.m.buf, kind, flags, parts...)
}

// get asks for one object and returns its message.
func (n *Namespace) get(kind int, parts ...nl.NetlinkRequestData) ([]byte, error) {
	c, err := n.socket()
	if err != nil {
		return nil, err
	}
	return c.Get(n.m.buf, kind, parts...)
}

// dump asks for all objects of a kind and returns each one's message.
func (n *Namespace) dump(kind int, parts ...nl.NetlinkRequestData) ([][]byte, error) {
	c, err := n.socket()
	if err != nil {
		return nil, err
	}
	return c.Dump(n.m.buf, kind, parts...)
}

// linkMessage is a link's RTM_NEWLINK message.
func (n *Namespace) linkMessage(index int) ([]byte, error) {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	raw, err := n.get(unix.RTM_GETLINK, msg)
	if gone(err) {
		return nil, ErrGone
	}
	return raw, err
}
