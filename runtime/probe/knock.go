package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A knock is a packet of UDP, or the first one of TCP.
type knock struct {
	*socket
	v6      bool
	tcp     bool
	to      netip.Addr
	timeout time.Duration
}

func openKnock(in func(func() error) error, p Ping, proto string, port int) (*knock, error) {
	p, err := p.complete()
	if err != nil {
		return nil, err
	}
	k := &knock{v6: p.Dst.Is6(), tcp: proto == "tcp", to: p.Dst, timeout: p.Timeout, socket: newSocket(p)}
	domain, typ := unix.AF_INET, unix.SOCK_DGRAM
	if k.v6 {
		domain = unix.AF_INET6
	}
	if port == 0 && k.tcp {
		port = 80
	} else if !k.tcp {
		port = orDefault(port, 33434) + p.TTL - 1
	}
	if k.tcp {
		typ = unix.SOCK_STREAM
	}
	fd := -1
	err = in(func() (err error) {
		fd, err = unix.Socket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s socket: %w", proto, err)
	}
	k.file = os.NewFile(uintptr(fd), proto)
	options := [][3]int{{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1}, {unix.SOL_IP, unix.IP_RECVERR, 1},
		{unix.SOL_IP, unix.IP_TTL, p.TTL}}
	if k.v6 {
		options = [][3]int{options[0], {unix.SOL_IPV6, unix.IPV6_RECVERR, 1},
			{unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, p.TTL}}
	}
	for _, o := range options {
		err = errors.Join(err, unix.SetsockoptInt(fd, o[0], o[1], o[2]))
	}
	if k.tcp { // nothing of it stays
		err = errors.Join(err, unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	}
	if p.Dev != "" {
		err = errors.Join(err, unix.BindToDevice(fd, p.Dev))
	}
	if p.Source.IsValid() {
		err = errors.Join(err, bind(fd, p.Source))
	}
	k.dst, err = portOf(fd, p.Dst, port, err)
	if err == nil {
		k.raw, err = k.file.SyscallConn()
	}
	if err != nil {
		k.close()
		return nil, fmt.Errorf("set up %s socket: %w", proto, err)
	}
	return k, nil
}

func portOf(fd int, ip netip.Addr, port int, before error) (unix.Sockaddr, error) {
	sa, err := sockaddr(fd, ip)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		sa.Port = port
	case *unix.SockaddrInet6:
		sa.Port = port
	}
	return sa, errors.Join(before, err)
}

func (k *knock) ask(ctx context.Context) (hop Hop, err error) {
	defer context.AfterFunc(ctx, k.interrupt)()
	sent := time.Now()
	err = k.knock()
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return hopOf(localFailure(1, err), k.to), nil
	}
	known := false
	look := func(fd int) bool {
		hop, known = k.look(fd, sent)
		return known
	}
	for until := sent.Add(k.timeout); !known; {
		if err := errors.Join(k.poll(look), ctx.Err()); err != nil || known {
			return hop, err
		}
		if !time.Now().Before(until) {
			return Hop{Name: "timeout", Err: syscall.ETIMEDOUT}, nil
		}
		if err := k.wait(ctx, until, look); err != nil {
			return hop, err
		}
	}
	return hop, nil
}

// knock sends the packet.
func (k *knock) knock() (err error) {
	cerr := k.raw.Control(func(fd uintptr) {
		if err = unix.Connect(int(fd), k.dst); err == nil && !k.tcp {
			_, err = unix.Write(int(fd), make([]byte, 32))
		}
	})
	return errors.Join(cerr, err)
}

// look is what came of it, if anything has yet.
func (k *knock) look(fd int, sent time.Time) (hop Hop, known bool) {
	for range 16 { // more than there can be
		m, err := k.receive(fd)
		switch {
		case err == unix.EAGAIN && !k.tcp:
			return hop, false
		case err != nil && k.tcp:
			return k.connected(fd, sent, err)
		case err != nil: // its cause is in the error queue
		case m.err == nil:
			name := map[bool]string{false: "reply", true: "open"}[k.tcp] // whatever it says then
			return Hop{From: k.to, RTT: roundTrip(sent, m.at, time.Now()), Name: name, Reached: true}, true
		case m.err.icmp(k.v6):
			f := icmpFailure(1, k.v6, *m.err)
			f.RTT = roundTrip(sent, m.at, time.Now())
			return hopOf(f, k.to), true
		case m.err.origin == unix.SO_EE_ORIGIN_LOCAL:
			return hopOf(localFailure(1, m.err.errno), k.to), true
		}
	}
	return hop, false
}

// connected is what the connection has come to, whose socket told of an error when it was read.
func (k *knock) connected(fd int, sent time.Time, told error) (Hop, bool) {
	hop := Hop{From: k.to, RTT: time.Since(sent), Reached: true, Name: "open"}
	switch told {
	case unix.EAGAIN, unix.ENOTCONN:
		_, err := unix.Getpeername(fd)
		return hop, err == nil
	case unix.ECONNREFUSED:
		hop.Name = "refused"
		return hop, true
	case unix.ECONNRESET:
		return hop, true
	}
	return hopOf(localFailure(1, told), k.to), true
}
