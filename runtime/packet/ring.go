package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The memory that the kernel writes frames to: blocks that it hands over when they are full, or when there is something
// in them and the time is over, which is the shortest that there is.
const (
	blockSize = 128 << 10
	handOver  = 1 // ms
)

// ring is a packet socket with memory that the kernel shares (TPACKET_V3; Documentation/networking/packet_mmap.rst).
type ring struct {
	file *os.File
	raw  syscall.RawConn
	mem  []byte
	next int // the block that is handed over next, of so many
	most int
	// cooked says that the link has frames without a link-layer header, before which one of zeroes is put.
	cooked bool
}

// noHeader are the types of links whose frames begin with an IP header (linux/if_arp.h).
var noHeader = []uint16{unix.ARPHRD_NONE, unix.ARPHRD_PPP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT,
	unix.ARPHRD_IPGRE, unix.ARPHRD_IP6GRE, unix.ARPHRD_RAWIP}

func headerless(typ uint16) bool { return slices.Contains(noHeader, typ) }

// ErrLinkType is that a link's frames are neither Ethernet's nor IP's.
var ErrLinkType = errors.New("its frames are neither of Ethernet nor of IP")

// openRing begins to capture on a link, in the calling thread's namespace.
func openRing(index int, filter []bpf.RawInstruction, o Options) (r *ring, err error) {
	typ, err := linkLayer(index)
	if err != nil {
		return nil, err
	}
	r = &ring{cooked: headerless(typ), most: max(o.Buffer/blockSize, 2)}
	kind := unix.SOCK_RAW
	if r.cooked {
		kind = unix.SOCK_DGRAM
		filter = []bpf.RawInstruction{{Op: unix.BPF_RET, K: uint32(o.Snap)}} // it sees no header to look at
	}
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	r.file = os.NewFile(uintptr(fd), "packet socket")
	if r.raw, err = r.file.SyscallConn(); err == nil {
		err = r.share(fd, filter)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index})
	}
	if err != nil {
		r.file.Close()
		return nil, errors.Join(fmt.Errorf("begin to capture: %w", err), r.unmap())
	}
	return r, nil
}

// linkLayer is the type of a link, which must be one whose frames are understood.
func linkLayer(index int) (uint16, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open packet socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
		return 0, fmt.Errorf("bind packet socket: %w", err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	typ := addr.(*unix.SockaddrLinklayer).Hatype
	if typ != unix.ARPHRD_ETHER && typ != unix.ARPHRD_LOOPBACK && !headerless(typ) {
		return 0, ErrLinkType
	}
	return typ, nil
}

// share gives the socket its filter and its memory.
func (r *ring) share(fd int, filter []bpf.RawInstruction) error {
	prog := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		prog[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("set version of packet socket: %w", err)
	}
	req := unix.TpacketReq3{Block_size: blockSize, Block_nr: uint32(r.most), Frame_size: 1 << 11,
		Frame_nr: uint32(blockSize * r.most >> 11), Retire_blk_tov: handOver}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("make ring of packet socket: %w", err)
	}
	var err error
	if r.mem, err = unix.Mmap(fd, 0, blockSize*r.most, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map ring of packet socket: %w", err)
	}
	return nil
}

func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }

// arrived is a frame in the ring, which is there until the block is given back.
type arrived struct {
	time     time.Time
	data     []byte
	length   int
	outgoing bool
	other    bool // the kernel's filter saw something else
}

func (r *ring) block() ([]byte, *unix.TpacketHdrV1) {
	b := r.mem[r.next*blockSize : (r.next+1)*blockSize]
	return b, (*unix.TpacketHdrV1)(unsafe.Pointer(&b[unsafe.Offsetof(unix.TpacketBlockDesc{}.Hdr)]))
}

// wait waits until the next block is handed over. An error is that the socket was closed.
func (r *ring) wait() error {
	_, head := r.block()
	var failed error
	err := r.raw.Read(func(fd uintptr) bool {
		if atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER != 0 {
			return true
		}
		// The socket tells once that the link is down: it goes on when that is up again.
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && n != 0 && n != int(unix.ENETDOWN) {
			failed = unix.Errno(n)
		}
		return failed != nil
	})
	return errors.Join(err, failed)
}

// each calls fn with each frame of the block that was waited for.
func (r *ring) each(fn func(arrived)) {
	block, head := r.block()
	at := head.Offset_to_first_pkt
	for range head.Num_pkts {
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[at]))
		fn(r.frame(h, block[at:]))
		at += h.Next_offset
	}
}

// giveBack has the kernel write to the block again.
func (r *ring) giveBack() {
	_, head := r.block()
	atomic.StoreUint32(&head.Block_status, unix.TP_STATUS_KERNEL)
	r.next = (r.next + 1) % r.most
}

// frame is a frame with the VLAN tag that the kernel has taken out of it.
func (r *ring) frame(h *unix.Tpacket3Hdr, at []byte) arrived {
	const aligned = (unix.SizeofTpacket3Hdr + 15) &^ 15
	from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&at[aligned]))
	f := arrived{time: time.Unix(int64(h.Sec), int64(h.Nsec)), data: at[h.Mac : uint32(h.Mac)+h.Snaplen],
		length: int(h.Len), outgoing: from.Pkttype == unix.PACKET_OUTGOING, other: r.cooked}
	if r.cooked {
		f.data = slices.Concat(make([]byte, 12), binary.NativeEndian.AppendUint16(nil, from.Protocol),
			at[h.Net:uint32(h.Net)+h.Snaplen])
		f.length += 14
	}
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 && len(f.data) >= 12 {
		tpid := uint16(unix.ETH_P_8021Q)
		if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = h.Hv1.Vlan_tpid
		}
		tag := binary.BigEndian.AppendUint16(nil, tpid)
		tag = binary.BigEndian.AppendUint16(tag, uint16(h.Hv1.Vlan_tci))
		f.data, f.other = slices.Insert(slices.Clone(f.data), 12, tag...), true
		f.length += 4
	}
	return f
}

// stats is how many frames have come since the last time, and how many of them there was no room for.
func (r *ring) stats() (came, dropped int, err error) {
	var s *unix.TpacketStatsV3
	cerr := r.raw.Control(func(fd uintptr) {
		s, err = unix.GetsockoptTpacketStatsV3(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if err = errors.Join(cerr, err); err != nil {
		return 0, 0, err
	}
	return int(s.Packets), int(s.Drops), nil
}

// unmap gives the memory back, when nothing reads it any more.
func (r *ring) unmap() error {
	if r.mem == nil {
		return nil
	}
	return unix.Munmap(r.mem)
}
