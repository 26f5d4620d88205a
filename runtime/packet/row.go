package packet

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket"
)

// A Row is a kind of header: what it is called, and its fields in the order that they stand in.
type Row struct {
	Name string
	Doc  string
	// Fields begin at the bit where the one before ends. One without a name is always zero.
	Fields []Field
	of     gopacket.LayerType // what gopacket calls it
	// What the header before says of it: an EtherType, a number in IP, a port of UDP.
	etherType, ipProto, udpPort int
	next                        string // the field that says what follows
	finish                      func(h *header)
	optional                    func(b []byte) []Value // reads the optional fields of a whole header
}

// row makes a row of a text: a field is NAME:BITS, NAME:BITS=DEFAULT, NAME:SHAPE, or NAME:BITS=* for one
// that is computed; _ has no name. What it is follows after a space.
func row(r Row, fields ...string) *Row {
	at := 0
	for _, text := range fields {
		spec, doc, _ := strings.Cut(text, " ")
		name, kind, _ := strings.Cut(spec, ":")
		kind, value, _ := strings.Cut(kind, "=")
		f := Field{Name: strings.TrimPrefix(name, "_"), Doc: doc, at: at, filled: value == "*"}
		switch kind {
		case "mac":
			f.Shape, f.Bits = MAC, 48
		case "ip4":
			f.Shape, f.Bits = IP4, 32
		case "ip6":
			f.Shape, f.Bits = IP6, 128
		case "flags":
			f.Shape, f.Bits = Flags, 9
		case "flag":
			f.Shape, f.Bits = Flag, 1
		case "bytes":
			f.Shape = Bytes
		case "optional":
			f.Shape = map[string]Shape{"mac": MAC, "prefix": Prefix}[value]
			f.Optional, value = true, ""
		default:
			bits, err := strconv.Atoi(kind)
			if err != nil {
				panic(err)
			}
			f.Bits = bits
		}
		if value != "" && value != "*" {
			n, err := strconv.ParseUint(value, 0, 64)
			if err != nil {
				panic(err)
			}
			f.value = n
		}
		at += f.Bits
		r.Fields = append(r.Fields, f)
	}
	return &r
}

// length is how many bytes the fields have that have a size of their own.
func (r *Row) length() (n int) {
	for _, f := range r.Fields {
		n += f.Bits
	}
	return n / 8
}

// Field finds a field by its name.
func (r *Row) Field(name string) (Field, bool) {
	i := slices.IndexFunc(r.Fields, func(f Field) bool { return f.Name == name && name != "" })
	if i < 0 {
		return Field{}, false
	}
	return r.Fields[i], true
}
