package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Datagrams is what became of those of a measurement.
type Datagrams struct {
	Sent, Received, Lost int
	Reordered            int // came after one that was sent later
	Duplicates           int
	Jitter               time.Duration // RFC 3550, 6.4.1

	seen    []uint64 // a bit for each number
	most    uint64   // no number is higher: what is was never sent
	highest uint64
	transit time.Duration
}

// numbered is the head of a datagram: its number from 1 and when it was sent.
const numbered = 16

// take notes a datagram that came at a time.
func (d *Datagrams) take(data []byte, now time.Duration) bool {
	if len(data) < numbered {
		return false // somebody else's
	}
	seq := binary.BigEndian.Uint64(data)
	word, bit := int(seq/64), uint64(1)<<(seq%64)
	if seq == 0 || seq > d.most {
		return false
	}
	for word >= len(d.seen) {
		d.seen = append(d.seen, 0)
	}
	if d.seen[word]&bit != 0 {
		d.Duplicates++
		return false
	}
	d.seen[word] |= bit
	transit := now - time.Duration(binary.BigEndian.Uint64(data[8:]))
	if d.Received++; d.Received > 1 {
		d.Jitter += ((transit - d.transit).Abs() - d.Jitter) / 16
	}
	d.transit = transit
	if seq < d.highest {
		d.Reordered++
	}
	d.highest = max(d.highest, seq)
	return true
}

// quiet is how long nothing more has to come after the last was sent, for what is missing to be lost.
const quiet = 500 * time.Millisecond

// datagrams measures with UDP.
func (t Throughput) datagrams(ctx context.Context, client, server func(func() error) error,
	dst, source netip.Addr) (Flow, error) {
	to, err := OpenUDP(server, netip.AddrPortFrom(dst.WithZone(""), t.Port), Options{})
	if err != nil {
		return Flow{}, err
	}
	defer to.Close()
	if !source.IsValid() && dst.Is4() {
		source = netip.IPv4Unspecified()
	}
	from, err := OpenUDP(client, netip.AddrPortFrom(source, 0), t.Options)
	if err != nil {
		return Flow{}, err
	}
	defer from.Close()
	there := netip.AddrPortFrom(dst, to.Local.Port())
	if t.Reverse {
		// The client's address is known by what it sends.
		if err := from.Send(ctx, []byte{0}, there, netip.Addr{}, 0); err != nil {
			return Flow{}, err
		}
		d, err := to.Recv(ctx)
		if err != nil {
			return Flow{}, err
		}
		from, to, there = to, from, d.From
	}
	to.control(func(fd int) error { // what a full buffer loses is not lost by the network
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	})
	m := &measuring{Throughput: t, begin: time.Now()}
	got := &Datagrams{most: 1 << 32}
	came := make(chan struct{}, 1)
	var receiving sync.WaitGroup
	var lock sync.Mutex
	receiving.Go(func() {
		for buf := make([]byte, 1<<16); ; {
			n, err := to.next(buf)
			if err != nil {
				return
			}
			lock.Lock()
			if got.take(buf[:n], time.Since(m.begin)) {
				m.received.Add(int64(n))
			}
			lock.Unlock()
			select {
			case came <- struct{}{}:
			default:
			}
		}
	})
	arrived := make(chan struct{})
	var sent int
	var serr error
	ended, stop := context.WithCancel(ctx)
	go func() {
		defer close(arrived)
		sent, serr = m.paced(ended, from, there)
		for timer := time.NewTimer(quiet); ; timer.Reset(quiet) {
			lock.Lock()
			all := got.Received == sent
			lock.Unlock()
			if all {
				return
			}
			select {
			case <-came:
			case <-timer.C:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	f, err := m.watch(ctx, 0, arrived)
	stop()
	<-arrived
	to.Close()
	receiving.Wait()
	got.Sent, got.Lost = sent, sent-got.Received
	if f.UDP = got; t.Time > 0 {
		f.Time = min(f.Time, t.Time)
	}
	if err == nil {
		err = serr
	}
	return f, err
}

// next receives a datagram, whatever ICMP says of others.
func (u *UDP) next(buf []byte) (n int, err error) {
	werr := u.read(context.Background(), func(fd int) bool {
		n, _, err = unix.Recvfrom(fd, buf, 0)
		return err == nil
	})
	if werr != nil {
		return 0, werr
	}
	return n, err
}

// paced sends numbered datagrams at the rate, until the time is over or all bytes are sent.
func (m *measuring) paced(ctx context.Context, u *UDP, dst netip.AddrPort) (sent int, err error) {
	data := make([]byte, max(m.Size, numbered))
	for {
		now := time.Since(m.begin)
		if m.Time > 0 && now >= m.Time || ctx.Err() != nil || m.Bytes > 0 && m.sent.Load() >= m.Bytes {
			return sent, nil
		}
		due := time.Duration(float64(m.sent.Load()) / float64(m.Rate) * float64(time.Second))
		if due > now {
			timer := time.NewTimer(due - now)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		sent++
		binary.BigEndian.PutUint64(data, uint64(sent))
		binary.BigEndian.PutUint64(data[8:], uint64(time.Since(m.begin)))
		err := u.Send(ctx, data, dst, netip.Addr{}, 0)
		if errors.Is(err, unix.ENOBUFS) { // the queue is full: it is lost here
			err = nil
		}
		if errors.Is(err, os.ErrClosed) || ctx.Err() != nil {
			return sent - 1, nil
		} else if err != nil {
			return sent - 1, err
		}
		m.sent.Add(int64(len(data)))
	}
}
