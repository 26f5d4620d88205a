package packet

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// A Part is a header that is to be made, of the fields that are given, or bytes without a header.
type Part struct {
	Row    *Row
	Values map[string]any // by the names of fields
	Data   []byte         // of one without a row
}

// header is one that is being made: what it has before it is made is known, and its payload is whole.
type header struct {
	*Row
	bytes   []byte
	given   map[string]any
	payload []byte
	next    *Row // nil for bytes
	ip      *Part
	err     error
}

// Build makes a frame of headers. What is not given and follows from the others is filled in: lengths, checksums and
// what follows.
func Build(parts []Part) ([]byte, error) {
	var frame []byte
	var next *Row
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		if p.Row == nil {
			frame, next = append(append([]byte{}, p.Data...), frame...), nil
			continue
		}
		h := &header{Row: p.Row, given: p.Values, payload: frame, next: next}
		for j := i - 1; j >= 0 && h.ip == nil; j-- {
			if r := parts[j].Row; r != nil && (r.Name == "ip" || r.Name == "ip6") {
				h.ip = &parts[j]
			}
		}
		if err := h.make(parts[i+1:]); err != nil {
			return nil, fmt.Errorf("layer %s: %w", p.Row.Name, err)
		}
		frame, next = append(h.bytes, frame...), p.Row
	}
	return frame, nil
}

// make fills the header's bytes. after is what follows it.
func (h *header) make(after []Part) error {
	h.bytes = make([]byte, h.length())
	for name := range h.given {
		if _, is := h.Field(name); !is {
			return fmt.Errorf("there is no field %s", name)
		}
	}
	for _, f := range h.Fields {
		v, given := h.given[f.Name]
		switch data, isBytes := v.([]byte); {
		case f.Optional:
		case given && f.Shape == Bytes && isBytes:
			h.bytes = append(h.bytes, data...)
		case given:
			if err := f.Put(h.bytes, v); err != nil {
				return fmt.Errorf("field %s: %w", f.Name, err)
			}
		case f.Bits > 0 && f.Bits <= 64 && f.Shape <= Flag:
			f.put(h.bytes, f.value)
		}
	}
	h.follow(after)
	if h.finish != nil {
		h.finish(h)
	}
	return h.err
}

// fill sets a field unless it is given.
func (h *header) fill(name string, n int) {
	if _, given := h.given[name]; given || h.err != nil {
		return
	}
	f, _ := h.Field(name)
	if n >= 1<<f.Bits {
		h.err = fmt.Errorf("field %s: %d is no number of %d bits", name, n, f.Bits)
		return
	}
	f.put(h.bytes, uint64(n))
}

// follow says what follows: in the field for it, and in what depends on it.
func (h *header) follow(after []Part) {
	if h.Name == "ether" && h.given["dst"] == nil {
		copy(h.bytes, group(after))
	}
	if h.Name == "mpls" && (h.next == nil || h.next.Name != "mpls") {
		h.fill("bottom", 1)
	}
	if h.Name == "udp" && h.next != nil && h.next.udpPort != 0 {
		h.fill("dport", h.next.udpPort)
	}
	if h.Row.next == "" {
		return
	}
	if h.next == nil { // bytes, which are for experiments: RFC 8200, RFC 3692, IEEE 802
		h.fill(h.Row.next, map[string]int{"next": 59, "proto": 253, "type": 0x88b5}[h.Row.next])
		return
	}
	f, _ := h.Field(h.Row.next)
	num := h.next.etherType
	if f.Bits == 8 {
		num = h.next.ipProto
		if num == 0 && h.next.etherType == 0x6558 {
			num = 143 // Ethernet in IP (RFC 8986)
		}
		num = max(num, 0) // zero
	}
	h.fill(h.Row.next, num)
}

// group is the link-layer address of the group that the first IP header goes to, or that of all.
func group(after []Part) []byte {
	for _, p := range after {
		if p.Row == nil {
			continue
		}
		dst, _ := p.Values["dst"].(string)
		a, err := netip.ParseAddr(dst)
		switch {
		case p.Row.Name != "ip" && p.Row.Name != "ip6":
			continue
		case err != nil || !a.IsMulticast():
		case a.Is4():
			b := a.As4()
			return []byte{1, 0, 0x5e, b[1] & 0x7f, b[2], b[3]}
		default:
			b := a.As16()
			return []byte{0x33, 0x33, b[12], b[13], b[14], b[15]}
		}
		break
	}
	return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
}

func (h *header) words(name string, unit int) {
	if len(h.bytes)%unit != 0 {
		h.err = fmt.Errorf("the options have %d bytes too many for words of %d", len(h.bytes)%unit, unit)
		return
	}
	h.fill(name, len(h.bytes)/unit)
}

func (h *header) finishIP4() {
	h.words("ihl", 4)
	h.fill("length", len(h.bytes)+len(h.payload))
	h.fill("checksum", int(^sum(0, h.bytes)))
}

func (h *header) finishIP6() { h.fill("length", len(h.payload)) }

func (h *header) finishICMP() {
	h.fill("checksum", int(^sum(sum(0, h.bytes), h.payload)))
}

func (h *header) finishUDP() {
	h.fill("length", len(h.bytes)+len(h.payload))
	h.finishTransport()
	if f, _ := h.Field("checksum"); f.get(h.bytes) == 0 {
		h.fill("checksum", 0xffff) // 0 would say that there is none
	}
}

func (h *header) finishTCP() {
	h.words("offset", 4)
	h.finishTransport()
}

// finishTransport fills a checksum that the addresses of the IP header are a part of.
func (h *header) finishTransport() {
	if h.ip == nil {
		h.fill("checksum", int(^sum(sum(0, h.bytes), h.payload)))
		return
	}
	s := uint16(0)
	for _, name := range []string{"src", "dst"} {
		text, _ := h.ip.Values[name].(string)
		if a, err := netip.ParseAddr(text); err == nil {
			s = sum(s, a.AsSlice())
		}
	}
	s = sum(s, binary.BigEndian.AppendUint32(nil, uint32(len(h.bytes)+len(h.payload))))
	s = sum(s, []byte{0, byte(h.ipProto)})
	h.fill("checksum", int(^sum(sum(s, h.bytes), h.payload)))
}

// finishExtension pads an extension header of IPv6.
func (h *header) finishExtension() {
	if short := (8 - len(h.bytes)%8) % 8; short > 0 {
		pad := make([]byte, short) // one zero is the option Pad1
		if short > 1 && h.Name != "routing" {
			pad[0], pad[1] = 1, byte(short-2) // PadN
		}
		h.bytes = append(h.bytes, pad...)
	}
	h.fill("len", len(h.bytes)/8-1)
}

func (h *header) finishGRE() {
	if h.given["has_checksum"] == true {
		h.bytes = append(h.bytes, 0, 0, 0, 0)
	}
	for _, name := range []string{"key", "seq"} {
		if n, given := h.given[name].(int); given {
			h.fill("has_"+name, 1)
			h.bytes = binary.BigEndian.AppendUint32(h.bytes, uint32(n))
		}
	}
	if h.given["has_checksum"] == true {
		binary.BigEndian.PutUint16(h.bytes[4:], ^sum(sum(0, h.bytes), h.payload))
	}
}

// greFields reads what the flags say is there.
func greFields(b []byte) (all []Value) {
	at := 4
	if b[0]&0x80 != 0 {
		at += 4
	}
	for i, name := range []string{"key", "seq"} {
		if b[0]&(0x20>>i) != 0 && at+4 <= len(b) {
			all = append(all, Value{name, int(binary.BigEndian.Uint32(b[at:]))})
			at += 4
		}
	}
	return all
}

// Options of neighbour discovery (RFC 4861, 4.6), by type.
const (
	ndSLLA   = 1
	ndTLLA   = 2
	ndPrefix = 3
	ndMTU    = 5
)

func (h *header) finishND() {
	for _, name := range []string{"slla", "tlla"} {
		if text, given := h.given[name].(string); given {
			mac, err := net.ParseMAC(text)
			if err != nil || len(mac) != 6 {
				h.err = fmt.Errorf("field %s: %q is no link-layer address", name, text)
				return
			}
			h.bytes = append(append(h.bytes, map[string]byte{"slla": ndSLLA, "tlla": ndTLLA}[name], 1), mac...)
		}
	}
	if n, given := h.given["mtu"].(int); given {
		h.bytes = binary.BigEndian.AppendUint32(append(h.bytes, ndMTU, 1, 0, 0), uint32(n))
	}
	if text, given := h.given["prefix"].(string); given {
		p, err := netip.ParsePrefix(text)
		if err != nil || !p.Addr().Is6() {
			h.err = fmt.Errorf("field prefix: %q is no IPv6 prefix", text)
			return
		}
		const onLinkAndAutonomous = 0xc0
		h.bytes = append(h.bytes, ndPrefix, 4, byte(p.Bits()), onLinkAndAutonomous)
		h.bytes = binary.BigEndian.AppendUint32(h.bytes, 86400) // valid for
		h.bytes = binary.BigEndian.AppendUint32(h.bytes, 14400) // preferred for
		h.bytes = append(append(h.bytes, 0, 0, 0, 0), p.Masked().Addr().AsSlice()...)
	}
	h.finishTransport()
}

// ndFields reads the options that stand behind the fixed part of a message.
func ndFields(b []byte) (all []Value) {
	fixed := map[byte]int{133: 8, 134: 16, 135: 24, 136: 24}[b[0]]
	for at := fixed; at+8 <= len(b) && b[at+1] > 0 && at+8*int(b[at+1]) <= len(b); at += 8 * int(b[at+1]) {
		switch o := b[at : at+8*int(b[at+1])]; o[0] {
		case ndSLLA:
			all = append(all, Value{"slla", net.HardwareAddr(o[2:8]).String()})
		case ndTLLA:
			all = append(all, Value{"tlla", net.HardwareAddr(o[2:8]).String()})
		case ndMTU:
			all = append(all, Value{"mtu", int(binary.BigEndian.Uint32(o[4:]))})
		case ndPrefix:
			if len(o) == 32 && o[2] <= 128 {
				p := netip.PrefixFrom(netip.AddrFrom16([16]byte(o[16:32])), int(o[2]))
				all = append(all, Value{"prefix", p.String()})
			}
		}
	}
	return all
}

func (h *header) finishGeneve() {
	if len(h.bytes)%4 != 0 {
		h.err = fmt.Errorf("the options have %d bytes too many for words of 4", len(h.bytes)%4)
		return
	}
	h.fill("optlen", len(h.bytes)/4-2)
}

// sum adds to the Internet checksum (RFC 1071), without the complement at its end. An odd number of bytes can only be
// the last.
func sum(so uint16, b []byte) uint16 {
	s := uint32(so)
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 != 0 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}
