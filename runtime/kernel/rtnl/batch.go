package rtnl

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// A Message is a request of a batch: its type with the subsystem, flags and body.
type Message struct {
	Type, Flags int
	Body        []byte
}

const (
	nfnlBatchBegin = unix.NLMSG_MIN_TYPE // NFNL_MSG_BATCH_BEGIN, linux/netfilter/nfnetlink.h
	nfnlBatchEnd   = unix.NLMSG_MIN_TYPE + 1
	nfnlBatchGenID = 1
)

// Batch has a subsystem of nfnetlink do all of some requests, or none of them: in one step, for whoever looks, and only
// while the generation of its rules is the given one (else ERESTART). The error is the first request's that was
// refused, whose index comes with it. Without commit the kernel looks whether it would do them, and does none.
func (c *Conn) Batch(buf []byte, subsystem int, gen uint32, commit bool, msgs []Message) (at int, err error) {
	if !commit {
		return c.batch(buf, subsystem, gen, false, msgs)
	}
	err = change(func() (err error) {
		at, err = c.batch(buf, subsystem, gen, true, msgs)
		return err
	})
	return at, err
}

func (c *Conn) batch(buf []byte, subsystem int, gen uint32, commit bool, msgs []Message) (at int, err error) {
	frame := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, 0}, uint16(subsystem)) // struct nfgenmsg
	begin := append(slices.Clone(frame), 8, 0, nfnlBatchGenID, 0)
	binary.NativeEndian.PutUint16(begin[4:], 8)
	binary.NativeEndian.PutUint16(begin[6:], nfnlBatchGenID)
	first := c.seq + 1
	var all []byte
	add := func(m Message) {
		c.seq++
		size := unix.SizeofNlMsghdr + len(m.Body)
		all = binary.NativeEndian.AppendUint32(all, uint32(size))
		all = binary.NativeEndian.AppendUint16(all, uint16(m.Type))
		all = binary.NativeEndian.AppendUint16(all, uint16(m.Flags|unix.NLM_F_REQUEST))
		all = binary.NativeEndian.AppendUint32(all, c.seq)
		all = append(binary.NativeEndian.AppendUint32(all, 0), m.Body...)
		all = append(all, make([]byte, -len(m.Body)&3)...)
	}
	add(Message{Type: nfnlBatchBegin, Body: binary.BigEndian.AppendUint32(begin, gen)})
	for i, m := range msgs {
		if m.Type |= subsystem << 8; i == len(msgs)-1 {
			m.Flags |= unix.NLM_F_ACK // the kernel answers in their order
		}
		add(m)
	}
	if len(msgs) == 0 {
		return 0, nil
	}
	last := c.seq
	if commit {
		add(Message{Type: nfnlBatchEnd, Body: frame})
	}
	if err := c.room(len(all)); err != nil {
		return 0, err
	}
	if err := again(func() error { return c.send(all) }); err != nil {
		return 0, err
	}
	for {
		msgs, err := c.receive(buf)
		if err != nil {
			return 0, err
		}
		for _, m := range msgs {
			if m.Header.Type != unix.NLMSG_ERROR || m.Header.Seq-first > c.seq-first {
				continue // of an earlier request
			}
			if err := verdict(m); err != nil || m.Header.Seq == last {
				return int(m.Header.Seq) - int(first) - 1, err
			}
		}
	}
}

// room makes the socket take a message of a size, which it has to take in one piece.
func (c *Conn) room(size int) error {
	const more = 4 << 10 // for what the kernel itself puts around it
	have, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil || have > size+more {
		return err
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size+more); err != nil {
		// Not for who has no privilege on the machine itself: then net.core.wmem_max is the most.
		if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size+more); err != nil {
			return err
		}
	}
	if have, err = unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF); err == nil && have <= size+more {
		err = fmt.Errorf("a batch of %d bytes is more than the socket takes: %w", size, unix.EMSGSIZE)
	}
	return err
}
