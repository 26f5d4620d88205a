package probe

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestQuotedConnection reads ICMP errors that quote a connection, and ones that do not, or are cut off.
func TestQuotedConnection(t *testing.T) {
	dst4, dst6 := netip.MustParseAddrPort("10.0.0.2:80"), netip.MustParseAddrPort("[fd00::2]:80")
	head4 := append([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, unix.IPPROTO_TCP, 0, 0, 10, 0, 0, 1}, 10, 0, 0, 2)
	ports := []byte{0x30, 0x39, 0, 80, 0, 0, 0, 0} // 12345
	packet4 := append(append(append(make([]byte, 0, 64), 0x45), make([]byte, 19)...), 3, 1, 0, 0, 0, 0, 0, 0)
	packet4 = append(append(packet4, head4...), ports...)
	dst := dst6.Addr().As16()
	packet6 := append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 20, unix.IPPROTO_TCP, 64}, make([]byte, 16)...)
	packet6 = append(append(packet6, dst[:]...), ports...)
	for _, c := range []struct {
		v6     bool
		packet []byte
		dst    netip.AddrPort
		want   string
	}{{false, packet4, dst4, "host unreachable"}, {true, packet6, dst6, "no route"}} {
		if f, ok := quotedTCP(c.v6, c.packet, 12345, c.dst); !ok || f.Name != c.want {
			t.Errorf("%x: %v %v, want %s", c.packet, f, ok, c.want)
		}
		if f, ok := quotedTCP(c.v6, c.packet, 12346, c.dst); ok {
			t.Errorf("another port: %v", f)
		}
		for i := range len(c.packet) - 4 {
			if f, ok := quotedTCP(c.v6, c.packet[:i], 12345, c.dst); ok {
				t.Errorf("cut off at %d: %v", i, f)
			}
		}
	}
}

// TestClosedWhileWaiting closes sockets that somebody waits for, or has the time of who waits be over.
func TestClosedWhileWaiting(t *testing.T) {
	n := newNetns(t)
	l, err := Listen(n.in, "tcp", netip.AddrPort{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := OpenUDP(n.in, netip.AddrPort{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Connect(t.Context(), n.in, "tcp", netip.AddrPortFrom(netip.IPv6Loopback(), l.Local.Port()),
		netip.AddrPort{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	taken, err := l.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		wait  func(ctx context.Context) error
		close func() error
	}{
		{func(ctx context.Context) error { _, err := l.Take(ctx); return err }, l.Close},
		{func(ctx context.Context) error { _, err := u.Recv(ctx); return err }, u.Close},
		{func(ctx context.Context) error { _, err := s.Recv(ctx, make([]byte, 1)); return err }, s.Close},
	} {
		over := errors.New("over")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, over)
		if err := c.wait(ctx); err != over {
			t.Errorf("got %v at the end of the time", err)
		}
		cancel()
		waited := make(chan error)
		for range 2 { // one has the socket, the other waits for that
			go func() { waited <- c.wait(context.Background()) }()
		}
		if err := c.close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-waited; !errors.Is(err, os.ErrClosed) {
				t.Errorf("got %v after the close", err)
			}
		}
	}
}

// TestClosedWhileTaking closes a listener in the moment in which a connection is taken from it: that is whoever's who
// takes it, and not forgotten, for it would keep its namespace.
func TestClosedWhileTaking(t *testing.T) {
	n := newNetns(t)
	l, err := Listen(n.in, "tcp", netip.AddrPort{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.File.Close()
	s, err := Connect(t.Context(), n.in, "tcp", netip.AddrPortFrom(netip.IPv6Loopback(), l.Local.Port()),
		netip.AddrPort{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abort()
	if err := l.read(t.Context(), func(int) bool {
		l.closed.Store(true)
		return true
	}); err != nil {
		t.Errorf("what was taken is lost: %v", err)
	}
}
