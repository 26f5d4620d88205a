package builtins

import (
	"errors"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// refusals are mistakes of scripts in namespaces of their own: what the kernel says of them, and what to do about it.
// None is the machine's fault.
var refusals = []struct{ script, says, hint string }{
	{`addr(veth(n, n, mtu = 1000)[0], "fd00::1/64")`, "(EINVAL)",
		"IPv6 needs an mtu of 1280 at least (RFC 8200), and the link's is 1000"},
	{`veth(n, n); sysctl(n, "net.ipv6.conf.eth0.disable_ipv6", 1); addr(n.link("eth0"), "fd00::1/64")`,
		"IPv6 is disabled on this device (EACCES)",
		`IPv6 is off there: sysctl(n, "net/ipv6/conf/eth0/disable_ipv6", 0)`},
	{`addr(veth(n, n)[0], "fe80::1%eth0/64")`, "an address takes no zone", ""},
	{`addr(veth(n, n)[0], "fe80::1%eth0")`, "an address takes no zone", ""},
	{`veth(n, n, name = "eth0.100"); sysctl(n, "net.ipv4.conf.eth0.100.rp_filter", 1)`, "(ENOENT)",
		"a link with a dot in its name stands between slashes: net/ipv4/conf/eth0.100/rp_filter"},
	{`sysctl(n, "net.ipv4.conf.nosuch.rp_filter", 1)`, "(ENOENT)", "there is no such key in this namespace"},
	{`route(n, "10.9.0.0/24", dev = two(), src = "10.0.0.7")`, "Invalid prefsrc address (EINVAL)",
		"src= must be an address of this namespace"},
	{`two(); route(n, "default", via = "fe80::1")`, "Egress device not specified (EINVAL)",
		"a link-local gateway is behind one of the links: dev= says which"},
	{`two(); route(n, "fd09::/64", via = "fd00::2")`, "Gateway can not be a local address (EINVAL)",
		"via= is an address of this namespace's own"},
	{`two(); route(n, "10.9.0.0/24", via = "10.7.0.1")`, "Nexthop has invalid gateway (ENETUNREACH)",
		"the gateway must be reachable over a link that is up"},
	{`two(); route(n, "fd09::/64", via = "fd07::1")`, "(EHOSTUNREACH)",
		"the gateway must be reachable over a link that is up"},
	{`route(n, "10.9.0.0/24", dev = veth(n, n, up = False)[0])`, "(ENETDOWN)", "the link is down: up(link) first"},
	{`[route(n, "10.9.0.0/24", dev = two()) for _ in range(1)]; route(n, "10.9.0.0/24", dev = n.link("v"))`, "(EEXIST)",
		"give another metric="},
}

const refusalWorld = `
n = netns("n")
def two():
    v, _ = veth(n, n, name = "v", peer = "w")
    addr(v, "10.0.0.2/24")
    addr(v, "fd00::2/64")
    return v
`

func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		_, err := runScript(t, "x.star", refusalWorld+c.script)
		var k *kernel.Error
		switch hint := runtime.Hint(err); {
		case err == nil || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s\n%v, want %q", c.script, err, c.says)
		case !strings.Contains(hint, c.hint):
			t.Errorf("%s\nhint %q, want %q", c.script, hint, c.hint)
		case errors.As(err, &k) && k.Machine:
			t.Errorf("%s\n%v is the machine's fault", c.script, err)
		}
	}
}

// TestNeighbourTables reads how full the tables of the machine are.
func TestNeighbourTables(t *testing.T) {
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tables, err := m.Host().NeighbourTables()
	if err != nil || len(tables) != 2 {
		t.Fatalf("%+v, %v", tables, err)
	}
	for i, family := range []string{"ipv4", "ipv6"} {
		if table := tables[i]; table.Family != family || table.Limit < 1 || table.Entries < 0 {
			t.Errorf("%+v, want one of %s", table, family)
		}
	}
}
