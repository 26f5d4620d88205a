package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A Stream is a connection of TCP or MPTCP. It is a net.Conn, for what works over any. Finish, Abort or Close it. When
// the process is killed, the kernel breaks it off: a socket that still had something to deliver would keep its
// namespace for minutes.
type Stream struct {
	*conn
	Proto         string // tcp, mptcp
	Local, Remote netip.AddrPort
	owner         *Listener // that aborts what has not finished
}

func newStream(fd int, proto string) (*Stream, error) {
	c, err := newConn(fd, proto)
	if err != nil {
		return nil, err
	}
	s := &Stream{conn: c, Proto: proto}
	// What is written is sent at once, and does not wait for the answer to what was sent before.
	nodelay := s.control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_NODELAY, 1) })
	if err := errors.Join(nodelay, s.linger(true)); err != nil {
		return nil, errors.Join(err, s.Abort())
	}
	return s, nil
}

// linger says whether a close of the descriptor breaks the connection off.
func (s *Stream) linger(abort bool) error {
	l := unix.Linger{}
	if abort {
		l.Onoff = 1
	}
	return s.control(func(fd int) error {
		return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l)
	})
}

var _ net.Conn = (*Stream)(nil)

// Connect makes a connection from a namespace, which in runs a function in, to an address. source is the address and
// port to come from: the kernel chooses what is not given. The error is a Failure, the end of ctx, or why there could
// be no socket.
func Connect(ctx context.Context, in func(func() error) error, proto string, dst, source netip.AddrPort,
	o Options) (*Stream, error) {
	v6 := dst.Addr().Is6()
	fd, err := o.open(in, proto, v6)
	if err != nil {
		return nil, err
	}
	if source.Addr().IsValid() || source.Port() != 0 {
		if err := bindTo(fd, v6, source); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	sa, err := sockaddrOf(fd, v6, dst)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	told := hearErrors(in, v6)
	defer told.close()
	err = unix.Connect(fd, sa)
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, localFailure(0, err)
	}
	s, err := newStream(fd, proto)
	if err != nil {
		return nil, err
	}
	refused, err := s.connected(ctx)
	if refused == 0 && err == nil {
		s.Local, s.Remote = s.addresses()
		return s, nil
	}
	local, _ := s.addresses()
	s.Abort()
	if f, ok := told.about(local.Port(), dst); ok {
		f.Err = cmp.Or(refused, unix.ETIMEDOUT)
		return nil, f
	} else if err != nil {
		return nil, err
	}
	f := localFailure(0, refused)
	if refused == unix.ECONNREFUSED || refused == unix.ECONNRESET {
		f.Name, f.From = "reset", dst.Addr()
	}
	return nil, f
}

// connected waits until a connection is there or was refused.
func (s *Stream) connected(ctx context.Context) (refused unix.Errno, err error) {
	err = s.write(ctx, func(fd int) bool {
		if n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && n != 0 {
			refused = unix.Errno(n)
			return true
		}
		_, err := unix.Getpeername(fd)
		return err == nil
	})
	return refused, err
}

func (s *Stream) addresses() (local, remote netip.AddrPort) {
	s.raw.Control(func(fd uintptr) { local, remote = addresses(int(fd)) })
	return local, remote
}

// Send sends all of data.
func (s *Stream) Send(ctx context.Context, data []byte) error {
	return during(ctx, s.writing, s.SetWriteDeadline, func() error {
		_, err := s.Write(data)
		return err
	})
}

// Recv reads what has come into data, at least one byte, or io.EOF when the other end has sent all.
func (s *Stream) Recv(ctx context.Context, data []byte) (n int, err error) {
	err = during(ctx, s.reading, s.SetReadDeadline, func() error {
		n, err = s.Read(data)
		return err
	})
	return n, err
}

// Shutdown says to the other end that nothing more is sent. It can still be read from.
func (s *Stream) Shutdown() error {
	return s.control(func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) })
}

// Abort closes a connection at once, with a reset (RFC 9293, 3.10.5).
func (s *Stream) Abort() error { return s.conn.Close() }

// Finish closes a connection when all that was sent is there. Otherwise that goes on, until Abort is called.
func (s *Stream) Finish() (finished bool) {
	if s.Closed() {
		return true
	}
	s.Shutdown() // or it is over already
	var info *unix.TCPInfo
	if err := s.control(func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
		return err
	}); err == nil && (info.State == tcpFinWait1 || info.State == tcpClosing || info.State == tcpLastAck) {
		return false
	}
	s.linger(false)
	s.conn.Close()
	return true
}

// States in which the end of a connection has not arrived (include/net/tcp_states.h).
const (
	tcpFinWait1 = 4
	tcpLastAck  = 9
	tcpClosing  = 11
)

// Close is net.Conn's. What its listener does not see to is broken off when it has not arrived yet.
func (s *Stream) Close() error {
	if s.Finish() {
		if s.owner != nil {
			s.owner.forget(s)
		}
	} else if s.owner == nil {
		return s.Abort()
	}
	return nil
}

// LocalAddr and RemoteAddr are net.Conn's.
func (s *Stream) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.Local) }
func (s *Stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.Remote) }

// Info is what the kernel knows of the connection (tcp(7), TCP_INFO), and how its congestion is controlled. Subflows is
// how many an MPTCP connection has, 0 for TCP; 1 with an end that has no MPTCP, too.
func (s *Stream) Info() (info *unix.TCPInfo, congestion string, subflows int, err error) {
	err = s.control(func(fd int) (err error) {
		if info, err = unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO); err != nil {
			return err
		}
		if s.Proto == "mptcp" {
			subflows = 1
			// struct mptcp_info (linux/mptcp.h) begins with how many there are besides the first.
			var more mptcpInfo
			if e := getsockopt(fd, unix.SOL_MPTCP, mptcpInfoOpt, more[:]); e == nil {
				subflows += int(more[0])
			}
		}
		congestion, err = unix.GetsockoptString(fd, unix.SOL_TCP, unix.TCP_CONGESTION)
		return err
	})
	if err != nil {
		return nil, "", 0, fmt.Errorf("read tcp_info: %w", err)
	}
	return info, congestion, subflows, nil
}

const mptcpInfoOpt = 1 // MPTCP_INFO (linux/mptcp.h)

type mptcpInfo [8]byte // the beginning of it

// Echo sends back all that comes.
func Echo(s *Stream) error {
	_, err := io.Copy(struct{ io.Writer }{s}, struct{ io.Reader }{s})
	return err
}

// Discard reads all that comes.
func Discard(s *Stream) error {
	_, err := io.Copy(io.Discard, struct{ io.Reader }{s})
	return err
}
