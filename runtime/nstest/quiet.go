package nstest

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// actsLater is more than the time that a kernel before Linux 6.8 takes to act on a carrier: newer ones do so when they
// are asked for the link.
const actsLater = 1500 * time.Millisecond

var old = sync.OnceValue(func() bool {
	var name syscall.Utsname
	var major, minor int
	if err := syscall.Uname(&name); err != nil {
		return true
	}
	var release strings.Builder
	for _, c := range name.Release {
		release.WriteByte(byte(c))
	}
	_, err := fmt.Sscanf(release.String(), "%d.%d", &major, &minor)
	return err != nil || major < 6 || major == 6 && minor < 8
})

// unknowing are the kinds of links whose state stays unknown though they have a carrier.
var unknowing sync.Map

// lags names a link that an old kernel has to act on still, and its kind where that is not known to need nothing.
func lags(links [][]byte) (name, kind string) {
	for _, l := range links {
		state, carrier := find(l, 16, 16), find(l, 16, 33) // IFLA_OPERSTATE, IFLA_CARRIER
		if number(l[8:])&syscall.IFF_UP == 0 || len(state) != 1 || len(carrier) != 1 {
			continue
		}
		up, unknown, has := state[0] == 6, state[0] == 0, carrier[0] == 1
		if up && has || !up && !unknown && !has {
			continue
		}
		name = strings.TrimRight(string(find(l, 16, syscall.IFLA_IFNAME)), "\x00")
		if !unknown || !has {
			return name, ""
		}
		// IFLA_LINKINFO, IFLA_INFO_KIND; lo has none.
		kind = cmp.Or(strings.TrimRight(string(find(find(l, 16, 18), 0, 1)), "\x00"), name)
		if _, stays := unknowing.Load(kind); !stays {
			return name, kind
		}
	}
	return "", ""
}

// Quiet waits until the kernel has done what it does later: turned carriers into states, and made IPv6 addresses
// usable.
func Quiet(t testing.TB, namespaces ...string) {
	t.Helper()
	quiet(t, 50*time.Millisecond, namespaces)
}

// QuietNew is Quiet for a world that has just been made: an address whose local route is not there yet waits for
// nothing but its turn.
func QuietNew(t testing.TB, namespaces ...string) {
	t.Helper()
	quiet(t, 2*time.Second, namespaces)
}

func quiet(t testing.TB, patience time.Duration, namespaces []string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, ns := range namespaces {
		lagging(t, ns)
		for start := time.Now(); ; {
			waiting, idle, tentative := "", false, false
			err := within(ns, func() (err error) {
				waiting, idle, tentative, err = unquiet()
				return err
			})
			if err != nil {
				t.Fatalf("wait for namespace %q: %v", ns, err)
			}
			// An address that was kept when its link went down waits for the link, and looks like one just added.
			if waiting == "" || idle &&
				(time.Since(start) > patience || tentative && time.Since(start) > 50*time.Millisecond) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("namespace %q: still waiting for %s", ns, waiting)
			}
			time.Sleep(200 * time.Microsecond)
		}
	}
}

// lagging waits until an old kernel has acted on carriers. What it says nothing of in that time it never will.
func lagging(t testing.TB, ns string) {
	t.Helper()
	for start := time.Now(); old(); time.Sleep(time.Millisecond) {
		name, kind := "", ""
		err := within(ns, func() error {
			c, err := dial(syscall.NETLINK_ROUTE)
			if err != nil {
				return err
			}
			defer c.close()
			links, err := c.dump(syscall.RTM_GETLINK, make([]byte, 16))
			name, kind = lags(links)
			return err
		})
		if err != nil {
			t.Fatalf("wait for namespace %q: %v", ns, err)
		}
		if name == "" {
			return
		}
		if time.Since(start) > actsLater {
			if kind == "" {
				return
			}
			unknowing.Store(kind, true)
			start = time.Now()
		}
	}
}

// unquiet names something that is still to happen in the thread's namespace; idle says that it is about links only that
// do not run, and tentative that it is about addresses only that wait for them to find duplicates.
func unquiet() (waiting string, idle, tentative bool, err error) {
	c, err := dial(syscall.NETLINK_ROUTE)
	if err != nil {
		return "", false, false, err
	}
	defer c.close()
	running := map[uint32]bool{}
	// Asking for a single link makes its carrier known at once; a port's is then its bridge's: so ask twice.
	for range 2 {
		links, err := c.dump(syscall.RTM_GETLINK, make([]byte, 16))
		if err != nil {
			return "", false, false, err
		}
		for _, l := range links {
			ask := make([]byte, 16)
			copy(ask[4:8], l[4:8])
			if one, err := c.ask(syscall.RTM_GETLINK, 0, ask); err == nil && len(one) == 1 {
				running[number(l[4:])] = number(one[0][8:])&(syscall.IFF_UP|syscall.IFF_RUNNING) == syscall.IFF_UP|
					syscall.IFF_RUNNING
			}
		}
	}
	addrs, err := c.dump(syscall.RTM_GETADDR, append([]byte{syscall.AF_INET6}, make([]byte, 7)...))
	if err != nil {
		return "", false, false, err
	}
	local, err := c.local()
	if err != nil {
		return "", false, false, err
	}
	for _, a := range addrs {
		ip := find(a, 8, syscall.IFA_LOCAL)
		if ip == nil {
			ip = find(a, 8, syscall.IFA_ADDRESS)
		}
		if flags := number(find(a, 8, 8)); flags&0x08 == 0 && (flags&0x40 != 0 || !local[string(ip)]) {
			// IFA_F_DADFAILED, IFA_F_TENTATIVE
			idle = !running[number(a[4:])] && (idle || waiting == "")
			tentative = flags&0x40 != 0 && (tentative || waiting == "")
			waiting = fmt.Sprintf("address %x of link %d", ip, number(a[4:]))
		}
	}
	return waiting, idle, tentative, nil
}

// Settled waits until what the kernel does later about new links is done: their carriers, and the local routes of the
// given IPv6 addresses.
func Settled(t testing.TB, links, addrs []string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Microsecond) {
		waiting, err := unsettled(links, addrs)
		if err != nil {
			t.Fatal(err)
		}
		if waiting == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for the %s", waiting)
		}
	}
}

func unsettled(links, addrs []string) (waiting string, err error) {
	c, err := dial(syscall.NETLINK_ROUTE)
	if err != nil {
		return "", err
	}
	defer c.close()
	states := map[string]byte{}
	all, err := c.dump(syscall.RTM_GETLINK, make([]byte, 16))
	if err != nil {
		return "", err
	}
	for _, l := range all {
		if state := find(l, 16, 16); len(state) > 0 { // IFLA_OPERSTATE
			states[strings.TrimRight(string(find(l, 16, syscall.IFLA_IFNAME)), "\x00")] = state[0]
		}
	}
	for _, l := range links {
		if states[l] != 6 { // IF_OPER_UP
			waiting = "carrier of " + l
		}
	}
	local, err := c.local()
	if err != nil {
		return "", err
	}
	for _, a := range addrs {
		ip, err := netip.ParseAddr(a)
		if err != nil {
			return "", err
		}
		if !local[string(ip.AsSlice())] {
			waiting = "local route of " + a
		}
	}
	return waiting, nil
}

// local are the IPv6 addresses that packets are taken for.
func (c *conn) local() (map[string]bool, error) {
	routes, err := c.dump(syscall.RTM_GETROUTE, append([]byte{syscall.AF_INET6}, make([]byte, 11)...))
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, r := range routes {
		if r[7] == syscall.RTN_LOCAL {
			all[string(find(r, 12, syscall.RTA_DST))] = true
		}
	}
	return all, nil
}
