package rtnl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// Timeout bounds the wait for the kernel's answer to one request.
const Timeout = 5 * time.Second

// dumpTries bounds how often a dump is asked for again that the kernel says was interrupted (NLM_F_DUMP_INTR).
const dumpTries = 50

// MaxReply is more than the kernel puts into one message (32 KiB, net/netlink/af_netlink.c).
const MaxReply = 64 << 10

// A Conn is one netlink(7) socket, in the namespace that it was opened in. One goroutine uses it.
//
// It blocks, with a deadline, and Go's poller does not know it: the kernel has answered by the time that it has taken
// the request, and to wake the poller for every answer would cost more than the answer.
type Conn struct {
	fd  int
	seq uint32
}

// Dial opens an rtnetlink(7) socket in the namespace that the calling thread is in.
func Dial() (*Conn, error) { return DialFor(unix.NETLINK_ROUTE) }

// DialFor opens a socket of another of netlink's protocols, whose requests and answers have the same form.
func DialFor(protocol int) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, err
	}
	tv := unix.NsecToTimeval(Timeout.Nanoseconds())
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv),
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1),
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1),
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1))
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Conn{fd: fd}, nil
}

// FD is the socket's descriptor, for what is asked of the namespace it is in; it stays the Conn's own.
func (c *Conn) FD() int { return c.fd }

// Close releases the socket. A nil one has none.
func (c *Conn) Close() {
	if c != nil {
		unix.Close(c.fd)
	}
}

// ErrInterrupted is what a dump ends with that changed while it was made.
var ErrInterrupted = errors.New("the kernel's table changed during the dump")

// Execute sends one request and reads its answer to the end: the bodies of the messages in it. buf is where they are
// received, and free again afterwards. An errno in the answer is the kernel's refusal, with its own words.
func (c *Conn) Execute(buf []byte, kind, flags int, parts ...nl.NetlinkRequestData) (bodies [][]byte, err error) {
	for _, p := range parts {
		// A longer one would wrap around, and its end be read as attributes that nobody asked for.
		if a, ok := p.(*nl.RtAttr); ok && a.Len() > math.MaxUint16 {
			return nil, fmt.Errorf("attribute of %d bytes: %w", a.Len(), unix.E2BIG)
		}
	}
	c.seq++
	r := nl.NetlinkRequest{NlMsghdr: unix.NlMsghdr{Len: unix.SizeofNlMsghdr, Type: uint16(kind),
		Flags: unix.NLM_F_REQUEST | uint16(flags), Seq: c.seq}, Data: parts}
	if err := again(func() error { return c.send(r.Serialize()) }); err != nil {
		return nil, err
	}
	interrupted := false
	for {
		msgs, err := c.receive(buf)
		if err != nil {
			return nil, err
		}
		for _, m := range msgs {
			if m.Header.Seq != c.seq {
				continue // of an earlier request whose answer was not waited for
			}
			interrupted = interrupted || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch m.Header.Type {
			case unix.NLMSG_ERROR, unix.NLMSG_DONE:
				if err = verdict(m); err == nil && interrupted {
					err = ErrInterrupted
				}
				return bodies, err
			}
			bodies = append(bodies, slices.Clone(m.Data))
			if m.Header.Flags&unix.NLM_F_MULTI == 0 && flags&unix.NLM_F_ACK == 0 {
				return bodies, nil
			}
		}
	}
}

// receive reads what the kernel has sent, and from nobody else.
func (c *Conn) receive(buf []byte) ([]syscall.NetlinkMessage, error) {
	for {
		var n int
		var from unix.RawSockaddrNetlink
		err := again(func() (err error) {
			n, from, err = c.recv(buf)
			return err
		})
		if err != nil {
			return nil, err
		}
		if n > len(buf) {
			return nil, fmt.Errorf("the kernel sent a message of %d bytes: %w", n, unix.EMSGSIZE)
		}
		if from.Family == unix.AF_NETLINK && from.Pid == 0 {
			return syscall.ParseNetlinkMessage(buf[:n])
		}
	}
}

// again repeats a system call that a signal interrupted: with a timeout on the socket the kernel does not (signal(7)).
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// verdict is what an NLMSG_ERROR or NLMSG_DONE says: nil, or an errno with the kernel's text for it.
func verdict(m syscall.NetlinkMessage) error {
	if len(m.Data) < 4 {
		return nil // NLMSG_DONE need not say anything
	}
	errno := int32(binary.NativeEndian.Uint32(m.Data))
	if errno == 0 {
		return nil
	}
	attrs := 4
	if m.Header.Type == unix.NLMSG_ERROR {
		attrs += unix.SizeofNlMsghdr // of the request, without its body: NETLINK_CAP_ACK
	}
	if m.Header.Flags&unix.NLM_F_ACK_TLVS != 0 {
		if text := Attr(m.Data, attrs, nl.NLMSGERR_ATTR_MSG); text != nil {
			return &ExtAck{unix.Errno(-errno), unix.ByteSliceToString(text)}
		}
	}
	return unix.Errno(-errno)
}

// Do makes one request that changes something and waits for its acknowledgement.
func (c *Conn) Do(buf []byte, kind, flags int, parts ...nl.NetlinkRequestData) error {
	return change(func() error {
		_, err := c.Execute(buf, kind, flags|unix.NLM_F_ACK, parts...)
		return err
	})
}

// change makes a request that changes something.
func change(send func() error) error {
	failpoint.Hit("netlink: before a request")
	err := failpoint.Request(send)
	failpoint.Hit("netlink: after a request")
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) {
		// The kernel does not refuse with these: its answer did not come in time, or did not fit.
		err = fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}

// Get asks for one object and returns its message.
func (c *Conn) Get(buf []byte, kind int, parts ...nl.NetlinkRequestData) ([]byte, error) {
	bodies, err := c.Execute(buf, kind, 0, parts...)
	if err == nil && len(bodies) != 1 {
		err = fmt.Errorf("the kernel sent %d messages, not one: %w", len(bodies), unix.EBADMSG)
	}
	if err != nil {
		return nil, err
	}
	return bodies[0], nil
}

// Dump asks for all objects of a kind until one answer is whole, and returns each one's message.
func (c *Conn) Dump(buf []byte, kind int, parts ...nl.NetlinkRequestData) (all [][]byte, err error) {
	var before [][]byte
	for range dumpTries {
		all, err = c.Execute(buf, kind, unix.NLM_F_DUMP, parts...)
		switch {
		case errors.Is(err, ErrInterrupted):
		case err != nil || kind != unix.RTM_GETADDR || inOne(all) ||
			before != nil && slices.EqualFunc(before, all, bytes.Equal):
			return all, err
		default:
			before = all
		}
	}
	return nil, fmt.Errorf("%w, %d times: %w", ErrInterrupted, dumpTries, unix.EAGAIN)
}

// inOne reports whether a dump surely came in one message. One of addresses that did not may be wrong without being
// marked as interrupted: the kernel makes it without a lock, and counts a change only after it (__ipv6_ifa_notify in
// net/ipv6/addrconf.c), so a dump can step over an address, or find one twice, at just that moment. Not twice in the
// same way.
func inOne(all [][]byte) bool {
	size := 0
	for _, m := range all {
		size += unix.SizeofNlMsghdr + len(m)
	}
	return size < 3<<10 // less than the least that the kernel puts into one
}
