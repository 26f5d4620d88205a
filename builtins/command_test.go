package builtins

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// everything makes every kind of change that has a command of its own.
const everything = `
n, m = netns("n"), netns("m")
a, b = veth(n, m, name = "a0", peer = "b0", mtu = 1400, mac = "02:00:00:00:00:01", peer_mac = "02:00:00:00:00:02", addrs = ("10.0.0.1/24", "fd00::2/64"))
h, i = veth(host, n, name = "h0", peer = "i0", mac = "02:00:00:00:00:03", peer_mac = "02:00:00:00:00:04", addrs = ("10.1.0.1/31", "10.1.0.0/31"))
j, k = veth(n, host, name = "j0", peer = "k0", up = False, mac = "02:00:00:00:00:05", peer_mac = "02:00:00:00:00:06")
c, _ = veth(m, name = "c0", peer = "d0")
br = bridge(m, name = "br0", ports = [b, c], addrs = ["10.2.0.1/24"], mac = "02:00:00:00:00:07", mtu = 1300)
b.set(master = False, mtu = 1400)
j.set(name = "renamed", alias = "it's \"here\" $HOME", txqlen = 50, group = 3, mac = "02:00:00:00:00:08")
j.set(ns = host)
k.set(ns = m, name = "k1", up = True)
addr(a, "10.3.0.1/32", peer = "10.3.0.2/32")
addr(a, "fd01::1/64", dad = True).delete()
gone = addr(a, "10.4.0.1/32", peer = "10.4.0.2/32")
gone.delete()
route(n, "10.10.0.0/16", via = "10.0.0.9", src = "10.0.0.1", metric = 7, table = 100)
route(n, "10.11.0.0/16", nexthops = [{"via": "10.0.0.9", "weight": 2}, {"via": "10.1.0.1", "dev": i}], src = "10.0.0.1", metric = 9)
route(n, "fd0a::/64", dev = a, metric = 5)
route(n, "10.12.0.0/16", type = "blackhole")
route(n, "fd0c::/64", type = "unreachable")
route(n, "10.13.0.0/16", dev = a).delete()
route(n, "default", via = "10.0.0.9")
sysctl(n, "net.ipv4.ip_forward", 1)
sysctl(n, "net/ipv4/ip_local_port_range", "5000 6000")
nexthop(n, id = 5, via = "10.0.0.9", dev = a, encap = encap.ip("192.0.2.9", id = 7))
mptcp_limits(n, subflows = 4)
a.set(offloads = {"tso": False, "gro": True})
neigh(a, "10.0.0.8", "02:00:00:00:00:09", state = "noarp")
down(h)
up(h)
x, y = veth(n, m, name = "x0", peer = "x1")
x.delete()
netns("gone").delete()
`

// rough leaves out of a dump what is chosen at random, and what the commands do not do: turn off the detection of
// duplicate addresses in a namespace of the lab's.
func rough(dump string) string {
	for _, r := range roughly() {
		dump = r.what.ReplaceAllString(dump, r.by)
	}
	lines := strings.Split(dump, "\n")
	slices.Sort(lines) // links are listed by their indexes, which nsscript chooses
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// alike reports whether two dumps differ in nothing but that. What they share is not looked at.
func alike(a, b string) bool {
	less := func(a, b string) string {
		count := map[string]int{}
		for line := range strings.Lines(b) {
			count[line]++
		}
		var left strings.Builder
		for line := range strings.Lines(a) {
			if count[line]--; count[line] < 0 {
				left.WriteString(line)
			}
		}
		return left.String()
	}
	return rough(less(a, b)) == rough(less(b, a))
}

type replacement struct {
	what *regexp.Regexp
	by   string
}

var roughly = sync.OnceValue(func() (all []replacement) {
	for _, r := range [][2]string{
		{`(?m)^\d+: `, "N: "}, {`valid_lft .*`, ""}, {`@if\d+`, "@ifN"}, {`accept_dad \d`, "accept_dad -"},
		{`fe80::[0-9a-f:]+`, "LL"}, {`02:[0-9a-f:]{14}\b|\b([0-9a-f]{2}:){5}[0-9a-f]{2}`, "MAC"},
		{`link-netns \S+|link-netnsid \d+`, "PEER"}, {`if\d+`, "ifN"},
		// what the kernel is about to do
		{`bridge_id \S+|designated_root \S+|root_path_cost \d+|port_id \S+|port_no \S+|designated_\S+ \S+`, "-"},
		{`proto 94`, "proto static"}, {`num[tr]xqueues \d+ `, ""}, // see kernel.LinkSpec.OneQueue
		{`(?m)(^N: .*|^.* (PERMANENT|proxy)) proto static`, "$1"}, // a mark of the lab's
		{`state \S+|NO-CARRIER,|,LOWER_UP|linkdown`, ""},
		{`(?m)^.*\b(LL|fe80::/64|ff00::/8)\b.*\n`, ""}, {`(?m)^.*/run/nsscript.*\n|^\S+ /run/netns/.*\n`, ""},
		{`(?m)[ \t]+$`, ""},
	} {
		all = append(all, replacement{regexp.MustCompile(r[0]), r[1]})
	}
	return all
})

// TestCommands runs scripts, and then the commands that they were said to be, in a shell: the machine is the same.
func TestCommands(t *testing.T) {
	nstest.Unraced(t)
	scripts := map[string]string{"everything": everything}
	for _, name := range []string{"two_ns", "two_ns_short", "router"} {
		src, err := os.ReadFile(filepath.Join("..", "scripts", name+".star"))
		if err != nil {
			t.Fatal(err)
		}
		scripts[name] = string(src)
	}
	for name, src := range scripts {
		t.Run(name, func(t *testing.T) {
			before := nstest.Dump(t)
			var commands []string
			voc := All()
			p, err := voc.Parse(name, []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: "commands", Stdout: &bytes.Buffer{},
				Observe: func(e change.Event) {
					if e.Event == "change" {
						commands = append(commands, e.Command)
					}
				}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Run(context.Background(), p); err != nil {
				var text strings.Builder
				s.Report(&text, err)
				t.Fatal(text.String())
			}
			want := rough(nstest.Dump(t))
			if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
				t.Fatalf("rollback: %v, left: %v", err, u.Left)
			}
			nstest.Same(t, before)
			if out, err := exec.Command("sh", "-ec", strings.Join(commands, "\n")).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			got := rough(nstest.Dump(t))
			for deadline := time.Now().Add(10 * time.Second); got != want &&
				time.Now().Before(deadline); got = rough(nstest.Dump(t)) {
				// The shell does not wait for the kernel to use its addresses.
			}
			if got != want {
				t.Errorf("%s\nis not the same:\n%s", strings.Join(commands, "\n"), nstest.Diff(want, got))
			}
			for _, l := range []string{"h0", "renamed"} {
				if exec.Command("ip", "link", "show", l).Run() == nil {
					nstest.TryIP(t, "link", "del", l)
				}
			}
			names, err := os.ReadDir("/run/netns")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range names {
				nstest.TryIP(t, "netns", "del", n.Name())
			}
		})
	}
}

func TestQuoted(t *testing.T) {
	for _, text := range []string{"", "plain-1.2_3/4:5", "two words", "it's", "$HOME `id` \"x\" \\", "a\nb", "*",
		"~", "-x", "é"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quoted(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("%q is %s: %q, %v", text, quoted(text), out, err)
		}
	}
}
