package builtins

import (
	"strings"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// found are stories that differed once.
var found = []struct {
	name, world string
	lines       []string
}{
	{"an index is another link's", "link add m0 type veth peer name m1", []string{
		`netns("ONE")`, `netns("TWO")`,
		`attempt(lambda: [netns_at(name = "IN").link("m1").set(ns = "ONE"), fail("back")])`,
		`veth("TWO", "ONE", name = "x1", peer = "x1", addrs = ("10.1.0.11/24", "10.1.0.12/24"))`}},
	{"a carrier for a namespace that is not mentioned",
		"link add m0 type veth peer name m1 netns AWAY; -n AWAY link set m1 up", []string{
			`up(netns_at(name = "IN").link("m0"))`}},
	{"two links have routes to one place", "link add m0 type veth peer name m1; link set m0 up; " +
		"link add s0 type veth peer name s1; link set s0 addrgenmode none up; addr add 10.1.0.3/24 dev m0", []string{
		`addr(netns_at(name = "IN").link("s0"), "10.1.0.8/24")`,
		`addr(netns_at(name = "IN").link("m0"), "10.1.0.7/24")`}},
	{"two links have one address", "link add b0 address 02:00:00:00:00:b0 type bridge; link add p0 type veth peer " +
		"name q0; link set p0 master b0; link add s0 type veth peer name s1; link set s0 addrgenmode none up; " +
		"addr add 10.1.0.6/31 dev b0", []string{
		`addr(netns_at(name = "IN").link("s0"), "10.1.0.6/31")`,
		`netns_at(name = "IN").link("p0").set(master = False)`}},
	{"a link is renamed where it was moved to, and its other end deleted",
		"link add m0 type veth peer name m1", []string{
			`netns("ONE")`,
			`netns_at(name = "IN").link("m1").set(ns = "ONE", name = "x0")`,
			`netns_at(name = "IN").delete()`}},
	{"a link goes up where it was moved to, and its other end is deleted",
		"link add m0 type veth peer name m1; link set m1 up", []string{
			`m = netns_at(name = "IN").link("m1")`, `netns("ONE")`,
			`netns_at(name = "IN").link("m0").set(ns = "ONE", up = True)`,
			`m.delete()`}},
	{"a link that is made again gets its carrier by another's return",
		"link add m0 type veth peer name m1; link set m0 up; link set m1 up; sysctl net/ipv6/conf/m0/mtu=1300",
		[]string{
			`netns("ONE")`,
			`netns_at(name = "IN").link("m1").set(ns = "ONE")`,
			`netns_at(name = "IN").delete()`}},
	{"a carrier for what stands on the other end",
		"link add m0 type veth peer name m1; link set m0 up; link add v0 link m0 type macvlan; link set v0 up",
		[]string{
			`up(netns_at(name = "IN").link("m1"))`}},
	{"a port's new bridge is deleted",
		"link add b0 address 02:00:00:00:00:b0 type bridge; link add p0 type veth peer name q0; link set p0 master b0",
		[]string{
			`bridge(netns_at(name = "IN"), name = "x0", ports = [netns_at(name = "IN").link("p0")])`,
			`netns_at(name = "IN").link("x0").delete()`}},
	{"a port leaves a bridge that is undone first",
		"link add b0 address 02:00:00:00:00:b0 type bridge; link add p0 type veth peer name q0; link set p0 master b0",
		[]string{
			`bridge(netns_at(name = "IN"), name = "x0", ports = [netns_at(name = "IN").link("p0")])`,
			`netns_at(name = "IN").link("p0").set(ns = netns_at(name = "AWAY"))`}},
	{"a link is where it is moved to already", "", []string{
		`netns("ONE")`,
		`veth(netns_at(name = "ONE"), netns_at(name = "IN"), name = "x0", peer = "x1")`,
		`x = netns_at(name = "ONE").link("x0")`,
		`x.set(ns = netns_at(name = "AWAY"))`,
		`x.set(ns = netns_at(name = "AWAY"), mtu = 1400)`}},
	{"a link has no IPv6 with the mtu that it has again", "link add b0 address 02:00:00:00:00:b0 type bridge; " +
		"link add m0 type veth peer name m1; link set m0 mtu 1000; link set m0 up; link set m1 up; " +
		"link set m0 master b0", []string{
		`netns("ONE")`,
		`netns_at(name = "IN").link("m0").set(mtu = 1280, name = "x0")`,
		`netns_at(name = "IN").link("x0").set(ns = netns_at(name = "ONE"))`}},
	{"another link has the name of one that comes back", "link add m0 type veth peer name m1", []string{
		`netns("ONE")`,
		`netns_at(name = "IN").link("m1").set(ns = netns_at(name = "ONE"), name = "x0")`,
		`netns_at(name = "IN").delete()`,
		`veth(netns_at(name = "ONE"), netns_at(name = "ONE"), name = "x0", peer = "x1")`}},
	{"a route is added in the place of one that went with its link", "link add m0 type veth peer name m1; " +
		"link set m0 addrgenmode none up; link set m1 up; addr add 10.1.0.5/24 dev m0; route add 10.50.0.0/24 dev m0",
		[]string{
			`netns("ONE")`,
			`down(netns_at(name = "IN").link("m0"))`,
			`veth(netns_at(name = "IN"), netns_at(name = "ONE"), name = "x0", peer = "x1", addrs = ("10.1.0.11/24", ` +
				`"10.1.0.12/24"))`,
			`route(netns_at(name = "IN"), "10.50.0.0/24", via = "10.1.0.200")`}},
	{"an mtu and the setting that it is written to", "link add m0 type veth peer name m1", []string{
		`netns_at(name = "IN").link("m0").set(mtu = 1400)`,
		`sysctl(netns_at(name = "IN"), "net/ipv6/conf/m0/mtu", 1300)`}},
	{"a port is taken out of a bridge that is not there",
		"link add b0 address 02:00:00:00:00:b0 type bridge; link add p0 type veth peer name q0; link set p0 master b0",
		[]string{
			`p = netns_at(name = "IN").link("p0")`,
			`netns_at(name = "IN").link("b0").delete()`,
			`p.set(master = False)`}},
}

func TestStoriesFound(t *testing.T) {
	nstest.Long(t)
	for _, f := range found {
		t.Run(f.name, func(t *testing.T) {
			var w madeWorld
			for _, line := range strings.Split(f.world, "; ") {
				where := "in"
				for begin, place := range map[string]string{"-n AWAY ": "away", "sysctl ": "sysctl"} {
					if rest, found := strings.CutPrefix(line, begin); found {
						where, line = place, rest
					}
				}
				w.parts = append(w.parts, part{where, line})
			}
			for _, dies := range []bool{false, true} {
				s := story{world: &w, lines: f.lines, dies: dies}
				if differs, n := s.run(t, "w0", 5*time.Second); differs != "" || n == 0 {
					t.Errorf("dies: %v: %d changes, %s", dies, n, differs)
				}
			}
		})
	}
}
