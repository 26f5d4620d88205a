package builtins

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// A part is one command that a world is made with. What the kernel refuses is left out of the world.
type part struct {
	where string // "in": ip in the namespace, "away": ip in the other one, "sysctl", "sh": in the namespace, at last
	line  string
}

// A made world is a namespace that was there before a run, with a link that has much to lose: a veth, a bridge, or a
// veth that is a bridge's port, and around it what depends on it. It is a list of commands, drawn from a seed.
type madeWorld struct {
	parts []part
	links []string // that ops may work on
	addrs []kernel.Addr
	macs  int // given so far
	rand  *rand.Rand
}

func newWorld(seed uint64) *madeWorld {
	w := &madeWorld{rand: rand.New(rand.NewPCG(seed, 1))}
	bridge := func(ports int) {
		// A bridge that never had a port or an address has a carrier that it never gets back: it gets an address here.
		oneIn := min(2, ports+1)
		w.in("link add b0 %stype bridge", w.maybe(oneIn, "address 02:00:00:00:00:b0 "))
		w.attrs("b0")
		for i := range ports {
			p := fmt.Sprintf("p%d", i)
			w.in("link add %s type veth peer name q%d", p, i)
			w.attrs(p)
			w.in("link set %s master b0", p)
			w.in("link set q%d up", i)
			w.in("link set %s %s", p, w.pick("up", "up", "up", "down"))
			w.port(p)
		}
		w.in("link set b0 %s", w.pick("up", "up", "up", "down"))
	}
	main := "m0"
	switch w.rand.IntN(3) {
	case 0:
		w.veth()
	case 1:
		main = "b0"
		bridge(w.rand.IntN(4))
	case 2:
		bridge(w.rand.IntN(2)) // m0 is another
		w.veth()
		w.in("link set m0 master b0")
		w.port("m0")
	}
	w.links = append(w.links, main, main) // twice as often as the others
	if w.chance(2) {
		w.in("link add s0 type veth peer name s1")
		for _, l := range []string{"s0", "s1"} {
			w.in("link set %s addrgenmode none up", l)
		}
		w.in("addr add 10.77.0.1/24 dev s0")
		w.in("addr add fd77::1/64 dev s0 nodad")
		w.links = append(w.links, "s0")
	}
	w.addresses(main)
	w.routes(main)
	w.routes6(main)
	for range w.rand.IntN(4) {
		w.in("neigh add %s%s lladdr 02:00:00:00:01:%02x dev %s nud permanent", w.pick("10.1.0.", "fd01::"),
			w.pick("200", "201"), w.rand.IntN(256), main)
	}
	if w.chance(6) {
		w.in("neigh add proxy %s dev %s", w.pick("10.9.9.9", "fd09::9"), main)
	}
	if w.chance(6) {
		w.above(main)
	}
	for range w.rand.IntN(4) {
		w.sysctl(w.pick(append(w.links, "lo", "default")...))
	}
	for w.chance(3) {
		w.rare(w.pick(w.links...))
	}
	if w.chance(3) {
		w.kind(main)
	}
	return w
}

func (w *madeWorld) veth() {
	elsewhere := w.maybe(4, " netns AWAY")
	w.in("link add m0 type veth peer name m1%s", elsewhere)
	for _, l := range []string{"m0", "m1"} {
		w.attrs(l)
		w.in("link set %s %s", l, w.pick("up", "up", "up", "down"))
	}
	if w.chance(2) {
		w.parts = append(w.parts, part{"away", "link set m1 up"})
	}
	if elsewhere == "" { // ways over a link that is not there are no words to ip(8)
		w.links = append(w.links, "m1")
	}
}

// above makes a link that stands on another.
func (w *madeWorld) above(l string) {
	w.in("link add v0 link %s type macvlan", l)
	w.attrs("v0")
	w.in("link set v0 %s", w.pick("up", "up", "down"))
	w.in("addr add 10.4.0.1/24 dev v0")
	w.in("addr add fd04::1/64 dev v0 nodad")
	w.in("route add 10.54.0.0/16 via 10.4.0.9%s", w.maybe(2, " dev v0 onlink"))
	w.in("-6 route add fd54::/64 via fd04::9")
	w.links = append(w.links, "v0")
}

func (w *madeWorld) in(format string, args ...any) {
	w.parts = append(w.parts, part{"in", fmt.Sprintf(format, args...)})
}

func (w *madeWorld) chance(oneIn int) bool { return w.rand.IntN(oneIn) == 0 }

func (w *madeWorld) pick(of ...string) string { return of[w.rand.IntN(len(of))] }

func (w *madeWorld) maybe(oneIn int, s string) string {
	if w.chance(oneIn) {
		return s
	}
	return ""
}

// attrs gives a link some of the attributes that a link can have.
func (w *madeWorld) attrs(l string) {
	w.macs++
	w.in("link set %s addrgenmode %s", l, w.pick("none", "none", "eui64"))
	for _, a := range []string{"mtu " + w.pick("68", "1000", "1279", "1280", "1400", "9000"),
		fmt.Sprintf("address 02:00:00:00:02:%02x", w.macs),
		"txqlen " + w.pick("0", "7", "2000"), "group 7", "alias " + w.pick("one", "another.one"), "multicast off",
		"allmulticast on", "promisc on", "arp off"} {
		if w.chance(5) {
			w.in("link set %s %s", l, a)
		}
	}
}

// port gives a bridge's port settings of its own, and a neighbour that was not learned.
func (w *madeWorld) port(l string) {
	for _, a := range []string{"cost 50", "priority 9", "hairpin on", "guard on", "learning off", "flood off",
		"isolated on"} {
		if w.chance(8) {
			w.in("link set %s type bridge_slave %s", l, a)
		}
	}
	w.links = append(w.links, l)
}

func (w *madeWorld) addresses(l string) {
	for range w.rand.IntN(6) {
		ip := fmt.Sprintf("%s%d", w.pick("10.1.0.", "10.1.0.", "10.2.0."), 1+w.rand.IntN(9))
		bits := w.pick("24", "24", "24", "16", "31", "32")
		w.in("addr add %s/%s dev %s%s%s%s", ip, bits, l, w.maybe(5, " label "+l+":x"), w.maybe(6, " noprefixroute"),
			w.maybe(8, " metric 50"))
		w.remember(l, ip+"/"+bits, "")
	}
	if w.chance(4) {
		w.in("addr add 10.3.0.1 peer 10.3.0.2/%s dev %s", "32", l)
		w.remember(l, "10.3.0.1/32", "10.3.0.2/32")
	}
	for range w.rand.IntN(5) {
		ip := fmt.Sprintf("fd0%d::%d", 1+w.rand.IntN(2), 1+w.rand.IntN(9))
		bits := w.pick("64", "64", "128")
		w.in("addr add %s/%s dev %s nodad%s", ip, bits, l, w.maybe(5, " noprefixroute"))
		w.remember(l, ip+"/"+bits, "")
	}
}

func (w *madeWorld) routes(l string) {
	other := w.other(l)
	hop := func() string {
		return w.pick("dev "+l, "dev "+l+" via 10.1.0.200", "via 10.1.0.201", "via 192.0.2.1 dev "+l+" onlink",
			"via inet6 fe80::1 dev "+l, "nexthop via 10.1.0.200 dev "+l+" weight 2 nexthop via 10.77.0.2 dev "+other,
			"nexthop via 10.77.0.3 dev "+other+" nexthop dev "+l+" via 10.1.0.200 onlink nexthop dev "+l+
				" via 10.1.0.202 onlink")
	}
	for range w.rand.IntN(6) {
		dst := w.pick("10.50.0.0/24", "10.51.0.0/16", "10.52.0.1", "default")
		w.in("route %s %s %s%s%s%s%s", w.pick("add", "add", "append"), dst,
			w.maybe(3, fmt.Sprintf("src 10.1.0.%d ", 1+w.rand.IntN(9))), w.maybe(3, "metric "+w.pick("5 ", "50 ")),
			w.maybe(4, "table 100 "), w.maybe(4, w.pick("mtu 1400 ", "proto 94 ", "proto static ", "advmss 500 ")),
			hop())
	}
	if w.chance(3) {
		w.in("route add 10.60.0.1/32 dev %s", l)
		w.in("route add 10.61.0.0/16 via 10.60.0.1")
	}
	if w.chance(3) {
		w.in("route add %s 10.62.0.0/16 %s", w.pick("blackhole", "unreachable", "throw"), w.maybe(2, "metric 9"))
	}
	if w.chance(6) {
		w.in("route add local 10.63.0.0/16 dev %s table 100", l)
	}
	if w.chance(4) {
		w.in("route add 10.64.0.0/16 via 10.77.0.2 src 10.1.0.%d", 1+w.rand.IntN(9))
	}
	if w.chance(12) {
		w.in("nexthop add id 5 via 10.1.0.200 dev %s", l)
		w.in("route add 10.65.0.0/16 nhid 5")
	}
}

func (w *madeWorld) routes6(l string) {
	other := w.other(l)
	hop := func() string {
		return w.pick("dev "+l, "dev "+l+" via fd01::200", "via fd01::201", "via fe80::1 dev "+l,
			"via fd99::1 dev "+l+" onlink", "nexthop via fd01::200 dev "+l+" weight 2 nexthop via fd77::2 dev "+other,
			"nexthop via fe80::1 dev "+l+" nexthop via fe80::2 dev "+l)
	}
	for range w.rand.IntN(5) {
		dst := w.pick("fd50::/64", "fd51::/48", "fd52::1", "default")
		w.in("-6 route %s %s %s%s%s%s%s", w.pick("add", "add", "append"), dst,
			w.maybe(4, fmt.Sprintf("src fd01::%d ", 1+w.rand.IntN(9))), w.maybe(3, "metric "+w.pick("5 ", "50 ")),
			w.maybe(4, "table 100 "), w.maybe(4, w.pick("mtu 1400 ", "proto 94 ", "pref high ")), hop())
	}
	if w.chance(3) {
		w.in("-6 route add %s fd62::/64", w.pick("blackhole", "unreachable"))
	}
}

// other is another link than l, where the world has one.
func (w *madeWorld) other(l string) string {
	if slices.Contains(w.links, "s0") {
		return "s0"
	}
	return l
}

func (w *madeWorld) remember(l, prefix, peer string) {
	w.addrs = append(w.addrs, addrOf(l, prefix, peer))
}

func (w *madeWorld) sysctl(l string) {
	s := w.setting(l)
	w.parts = append(w.parts, part{"sysctl", s[0] + "=" + s[1]})
}

// setting is a setting of a link, "all" or "default", and a value for it.
func (w *madeWorld) setting(l string) [2]string {
	s := w.pick("ipv4/conf/*/forwarding 1", "ipv4/conf/*/rp_filter 2", "ipv4/conf/*/arp_ignore 1",
		"ipv4/conf/*/promote_secondaries 1", "ipv4/conf/*/accept_redirects 0", "ipv4/conf/*/proxy_arp 1",
		"ipv6/conf/*/forwarding 1", "ipv6/conf/*/accept_ra 2", "ipv6/conf/*/disable_ipv6 1",
		"ipv6/conf/*/disable_ipv6 0", "ipv6/conf/*/keep_addr_on_down 1", "ipv6/conf/*/mtu 1300",
		"ipv6/conf/*/ignore_routes_with_linkdown 1", "ipv6/conf/*/addr_gen_mode 1",
		"ipv4/neigh/*/base_reachable_time_ms 12000", "ipv6/neigh/*/gc_stale_time 7", "ipv4/conf/*/forwarding 0",
		"ipv4/conf/*/route_localnet 1")
	key, value, _ := strings.Cut(s, " ")
	return [2]string{"net/" + strings.Replace(key, "*", l, 1), value}
}

// build makes the world in two namespaces. What it is made of is as the kernel took it.
func (w *madeWorld) build(t *testing.T, in, away *kernel.Namespace) {
	t.Helper()
	for _, where := range []*kernel.Namespace{in, away} {
		family, batch := "", ""
		flush := func() {
			if batch != "" {
				ipBatch(t, where.Name(), family, batch)
			}
			batch = ""
		}
		for _, p := range w.parts {
			if p.where == "in" && where == in || p.where == "away" && where == away {
				// A batch is of one family; its lines take no -6.
				line, six := strings.CutPrefix(p.line, "-6 ")
				if of := map[bool]string{true: "-6", false: ""}[six]; of != family {
					flush()
					family = of
				}
				batch += strings.ReplaceAll(line, "AWAY", away.Name()) + "\n"
			}
		}
		flush()
	}
	var rare strings.Builder
	for _, p := range w.parts {
		if p.where == "sh" {
			rare.WriteString(strings.ReplaceAll(p.line, "AWAY", away.Name()) + "\n")
		}
	}
	if rare.Len() > 0 {
		cmd := exec.Command("ip", "netns", "exec", in.Name(), "sh")
		cmd.Stdin = strings.NewReader(rare.String())
		_ = cmd.Run()
	}
	for _, p := range w.parts {
		if key, value, ok := strings.Cut(p.line, "="); ok && p.where == "sysctl" {
			_ = in.SetSysctl(key, value)
		}
	}
}

// String is the world as a script of commands.
func (w *madeWorld) String() string {
	var b strings.Builder
	for _, p := range w.parts {
		b.WriteString(map[string]string{"in": "ip ", "away": "ip -n AWAY ", "sysctl": "sysctl -w ",
			"sh": ""}[p.where] + p.line + "\n")
	}
	return b.String()
}

// ipBatch has ip(8) do what it can of many lines.
func ipBatch(t *testing.T, ns, family, lines string) {
	t.Helper()
	args := []string{"-n", ns, "-force", "-batch", "-"}
	if family == "-6" {
		args = append([]string{family}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(lines)
	out, err := cmd.CombinedOutput()
	// The kernel's refusals are expected, and it goes on; a word that is none ends it.
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() > 2 {
		t.Fatalf("ip %s in the middle of\n%s%s", strings.Join(args, " "), lines, out)
	}
}
