package packet

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Blocks and options of a pcapng file (draft-ietf-opsawg-pcapng).
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockStatistics = 5
	blockPacket     = 6

	optionApplication = 4 // of a section
	optionName        = 2 // of an interface
	optionResolution  = 9
	optionFlags       = 2 // of a packet
	optionReceived    = 4 // of statistics
	optionDropped     = 5

	linkTypeEthernet = 1
	nanoseconds      = 9
)

// Write writes frames of one link as a pcapng file, with how many of them were lost.
func Write(w io.Writer, link string, snap int, frames []Frame, st Stats) error {
	p := &pcapng{w: bufio.NewWriter(w)}
	p.u32(0x1a2b3c4d)
	p.u16(1)
	p.u16(0)
	p.u64(^uint64(0)) // its length is not said
	p.option(optionApplication, []byte("nsscript"))
	p.end(blockSection)

	p.u16(linkTypeEthernet)
	p.u16(0)
	p.u32(uint32(snap))
	p.option(optionName, []byte(link))
	p.option(optionResolution, []byte{nanoseconds})
	p.end(blockInterface)

	var last Frame
	for _, f := range frames {
		p.u32(0)
		p.time(f)
		p.u32(uint32(len(f.Data)))
		p.u32(uint32(f.Length))
		p.padded(f.Data)
		direction := uint32(1)
		if f.Outgoing {
			direction = 2
		}
		p.option(optionFlags, binary.LittleEndian.AppendUint32(nil, direction))
		p.end(blockPacket)
		last = f
	}
	p.u32(0)
	p.time(last)
	lost := uint64(st.Dropped + st.Full)
	p.option(optionReceived, binary.LittleEndian.AppendUint64(nil, uint64(st.Frames)+lost))
	p.option(optionDropped, binary.LittleEndian.AppendUint64(nil, lost))
	p.end(blockStatistics)
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}

// pcapng writes blocks: their bodies are gathered first, for their lengths stand before and behind them.
type pcapng struct {
	w    *bufio.Writer
	body []byte
	err  error
}

func (p *pcapng) u16(n uint16) { p.body = binary.LittleEndian.AppendUint16(p.body, n) }
func (p *pcapng) u32(n uint32) { p.body = binary.LittleEndian.AppendUint32(p.body, n) }
func (p *pcapng) u64(n uint64) { p.body = binary.LittleEndian.AppendUint64(p.body, n) }

// time is the high half of a time before its low half.
func (p *pcapng) time(f Frame) {
	var ns uint64
	if !f.Time.IsZero() {
		ns = uint64(f.Time.UnixNano())
	}
	p.u32(uint32(ns >> 32))
	p.u32(uint32(ns))
}

func (p *pcapng) padded(data []byte) {
	p.body = append(p.body, data...)
	for len(p.body)%4 != 0 {
		p.body = append(p.body, 0)
	}
}

func (p *pcapng) option(code uint16, data []byte) {
	p.u16(code)
	p.u16(uint16(len(data)))
	p.padded(data)
}

// end writes the block whose body, which ends with options, was gathered.
func (p *pcapng) end(typ uint32) {
	p.u32(0) // the end of the options
	size := uint32(len(p.body) + 12)
	head := binary.LittleEndian.AppendUint32(nil, typ)
	head = binary.LittleEndian.AppendUint32(head, size)
	for _, part := range [][]byte{head, p.body, binary.LittleEndian.AppendUint32(nil, size)} {
		if p.err == nil {
			_, p.err = p.w.Write(part)
		}
	}
	p.body = p.body[:0]
}
