package probe

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// heard is a raw socket that gets a copy of the ICMP errors which come to a namespace. TCP tells the errno of one, and
// not who sent it. Where no raw socket is allowed there is none, and less is told.
type heard struct {
	fd int
	v6 bool
}

func hearErrors(in func(func() error) error, v6 bool) heard {
	h := heard{-1, v6}
	domain, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if v6 {
		domain, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	if in(func() (err error) {
		h.fd, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
		return err
	}) != nil {
		h.fd = -1
	}
	return h
}

func (h heard) close() {
	if h.fd >= 0 {
		unix.Close(h.fd)
	}
}

// about is the ICMP error that quotes a connection from a local port, if there is one.
func (h heard) about(from uint16, dst netip.AddrPort) (f Failure, ok bool) {
	buf := make([]byte, 1500)
	for h.fd >= 0 {
		n, sender, err := unix.Recvfrom(h.fd, buf, 0)
		if err != nil {
			break
		}
		if f, ok = quotedTCP(h.v6, buf[:n], from, dst); ok {
			f.From = fromSockaddr(sender, zoneOf(h.fd))
			break
		}
	}
	return f, ok
}

// quotedTCP reads an ICMP error (RFC 792, RFC 4443) that quotes a segment of a connection.
func quotedTCP(v6 bool, packet []byte, from uint16, dst netip.AddrPort) (f Failure, ok bool) {
	if !v6 {
		if len(packet) < 20 {
			return f, false
		}
		packet = packet[min(len(packet), int(packet[0]&15)*4):]
	}
	if len(packet) < 8 {
		return f, false
	}
	typ, code, info, quote := packet[0], packet[1], binary.BigEndian.Uint32(packet[4:]), packet[8:]
	head, to, proto := 40, netip.Addr{}, byte(0)
	if v6 && len(quote) >= 40 {
		to, proto = netip.AddrFrom16([16]byte(quote[24:40])), quote[6]
	} else if !v6 && len(quote) >= 20 {
		head, to, proto = int(quote[0]&15)*4, netip.AddrFrom4([4]byte(quote[16:20])), quote[9]
	}
	if proto != unix.IPPROTO_TCP || !sameHost(to, dst.Addr()) || len(quote) < head+4 ||
		binary.BigEndian.Uint16(quote[head:]) != from || binary.BigEndian.Uint16(quote[head+2:]) != dst.Port() {
		return f, false
	}
	e := queuedError{typ: typ, code: code, info: info & 0xffff}
	if v6 {
		e.info = info
	}
	return icmpFailure(0, v6, e), true
}
