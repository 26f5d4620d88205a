package builtins

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestMovedIn has a script move a link that was there into a namespace that it makes, and change all of it there. What
// is in the namespace goes with it, but not that.
func TestMovedIn(t *testing.T) {
	nstest.IP(t, "link", "add", "moved0", "type", "veth", "peer", "name", "moved1")
	nstest.IP(t, "link", "set", "moved0", "alias", "before")
	nstest.IP(t, "link", "set", "moved0", "txqueuelen", "77")
	nstest.IP(t, "addr", "add", "10.88.0.1/24", "dev", "moved0")
	t.Cleanup(func() { nstest.IP(t, "link", "del", "moved0") })
	before := nstest.Dump(t)
	for _, inner := range []string{
		`there(n)`,
		`attempt(lambda: there(n) or fail("back"))`,
		`there(n); there(netns("b"))`,
		`there(n); l.set(ns = host); there(n)`,
		`assert.false(attempt(lambda: [there(n), l.set(ns = host), l.set(ns = n), fail("back")]).ok)`,
		`l.set(ns = n); assert.false(attempt(lambda: there(n) or fail("back")).ok); there(n)`,
	} {
		src := `
n = netns("a")
l = host.link("moved0")
def there(n):
    l.set(ns = n)
    l.set(name = "other0", mtu = 1400, mac = "02:00:00:00:00:99", alias = "after", txqlen = 5, group = 7)
    addr(l, "10.60.0.1/24")
    sysctl(n, "net.ipv4.conf.other0.rp_filter", 2)
    up(l)
    l.set(name = "moved0")
` + inner + "\n"
		s, _, err := session(t, src)
		if err != nil {
			t.Errorf("%s: %v", inner, err)
		}
		if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
			t.Errorf("%s: %v, left %v", inner, err, u.Left)
		}
		nstest.Same(t, before)
	}
	out, err := exec.Command("ip", "-d", "link", "show", "moved0").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "qlen 77") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestMovedInGone has links leave a namespace of the run's, in which the next ones are made then: these are not taken
// for those, which have the lowest indexes where they came from.
func TestMovedInGone(t *testing.T) {
	nstest.IP(t, "netns", "add", "pre")
	t.Cleanup(func() { nstest.IP(t, "netns", "del", "pre") })
	nstest.IP(t, "-n", "pre", "link", "add", "moved1", "type", "veth", "peer", "name", "moved0") // the peer is number 2
	before := nstest.Dump(t)
	for _, leave := range []string{`assert.false(attempt(lambda: [l.set(ns = n), fail("back")]).ok)`,
		`l.set(ns = n); l.set(ns = pre)`} {
		for _, next := range []string{
			`veth(n, netns("b"), name = "own0", addrs = ("10.60.0.1/24", "10.60.0.2/24"))`,
			`bridge(n, name = "own0", addrs = ["10.60.0.1/24"])`,
			`x, _ = veth(netns("b"), name = "own0"); x.set(ns = n, mtu = 1400); addr(x, "10.60.0.1/24")`,
			`x, _ = veth(n, name = "own0"); x.delete(); l.set(ns = n); l.set(alias = "again")`,
		} {
			src := `
n, pre = netns("a"), netns_at(name = "pre")
l = pre.link("moved0")
` + leave + "\nwas = (l.mtu, l.up, l.addrs)\n" + next + "\nassert.eq((l.mtu, l.up, l.addrs), was)\n"
			s, _, err := session(t, src)
			if err != nil {
				t.Errorf("%s, %s: %v", leave, next, err)
			}
			if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
				t.Errorf("%s, %s: %v, left %v", leave, next, err, u.Left)
			}
			nstest.Same(t, before)
		}
	}
}
