package probe

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// TestTrace asks the ways of a lab with one router, over each protocol.
func TestTrace(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	aside := func(probe func() error) error { return probe() }
	for _, tt := range []struct {
		dst, proto, router, end, name string
		errno                         syscall.Errno
	}{
		{"10.0.2.2", "udp", "10.0.1.254", "10.0.2.2", "port unreachable", syscall.ECONNREFUSED},
		{"10.0.2.2", "icmp", "10.0.1.254", "10.0.2.2", "reply", 0},
		{"10.0.2.2", "tcp", "10.0.1.254", "10.0.2.2", "refused", 0},
		{"fd00:2::2", "udp", "fd00:1::fe", "fd00:2::2", "port unreachable", syscall.ECONNREFUSED},
		{"fd00:2::2", "icmp", "fd00:1::fe", "fd00:2::2", "reply", 0},
		{"fd00:2::2", "tcp", "fd00:1::fe", "fd00:2::2", "refused", 0},
	} {
		hops, err := Trace{Dst: netip.MustParseAddr(tt.dst), Proto: tt.proto, Timeout: patience, Aside: aside}.
			Run(t.Context(), l.client.in)
		if err != nil || len(hops) != 2 {
			t.Errorf("%s %s: %+v, %v", tt.proto, tt.dst, hops, err)
			continue
		}
		router, end := hops[0], hops[1]
		if router.From.String() != tt.router || router.Name != "time exceeded" || router.RTT <= 0 || router.Reached {
			t.Errorf("%s %s: the router is %+v", tt.proto, tt.dst, router)
		}
		if end.From.String() != tt.end || end.Name != tt.name || !end.Reached ||
			tt.errno != 0 && !errors.Is(end.Err, tt.errno) {
			t.Errorf("%s %s: the end is %+v", tt.proto, tt.dst, end)
		}
	}
	// What nobody answers ends after so many hops, and what the namespace itself refuses at once.
	l.server.sysctl(t, "ipv4/icmp_echo_ignore_all", "1")
	silent := Trace{Dst: netip.MustParseAddr("10.0.2.2"), Proto: "icmp", Hops: 8,
		Timeout: time.Millisecond, Aside: aside}
	hops, err := silent.Run(t.Context(), l.client.in)
	if err != nil || len(hops) != 8 || hops[7].Name != "timeout" {
		t.Errorf("silent: %+v, %v", hops, err)
	}
	hops, err = Trace{Dst: netip.MustParseAddr("10.0.2.2"), Aside: aside}.Run(t.Context(), newNetns(t).in)
	if err != nil || len(hops) != 1 || hops[0].Name != "ENETUNREACH" || hops[0].Reached {
		t.Errorf("without a route: %+v, %v", hops, err)
	}
}

// TestDiscover finds the path MTU that the router tells, and the one that it keeps for itself.
func TestDiscover(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, dst := range []string{"10.0.2.2", "fd00:2::2"} {
		p := Ping{Dst: netip.MustParseAddr(dst), Timeout: patience}
		res, err := Discover(t.Context(), l.client.in, p)
		if err != nil || res.MTU != 1400 || res.Hole || len(res.Told) != 2 || res.Told[0].From.IsValid() ||
			res.Told[1].MTU != 1400 {
			t.Errorf("%s: %+v, %v", dst, res, err)
		}
	}
	p := Ping{Dst: netip.MustParseAddr("10.9.1.1"), Timeout: patience} // the router has an unreachable route there
	if res, err := Discover(t.Context(), l.client.in, p); err != nil || res.MTU != 0 || res.Failed == nil {
		t.Errorf("unreachable: %+v, %v", res, err)
	}
}
