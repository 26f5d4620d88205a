package builtins

import (
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// probeFailures are the ways in which a probe fails: what is done to a lab of a --- r --- b, what asks, the cause with
// who said it, and what to look at next.
var probeFailures = []struct{ name, does, asks, says, next string }{
	{"silent", `drop(b, at = "input")`, `ping(a, "10.0.2.2", count = 1, timeout = "20ms")`,
		"no reply to 1 requests: timeout", `trace(a, "10.0.2.2") shows how far packets get`},
	{"no route", `pass`, `ping(a, "10.9.0.1")`, "(ENETUNREACH)", "route(a, ...) adds a route to 10.9.0.1"},
	{"no route there", `route(a, "10.9.0.0/16", via = "10.0.1.2")`, `ping(a, "10.9.0.1", count = 1)`,
		"net unreachable from 10.0.1.2", "10.0.1.2 has no route to 10.9.0.1"},
	{"nobody there", `quick()`, `ping(a, "10.0.2.9", count = 1)`,
		"host unreachable from 10.0.1.2", "10.0.1.2 finds nobody who answers for 10.0.2.9"},
	{"nobody here", `quick()`, `ping(a, "10.0.1.9", count = 1, timeout = "5s")`,
		"host unreachable from 10.0.1.1", "nobody on the link answers for 10.0.1.9"},
	{"forbidden here", `route(a, "10.9.0.0/16", type = "prohibit")`, `ping(a, "10.9.0.1")`,
		"(EACCES)", "a route or a rule of a forbids it"},
	{"forbidden there", `route(r, "10.9.0.0/16", type = "prohibit")
route(a, "10.9.0.0/16", via = "10.0.1.2")`, `ping(a, "10.9.0.1", count = 1)`,
		"administratively prohibited from 10.0.1.2", "a route of type prohibit or a rule of 10.0.1.2 forbids it"},
	{"dropped here", `drop(a, at = "output")`, `ping(a, "10.0.2.2")`, "(EPERM)", "a rule of a drops what it sends"},
	{"rejected", `reject(r, at = "forward")`, `ping(a, "10.0.2.2", count = 1)`,
		"port unreachable from 10.0.1.2", "a rule of 10.0.1.2 rejects it"},
	{"too large here", `pass`, `ping(a, "10.0.2.2", size = 2000, df = True)`, "(EMSGSIZE) (mtu 1500)",
		`pmtu(a, "10.0.2.2") shows what fits`},
	{"too large there", `r.link("eth1").set(mtu = 1300)`, `ping(a, "10.0.2.2", size = 1400, df = True, count = 1)`,
		"fragmentation needed (mtu 1300) from 10.0.1.2", `pmtu(a, "10.0.2.2") shows what fits`},
	{"too far", `pass`, `ping(a, "10.0.2.2", ttl = 1, count = 1)`, "time exceeded from 10.0.1.2", "want more ttl="},
	{"trace too short", `pass`, `trace(a, "10.0.2.2", hops = 1)`, "no answer after 1 hops (10.0.1.2): time exceeded",
		"want more hops="},
	{"trace silent", `drop(b, at = "input")`, `trace(a, "10.0.2.2", hops = 2, timeout = "20ms")`,
		"no answer after 2 hops (10.0.1.2 *): timeout", "10.0.1.2 is the last that answers"},
	{"trace nowhere", `down(a.link("eth0"))`, `trace(a, "10.0.1.2", hops = 2)`, "(ENETUNREACH)", "route(a, ...)"},
	{"pmtu", `drop(b, at = "input")`, `pmtu(a, "10.0.2.2", timeout = "20ms")`,
		"no reply, not even to the smallest packet: ", `trace(a, "10.0.2.2")`},
	{"all", `drop(b, at = "input")`, `ping_all(timeout = "20ms")`, "of 6 pairs are lost: ", "trace("},
	{"arp", `pass`, `arping(a.link("eth0"), "10.0.1.9", timeout = "20ms")`, "no reply to 1 requests",
		"no host on this very link has the address"},
}

// TestProbeFailures makes each of them.
func TestProbeFailures(t *testing.T) {
	before := nstest.Dump(t)
	for _, c := range probeFailures {
		t.Run(c.name, func(t *testing.T) {
			_, err := runScript(t, "failure.star", `
a, r, b = netns("a"), netns("r"), netns("b")
veth(a, r, addrs = ("10.0.1.1/24", "10.0.1.2/24"))
veth(r, b, addrs = ("10.0.2.1/24", "10.0.2.2/24"))
route(a, "10.0.2.0/24", via = "10.0.1.2")
route(b, "10.0.1.0/24", via = "10.0.2.1")
sysctl(r, "net.ipv4.ip_forward", 1)

def quick():
    """Has both give up soon on who does not answer."""
    for n, link in [(a, "eth0"), (r, "eth1")]:
        sysctl(n, "net.ipv4.neigh.%s.mcast_solicit" % link, 1)
        sysctl(n, "net.ipv4.neigh.%s.retrans_time_ms" % link, 20)

`+c.does+"\n"+c.asks+"\n")
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if next := runtime.Hint(err); !strings.Contains(next, c.next) {
				t.Errorf("the hint is %q, want %q", next, c.next)
			}
		})
	}
	nstest.Same(t, before)
}
