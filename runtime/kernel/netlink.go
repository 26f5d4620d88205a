package kernel

import (
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// replyTimeout bounds the wait for the kernel's answer to one request.
const replyTimeout = 5 * time.Second

// dumpTries bounds how often a dump is asked for again that the kernel says was interrupted (NLM_F_DUMP_INTR).
const dumpTries = 50

// dial opens the namespace's own rtnetlink socket; the calling thread must be in the namespace.
func (n *Namespace) dial() error {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	tv := unix.NsecToTimeval(replyTimeout.Nanoseconds())
	if err := errors.Join(s.SetSendTimeout(&tv), s.SetReceiveTimeout(&tv), s.SetExtAck(true)); err != nil {
		s.Close()
		return err
	}
	n.rtnl = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}
	return nil
}

// request starts an rtnetlink request on the namespace's own socket.
func (n *Namespace) request(kind, flags int) (*nl.NetlinkRequest, error) {
	if n.rtnl == nil {
		if err := n.Do(n.dial); err != nil {
			return nil, err
		}
	}
	r := nl.NewNetlinkRequest(kind, flags|unix.NLM_F_ACK)
	r.Sockets = n.rtnl
	return r, nil
}

// do sends one request made of the given parts and waits for its acknowledgement.
func (n *Namespace) do(kind, flags int, parts ...nl.NetlinkRequestData) error {
	r, err := n.request(kind, flags)
	if err != nil {
		return err
	}
	for _, p := range parts {
		r.AddData(p)
	}
	_, err = r.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// dump asks for all objects of a kind until one answer is whole, and returns each one's message.
func (n *Namespace) dump(kind int, reply uint16, header nl.NetlinkRequestData) (all [][]byte, err error) {
	for range dumpTries {
		r, err := n.request(kind, unix.NLM_F_DUMP)
		if err != nil {
			return nil, err
		}
		r.Flags &^= unix.NLM_F_ACK
		r.AddData(header)
		all, err = r.Execute(unix.NETLINK_ROUTE, reply)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, fmt.Errorf("the kernel's tables changed during each of %d dumps: %w", dumpTries, unix.EAGAIN)
}

// handle is the library's view of the namespace, for what it reads and parses better than we would.
func (n *Namespace) handle() (*netlink.Handle, error) {
	if n.rtnlh != nil {
		return n.rtnlh, nil
	}
	err := n.Do(func() (err error) {
		n.rtnlh, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, err
	}
	return n.rtnlh, n.rtnlh.SetSocketTimeout(replyTimeout)
}

// whole repeats a read of the library's until it was not interrupted.
func whole[T any](read func() (T, error)) (v T, err error) {
	for range dumpTries {
		if v, err = read(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return v, err
		}
	}
	return v, err
}
