package builtins

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// oddRoutes are routes with all that ip-route(8) says of some and not of others.
var oddRoutes = []string{
	"route add 10.9.0.0/16 via inet6 fd00::1",
	"route add 10.10.0.1/32 dev d0 proto 94 scope link src 10.0.0.2 metric 7",
	"route add 10.11.0.0/16 via 10.77.0.1 dev d0 onlink proto bird mtu lock 1300 hoplimit 3 advmss 1200",
	"route add 10.12.0.0/16 proto static nexthop via 10.0.0.1 dev d0 weight 3 nexthop via 10.1.0.1 dev v0",
	"route add unreachable 10.13.0.0/16 metric 9",
	"route add blackhole 10.14.0.0/16 tos 0x10 table 77",
	"route add default via 10.0.0.1 proto dhcp table 300",
	"-6 route add fd09::/64 via fd00::1 expires 300",
	"-6 route add fd0a::/64 proto ra metric 5 pref high nexthop via fd00::1 dev d0 nexthop via fd00::3 dev d0 weight 2",
	"-6 route add prohibit fd0b::1",
	"-6 route add default via fe80::1 dev v0 congctl reno",
}

// TestRoutes has .routes say what ip-route(8) says, also when links are down.
func TestRoutes(t *testing.T) {
	nstest.IP(t, "netns", "add", "odd")
	defer nstest.TryIP(t, "netns", "del", "odd")
	for _, line := range slices.Concat([]string{
		"link add d0 up type veth peer name d1", "link set d1 up", "link add v0 up type veth peer name v1",
		"link set v1 up", "addr add 10.0.0.2/24 dev d0", "addr add 10.1.0.2/24 dev v0",
		"addr add fd00::2/64 dev d0 nodad",
	}, oddRoutes, []string{"link set v1 down"}) {
		nstest.IP(t, append([]string{"-n", "odd"}, strings.Fields(line)...)...)
	}
	// Seconds go by between the two, and whether a link has been seen to be down yet, too.
	passing := regexp.MustCompile(` expires \d+sec| linkdown`)
	var want []string
	for _, family := range []string{"-4", "-6"} {
		out, err := exec.Command("ip", "-n", "odd", "-o", family, "route", "show", "table", "all").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			if l = strings.Join(strings.Fields(strings.ReplaceAll(l, `\`, " ")), " "); !strings.Contains(l,
				" table local ") {
				want = append(want, l)
			}
		}
	}
	out, err := runScript(t, "routes.star", `[print(r) for r in netns_at(name = "odd").routes]`)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(got)
	slices.Sort(want)
	for _, must := range []string{"via inet6 fd00::1", " onlink ", "expires ", "linkdown", "pref high",
		"mtu lock 1300"} {
		if !strings.Contains(out, must) {
			t.Errorf("%q is in no route:\n%s", must, out)
		}
	}
	if a, b := passing.ReplaceAllString(strings.Join(got, "\n"), ""),
		passing.ReplaceAllString(strings.Join(want, "\n"), ""); a != b {
		t.Errorf(".routes says\n%s\nip-route(8)\n%s", a, b)
	}
}
