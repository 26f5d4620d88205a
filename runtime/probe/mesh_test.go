package probe

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// roomy is a table of neighbours that is never full.
type roomy struct{}

func (roomy) Room(bool) (int, int, error) { return 1 << 20, 0, nil }
func (roomy) Forget(int, bool) error      { return nil }

// lan is a bridge that n hosts hang on, 10.0.0.1 and those after it.
func lan(t testing.TB, n int) (hosts []*netns) {
	t.Helper()
	bridge := newNetns(t)
	bridge.must(t, func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}})
	})
	bridge.up(t, "br0")
	for i := range n {
		host, port := newNetns(t), fmt.Sprintf("p%d", i)
		veth(t, bridge, port, host, "eth0", 1500)
		bridge.must(t, func() error {
			br, err := netlink.LinkByName("br0")
			if err != nil {
				return err
			}
			link, err := netlink.LinkByName(port)
			if err != nil {
				return err
			}
			return netlink.LinkSetMaster(link, br)
		})
		host.addr(t, "eth0", fmt.Sprintf("10.0.0.%d/24", i+1))
		hosts = append(hosts, host)
	}
	return hosts
}

func meshOf(hosts []*netns) Mesh {
	m := Mesh{Timeout: patience, Size: 56, Aside: func(probe func() error) error { return probe() }, Table: roomy{}}
	for _, h := range hosts {
		m.Hosts = append(m.Hosts, h.in)
	}
	for i := range hosts {
		for j := range hosts {
			if i != j {
				m.Pairs = append(m.Pairs, Pair{i, netip.AddrFrom4([4]byte{10, 0, 0, byte(j + 1)})})
			}
		}
	}
	return m
}

// TestMesh has all hosts ask all: who does not answer is lost, and no other.
func TestMesh(t *testing.T) {
	t.Parallel()
	hosts := lan(t, 5)
	hosts[2].sysctl(t, "ipv4/icmp_echo_ignore_all", "1")
	m := meshOf(hosts)
	m.Timeout = 200 * time.Millisecond
	all, err := m.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range all {
		p := m.Pairs[i]
		silent := p.Dst == netip.MustParseAddr("10.0.0.3")
		if silent != (o.Reply == nil) || silent != (o.Failed != nil) {
			t.Errorf("%d to %s: %+v", p.From, p.Dst, o)
		}
	}
}

// BenchmarkMesh is beside BenchmarkMeshFloor what it costs to ask all pairs of 30 hosts.
func BenchmarkMesh(b *testing.B) {
	m := meshOf(lan(b, 30))
	for b.Loop() {
		if _, err := m.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMeshFloor sends the same requests by a plain loop over sockets that wait.
func BenchmarkMeshFloor(b *testing.B) {
	m := meshOf(lan(b, 30))
	packet, buf := testIdent.request(false, 1, 56), make([]byte, 256)
	for b.Loop() {
		fds := make([]int, len(m.Hosts))
		for i, in := range m.Hosts {
			err := in(func() (err error) {
				fds[i], err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			filter := int(^uint32(1 << echoReply4))
			if err := unix.SetsockoptInt(fds[i], unix.SOL_RAW, unix.ICMP_FILTER, filter); err != nil {
				b.Fatal(err)
			}
		}
		for _, p := range m.Pairs {
			if err := unix.Sendto(fds[p.From], packet, 0, &unix.SockaddrInet4{Addr: p.Dst.As4()}); err != nil {
				b.Fatal(err)
			}
			if _, _, err := unix.Recvfrom(fds[p.From], buf, 0); err != nil {
				b.Fatal(err)
			}
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
}
