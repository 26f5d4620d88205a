package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A Listener takes connections of TCP or MPTCP at a port of a namespace. It is a net.Listener, for servers of others.
// Close it.
type Listener struct {
	*conn
	Proto string
	Local netip.AddrPort
	mu    sync.Mutex
	open  map[*Stream]bool // that it serves
	ended bool
	done  sync.WaitGroup
}

var _ net.Listener = (*Listener)(nil)

// Listen listens at a port, 0 for a free one, at an address or at all of both families.
func Listen(in func(func() error) error, proto string, at netip.AddrPort, o Options) (*Listener, error) {
	v6 := !at.Addr().Is4()
	fd, err := o.open(in, proto, v6)
	if errors.Is(err, unix.EAFNOSUPPORT) && !at.Addr().IsValid() {
		v6 = false // there is no IPv6
		fd, err = o.open(in, proto, v6)
	}
	if err != nil {
		return nil, err
	}
	if err := bindTo(fd, v6, at); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen: %w", err)
	}
	c, err := newConn(fd, proto)
	if err != nil {
		return nil, err
	}
	l := &Listener{conn: c, Proto: proto, open: map[*Stream]bool{}}
	l.Local, _ = addresses(fd)
	return l, nil
}

// Take returns the next connection that somebody made.
func (l *Listener) Take(ctx context.Context) (*Stream, error) {
	var s *Stream
	var err error
	werr := l.read(ctx, func(fd int) bool {
		var to int
		to, _, err = unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case unix.EAGAIN, unix.ECONNABORTED, unix.EINTR:
			return false
		case nil:
			if s, err = newStream(to, l.Proto); err == nil {
				s.Local, s.Remote = addresses(to)
			}
		}
		return true
	})
	if werr != nil {
		return nil, werr
	}
	return s, err
}

// Accept and Addr are net.Listener's. Its connections end with it.
func (l *Listener) Accept() (net.Conn, error) {
	s, err := l.Take(context.Background())
	if err != nil {
		return nil, err
	}
	if !l.own(s) {
		return nil, os.ErrClosed
	}
	return s, nil
}
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.Local) }

// own makes a connection one that ends with the listener, unless that has ended.
func (l *Listener) own(s *Stream) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		s.Abort()
		return false
	}
	s.owner = l
	l.open[s] = true
	return true
}

func (l *Listener) forget(s *Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, s)
}

// Serve gives each connection to a function of a goroutine of its own, and closes it when that returns. It goes on
// until the listener is closed, which ends the connections, too.
func (l *Listener) Serve(each func(*Stream)) {
	l.done.Go(func() {
		for {
			s, err := l.Take(context.Background())
			if err != nil || !l.own(s) {
				return
			}
			l.done.Go(func() {
				each(s)
				s.Close()
			})
		}
	})
}

// Close ends the listening, and the connections of Serve and Accept.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.ended = true
	for s := range l.open {
		s.Abort()
	}
	l.mu.Unlock()
	err := l.conn.Close()
	l.done.Wait()
	return err
}
