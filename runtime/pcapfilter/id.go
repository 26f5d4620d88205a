package pcapfilter

import (
	"encoding/hex"
	"net"
	"strconv"
	"strings"
)

// port is the number of a port, and the protocol that alone has it under this name.
func port(t token, text string) (n uint32, of *proto) {
	if text[0] >= '0' && text[0] <= '9' {
		if n, err := strconv.ParseUint(text, 0, 16); err == nil {
			return uint32(n), nil
		}
	}
	tcp, noTCP := net.LookupPort("tcp", text)
	udp, noUDP := net.LookupPort("udp", text)
	switch {
	case noTCP != nil && noUDP != nil:
		fail(t.col, "%q is no port", text)
	case noTCP == nil && noUDP == nil && tcp == udp:
		return uint32(tcp), nil
	case noTCP == nil:
		return uint32(tcp), protos["tcp"]
	}
	return uint32(udp), protos["udp"]
}

// address4 is a number in dots and how many bits of it were given.
func address4(t token) (addr uint32, bits int) {
	for _, part := range strings.Split(t.text, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			fail(t.col, "%s is no IPv4 address", t)
		}
		addr = addr<<8 | uint32(n)
		bits += 8
	}
	return addr << (32 - bits), bits
}

// macOf is a link-layer address, whose shape the lexer has seen to.
func macOf(text string) []byte {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '-' || r == '.' })
	if len(parts) == 6 {
		for i, p := range parts {
			parts[i] = strings.Repeat("0", 2-len(p)) + p
		}
	}
	addr, err := hex.DecodeString(strings.Join(parts, ""))
	if err != nil {
		panic(err)
	}
	return addr
}
