package packet

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// A Field is some bits of a header.
type Field struct {
	Name  string
	Doc   string
	Shape Shape
	Bits  int // 0 for the rest of the header, which is bytes
	at    int // where it begins
	value uint64
	// Optional says that it stands behind the others, if it is there at all.
	Optional bool
	// filled says that the value is computed when it is not given.
	filled bool
}

// Shape is what a field's value is.
type Shape int

const (
	Number Shape = iota
	Flag         // one bit
	MAC          // a link-layer address
	IP4
	IP6
	Flags // words of TCP, with commas between them
	Bytes
	Prefix
)

// tcpFlags are the words for the bits of TCP's flags, from the lowest (nft(8)).
var tcpFlags = []string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr", "ae"}

// Says is the field's doc, with its size and what it is when it is not given.
func (f Field) Says() string {
	switch {
	case f.filled, f.Bits == 0:
		return f.Doc
	case f.Shape == Number:
		return fmt.Sprintf("%s; %d bits, %d when left out", f.Doc, f.Bits, f.value)
	case f.Shape == MAC, f.Shape == IP4, f.Shape == IP6:
		return f.Doc + "; zeroes when left out"
	}
	return f.Doc
}

// Check says what is wrong with a value for a field.
func (r *Row) Check(f Field, v any) error {
	if f.Bits == 0 {
		return nil // Build tells
	}
	return f.Put(make([]byte, r.length()), v)
}

// get reads the bits of a field that is a number.
func (f Field) get(b []byte) (n uint64) {
	for i := f.at; i < f.at+f.Bits; i++ {
		n = n<<1 | uint64(b[i/8]>>(7-i%8)&1)
	}
	return n
}

// put writes them.
func (f Field) put(b []byte, n uint64) {
	for i := f.at + f.Bits - 1; i >= f.at; i-- {
		b[i/8] = b[i/8]&^(1<<(7-i%8)) | byte(n&1)<<(7-i%8)
		n >>= 1
	}
}

// Get reads a field of a header: an int, a bool, a string or bytes.
func (f Field) Get(b []byte) any {
	from := f.at / 8
	switch f.Shape {
	case Number:
		return int(f.get(b))
	case Flag:
		return f.get(b) != 0
	case MAC:
		return net.HardwareAddr(b[from : from+6]).String()
	case IP4:
		return netip.AddrFrom4([4]byte(b[from : from+4])).String()
	case IP6:
		return netip.AddrFrom16([16]byte(b[from : from+16])).String()
	case Flags:
		var words []string
		for i, w := range tcpFlags {
			if f.get(b)>>i&1 != 0 {
				words = append(words, w)
			}
		}
		return strings.Join(words, ",")
	}
	return slices.Clone(b[from:])
}

// Put writes a value of the same types.
func (f Field) Put(b []byte, v any) error {
	from := f.at / 8
	switch v := v.(type) {
	case int:
		if v < 0 || f.Bits < 63 && v >= 1<<f.Bits {
			return fmt.Errorf("%d is no number of %d bits", v, f.Bits)
		}
		f.put(b, uint64(v))
		return nil
	case bool:
		n := uint64(0)
		if v {
			n = 1
		}
		f.put(b, n)
		return nil
	case string:
		switch f.Shape {
		case MAC:
			mac, err := net.ParseMAC(v)
			if err != nil || len(mac) != 6 {
				return fmt.Errorf("%q is no link-layer address", v)
			}
			copy(b[from:], mac)
			return nil
		case IP4, IP6:
			a, err := netip.ParseAddr(v)
			if err != nil || a.Is4() != (f.Shape == IP4) || a.Zone() != "" {
				return fmt.Errorf("%q is no %s address", v, map[Shape]string{IP4: "IPv4", IP6: "IPv6"}[f.Shape])
			}
			copy(b[from:], a.AsSlice())
			return nil
		case Flags:
			n := uint64(0)
			for _, w := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' }) {
				i := slices.Index(tcpFlags, w)
				if i < 0 {
					return fmt.Errorf("%q is none of the flags %s", w, strings.Join(tcpFlags, ","))
				}
				n |= 1 << i
			}
			f.put(b, n)
			return nil
		}
	}
	return fmt.Errorf("%v is no value of %s", v, f.Name)
}
