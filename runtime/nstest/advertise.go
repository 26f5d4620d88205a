package nstest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Advertise has a link of the sandbox send a router's advertisement (RFC 4861): of itself as a router, of the prefix
// 2001:db8:aa::/64 to make addresses of, and of an mtu of 1400. It returns when the other end has a route to it.
func Advertise(t testing.TB, router, host string) {
	t.Helper()
	dev, err := net.InterfaceByName(router)
	if err != nil {
		t.Fatal(err)
	}
	Quiet(t, "") // its own address, that it sends from, is in use
	s, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	for _, o := range [][2]int{{unix.IPV6_MULTICAST_HOPS, 255}, {unix.IPV6_MULTICAST_IF, dev.Index}} {
		if err := unix.SetsockoptInt(s, unix.IPPROTO_IPV6, o[0], o[1]); err != nil {
			t.Fatal(err)
		}
	}
	u32 := binary.BigEndian.AppendUint32
	msg := []byte{134, 0, 0, 0, 64, 0, 1800 >> 8, 1800 & 0xff, 0, 0, 0, 0, 0, 0, 0, 0}
	msg = append(u32(u32(append(msg, 3, 4, 64, 0xc0), 86400), 14400), 0, 0, 0, 0)
	prefix := netip.MustParseAddr("2001:db8:aa::").As16()
	msg = u32(append(append(msg, prefix[:]...), 5, 1, 0, 0), 1400)
	all := unix.SockaddrInet6{Addr: netip.MustParseAddr("ff02::1").As16(), ZoneId: uint32(dev.Index)}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if err := unix.Sendto(s, msg, 0, &all); err != nil && err != syscall.EADDRNOTAVAIL {
			t.Fatal(err)
		}
		if len(Routers(t, host)) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("link %s has learned no router from %s", host, router)
		}
	}
}

// Routers are the default routes of a link that the kernel of the sandbox learned from advertisements, as `ip` shows
// them and as /proc does, without what runs on.
func Routers(t testing.TB, link string) (routes []string) {
	t.Helper()
	out, err := exec.Command("cat", "/proc/self/net/ipv6_route").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(string(out), "\n") {
		f := strings.Fields(l) // destination, length, source, length, gateway, metric, references, use, flags, link
		var flags uint32
		if len(f) != 10 || f[9] != link {
			continue
		}
		if _, err := fmt.Sscanf(f[8], "%x", &flags); err == nil && flags&0x00050000 == 0x00050000 {
			// RTF_ADDRCONF, RTF_DEFAULT
			routes = append(routes, f[0]+" "+f[4]+" "+f[5]+" "+f[8])
		}
	}
	return routes
}
