package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Throughput describes a measurement of how much goes from one namespace to another.
type Throughput struct {
	Proto    string        // tcp, mptcp, udp
	Time     time.Duration // 0 for no such end
	Bytes    int64         // end when so many were sent, all streams together; 0 for no such end
	Streams  int
	Rate     int64 // bytes a second of all streams together, 0 for as fast as it goes
	Reverse  bool  // from the server to the client
	Interval time.Duration
	Size     int // bytes in a datagram
	Port     uint16
	Options
	// Told is called after each interval.
	Told func(Interval)
}

// An Interval is a part of a measurement.
type Interval struct {
	From, To time.Duration
	Received int64 // bytes
	Retrans  int   // segments that were sent again
	RTT      time.Duration
	Cwnd     int // in segments, of all streams together
}

// A Flow is what a measurement has found.
type Flow struct {
	Time           time.Duration
	Sent, Received int64 // bytes
	Intervals      []Interval
	Retrans        int
	UDP            *Datagrams // nil for streams
}

// Rate is the bits a second that arrived.
func (f Flow) Rate() float64 { return rateOf(f.Received, f.Time) }

// Rate is the bits a second that arrived.
func (i Interval) Rate() float64 { return rateOf(i.Received, i.To-i.From) }

func rateOf(bytes int64, in time.Duration) float64 {
	if in <= 0 {
		return 0
	}
	return 8 * float64(bytes) / in.Seconds()
}

// A measuring is one under way. The counters are read while others add to them.
type measuring struct {
	Throughput
	begin    time.Time
	sent     atomic.Int64
	received atomic.Int64
	over     atomic.Bool // what fails now is broken off
	senders  []*Stream
	all      []Interval
}

// Run measures from a client's namespace to a server's, at an address of the latter. When ctx ends before, what was
// found until then is returned with its cause.
func (t Throughput) Run(ctx context.Context, client, server func(func() error) error, dst, source netip.Addr) (Flow,
	error) {
	if t.Proto == "udp" {
		return t.datagrams(ctx, client, server, dst, source)
	}
	l, err := Listen(server, t.Proto, netip.AddrPortFrom(dst.WithZone(""), t.Port), Options{})
	if err != nil {
		return Flow{}, err
	}
	defer l.Close()
	m := &measuring{Throughput: t}
	var receivers []*Stream
	defer func() {
		for _, s := range slices.Concat(m.senders, receivers) {
			s.Abort()
		}
	}()
	for range t.Streams {
		from, err := Connect(ctx, client, t.Proto, netip.AddrPortFrom(dst, l.Local.Port()),
			netip.AddrPortFrom(source, 0), t.Options)
		if err != nil {
			return Flow{}, err
		}
		m.senders = append(m.senders, from)
		to, err := l.Take(ctx)
		if err != nil {
			return Flow{}, err
		}
		receivers = append(receivers, to)
	}
	if t.Reverse {
		m.senders, receivers = receivers, m.senders
	}
	return m.run(ctx, receivers)
}

func (m *measuring) run(ctx context.Context, receivers []*Stream) (Flow, error) {
	if m.Rate > 0 {
		each := uint64(max(1, m.Rate/int64(m.Streams)))
		for _, s := range m.senders {
			if err := s.control(func(fd int) error {
				return unix.SetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, each)
			}); err != nil {
				return Flow{}, fmt.Errorf("set option max_pacing_rate: %w", err)
			}
		}
	}
	errs := make(chan error, 2*m.Streams)
	var sending, receiving sync.WaitGroup
	m.begin = time.Now()
	for i, s := range m.senders {
		to := receivers[i]
		share := m.Bytes / int64(m.Streams)
		if i == 0 {
			share += m.Bytes % int64(m.Streams)
		}
		sending.Go(func() { errs <- m.send(s, share) })
		receiving.Go(func() { errs <- m.receive(to) })
	}
	arrived := make(chan struct{})
	go func() {
		receiving.Wait()
		close(arrived)
	}()
	f, err := m.watch(ctx, m.Time, arrived)
	m.over.Store(true)
	for _, s := range slices.Concat(m.senders, receivers) {
		s.Abort()
	}
	sending.Wait()
	<-arrived
	for range 2 * m.Streams {
		if e := <-errs; err == nil {
			err = e
		}
	}
	return f, err
}

// send sends until the connection is closed, or so many bytes.
func (m *measuring) send(s *Stream, share int64) error {
	buf := make([]byte, 256<<10)
	for left := share; m.Bytes == 0 || left > 0; {
		part := buf
		if m.Bytes > 0 {
			part = buf[:min(left, int64(len(buf)))]
		}
		n, err := s.Write(part)
		m.sent.Add(int64(n))
		left -= int64(n)
		if err != nil {
			return m.failed(err)
		}
	}
	return m.failed(s.Shutdown())
}

// receive takes what comes. The kernel drops it where it is, without a copy (tcp(7), MSG_TRUNC): the network is what is
// measured.
func (m *measuring) receive(s *Stream) error {
	buf := make([]byte, 1<<20)
	for {
		var n int
		var err error
		if werr := s.raw.Read(func(fd uintptr) bool {
			n, _, err = unix.Recvfrom(int(fd), buf, unix.MSG_TRUNC)
			return err != unix.EAGAIN && err != unix.EINTR
		}); werr != nil {
			return m.failed(werr)
		}
		if err != nil || n == 0 {
			return m.failed(err)
		}
		m.received.Add(int64(n))
	}
}

// failed is the error of a connection, nil when it was this end that broke it off.
func (m *measuring) failed(err error) error {
	if err == nil || m.over.Load() {
		return nil
	}
	return localFailure(0, err)
}

// watch notes each interval until the time is over, if there is one, or all has arrived.
func (m *measuring) watch(ctx context.Context, limit time.Duration, arrived <-chan struct{}) (f Flow, err error) {
	end := time.NewTimer(limit)
	defer end.Stop()
	if limit == 0 {
		end.Stop()
	}
	tick := time.NewTicker(m.Interval)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-end.C:
			over = true
		case <-arrived:
			over = true
		case <-ctx.Done():
			over, err = true, context.Cause(ctx)
		}
		// The last one begins where the end and a tick come at once.
		if now := time.Since(m.begin); !over || len(m.all) == 0 || now-m.all[len(m.all)-1].To > m.Interval/10 {
			m.note(now)
		}
	}
	f = Flow{Time: time.Since(m.begin), Sent: m.sent.Load(), Received: m.received.Load(), Intervals: m.all}
	for _, i := range m.all {
		f.Retrans += i.Retrans
	}
	f.Sent = max(f.Sent, f.Received) // a write counts when it returns, and a part of it arrives before
	return f, err
}

// note adds the interval that ends now.
func (m *measuring) note(now time.Duration) {
	i := Interval{To: now, Received: m.received.Load()}
	for _, s := range m.senders {
		if info, _, _, err := s.Info(); err == nil { // without it less is known
			i.Retrans += int(info.Total_retrans)
			i.RTT += time.Duration(info.Rtt) * time.Microsecond / time.Duration(len(m.senders))
			i.Cwnd += int(info.Snd_cwnd)
		}
	}
	for _, before := range m.all {
		i.From = before.To
		i.Received -= before.Received
		i.Retrans = max(0, i.Retrans-before.Retrans)
	}
	m.all = append(m.all, i)
	if m.Told != nil {
		m.Told(i)
	}
}
