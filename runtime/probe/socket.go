package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a raw ICMP socket for one destination. Replies are read from it,
// and errors from its error queue: the kernel has then checked the ICMP error
// and found the quoted request behind whatever IP headers there are.
type socket struct {
	file    *os.File
	raw     syscall.RawConn
	dst     unix.Sockaddr
	zone    func(index uint32) string
	data    []byte
	control []byte
}

func openSocket(in func(func() error) error, p Ping) (*socket, error) {
	fd, err := openICMP(in, p)
	if err != nil {
		return nil, err
	}
	s := newSocket(p)
	s.file = os.NewFile(uintptr(fd), "icmp") // nonblocking, so the runtime polls it
	if s.dst, err = sockaddr(fd, p.Dst); err != nil {
		s.close()
		return nil, err
	}
	if sa, ok := s.dst.(*unix.SockaddrInet6); ok {
		s.zone = zoneNames(p.Dst.Zone(), sa.ZoneId)
	}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		s.close()
		return nil, fmt.Errorf("open icmp socket: %w", err)
	}
	return s, nil
}

// newSocket has what is read into.
func newSocket(p Ping) *socket {
	return &socket{zone: zoneNames("", 0), control: make([]byte, 256),
		data: make([]byte, 60+icmpHeader+*p.Size)} // 60: longest IPv4 header
}

// openICMP opens a socket that sends and receives as p says.
func openICMP(in func(func() error) error, p Ping) (int, error) {
	domain, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if p.Dst.Is6() {
		domain, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd := -1
	err := in(func() (err error) {
		fd, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
		if err != nil {
			return fmt.Errorf("open icmp socket: %w", err)
		}
		return nil
	})
	if err == nil {
		err = configure(fd, p)
	}
	if err == nil && p.Dev != "" {
		if err = unix.BindToDevice(fd, p.Dev); err != nil {
			err = fmt.Errorf("bind to interface %s: %w", p.Dev, err)
		}
	}
	if err == nil && p.Source.IsValid() {
		err = bind(fd, p.Source)
	}
	if err == nil && p.OIF != 0 {
		err = leaveBy(fd, p.Dst.Is6(), p.OIF)
	}
	if err != nil && fd >= 0 {
		unix.Close(fd)
	}
	return fd, err
}

func bind(fd int, source netip.Addr) error {
	sa, err := sockaddr(fd, source)
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		return fmt.Errorf("bind to %s: %w", source, err)
	}
	return nil
}

// sockaddr resolves the zone in the namespace of the socket, wherever the
// calling thread is.
func sockaddr(fd int, a netip.Addr) (unix.Sockaddr, error) {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Addr: a.As16()}
	if a.Zone() == "" {
		return sa, nil
	}
	ifr, err := unix.NewIfreq(a.Zone())
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr)
	}
	if err == nil {
		sa.ZoneId = ifr.Uint32()
		return sa, nil
	}
	if index, perr := strconv.ParseUint(a.Zone(), 10, 31); perr == nil {
		sa.ZoneId = uint32(index)
		return sa, nil
	}
	return nil, fmt.Errorf("find interface %s: %w", a.Zone(), err)
}

func (s *socket) close() { s.file.Close() }

// interrupt ends a wait under way. Any goroutine may call it.
func (s *socket) interrupt() { s.file.SetReadDeadline(time.Unix(1, 0)) }

// poll calls drain once, at once.
func (s *socket) poll(drain func(fd int) bool) error {
	return s.raw.Control(func(fd uintptr) { drain(int(fd)) })
}

// wait calls drain whenever the socket has something, until drain reports
// true, or the time has come, which is no error.
func (s *socket) wait(ctx context.Context, until time.Time, drain func(fd int) bool) error {
	// The deadline comes first, then the look at ctx: an interrupt between
	// the two is seen, one before them would be overwritten.
	if err := s.file.SetReadDeadline(until); err != nil {
		return fmt.Errorf("poll icmp socket: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.raw.Read(func(fd uintptr) bool { return drain(int(fd)) })
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	// The runtime's poller gives a socket up while its last event was an error
	// and nothing else, as when an ICMP error finds the send buffer half full
	// (runtime/netpoll.go, eventErr). The caller comes back here soon.
	return s.raw.Control(func(fd uintptr) {
		unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1)
	})
}

// send sends a packet and returns the time just before. It never waits: a
// full send buffer or queue is ENOBUFS.
func (s *socket) send(packet []byte) (at time.Time, err error) {
	cerr := s.raw.Control(func(fd uintptr) {
		at = time.Now()
		err = unix.Sendto(int(fd), packet, 0, s.dst)
	})
	if cerr != nil {
		err = cerr
	}
	return at, err
}

// drain gives away what the socket holds and reports whether that was anything.
func (s *socket) drain(fd int, take func(m message)) bool {
	// More messages than a receive buffer holds, so that a flood of foreign
	// ones can neither hide ours nor keep the clock from being looked at.
	const most = 1024
	for n := range most {
		m, err := s.receive(fd)
		switch err {
		case nil:
			take(m)
		case unix.EAGAIN:
			return n > 0
		}
		// Any other error was pending on the socket; its cause is in the
		// error queue, which is read first.
	}
	return true
}

// receive reads one message, errors first. EAGAIN: there is none.
func (s *socket) receive(fd int) (message, error) {
	m, err := s.read(fd, unix.MSG_ERRQUEUE)
	if err == unix.EAGAIN {
		m, err = s.read(fd, 0)
	}
	return m, err
}

// read reads one message from the error queue, or of the others.
func (s *socket) read(fd, queue int) (message, error) {
	n, c, flags, from, err := unix.Recvmsg(fd, s.data, s.control, queue)
	if queue == 0 && flags&unix.MSG_TRUNC != 0 {
		n = 0 // longer than any reply to what was sent
	}
	if err != nil {
		return message{}, err
	}
	m := message{data: s.data[:n], from: fromSockaddr(from, s.zone)}
	m.parseControl(s.control[:c], s.zone)
	return m, nil
}
