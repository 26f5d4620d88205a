package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A UDP is a socket of UDP in a namespace. Close it.
type UDP struct {
	*conn
	Local netip.AddrPort
	v6    bool
}

// A Datagram is one that was received.
type Datagram struct {
	Data     []byte
	From     netip.AddrPort
	To       netip.AddrPort // whom it was for: what a transparent socket has to know
	TTL, TOS int
	Link     int // index of the link that it came in by
}

// OpenUDP opens a socket at a port, 0 for a free one, at an address or at all of both families.
func OpenUDP(in func(func() error) error, at netip.AddrPort, o Options) (*UDP, error) {
	v6 := !at.Addr().Is4()
	fd, err := o.open(in, "udp", v6)
	if errors.Is(err, unix.EAFNOSUPPORT) && !at.Addr().IsValid() {
		v6 = false // there is no IPv6
		fd, err = o.open(in, "udp", v6)
	}
	if err != nil {
		return nil, err
	}
	err = setAll(fd, v6, []option{
		{unix.SOL_SOCKET, unix.SO_BROADCAST, 1, "broadcast"},
		{unix.SOL_IP, unix.IP_RECVERR, 1, "recverr"}, {unix.SOL_IPV6, unix.IPV6_RECVERR, 1, "recverr"},
		{unix.SOL_IP, unix.IP_RECVTTL, 1, "recvttl"}, {unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1, "recvhoplimit"},
		{unix.SOL_IP, unix.IP_RECVTOS, 1, "recvtos"}, {unix.SOL_IPV6, unix.IPV6_RECVTCLASS, 1, "recvtclass"},
		{unix.SOL_IP, unix.IP_PKTINFO, 1, "pktinfo"}, {unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1, "recvpktinfo"},
		{unix.SOL_IP, unix.IP_RECVORIGDSTADDR, 1, "recvorigdstaddr"},
		{unix.SOL_IPV6, ipv6OrigDst, 1, "recvorigdstaddr"},
		// A group that another socket joins is not this one's.
		{unix.SOL_IP, unix.IP_MULTICAST_ALL, 0, "multicast_all"},
		{unix.SOL_IPV6, unix.IPV6_MULTICAST_ALL, 0, "multicast_all"},
	})
	if err == nil {
		err = bindTo(fd, v6, at)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	c, err := newConn(fd, "udp")
	if err != nil {
		return nil, err
	}
	u := &UDP{conn: c, v6: v6}
	u.Local, _ = addresses(fd)
	return u, nil
}

const ipv6OrigDst = 74 // IPV6_ORIGDSTADDR (linux/in6.h)

// Send sends a datagram, and waits until there is room for it. The link, by its index, and the address that it leaves
// by are what the routes say when they are not given.
func (u *UDP) Send(ctx context.Context, data []byte, dst netip.AddrPort, from netip.Addr, link int) error {
	var sa unix.Sockaddr
	err := u.control(func(fd int) (err error) {
		sa, err = sockaddrOf(fd, u.v6, dst)
		return err
	})
	if err != nil {
		return err
	}
	var control []byte
	switch {
	case link == 0 && !from.IsValid():
	case dst.Addr().Is4():
		info := unix.Inet4Pktinfo{Ifindex: int32(link)}
		copy(info.Spec_dst[:], from.AsSlice())
		control = unix.PktInfo4(&info)
	default:
		info := unix.Inet6Pktinfo{Ifindex: uint32(link)}
		copy(info.Addr[:], from.AsSlice())
		control = unix.PktInfo6(&info)
	}
	pending := 0
	werr := u.write(ctx, func(fd int) bool {
		for {
			err = unix.Sendmsg(fd, data, control, sa, 0)
			// An ICMP error that came for an earlier datagram is told to who receives: this one was not sent.
			if err != nil && err != unix.EAGAIN && pending < 2 && queued(fd) {
				pending++
				continue
			}
			return err != unix.EAGAIN
		}
	})
	if werr != nil {
		return werr
	}
	if err != nil {
		return localFailure(0, err)
	}
	return nil
}

// queued reports whether the error queue has something.
func queued(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, 0)
	return err == nil && n == 1
}

// Burst sends a datagram several times, at times that are an interval apart, and returns how many it has sent.
func (u *UDP) Burst(ctx context.Context, data []byte, dst netip.AddrPort, link, count int,
	interval time.Duration) (sent int, err error) {
	begin := time.Now()
	for sent < count {
		if at := time.Until(begin.Add(time.Duration(sent) * interval)); at > 0 {
			timer := time.NewTimer(at)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return sent, context.Cause(ctx)
			}
		} else if ctx.Err() != nil {
			return sent, context.Cause(ctx)
		}
		if err := u.Send(ctx, data, dst, netip.Addr{}, link); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

// Recv returns the next datagram. An ICMP error that came for one that was sent is a Failure.
func (u *UDP) Recv(ctx context.Context) (d Datagram, err error) {
	data, control := make([]byte, 65535), make([]byte, 512)
	werr := u.read(ctx, func(fd int) bool {
		var n, c int
		var from unix.Sockaddr
		if _, c, _, from, err = unix.Recvmsg(fd, data, control, unix.MSG_ERRQUEUE); err == nil {
			var m message
			m.parseControl(control[:c], zoneOf(fd))
			dst := addrPort(from, zoneOf(fd))
			if m.err == nil {
				err = errors.New("the error queue has no error")
				return true
			}
			f := icmpFailure(0, m.err.origin == unix.SO_EE_ORIGIN_ICMP6, *m.err)
			if m.err.origin == unix.SO_EE_ORIGIN_LOCAL {
				f = localFailure(0, m.err.errno)
				f.MTU = int(m.err.info)
			}
			f.From = f.From.Unmap()
			err = &Undelivered{dst, f}
			return true
		}
		n, c, _, from, err = unix.Recvmsg(fd, data, control, 0)
		if err == nil {
			d = Datagram{Data: data[:n], From: addrPort(from, zoneOf(fd))}
			d.parse(control[:c], fd)
		}
		// A pending error has its cause in the error queue, which is read first.
		return err != unix.EAGAIN && err != unix.EINTR && !(err != nil && queued(fd))
	})
	if werr != nil {
		return d, werr
	}
	return d, err
}

// Undelivered is the Failure of a datagram to an address.
type Undelivered struct {
	Dst netip.AddrPort
	Failure
}

func (e *Undelivered) Unwrap() error { return e.Failure }

// parse fills in what the control messages tell.
func (d *Datagram) parse(control []byte, fd int) {
	var m message
	m.parseControl(control, zoneNames("", 0))
	d.TTL = m.ttl
	all, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return
	}
	for _, c := range all {
		switch [2]int32{c.Header.Level, c.Header.Type} {
		case [2]int32{unix.SOL_IP, unix.IP_TOS}, [2]int32{unix.SOL_IPV6, unix.IPV6_TCLASS}:
			d.TOS = int(c.Data[0])
		case [2]int32{unix.SOL_IP, unix.IP_PKTINFO}:
			d.Link = int(binary.NativeEndian.Uint32(c.Data))
		case [2]int32{unix.SOL_IPV6, unix.IPV6_PKTINFO}:
			d.Link = int(binary.NativeEndian.Uint32(c.Data[16:]))
		case [2]int32{unix.SOL_IP, unix.IP_ORIGDSTADDR}, [2]int32{unix.SOL_IPV6, ipv6OrigDst}:
			d.To = netip.AddrPortFrom(parseSockaddr(c.Data, zoneOf(fd)).Unmap(), binary.BigEndian.Uint16(c.Data[2:]))
		}
	}
}

// Join has the socket get what is sent to a multicast group, on a link, by its index; from one source only when that is
// valid. Leave undoes it.
func (u *UDP) Join(group, source netip.Addr, link int) error {
	return u.membership(group, source, link, unix.MCAST_JOIN_GROUP, unix.MCAST_JOIN_SOURCE_GROUP)
}

// Leave ends a membership.
func (u *UDP) Leave(group, source netip.Addr, link int) error {
	return u.membership(group, source, link, unix.MCAST_LEAVE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP)
}

// membership sends a struct group_req or group_source_req (linux/in.h).
func (u *UDP) membership(group, source netip.Addr, link, of, from int) error {
	const storage = 128 // of a struct sockaddr_storage
	req := append(binary.NativeEndian.AppendUint32(nil, uint32(link)), 0, 0, 0, 0)
	req = append(req, rawSockaddr(group, storage)...)
	name, level := of, unix.SOL_IP
	if source.IsValid() {
		name = from
		req = append(req, rawSockaddr(source, storage)...)
	}
	if group.Is6() {
		level = unix.SOL_IPV6
	}
	if err := u.control(func(fd int) error {
		return unix.SetsockoptString(fd, level, name, string(req))
	}); err != nil {
		return fmt.Errorf("group %s: %w", group, err)
	}
	return nil
}

// rawSockaddr is a struct sockaddr_in or sockaddr_in6 of an address, with room behind it.
func rawSockaddr(a netip.Addr, size int) []byte {
	b := make([]byte, size)
	if a.Is4() {
		binary.NativeEndian.PutUint16(b, unix.AF_INET)
		copy(b[4:], a.AsSlice())
	} else {
		binary.NativeEndian.PutUint16(b, unix.AF_INET6)
		copy(b[8:], a.AsSlice())
	}
	return b
}

// Serve answers datagrams one after the other, until the socket is closed: answer says with what, and whether at all.
func (u *UDP) Serve(answer func(Datagram) (data []byte, ok bool)) {
	for {
		d, err := u.Recv(context.Background())
		if undelivered := new(Undelivered); errors.As(err, &undelivered) {
			continue // nobody takes the answer: who asked has gone
		} else if err != nil {
			return
		}
		data, ok := answer(d)
		if !ok {
			continue
		}
		from := d.To.Addr()
		if from.IsMulticast() || !from.IsValid() {
			from = netip.Addr{}
		}
		if err := u.Send(context.Background(), data, d.From, from, 0); errors.Is(err, os.ErrClosed) {
			return // an answer that cannot be sent is one that is lost
		}
	}
}
