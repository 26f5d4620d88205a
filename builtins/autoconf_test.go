package builtins

import (
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// advertised is a pair whose one end has a route and addresses from the other's advertisement.
const advertised = "sysctl net.ipv6.conf.default.accept_dad=0; link add m0 type veth peer name m1; " +
	"sysctl net.ipv6.conf.m0.use_tempaddr=2; " +
	"link set m0 up; link set m1 up; advertise m1 m0"

// TestAutoconfStays does what takes nothing along that the kernel learned from a router, and undoes it: the route is
// the router's still, and no address is another one.
func TestAutoconfStays(t *testing.T) {
	for _, act := range []string{
		`m.set(name = "renamed")`, `m.set(mac = "02:00:00:00:00:77")`, `m.set(alias = "x", txqlen = 7)`,
		`m.set(master = bridge(host, name = "b0"))`, `addr(m, "10.9.0.1/24")`, `addr(m, "fd07::1/64").delete()`,
		`route(host, "fd08::/64", dev = m)`, `down(host.link("m1"))`,
		`sysctl(host, "net.ipv6.conf.all.disable_ipv6", 0)`, `sysctl(host, "net.ipv6.conf.m0.use_tempaddr", 0)`,
		`sysctl(host, "net.ipv4.ip_forward", 1)`,
		`[sysctl(host, "net.ipv6.conf.m0.accept_ra", 2), sysctl(host, "net.ipv6.conf.all.forwarding", 1)]`,
	} {
		t.Run(act, func(t *testing.T) {
			makeHost(t, advertised)
			defer clearHost(t)
			before, routers := nstest.Dump(t), nstest.Routers(t, "m0")
			if _, err := runScript(t, "x.star", `m = host.link("m0")`+"\n"+act); err != nil {
				t.Fatal(err)
			}
			nstest.Quiet(t, "")
			nstest.Same(t, before)
			if after := nstest.Routers(t, "m0"); !slices.Equal(routers, after) {
				t.Errorf("its routers are %s, were %s", strings.Join(after, ", "), strings.Join(routers, ", "))
			}
		})
	}
}
