package probe

import (
	"crypto/rand"
	"encoding/binary"
)

const (
	icmpHeader = 8 // type, code, checksum, id, sequence number

	echoReply4, echoRequest4 = 0, 8
	echoReply6, echoRequest6 = 129, 128
)

// ident tells one run's packets from all others: every raw socket in a
// namespace sees every reply there, and 16 bits of id do collide.
type ident struct {
	id     uint16
	cookie [8]byte // first bytes of the payload, as many as there is room for
}

func newIdent() ident {
	var b [10]byte
	rand.Read(b[:]) // never fails
	return ident{id: binary.BigEndian.Uint16(b[:]), cookie: [8]byte(b[2:])}
}

// request encodes an echo request. The kernel adds the checksum of ICMPv6,
// which covers addresses that only it knows.
func (k ident) request(v6 bool, seq uint16, size int) []byte {
	b := make([]byte, icmpHeader+size)
	b[0] = echoRequest4
	if v6 {
		b[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(b[4:], k.id)
	binary.BigEndian.PutUint16(b[6:], seq)
	payload := b[icmpHeader:]
	for i := copy(payload, k.cookie[:]); i < len(payload); i++ {
		payload[i] = byte(i)
	}
	if !v6 {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// reply reads what a raw socket received: an ICMPv6 message or a whole IPv4
// packet. It is ok when it is an intact reply to a request of this run, made
// with size bytes of payload.
func (k ident) reply(v6 bool, size int, b []byte) (seq, payload int, ok bool) {
	typ := byte(echoReply6)
	if !v6 {
		typ = echoReply4
		if len(b) < 20 || b[0]>>4 != 4 {
			return 0, 0, false
		}
		header := int(b[0]&0x0f) * 4
		if header < 20 || len(b) < header {
			return 0, 0, false
		}
		// Raw sockets get ICMPv4 before the kernel has looked at its sum.
		if b = b[header:]; checksum(b) != 0 {
			return 0, 0, false
		}
	}
	if len(b) < icmpHeader+min(size, len(k.cookie)) {
		return 0, 0, false
	}
	seq, ok = k.match(typ, size, b)
	return seq, len(b) - icmpHeader, ok
}

// quoted reads what an ICMP error quotes after the IP headers, which the kernel has
// taken off. It is ok when that is a request of this run, as far as it goes:
// routers need quote no more than the ICMP header.
func (k ident) quoted(v6 bool, size int, b []byte) (seq int, ok bool) {
	if v6 {
		return k.match(echoRequest6, size, b)
	}
	return k.match(echoRequest4, size, b)
}

func (k ident) match(typ byte, size int, b []byte) (seq int, ok bool) {
	if len(b) < icmpHeader || b[0] != typ || b[1] != 0 || binary.BigEndian.Uint16(b[4:]) != k.id {
		return 0, false
	}
	cookie := b[icmpHeader:]
	n := min(size, len(k.cookie), len(cookie))
	if string(cookie[:n]) != string(k.cookie[:n]) {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(b[6:])), true
}

// checksum is the Internet checksum (RFC 1071) of b; 0 when b contains a
// right one.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
