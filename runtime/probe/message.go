package probe

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// message is one read from a socket or, if err is set, from its error queue.
type message struct {
	data []byte       // valid until the next read
	from netip.Addr   // the sender; in the error queue the original destination
	ttl  int          // 0: unknown
	at   time.Time    // when the kernel received it, zero: unknown
	err  *queuedError // nil: a packet
}

// queuedError is the kernel's struct sock_extended_err with the address of
// who sent the ICMP error.
type queuedError struct {
	errno    syscall.Errno
	origin   uint8
	typ      uint8
	code     uint8
	info     uint32 // the MTU in errors that are about it
	offender netip.Addr
}

func (e queuedError) icmp(v6 bool) bool {
	if v6 {
		return e.origin == unix.SO_EE_ORIGIN_ICMP6
	}
	return e.origin == unix.SO_EE_ORIGIN_ICMP
}

// parseControl fills in what the control messages tell. What is malformed or
// unknown is left out.
func (m *message) parseControl(control []byte, zone func(index uint32) string) {
	all, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return
	}
	for _, c := range all {
		switch [2]int32{c.Header.Level, c.Header.Type} {
		case [2]int32{unix.SOL_IP, unix.IP_TTL}, [2]int32{unix.SOL_IPV6, unix.IPV6_HOPLIMIT}:
			if len(c.Data) >= 4 {
				m.ttl = int(binary.NativeEndian.Uint32(c.Data))
			}
		case [2]int32{unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS}:
			if len(c.Data) == 16 { // 64-bit machines; others do without
				m.at = time.Unix(int64(binary.NativeEndian.Uint64(c.Data)),
					int64(binary.NativeEndian.Uint64(c.Data[8:])))
			}
		case [2]int32{unix.SOL_IP, unix.IP_RECVERR}, [2]int32{unix.SOL_IPV6, unix.IPV6_RECVERR}:
			m.err = parseQueuedError(c.Data, zone)
		}
	}
}

func parseQueuedError(b []byte, zone func(index uint32) string) *queuedError {
	const size = 16 // of struct sock_extended_err; the offender's sockaddr follows
	if len(b) < size {
		return nil
	}
	return &queuedError{
		errno:    syscall.Errno(binary.NativeEndian.Uint32(b)),
		origin:   b[4],
		typ:      b[5],
		code:     b[6],
		info:     binary.NativeEndian.Uint32(b[8:]),
		offender: parseSockaddr(b[size:], zone),
	}
}

// parseSockaddr reads a struct sockaddr_in or sockaddr_in6.
func parseSockaddr(b []byte, zone func(index uint32) string) netip.Addr {
	if len(b) < 8 {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case family == unix.AF_INET6 && len(b) >= 28:
		return addr6([16]byte(b[8:24]), binary.NativeEndian.Uint32(b[24:]), zone)
	}
	return netip.Addr{}
}

func addr6(ip [16]byte, index uint32, zone func(index uint32) string) netip.Addr {
	a := netip.AddrFrom16(ip)
	if index == 0 {
		return a
	}
	return a.WithZone(zone(index))
}

func fromSockaddr(sa unix.Sockaddr, zone func(index uint32) string) netip.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		return addr6(sa.Addr, sa.ZoneId, zone)
	}
	return netip.Addr{}
}

// zoneNames returns a function that names the interface of the given zone by
// its index and every other one by number.
func zoneNames(name string, index uint32) func(uint32) string {
	return func(i uint32) string {
		if i == index && name != "" {
			return name
		}
		return strconv.FormatUint(uint64(i), 10)
	}
}
