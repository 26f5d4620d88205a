package probe

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// netns is a network namespace that one locked thread is in. It ends with
// the test.
type netns struct {
	calls chan func()
	fd    int
}

func newNetns(t testing.TB) *netns {
	t.Helper()
	n := &netns{calls: make(chan func())}
	t.Cleanup(func() { close(n.calls) })
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		for call := range n.calls {
			call()
		}
		unix.Close(n.fd)
	}()
	err := n.in(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		n.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n.sysctl(t, "ipv6/conf/default/addr_gen_mode", "1") // no link-local address but what a test adds
	n.sysctl(t, "ipv4/icmp_ratemask", "0")
	n.sysctl(t, "ipv6/icmp/ratelimit", "0")
	n.sysctl(t, "ipv6/icmp/ratemask", "")
	n.up(t, "lo")
	return n
}

func (n *netns) in(fn func() error) error {
	done := make(chan error)
	n.calls <- func() { done <- fn() }
	return <-done
}

func (n *netns) must(t testing.TB, fn func() error) {
	t.Helper()
	if err := n.in(fn); err != nil {
		t.Fatal(err)
	}
}

func (n *netns) sysctl(t testing.TB, key, value string) {
	t.Helper()
	n.must(t, func() error { return os.WriteFile("/proc/sys/net/"+key, []byte(value+"\n"), 0) })
}

func (n *netns) up(t testing.TB, name string) {
	t.Helper()
	n.must(t, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
}

func (n *netns) addr(t testing.TB, name string, addrs ...string) {
	t.Helper()
	n.must(t, func() error {
		link, err := netlink.LinkByName(name)
		for i := 0; i < len(addrs) && err == nil; i++ {
			var a *netlink.Addr
			if a, err = netlink.ParseAddr(addrs[i]); err == nil {
				if a.IP.To4() == nil {
					a.Flags = unix.IFA_F_NODAD
				}
				err = netlink.AddrAdd(link, a)
			}
		}
		return err
	})
}

// route adds a route via a gateway, or of a type without one.
func (n *netns) route(t testing.TB, dst, via string, typ int) {
	t.Helper()
	n.must(t, func() error {
		_, prefix, err := net.ParseCIDR(dst)
		if err != nil {
			return err
		}
		r := &netlink.Route{Dst: prefix, Gw: net.ParseIP(via), Type: typ}
		if typ != unix.RTN_UNICAST && prefix.IP.To4() == nil {
			r.LinkIndex = 1 // IPv6 wants a device even here
		}
		return netlink.RouteAdd(r)
	})
}

// veth connects two namespaces and returns when both ends carry packets.
func veth(t testing.TB, a *netns, aName string, b *netns, bName string, mtu int) {
	t.Helper()
	a.must(t, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = aName, mtu
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: bName, PeerMTU: uint32(mtu),
			PeerNamespace: netlink.NsFd(b.fd)})
	})
	a.up(t, aName)
	b.up(t, bName)
	// A link whose carrier just came on drops packets until the kernel's
	// linkwatch has run; the operational state shows that it has.
	for _, end := range []struct {
		ns   *netns
		name string
	}{{a, aName}, {b, bName}} {
		end.ns.must(t, func() error {
			for {
				link, err := netlink.LinkByName(end.name)
				if err != nil || link.Attrs().OperState == netlink.OperUp {
					return err
				}
				runtime.Gosched()
			}
		})
	}
}

// lab is client - router - server, the second link with an MTU of 1400.
type lab struct{ client, router, server *netns }

func newLab(t testing.TB) lab {
	t.Helper()
	l := lab{newNetns(t), newNetns(t), newNetns(t)}
	veth(t, l.client, "eth0", l.router, "eth0", 1500)
	veth(t, l.router, "eth1", l.server, "eth0", 1400)
	l.router.sysctl(t, "ipv4/ip_forward", "1")
	l.router.sysctl(t, "ipv6/conf/all/forwarding", "1")
	l.client.addr(t, "eth0", "10.0.1.1/24", "fd00:1::1/64", "fe80::1/64")
	l.router.addr(t, "eth0", "10.0.1.254/24", "fd00:1::fe/64", "fe80::fe/64")
	// Without a link-local address a router asks for no neighbour (ndisc_solicit).
	l.router.addr(t, "eth1", "10.0.2.254/24", "fd00:2::fe/64", "fe80::fe/64")
	l.server.addr(t, "eth0", "10.0.2.2/24", "fd00:2::2/64")
	for ns, via := range map[*netns][2]string{
		l.client: {"10.0.1.254", "fd00:1::fe"}, l.server: {"10.0.2.254", "fd00:2::fe"},
	} {
		ns.route(t, "0.0.0.0/0", via[0], unix.RTN_UNICAST)
		ns.route(t, "::/0", via[1], unix.RTN_UNICAST)
	}
	for i, typ := range []int{unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_BLACKHOLE} {
		l.router.route(t, fmt.Sprintf("10.9.%d.0/24", i+1), "", typ)
		l.router.route(t, fmt.Sprintf("fd00:9:%d::/64", i+1), "", typ)
	}
	return l
}

// impatient makes the client give up a neighbour after one request of 20 ms.
func (l lab) impatient(t testing.TB) {
	t.Helper()
	for _, family := range []string{"ipv4", "ipv6"} {
		l.client.sysctl(t, family+"/neigh/eth0/mcast_solicit", "1")
		l.client.sysctl(t, family+"/neigh/eth0/retrans_time_ms", "20")
	}
}
