package pcapfilter_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

// random makes frames from a seed, the same ones each time.
type random struct{ *rand.Rand }

// frames are a mix of all that Ethernet carries, some of it cut short or broken.
func frames(seed uint64, n int) []pcapfilter.Frame {
	r := random{rand.New(rand.NewPCG(seed, 1))}
	all := make([]pcapfilter.Frame, n)
	for i := range all {
		data := r.ethernet(2)
		length := len(data)
		switch r.IntN(25) {
		case 0: // short
			data = data[:r.IntN(len(data)+1)]
			length = len(data)
		case 1: // captured in part
			data = data[:r.IntN(len(data)+1)]
		case 2: // broken
			data[r.IntN(len(data))] ^= byte(1 << r.IntN(8))
		}
		all[i] = pcapfilter.Frame{Data: data, Length: length}
	}
	return all
}

// written is the frames as a file, with the number of each as its second.
func written(all []pcapfilter.Frame) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, 262144, 1})
	for i, f := range all {
		binary.Write(&b, binary.LittleEndian, []uint32{uint32(i), 0, uint32(len(f.Data)), uint32(f.Length)})
		b.Write(f.Data)
	}
	return b.Bytes()
}

// numbers are those of the frames in such a file.
func numbers(file []byte) (all []int) {
	for file = file[24:]; len(file) > 0; {
		all = append(all, int(binary.LittleEndian.Uint32(file)))
		file = file[16+binary.LittleEndian.Uint32(file[8:]):]
	}
	return all
}

func pick[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

func (r random) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func be32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func (r random) mac() []byte {
	return pick(r, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2},
		[]byte{1, 0, 0x5e, 0, 0, 1}, []byte{0x33, 0x33, 0, 0, 0, 1}, []byte{1, 0x80, 0xc2, 0, 0, 0}, []byte{2, 0, 0,
			0, 0, 3})
}

func (r random) ip4() []byte {
	return pick(r, []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, []byte{10, 0, 1, 2}, []byte{192, 168, 1, 1},
		[]byte{224, 0, 0, 1}, []byte{239, 1, 1, 1}, []byte{255, 255, 255, 255}, []byte{172, 16, 5, 5}, []byte{10, 0,
			0, 255})
}

func (r random) ip6() []byte {
	head := pick(r, []byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0}, []byte{0xfd, 0, 0, 0, 0, 0, 0, 1},
		[]byte{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0}, []byte{0xff, 2, 0, 0, 0, 0, 0, 0})
	return append(slices.Clone(head), 0, 0, 0, 0, 0, 0, 0, byte(1+r.IntN(3)))
}

func (r random) port() int { return pick(r, 22, 53, 80, 443, 4789, 6081, 6005, 1024, 123, 8080) }

// ethernet is a frame; so many more tunnels may be in it.
func (r random) ethernet(deep int) []byte {
	f := append(r.mac(), r.mac()...)
	if r.IntN(8) == 0 {
		body := r.llc()
		return slices.Concat(f, be16(len(body)), body)
	}
	for range pick(r, 0, 0, 0, 0, 1, 1, 2, 3) {
		f = slices.Concat(f, be16(pick(r, 0x8100, 0x8100, 0x88a8, 0x9100)), be16(pick(r, 10, 20, 100,
			4095)|r.IntN(8)<<13))
	}
	return append(f, r.payload(deep)...)
}

// payload is an EtherType with what follows it.
func (r random) payload(deep int) []byte {
	switch r.IntN(16) {
	case 0, 1, 2, 3, 4, 5:
		return append(be16(0x0800), r.packet4(deep)...)
	case 6, 7, 8, 9:
		return append(be16(0x86dd), r.packet6(deep)...)
	case 10:
		return slices.Concat(be16(pick(r, 0x0806, 0x0806, 0x8035)), be16(1), be16(0x0800), []byte{6, 4},
			be16(pick(r, 1, 2)), r.mac(), r.ip4(), r.mac(), r.ip4())
	case 11:
		var labels []byte
		n := 1 + r.IntN(3)
		for i := range n {
			bottom := 0
			if i == n-1 {
				bottom = 1
			}
			labels = append(labels, be32(pick(r, 1024, 100000, 16)<<12|bottom<<8|64)...)
		}
		return slices.Concat(be16(0x8847), labels, pick(r, r.packet4(deep), r.packet6(deep)))
	case 12:
		inner := pick(r, append(be16(0x0021), r.packet4(deep)...), append(be16(0x0057), r.packet6(deep)...),
			append(be16(0xc021), r.bytes(8)...))
		return slices.Concat(be16(0x8864), []byte{0x11, 0}, be16(pick(r, 1, 39, 700)), be16(len(inner)), inner)
	case 13:
		return append(be16(0x8863), r.bytes(20)...)
	case 14:
		return append(be16(0x6003), r.decnet()...)
	}
	return append(be16(pick(r, 0x8809, 0x88cc, 0x809b, 0x80f3, 0x8137, 0x6004, 0x6001, 0x6002, 0x6007, 0x9000)),
		r.bytes(30)...)
}

func (r random) decnet() []byte {
	addr := pick(r, []byte{0x7b, 0x28}, []byte{1, 4}) // 10.123 and 1.1
	other := pick(r, []byte{0x7b, 0x28}, []byte{1, 4})
	var head []byte
	if r.IntN(2) == 0 {
		head = slices.Concat([]byte{2}, addr, other)
	} else {
		head = slices.Concat([]byte{6}, r.bytes(6), addr, r.bytes(6), other)
	}
	if r.IntN(2) == 0 {
		head = append([]byte{0x81}, head...)
	}
	return slices.Concat(r.bytes(2), head, r.bytes(20))
}

// llc is what an IEEE 802.3 frame carries.
func (r random) llc() []byte {
	switch r.IntN(8) {
	case 0: // a spanning tree's bridge protocol data unit
		return append([]byte{0x42, 0x42, 3}, r.bytes(35)...)
	case 1: // IS-IS and its relatives
		return slices.Concat([]byte{0xfe, 0xfe, 3, pick[byte](r, 0x81, 0x82, 0x83, 0x83, 0x83)}, r.bytes(3),
			[]byte{byte(15 + r.IntN(13))}, r.bytes(20))
	case 2: // SNAP
		return slices.Concat([]byte{0xaa, 0xaa, 3}, pick(r, []byte{0, 0, 0}, []byte{8, 0, 7}),
			be16(pick(r, 0x809b, 0x80f3, 0x8137, 0x0800)), r.bytes(20))
	case 3: // IPX without an LLC header
		return append([]byte{0xff, 0xff}, r.bytes(30)...)
	case 4:
		return append([]byte{0xe0, 0xe0, 3}, r.bytes(30)...)
	case 5:
		return append([]byte{0xf0, 0xf0}, r.bytes(30)...)
	}
	return append([]byte{pick[byte](r, 0x42, 0x06, 0xaa), byte(r.Uint32()),
		pick[byte](r, 0, 2, 1, 5, 9, 3, 0x13, 0x63, 0x43, 0x6f, 0x7f, 0xe3, 0xaf, 0x87, 0x0f)}, r.bytes(20)...)
}

func (r random) packet4(deep int) []byte {
	options := r.bytes(4 * pick(r, 0, 0, 0, 0, 1, 3, 10))
	num, body := r.transport(deep, false)
	fragment := pick(r, 0, 0, 0, 0x4000, 0x4000, 0x2000, 0x2010, 0x0020)
	return slices.Concat([]byte{byte(0x45 + len(options)/4), byte(r.Uint32())}, be16(20+len(options)+len(body)),
		r.bytes(2), be16(fragment), []byte{pick[byte](r, 1, 64, 255), byte(num)}, r.bytes(2), r.ip4(), r.ip4(),
		options, body)
}

func (r random) packet6(deep int) []byte {
	num, body := r.transport(deep, true)
	for range pick(r, 0, 0, 0, 1, 2, 4) {
		switch kind := pick(r, 0, 43, 44, 60); kind {
		case 44:
			num, body = kind, slices.Concat([]byte{byte(num), 0}, be16(pick(r, 0, 1, 0x100)), r.bytes(4), body)
		default:
			words := r.IntN(3)
			num, body = kind, slices.Concat([]byte{byte(num), byte(words)}, r.bytes(6+8*words), body)
		}
	}
	return slices.Concat([]byte{0x60, 0, 0, 0}, be16(len(body)), []byte{byte(num), pick[byte](r, 1, 64, 255)},
		r.ip6(), r.ip6(), body)
}

// transport is a protocol's number in IP and what it carries.
func (r random) transport(deep int, v6 bool) (int, []byte) {
	switch r.IntN(16) {
	case 0, 1, 2, 3:
		return 6, slices.Concat(be16(r.port()), be16(r.port()), r.bytes(8),
			[]byte{0x50, byte(r.Uint32())}, r.bytes(6), r.bytes(r.IntN(40)))
	case 4, 5:
		return 17, slices.Concat(be16(r.port()), be16(r.port()), be16(8), r.bytes(2), r.bytes(r.IntN(40)))
	case 6, 7:
		if v6 {
			return 58, append([]byte{byte(pick(r, 1, 2, 3, 128, 129, 133, 134, 135, 136)), byte(r.IntN(3))},
				r.bytes(22)...)
		}
		return 1, append([]byte{byte(pick(r, 0, 3, 5, 8, 11, 13)), byte(r.IntN(5))}, r.bytes(22)...)
	case 8:
		return 132, slices.Concat(be16(r.port()), be16(r.port()), r.bytes(12))
	case 9:
		return pick(r, 2, 103, 112, 9, 50, 89, 59), r.bytes(24)
	case 10: // an authentication header
		num, body := r.transport(0, v6)
		for num == 51 {
			num, body = r.transport(0, v6)
		}
		return 51, slices.Concat([]byte{byte(num), 4}, r.bytes(22), body)
	case 11:
		if deep > 0 {
			typ := r.payload(deep - 1)
			return 47, slices.Concat([]byte{0, 0}, typ)
		}
	case 12, 13:
		if deep > 0 {
			vni := append(be32(pick(r, 42, 11, 7)<<8), r.ethernet(deep-1)...)
			return 17, slices.Concat(be16(r.port()), be16(4789), be16(16+len(vni)), r.bytes(2), []byte{8, 0, 0, 0}, vni)
		}
	case 14:
		if deep > 0 {
			options := r.bytes(4 * r.IntN(3))
			typ, body := be16(0x6558), r.ethernet(deep-1)
			if r.IntN(2) == 0 {
				body = r.payload(deep - 1)
				typ, body = body[:2], body[2:]
			}
			body = slices.Concat([]byte{byte(len(options) / 4), 0}, typ, be32(pick(r, 42, 11)<<8), options, body)
			return 17, slices.Concat(be16(r.port()), be16(6081), be16(8+len(body)), r.bytes(2), body)
		}
	}
	return 17, slices.Concat(be16(r.port()), be16(r.port()), be16(8), r.bytes(2))
}
