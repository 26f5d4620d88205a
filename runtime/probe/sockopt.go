package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options are what a socket of TCP, MPTCP or UDP is given beside its address. The zero value of a field leaves what the
// namespace has.
type Options struct {
	Dev         string // link that it is bound to, or VRF (SO_BINDTODEVICE)
	TTL         int    // time to live and hop limit, 1 to 255, of multicast, too
	TOS         int    // TOS byte (RFC 2474) and traffic class, 0 to 255
	Mark        uint32 // of its packets (SO_MARK)
	Transparent bool   // addresses that are not the namespace's can be its own (IP_TRANSPARENT)
	ReusePort   bool   // others may have its port, too (SO_REUSEPORT)
}

// A kind of socket that an Options is for.
var protocols = map[string]struct{ typ, proto int }{
	"tcp":   {unix.SOCK_STREAM, unix.IPPROTO_TCP},
	"mptcp": {unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
	"udp":   {unix.SOCK_DGRAM, unix.IPPROTO_UDP},
}

// An option of setsockopt(2). One of a family that the socket is not of is left out.
type option struct {
	level, name, value int
	word               string
}

// open opens a socket in the namespace. v6 is one of IPv6, which does for IPv4 as well unless it is bound.
func (o Options) open(in func(func() error) error, proto string, v6 bool) (fd int, err error) {
	p, domain := protocols[proto], unix.AF_INET
	if v6 {
		domain = unix.AF_INET6
	}
	fd = -1
	err = in(func() (err error) {
		fd, err = unix.Socket(domain, p.typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, p.proto)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("open %s socket: %w", proto, err)
	}
	if err = o.set(fd, v6, p.typ == unix.SOCK_DGRAM); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (o Options) set(fd int, v6, datagrams bool) error {
	var all []option
	if !datagrams { // of UDP it would be ReusePort without a balance
		all = append(all, option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, "reuseaddr"})
	}
	if o.ReusePort {
		all = append(all, option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, "reuseport"})
	}
	if o.Mark != 0 {
		all = append(all, option{unix.SOL_SOCKET, unix.SO_MARK, int(o.Mark), "mark"})
	}
	// What is IPv4's an IPv6 socket takes, too, for the IPv4 that goes over it.
	if o.Transparent {
		all = append(all, option{unix.SOL_IP, unix.IP_TRANSPARENT, 1, "transparent"})
	}
	if o.TTL != 0 {
		all = append(all, option{unix.SOL_IP, unix.IP_TTL, o.TTL, "ttl"},
			option{unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, o.TTL, "ttl"})
	}
	if o.TTL != 0 && datagrams {
		all = append(all, option{unix.SOL_IP, unix.IP_MULTICAST_TTL, o.TTL, "ttl"},
			option{unix.SOL_IPV6, unix.IPV6_MULTICAST_HOPS, o.TTL, "ttl"})
	}
	if o.TOS != 0 {
		all = append(all, option{unix.SOL_IP, unix.IP_TOS, o.TOS, "tos"},
			option{unix.SOL_IPV6, unix.IPV6_TCLASS, o.TOS, "tos"})
	}
	if err := setAll(fd, v6, all); err != nil {
		return err
	}
	if o.Dev != "" {
		if err := unix.BindToDevice(fd, o.Dev); err != nil {
			return fmt.Errorf("bind to link %s: %w", o.Dev, err)
		}
	}
	return nil
}

func setAll(fd int, v6 bool, all []option) error {
	for _, o := range all {
		if o.level == unix.SOL_IPV6 && !v6 {
			continue
		}
		err := unix.SetsockoptInt(fd, o.level, o.name, o.value)
		if v6 && o.level == unix.SOL_IP && errors.Is(err, unix.ENOPROTOOPT) {
			continue // MPTCP's sockets of IPv6 take few of IPv4's
		}
		if err != nil {
			return fmt.Errorf("set option %s: %w", o.word, err)
		}
	}
	return nil
}

// bindTo gives a socket its own address and port. An address that is not valid is any.
func bindTo(fd int, v6 bool, at netip.AddrPort) error {
	if !at.Addr().IsValid() {
		at = netip.AddrPortFrom(anyAddr(v6), at.Port())
	}
	sa, err := sockaddrOf(fd, v6, at)
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		return fmt.Errorf("bind to %s: %w", at, err)
	}
	return nil
}

func anyAddr(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// sockaddrOf is an address for a socket of IPv6 or IPv4. A link in it is resolved in the socket's namespace.
func sockaddrOf(fd int, v6 bool, at netip.AddrPort) (unix.Sockaddr, error) {
	a := at.Addr()
	if v6 && a.Is4() {
		return &unix.SockaddrInet6{Addr: a.As16(), Port: int(at.Port())}, nil
	}
	if !v6 && a.Is6() {
		return nil, fmt.Errorf("%s is of another family than the socket: %w", a, unix.EAFNOSUPPORT)
	}
	sa, err := sockaddr(fd, a)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		sa.Port = int(at.Port())
	case *unix.SockaddrInet6:
		sa.Port = int(at.Port())
	}
	return sa, err
}

// addrPort is the address and port of a sockaddr, with the name of its link when that is known.
func addrPort(sa unix.Sockaddr, zone func(uint32) string) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(addr6(sa.Addr, sa.ZoneId, zone).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// zoneOf names links by their index in the namespace of a socket.
func zoneOf(fd int) func(uint32) string {
	return func(index uint32) string {
		if ifr, err := unix.NewIfreq(""); err == nil {
			ifr.SetUint32(index)
			if unix.IoctlIfreq(fd, unix.SIOCGIFNAME, ifr) == nil {
				return ifr.Name()
			}
		}
		return zoneNames("", 0)(index)
	}
}

// addresses are a socket's own address and that of who it is connected with, which is not valid when that is nobody.
func addresses(fd int) (local, remote netip.AddrPort) {
	if sa, err := unix.Getsockname(fd); err == nil {
		local = addrPort(sa, zoneOf(fd))
	}
	if sa, err := unix.Getpeername(fd); err == nil {
		remote = addrPort(sa, zoneOf(fd))
	}
	return local, remote
}

// polled makes a file of a socket, which Go's poller waits for.
func polled(fd int, name string) *os.File { return os.NewFile(uintptr(fd), name) }

// getsockopt reads an option that is a structure.
func getsockopt(fd, level, name int, into []byte) error {
	size := uint32(len(into))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&into[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
