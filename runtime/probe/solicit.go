package probe

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Solicit asks the hosts of one link who has an address: by ARP (RFC 826), or for IPv6 by neighbour solicitations
// (RFC 4861). The kernel's own table of neighbours has no part in it.
type Solicit struct {
	Link    string // its name, and its index and address
	Index   int
	MAC     net.HardwareAddr
	Dst     netip.Addr
	Source  netip.Addr // that ARP says who asks; not valid: nobody, as before an address is taken (RFC 5227)
	Count   int        // requests, each of which goes when the one before has its replies
	Replies int        // that end a request; 0: it waits for others until its time is over
	Timeout time.Duration
	Aside   func(probe func() error) error
}

// Solicited is who says that he has the address.
type Solicited struct {
	Seq int // of the request, from 1
	MAC net.HardwareAddr
	RTT time.Duration
}

// Run sends the requests and returns all replies, and how many requests were sent.
func (q Solicit) Run(ctx context.Context, in func(func() error) error) (all []Solicited, sent int, err error) {
	s, err := q.open(in)
	if err != nil {
		return nil, 0, err
	}
	defer s.close()
	defer context.AfterFunc(ctx, s.interrupt)()
	err = q.Aside(func() error {
		for sent < q.Count {
			sent++
			got, err := q.ask(ctx, s, sent)
			if all = append(all, got...); err != nil {
				return err
			}
		}
		return nil
	})
	return all, sent, err
}

// open opens the socket, with what it sends to.
func (q Solicit) open(in func(func() error) error) (*socket, error) {
	domain, typ, proto := unix.AF_PACKET, unix.SOCK_DGRAM, 0
	if q.Dst.Is6() {
		domain, typ, proto = unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6
	}
	fd := -1
	err := in(func() (err error) {
		fd, err = unix.Socket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	s := newSocket(Ping{Size: new(64)})
	s.file = os.NewFile(uintptr(fd), "solicit")
	if err = q.configure(fd); err == nil {
		s.raw, err = s.file.SyscallConn()
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("set up socket: %w", err)
	}
	if q.Dst.Is6() {
		group := [16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff} // solicited-node (RFC 4291)
		ip := q.Dst.As16()
		copy(group[13:], ip[13:])
		s.dst = &unix.SockaddrInet6{Addr: group, ZoneId: uint32(q.Index)}
	} else {
		s.dst = &unix.SockaddrLinklayer{Protocol: arpProtocol(), Ifindex: q.Index, Halen: 6,
			Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	}
	return s, nil
}

func arpProtocol() uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ARP))
}

func (q Solicit) configure(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return err
	}
	if !q.Dst.Is6() {
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: arpProtocol(), Ifindex: q.Index})
	}
	var block unix.ICMPv6Filter
	for i := range block.Data {
		block.Data[i] = ^uint32(0)
	}
	block.Data[advertisement/32] &^= 1 << (advertisement % 32)
	err := unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &block)
	for _, o := range [][2]int{{unix.IPV6_MULTICAST_HOPS, 255}, {unix.IPV6_UNICAST_HOPS, 255},
		{unix.IPV6_MULTICAST_IF, q.Index}, {unix.IPV6_RECVHOPLIMIT, 1}} {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_IPV6, o[0], o[1])
		}
	}
	if err == nil {
		err = unix.BindToDevice(fd, q.Link)
	}
	return err
}

// Of RFC 4861.
const (
	solicitation   = 135
	advertisement  = 136
	sourceAddress  = 1 // options: of who asks, and of who is asked for
	targetAddress  = 2
	sizeofNeighbor = 24
)

// request is the message that asks. The kernel adds the checksum of ICMPv6.
func (q Solicit) request() []byte {
	if q.Dst.Is6() {
		ip := q.Dst.As16()
		msg := append([]byte{solicitation, 0, 0, 0, 0, 0, 0, 0}, ip[:]...)
		return append(append(msg, sourceAddress, 1), q.MAC...)
	}
	source, target := [4]byte{}, q.Dst.As4()
	if q.Source.IsValid() {
		source = q.Source.As4()
	}
	return slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, 1}, q.MAC, source[:], make([]byte, 6), target[:])
}

// answer is the link-layer address that a message says has the address, nil for any other message.
func (q Solicit) answer(m message) net.HardwareAddr {
	b := m.data
	if !q.Dst.Is6() {
		target := q.Dst.As4()
		reply := "\x00\x01\x08\x00\x06\x04\x00\x02"
		if len(b) >= 28 && string(b[:8]) == reply && string(b[14:18]) == string(target[:]) {
			return slices.Clone(b[8:14])
		}
		return nil
	}
	target := q.Dst.As16()
	if len(b) < sizeofNeighbor || b[0] != advertisement || m.ttl != 255 || string(b[8:24]) != string(target[:]) {
		return nil
	}
	for o := b[sizeofNeighbor:]; len(o) >= 8 && o[1] > 0 && len(o) >= 8*int(o[1]); o = o[8*int(o[1]):] {
		if o[0] == targetAddress {
			return slices.Clone(o[2:8])
		}
	}
	return nil
}

func (q Solicit) ask(ctx context.Context, s *socket, seq int) (all []Solicited, err error) {
	sent, err := s.send(q.request())
	if err != nil {
		return nil, err
	}
	drain := func(fd int) bool {
		return s.drain(fd, func(m message) {
			mac := q.answer(m)
			if mac == nil || m.err != nil {
				return
			}
			all = append(all, Solicited{Seq: seq, MAC: mac, RTT: roundTrip(sent, m.at, time.Now())})
		})
	}
	for until := sent.Add(q.Timeout); ; {
		now := time.Now()
		if err := s.poll(drain); err != nil {
			return all, err
		}
		if err := ctx.Err(); err != nil || q.Replies > 0 && len(all) >= q.Replies || !now.Before(until) {
			return all, err
		}
		if err := s.wait(ctx, until, drain); err != nil {
			return all, err
		}
	}
}
