package rtnl

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// A Raw is the body of an rtnetlink message as the kernel sent it, sent back as it is.
type Raw []byte

func (r Raw) Len() int          { return len(r) }
func (r Raw) Serialize() []byte { return r }

// Attrs walks the attributes behind a message's fixed header: each one's offset and type.
func Attrs(msg []byte, header int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for at := header; at+4 <= len(msg); {
			size := int(binary.NativeEndian.Uint16(msg[at:]))
			if size < 4 || at+size > len(msg) {
				return
			}
			if !yield(at, int(binary.NativeEndian.Uint16(msg[at+2:])&0x3fff)) {
				return
			}
			at += (size + 3) &^ 3
		}
	}
}

// Attr is the value of the first attribute of a type, nil when there is none.
func Attr(msg []byte, header, typ int) []byte {
	for at, t := range Attrs(msg, header) {
		if t == typ {
			return msg[at+4 : at+int(binary.NativeEndian.Uint16(msg[at:]))]
		}
	}
	return nil
}

// Nested are the values of all attributes in a nest, whatever their types.
func Nested(nest []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := range Attrs(nest, 0) {
			if !yield(nest[at+4 : at+int(binary.NativeEndian.Uint16(nest[at:]))]) {
				return
			}
		}
	}
}

// Uint32 is a 32-bit attribute's value, 0 when there is none.
func Uint32(msg []byte, header, typ int) int {
	if v := Attr(msg, header, typ); len(v) >= 4 {
		return int(binary.NativeEndian.Uint32(v))
	}
	return 0
}

// Uint8 is an 8-bit attribute's value, 0 when there is none.
func Uint8(msg []byte, header, typ int) int {
	if v := Attr(msg, header, typ); len(v) >= 1 {
		return int(v[0])
	}
	return 0
}

// Without is a copy of a message with the attributes of one type left out.
func Without(msg []byte, header, typ int) []byte {
	out := append([]byte(nil), msg[:min(header, len(msg))]...)
	for at, t := range Attrs(msg, header) {
		if t != typ {
			end := at + (int(binary.NativeEndian.Uint16(msg[at:]))+3)&^3
			out = append(out, msg[at:min(end, len(msg))]...)
		}
	}
	return out
}

// ValidMsg checks that a message is a header with whole attributes behind it, and nothing else.
func ValidMsg(msg []byte, header int) error {
	if len(msg) < header {
		return fmt.Errorf("a message of %d bytes is too short", len(msg))
	}
	return ValidAttrs(msg[header:])
}

// ValidAttrs checks that there is nothing but whole attributes.
func ValidAttrs(attrs []byte) error {
	if len(attrs) > MaxReply {
		return fmt.Errorf("attributes of %d bytes are too many", len(attrs))
	}
	end := 0
	for at := range Attrs(attrs, 0) {
		end = at + (int(binary.NativeEndian.Uint16(attrs[at:]))+3)&^3
	}
	if end < len(attrs) {
		return fmt.Errorf("there is no attribute at byte %d", end)
	}
	return nil
}
