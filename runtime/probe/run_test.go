package probe

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var lo4, lo6 = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")

func TestDefaults(t *testing.T) {
	t.Parallel()
	p, err := Ping{Dst: lo4}.complete()
	if err != nil || p.Count != 3 || p.Interval != 0 || p.Timeout != time.Second || *p.Size != 56 ||
		p.TTL != 0 || p.DF {
		t.Errorf("got %+v, %v", p, err)
	}
}

// A request goes out Interval after the one before, whether that is answered or
// not, and the run ends with the outcome of the last.
func TestInterval(t *testing.T) {
	t.Parallel()
	ns := newNetns(t)
	ns.sysctl(t, "ipv4/icmp_echo_ignore_all", "1")
	const interval, timeout = 20 * time.Millisecond, 50 * time.Millisecond

	start := time.Now()
	r, got := ping(t, Ping{Dst: lo4, Count: 4, Interval: interval, Timeout: timeout}, ns)
	if least, took := 3*interval+timeout, time.Since(start); took < least || took > least+patience/2 {
		t.Errorf("unanswered: took %s, want just over %s", took, least)
	}
	if got != "timeout; timeout; timeout; timeout" || r.Loss() != 1 || r.Avg() != 0 {
		t.Errorf("unanswered: got %s, loss %v", got, r.Loss())
	}

	start = time.Now()
	r, _ = ping(t, Ping{Dst: lo6, Count: 4, Interval: interval, Timeout: 2 * patience}, ns)
	if took := time.Since(start); took < 3*interval || r.Received != 4 || r.Loss() != 0 {
		t.Errorf("answered: took %s, want over %s; got %+v", took, 3*interval, r)
	}
	if r.Min() > r.Avg() || r.Avg() > r.Max() || r.Stddev() > r.Max() {
		t.Errorf("answered: min %s, avg %s, max %s, stddev %s", r.Min(), r.Avg(), r.Max(), r.Stddev())
	}
}

// TestNoInterval sends each request when the one before is answered.
func TestNoInterval(t *testing.T) {
	t.Parallel()
	ns := newNetns(t)
	r, _ := ping(t, Ping{Dst: lo4, Count: 1000, Timeout: 2 * patience}, ns)
	if r.Received != 1000 {
		t.Errorf("got %d replies", r.Received)
	}
	for i, reply := range r.Replies {
		if reply.Seq != i+1 {
			t.Fatalf("reply %d is of request %d", i+1, reply.Seq)
		}
	}
	ns.sysctl(t, "ipv4/icmp_echo_ignore_all", "1")
	if _, got := ping(t, Ping{Dst: lo4, Count: 2, Timeout: time.Millisecond}, ns); got != "timeout; timeout" {
		t.Errorf("unanswered: got %s", got)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ns := newNetns(t)
	ns.sysctl(t, "ipv4/icmp_echo_ignore_all", "1")
	silent := Ping{Dst: lo4, Count: 2, Interval: time.Hour, Timeout: time.Hour}

	done, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := silent.Run(done, ns.in); !errors.Is(err, context.Canceled) || r.Sent != 0 {
		t.Errorf("before: got %+v, %v", r, err)
	}
	for range 20 { // at the start, or wherever the cancelling finds the run
		ctx, cancel := context.WithCancel(t.Context())
		r, err := silent.Run(ctx, func(open func() error) error {
			go cancel()
			return ns.in(open)
		})
		if !errors.Is(err, context.Canceled) || r.Sent > 1 {
			t.Errorf("meanwhile: got %+v, %v", r, err)
		}
	}
	const limit = 30 * time.Millisecond
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := silent.Run(ctx, ns.in)
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || r.Sent != 1 || took < limit ||
		took > patience {
		t.Errorf("in mid-wait: got %+v, %v after %s", r, err, took)
	}
}

// Pings in one namespace never take each other's replies, even with one id and
// sequence number.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			p := Ping{Dst: netip.MustParseAddr("10.0.1.254"), Count: 20, Interval: time.Millisecond,
				Timeout: 2 * patience, Size: new(40 + i)}
			if i%4 >= 2 {
				p.Dst, p.TTL = netip.MustParseAddr("10.0.2.2"), 1 // its errors are pending on every other socket
			}
			id := newIdent()
			id.id = 1
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := p.run(ctx, l.client.in, id)
			if err != nil || r.Received+len(r.Failures) != 20 || (i%4 < 2) != (r.Received == 20) {
				t.Errorf("ping %d: got %+v, %v", i, r, err)
			}
			for _, reply := range r.Replies {
				if reply.Size != 40+i {
					t.Errorf("ping %d took a reply of %d bytes", i, reply.Size)
				}
			}
			for _, f := range r.Failures {
				if f.Name != "time exceeded" || !f.From.IsValid() {
					t.Errorf("ping %d: got failure %+v", i, f)
				}
			}
		})
	}
	all.Wait()
}

// slow limits what the client sends to some bytes a second, after the first
// few packets.
func (l lab) slow(t testing.TB, rate uint64) {
	t.Helper()
	err := l.client.in(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		attrs := netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Parent: netlink.HANDLE_ROOT,
			Handle: netlink.MakeHandle(1, 0)}
		burst := netlink.Xmittime(rate, 8000)
		return netlink.QdiscAdd(&netlink.Tbf{QdiscAttrs: attrs, Rate: rate, Limit: 1 << 20, Buffer: burst})
	})
	if errors.Is(err, unix.ENOENT) {
		t.Skip("this kernel has no sch_tbf")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A slow link keeps the send buffer more than half full while ICMP errors
// come: the poller then hears of the error alone, and gives the socket up.
func TestSendBufferHalfFull(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.slow(t, 500_000)
	p := Ping{Dst: netip.MustParseAddr("10.0.2.2"), TTL: 1, Count: 3, Interval: time.Nanosecond, Timeout: 2 * patience,
		Size: new(60000)}
	const expired = "time exceeded from 10.0.1.254"
	if _, got := ping(t, p, l.client); got != expired+"; "+expired+"; "+expired {
		t.Errorf("got %s", got)
	}
}

func TestSendBufferFull(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.slow(t, 10_000)
	p := Ping{Dst: netip.MustParseAddr("10.0.2.2"), Count: 12, Interval: time.Nanosecond,
		Timeout: 20 * time.Millisecond, Size: new(60000)}
	if r, got := ping(t, p, l.client); !strings.HasSuffix(got, "; no buffer space available (ENOBUFS)") ||
		r.Received != 0 {
		t.Errorf("got %s", got)
	}
}

func TestLeavesNothing(t *testing.T) {
	t.Parallel()
	ns := newNetns(t)
	for range 5 {
		ping(t, Ping{Dst: lo4, Count: 1}, ns)
		Ping{Dst: lo4, Source: netip.MustParseAddr("192.0.2.1")}.Run(t.Context(), ns.in)
		Ping{Dst: netip.MustParseAddr("fe80::1%nope")}.Run(t.Context(), ns.in)
	}
	for _, file := range []string{"raw", "raw6"} {
		ns.must(t, func() error {
			sockets, err := os.ReadFile("/proc/thread-self/net/" + file)
			if n := strings.Count(string(sockets), "\n"); err == nil && n != 1 { // the heading
				t.Errorf("%s: sockets are left:\n%s", file, sockets)
			}
			return err
		})
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	now := time.Now()
	sent := now.Add(-10 * time.Millisecond)
	for _, tt := range []struct {
		at   time.Time
		want time.Duration
	}{
		{now.Round(0).Add(-4 * time.Millisecond), 6 * time.Millisecond},
		{time.Time{}, 10 * time.Millisecond},
		{now.Round(0).Add(time.Hour), 10 * time.Millisecond},  // the wall clock was set back
		{now.Round(0).Add(-time.Hour), 10 * time.Millisecond}, // or forth
	} {
		if got := roundTrip(sent, tt.at, now); got != tt.want {
			t.Errorf("stamp %s: got %s, want %s", tt.at.Sub(now), got, tt.want)
		}
	}
}

func BenchmarkPing(b *testing.B) {
	l := newLab(b)
	for _, dst := range []string{"127.0.0.1", "::1", "10.0.1.254", "fd00:1::fe", "10.0.2.2"} {
		p := Ping{Dst: netip.MustParseAddr(dst), Count: 1}
		b.Run(dst, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r, err := p.Run(b.Context(), l.client.in); err != nil || r.Received != 1 {
					b.Fatalf("got %+v, %v", r, err)
				}
			}
		})
	}
	b.Run("entering alone", func(b *testing.B) {
		for b.Loop() {
			l.client.in(func() error { return nil })
		}
	})
	p := Ping{Dst: lo4, Count: 1000, Interval: time.Nanosecond}
	b.Run("one request of many", func(b *testing.B) {
		var n int
		for b.Loop() {
			r, err := p.Run(b.Context(), l.client.in)
			if err != nil || r.Received != p.Count {
				b.Fatalf("got %+v, %v", r, err)
			}
			n += r.Received
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/request")
	})
}
