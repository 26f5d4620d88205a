package packet

import (
	"slices"
	"time"

	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

// A Frame is one that was captured.
type Frame struct {
	Time time.Time
	pcapfilter.Frame
}

// A store keeps frames in pieces of memory without a pointer in them: a million frames are no work for the garbage
// collector, which would keep the ring from being read.
type store struct {
	n      int
	bytes  int
	slabs  [][]byte
	chunks [][]entry
}

// entry is a frame in a slab.
type entry struct {
	time     int64 // ns
	slab     int32
	at, size uint32
	length   uint32
	outgoing bool
}

const (
	slabSize  = 1 << 20
	chunkSize = 1 << 13
	entrySize = 32
)

// add copies a frame, unless more than so many bytes would be kept.
func (s *store) add(f pcapfilter.Frame, at time.Time, most int) bool {
	size := len(f.Data)
	if s.bytes+size+entrySize > most {
		return false
	}
	s.bytes += size + entrySize
	last := len(s.slabs) - 1
	if last < 0 || cap(s.slabs[last])-len(s.slabs[last]) < size {
		s.slabs = append(s.slabs, make([]byte, 0, max(slabSize, size)))
		last++
	}
	if s.n%chunkSize == 0 {
		s.chunks = append(s.chunks, make([]entry, 0, chunkSize))
	}
	chunk := &s.chunks[len(s.chunks)-1]
	*chunk = append(*chunk, entry{at.UnixNano(), int32(last), uint32(len(s.slabs[last])), uint32(size),
		uint32(f.Length), f.Outgoing})
	s.slabs[last] = append(s.slabs[last], f.Data...)
	s.n++
	return true
}

// snapshot is what is kept now. More can be added meanwhile.
func (s *store) snapshot() *store {
	return &store{n: s.n, slabs: slices.Clone(s.slabs), chunks: slices.Clone(s.chunks)}
}

// from is the frames but for the first ones.
func (s *store) from(first int) []Frame {
	all := make([]Frame, 0, max(s.n-first, 0))
	for i := first; i < s.n; i++ {
		e := s.chunks[i/chunkSize][i%chunkSize]
		end := e.at + e.size
		all = append(all, Frame{time.Unix(0, e.time), pcapfilter.Frame{Data: s.slabs[e.slab][e.at:end:end],
			Length: int(e.length), Outgoing: e.outgoing}})
	}
	return all
}
