package kernel

import (
	"encoding/binary"
	"iter"
)

// A rawMessage is the body of an rtnetlink message as the kernel sent it, sent back as it is.
type rawMessage []byte

func (r rawMessage) Len() int          { return len(r) }
func (r rawMessage) Serialize() []byte { return r }

// attrsOf walks the attributes behind a message's fixed header: each one's offset and type.
func attrsOf(msg []byte, header int) iter.Seq2[int, int] {
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

// attr is the value of the first attribute of a type, nil when there is none.
func attr(msg []byte, header, typ int) []byte {
	for at, t := range attrsOf(msg, header) {
		if t == typ {
			return msg[at+4 : at+int(binary.NativeEndian.Uint16(msg[at:]))]
		}
	}
	return nil
}

// nested are the values of all attributes in a nest, whatever their types.
func nested(nest []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := range attrsOf(nest, 0) {
			if !yield(nest[at+4 : at+int(binary.NativeEndian.Uint16(nest[at:]))]) {
				return
			}
		}
	}
}

// attrNumber is a 32-bit attribute's value, 0 when there is none.
func attrNumber(msg []byte, header, typ int) int {
	if v := attr(msg, header, typ); len(v) >= 4 {
		return int(binary.NativeEndian.Uint32(v))
	}
	return 0
}

// withoutAttr is a copy of a message with the attributes of one type left out.
func withoutAttr(msg []byte, header, typ int) []byte {
	out := append([]byte(nil), msg[:min(header, len(msg))]...)
	for at, t := range attrsOf(msg, header) {
		if t != typ {
			end := at + (int(binary.NativeEndian.Uint16(msg[at:]))+3)&^3
			out = append(out, msg[at:min(end, len(msg))]...)
		}
	}
	return out
}

// neighHead reads what is needed of a struct ndmsg.
func neighHead(raw []byte) (head struct{ index, state int }) {
	head.index = int(int32(binary.NativeEndian.Uint32(raw[4:])))
	head.state = int(binary.NativeEndian.Uint16(raw[8:]))
	return head
}
