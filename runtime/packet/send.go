package packet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Sender sends frames on a link.
type Sender struct {
	// NoHeader says that the link's frames have no link-layer header: they begin with one of IP.
	NoHeader bool
	// MAC is the link's own link-layer address.
	MAC net.HardwareAddr
	fd  int
	to  unix.SockaddrLinklayer
}

// NewSender opens a socket on a link of the namespace that do enters. It is to be closed.
func NewSender(do func(func() error) error, index int) (s *Sender, err error) {
	s = &Sender{to: unix.SockaddrLinklayer{Ifindex: index}}
	err = do(func() error {
		typ, err := linkLayer(index)
		if err != nil {
			return err
		}
		s.NoHeader = headerless(typ)
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open packet socket: %w", err)
		}
		if err = unix.Bind(s.fd, &s.to); err == nil {
			var addr unix.Sockaddr
			if addr, err = unix.Getsockname(s.fd); err == nil {
				own := addr.(*unix.SockaddrLinklayer)
				s.MAC = net.HardwareAddr(own.Addr[:own.Halen])
			}
		}
		if err != nil {
			unix.Close(s.fd)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close closes the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }

// Send sends a frame so many times, one every interval, and returns how many it has sent. It ends early with ctx.
func (s *Sender) Send(ctx context.Context, frame []byte, count int, interval time.Duration) (sent int, err error) {
	to := s.to
	to.Protocol = protocolOf(frame, s.NoHeader)
	for begin := time.Now(); sent < count; {
		if ctx.Err() != nil {
			return sent, context.Cause(ctx)
		}
		if wait := time.Until(begin.Add(time.Duration(sent) * interval)); interval > 0 && wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return sent, context.Cause(ctx)
			}
		}
		switch err := unix.Sendto(s.fd, frame, 0, &to); {
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EINTR): // the link's queue is full: it takes more soon
			select {
			case <-time.After(100 * time.Microsecond):
			case <-ctx.Done():
				return sent, context.Cause(ctx)
			}
		case err != nil:
			return sent, err
		default:
			sent++
		}
	}
	return sent, nil
}

// protocolOf is what the kernel is to take a frame for.
func protocolOf(frame []byte, noHeader bool) uint16 {
	switch {
	case !noHeader && len(frame) >= 14:
		return uint16(frame[12]) | uint16(frame[13])<<8
	case noHeader && len(frame) > 0 && frame[0]>>4 == 6:
		return bigEndian(unix.ETH_P_IPV6)
	}
	return bigEndian(unix.ETH_P_IP)
}
