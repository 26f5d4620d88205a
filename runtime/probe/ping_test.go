package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is what a test waits for a thing that comes at once on a machine that is
// not loaded. No passing test waits for it.
const patience = 30 * time.Second

// ping runs p in ns and returns what became of each request, in order.
func ping(t testing.TB, p Ping, ns *netns) (Result, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := p.Run(ctx, ns.in)
	if err != nil {
		t.Fatalf("ping %s: %v", p.Dst, err)
	}
	if len(r.Replies)+len(r.Failures) != r.Sent || len(r.Replies) != r.Received || r.Dst != p.Dst {
		t.Errorf("result does not add up: %+v", r)
	}
	all := make([]string, r.Sent)
	for _, p := range r.Replies {
		if p.RTT <= 0 {
			t.Errorf("rtt of %+v is not positive", p)
		}
		all[p.Seq-1] = fmt.Sprintf("%d bytes from %s ttl %d", p.Size, p.From, p.TTL)
	}
	for _, f := range r.Failures {
		all[f.Seq-1] = f.Error()
	}
	return r, strings.Join(all, "; ")
}

func TestPing(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	client := func(_ testing.TB, l lab) *netns { return l.client }
	router := func(_ testing.TB, l lab) *netns { return l.router }
	impatient := func(t testing.TB, l lab) *netns { l.impatient(t); return l.client }
	for _, tt := range []struct {
		name  string
		from  func(testing.TB, lab) *netns
		ping  Ping
		want  string
		errno syscall.Errno // of the last failure
	}{
		{"loopback", client, Ping{Dst: addr("127.0.0.1")}, "56 bytes from 127.0.0.1 ttl 64", 0},
		{"loopback v6", client, Ping{Dst: addr("::1")}, "56 bytes from ::1 ttl 64", 0},
		{"mapped", client, Ping{Dst: addr("::ffff:127.0.0.1")}, "56 bytes from 127.0.0.1 ttl 64", 0},
		{"neighbour", client, Ping{Dst: addr("10.0.1.254")}, "56 bytes from 10.0.1.254 ttl 64", 0},
		{"neighbour v6", client, Ping{Dst: addr("fd00:1::fe")}, "56 bytes from fd00:1::fe ttl 64", 0},
		{"link-local", client, Ping{Dst: addr("fe80::fe%eth0")}, "56 bytes from fe80::fe%eth0 ttl 64", 0},
		{"multicast", client, Ping{Dst: addr("ff02::2%eth0"), Source: addr("fe80::1%eth0"), Replies: 1, TTL: 1},
			"56 bytes from fe80::fe%eth0 ttl 64", 0},
		{"routed", client, Ping{Dst: addr("10.0.2.2"), Source: addr("10.0.1.1")}, "56 bytes from 10.0.2.2 ttl 63", 0},
		{"routed v6", client, Ping{Dst: addr("fd00:2::2"), Source: addr("fd00:1::1")},
			"56 bytes from fd00:2::2 ttl 63", 0},

		{"no payload", client, Ping{Dst: addr("10.0.2.2"), Size: new(0)}, "0 bytes from 10.0.2.2 ttl 63", 0},
		{"no payload v6", client, Ping{Dst: addr("fd00:2::2"), Size: new(0)}, "0 bytes from fd00:2::2 ttl 63", 0},
		{"odd payload", client, Ping{Dst: addr("10.0.2.2"), Size: new(3)}, "3 bytes from 10.0.2.2 ttl 63", 0},
		{"largest", client, Ping{Dst: addr("127.0.0.1"), Size: new(65507)}, "65507 bytes from 127.0.0.1 ttl 64", 0},
		{"largest v6", client, Ping{Dst: addr("::1"), Size: new(65527)}, "65527 bytes from ::1 ttl 64", 0},
		{"fragmented by router", client, Ping{Dst: addr("10.0.2.2"), Size: new(1400)},
			"1400 bytes from 10.0.2.2 ttl 63", 0},

		{"df fits", client, Ping{Dst: addr("10.0.2.2"), Size: new(1400 - 28), DF: true},
			"1372 bytes from 10.0.2.2 ttl 63", 0},
		{"df fits v6", client, Ping{Dst: addr("fd00:2::2"), Size: new(1400 - 48), DF: true},
			"1352 bytes from fd00:2::2 ttl 63", 0},
		{"df over the link", client, Ping{Dst: addr("10.0.2.2"), Size: new(1500 - 27), DF: true},
			"message too long (EMSGSIZE) (mtu 1500)", unix.EMSGSIZE},
		{"df over the link v6", client, Ping{Dst: addr("fd00:2::2"), Size: new(1500 - 47), DF: true},
			"message too long (EMSGSIZE) (mtu 1500)", unix.EMSGSIZE},

		{"ttl", client, Ping{Dst: addr("10.0.2.2"), TTL: 1}, "time exceeded from 10.0.1.254", unix.EHOSTUNREACH},
		{"ttl v6", client, Ping{Dst: addr("fd00:2::2"), TTL: 1}, "time exceeded from fd00:1::fe", unix.EHOSTUNREACH},
		{"ttl suffices", client, Ping{Dst: addr("10.0.2.2"), TTL: 2}, "56 bytes from 10.0.2.2 ttl 63", 0},

		{"no route", router, Ping{Dst: addr("192.0.2.1"), Count: 2},
			"network is unreachable (ENETUNREACH); network is unreachable (ENETUNREACH)", unix.ENETUNREACH},
		{"no route v6", router, Ping{Dst: addr("2001:db8::1")}, "network is unreachable (ENETUNREACH)",
			unix.ENETUNREACH},
		{"unreachable", router, Ping{Dst: addr("10.9.1.1")}, "no route to host (EHOSTUNREACH)", unix.EHOSTUNREACH},
		{"unreachable v6", router, Ping{Dst: addr("fd00:9:1::1")}, "no route to host (EHOSTUNREACH)",
			unix.EHOSTUNREACH},
		{"prohibit", router, Ping{Dst: addr("10.9.2.1")}, "permission denied (EACCES)", unix.EACCES},
		{"prohibit v6", router, Ping{Dst: addr("fd00:9:2::1")}, "permission denied (EACCES)", unix.EACCES},
		{"no route at router", client, Ping{Dst: addr("192.0.2.1"), Count: 2},
			"net unreachable from 10.0.1.254; net unreachable from 10.0.1.254", unix.ENETUNREACH},
		{"no route at router v6", client, Ping{Dst: addr("2001:db8::1")}, "no route from fd00:1::fe", unix.ENETUNREACH},
		{"unreachable at router", client, Ping{Dst: addr("10.9.1.1")}, "host unreachable from 10.0.1.254",
			unix.EHOSTUNREACH},
		{"unreachable at router v6", client, Ping{Dst: addr("fd00:9:1::1")}, "no route from fd00:1::fe",
			unix.ENETUNREACH},
		{"prohibit at router", client, Ping{Dst: addr("10.9.2.1")}, "administratively prohibited from 10.0.1.254",
			unix.EHOSTUNREACH},
		{"prohibit at router v6", client, Ping{Dst: addr("fd00:9:2::1")},
			"administratively prohibited from fd00:1::fe", unix.EACCES},
		{"blackhole at router", client, Ping{Dst: addr("10.9.3.1"), Count: 2, Timeout: 20 * time.Millisecond},
			"timeout; timeout", unix.ETIMEDOUT},

		{"no neighbour", impatient, Ping{Dst: addr("10.0.1.77"), Count: 2},
			"host unreachable from 10.0.1.1; host unreachable from 10.0.1.1", unix.EHOSTUNREACH},
		{"no neighbour v6", impatient, Ping{Dst: addr("fd00:1::77"), Count: 2},
			"address unreachable from fd00:1::1; address unreachable from fd00:1::1", unix.EHOSTUNREACH},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := tt.ping
			if p.Count == 0 {
				p.Count = 1
			}
			p.Interval = time.Millisecond
			if p.Timeout == 0 {
				p.Timeout = 2 * patience // fails rather than passing late
			}
			r, got := ping(t, p, tt.from(t, newLab(t)))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if n := len(r.Failures); tt.errno != 0 && (n == 0 || !errors.Is(r.Failures[n-1], tt.errno)) {
				t.Errorf("failures are %#v, want the last with %v", r.Failures, tt.errno)
			}
		})
	}
}

// The first ping learns the path's MTU from the router, the second one has it
// from the kernel.
func TestPathMTU(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dst           string
		df            bool
		first, second string
	}{
		{"10.0.2.2", true, "fragmentation needed (mtu 1400) from 10.0.1.254", "message too long (EMSGSIZE) (mtu 1400)"},
		{"fd00:2::2", true, "packet too big (mtu 1400) from fd00:1::fe", "message too long (EMSGSIZE) (mtu 1400)"},
		{"fd00:2::2", false, "packet too big (mtu 1400) from fd00:1::fe", "1380 bytes from fd00:2::2 ttl 63"},
	} {
		l := newLab(t)
		p := Ping{Dst: netip.MustParseAddr(tt.dst), DF: tt.df, Size: new(1380), Count: 1, Timeout: 2 * patience}
		for _, want := range []string{tt.first, tt.second} {
			if r, got := ping(t, p, l.client); got != want ||
				strings.Contains(want, "mtu") && !errors.Is(r.Failures[0], unix.EMSGSIZE) {
				t.Errorf("%s, df %v: got %s, want %s", tt.dst, tt.df, got, want)
			}
		}
	}
}

func TestPingRefused(t *testing.T) {
	t.Parallel()
	ns := newNetns(t)
	ns.addr(t, "lo", "10.0.0.1/32", "fd00::1/128")
	broken := errors.New("enter namespace: it is gone")
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	unprivileged := func(fn func() error) error {
		throwaway := newNetns(t) // capabilities are the thread's
		return throwaway.in(func() error {
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var none [2]unix.CapUserData
			if err := unix.Capset(&header, &none[0]); err != nil {
				return fmt.Errorf("drop capabilities: %w", err)
			}
			return fn()
		})
	}
	for _, tt := range []struct {
		ping Ping
		in   func(func() error) error
		is   error
		want string
	}{
		{Ping{Dst: v4, Source: netip.MustParseAddr("10.0.0.2")}, ns.in, unix.EADDRNOTAVAIL,
			"bind to 10.0.0.2: cannot assign requested address"},
		{Ping{Dst: v6, Source: netip.MustParseAddr("fd00::2")}, ns.in, unix.EADDRNOTAVAIL,
			"bind to fd00::2: cannot assign requested address"},
		{Ping{Dst: v6, Source: v4}, ns.in, unix.EAFNOSUPPORT, ""},
		{Ping{Dst: netip.MustParseAddr("fe80::1%nope")}, ns.in, unix.ENODEV, "find interface nope: no such device"},
		{Ping{Dst: netip.MustParseAddr("fe80::1")}, ns.in, unix.EINVAL, ""},
		{Ping{Dst: netip.MustParseAddr("fd00::1%lo")}, ns.in, unix.EINVAL, ""},
		{Ping{Dst: v4}, unprivileged, unix.EPERM, "open icmp socket: operation not permitted"},
		{Ping{Dst: v4}, func(func() error) error { return broken }, broken, broken.Error()},
		{Ping{}, ns.in, nil, "no destination"},
		{Ping{Dst: v4, Count: 65536}, ns.in, nil, "count is 65536, want 1 to 65535"},
		{Ping{Dst: v4, Count: -1}, ns.in, nil, "count is -1, want 1 to 65535"},
		{Ping{Dst: v4, Size: new(65508)}, ns.in, nil, "size is 65508, want 0 to 65507"},
		{Ping{Dst: v6, Size: new(-1)}, ns.in, nil, "size is -1, want 0 to 65527"},
		{Ping{Dst: v4, TTL: 256}, ns.in, nil, "ttl is 256, want 1 to 255"},
		{Ping{Dst: v4, Interval: -1}, ns.in, nil, "interval is -1ns, want 0 or more"},
		{Ping{Dst: v4, Timeout: -1}, ns.in, nil, "timeout is -1ns, want more than 0"},
	} {
		r, err := tt.ping.Run(t.Context(), tt.in)
		if err == nil || (tt.want != "" && err.Error() != tt.want) || (tt.is != nil && !errors.Is(err, tt.is)) {
			t.Errorf("run %+v: got error %v, want %q (%v)", tt.ping, err, tt.want, tt.is)
		}
		if r.Sent != 0 || r.Dst != tt.ping.Dst {
			t.Errorf("run %+v: got %+v", tt.ping, r)
		}
	}
}
