package builtins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// What the worlds of TestIrreversible begin with: a pair, and a route with a nexthop that is dead.
const (
	ends = "link add m0 type veth peer name m1; link set m0 addrgenmode none up; link set m1 addrgenmode none up; " +
		"addr add 10.1.0.1/24 dev m0; "
	deadHop = ends + "link add s0 type veth peer name s1; link set s0 addrgenmode none up; " +
		"link set s1 addrgenmode none up; addr add 10.77.0.1/24 dev s0; route add default nexthop via 10.1.0.2 dev " +
		"m0 nexthop via 10.77.0.2 dev s0; link set s0 down"
	dead6 = "link add m0 type veth peer name m1; link set m0 addrgenmode none up; link set m1 addrgenmode none up; " +
		"addr add fd01::1/64 dev m0 nodad; link add s0 type veth peer name s1; link set s0 addrgenmode none up; " +
		"link set s1 addrgenmode none up; addr add fd77::1/64 dev s0 nodad; -6 route add fd50::/64 nexthop via " +
		"fd01::2 dev m0 nexthop via fd77::2 dev s0; link set s0 down"

	sourced = "link add z0 type ifb; link add x0 link z0 type macvlan mode source macaddr set 02:00:00:00:00:99"

	aRouter = "sysctl net.ipv6.conf.default.accept_dad=0; link add m0 type veth peer name m1; link set m0 up; " +
		"link set m1 up; advertise m1 m0"
	aSecret = "link add m0 type veth peer name m1; link set m0 addrgenmode none up; link set m1 addrgenmode none up; " +
		"sysctl net.ipv6.conf.m0.use_tempaddr=2; addr add fd01::5/64 dev m0 nodad mngtmpaddr valid_lft 5000 " +
		"preferred_lft 4000"

	lostRouter  = "route -6 default via fe80::"
	lostSecret  = "temporary address fd01::"
	lostDefault = "route default via 10.1.0.2 via 10.77.0.2 of link m0 in host"
)

// irreversible are the changes that are refused since they could not be undone whole.
var irreversible = []struct {
	name, world string
	call        string   // IRR is where irreversible=True goes
	lost        []string // what is said to be lost
	differ      string   // matches each line that differs afterwards
}{
	{"delete a link of a kind", sourced + "; addr add 10.6.0.1/24 dev x0",
		`host.link("x0").delete(IRR)`, []string{"macaddr of link x0 in host"}, "macvlan|link/ether|x0"},
	{"delete an end whose peer is elsewhere", "link add m0 type veth peer name m1 netns HELD",
		`host.link("m0").delete(IRR)`, []string{"link m0 in host"}, "m[01]|link/ether|veth"},
	{"delete a bridge without a mac", "link add b0 type bridge; link set b0 addrgenmode none; " +
		"link add m0 type veth peer name m1; link set m0 master b0; link del m0",
		`host.link("b0").delete(IRR)`, []string{"the empty mac of link b0 in host"}, "link/ether|bridge_id|b0: "},
	{"up with an address by lot",
		"link add m0 type veth peer name m1; link set m0 addrgenmode none; sysctl net.ipv6.conf.m0.addr_gen_mode=3",
		`up(host.link("m0"), IRR)`, []string{"stable-privacy address fe80::"}, "fe80:|noop|noqueue|_lft"},
	{"delete a link below others", ends + "link add v0 link m0 type macvlan; link add v1 link m1 type macvlan",
		`host.link("m0").delete(IRR)`, []string{"link v0 in host", "link v1 in host"}, "v[01]|macvlan|link/ether"},
	{"delete a link below one in another namespace",
		ends + "netns add elsewhere; link add v0 link m0 type macvlan; link set v0 netns elsewhere",
		`host.link("m1").delete(IRR)`, []string{"link v0 in elsewhere"}, "v0|macvlan|link/ether"},
	{"delete a link below one in a process's namespace", ends + "link add v0 link m0 netns PID type macvlan",
		`host.link("m0").delete(IRR)`, []string{"link v0 in pid-"}, ""},
	{"delete a link below a tunnel", ends + "link add x0 type vxlan id 5 dev m0 group 239.1.1.1 dstport 4789",
		`host.link("m0").delete(IRR)`, []string{"link x0 in host"}, "x0|vxlan|link/ether"},
	{"move a link below a tunnel", ends + "link add x0 type vxlan id 5 dev m0 group 239.1.1.1 dstport 4789; " +
		"netns add elsewhere; link set x0 netns elsewhere",
		`host.link("m0").set(ns = netns("n1"), IRR)`, []string{"link x0 in elsewhere"}, "x0|vxlan|link/ether"},
	{"delete a link under a dead nexthop", deadHop, `host.link("m0").delete(IRR)`, []string{lostDefault},
		"default|nexthop"},
	{"down under a dead nexthop", deadHop, `down(host.link("m0"), IRR)`, []string{lostDefault}, "default|nexthop"},
	{"set down", deadHop, `host.link("m0").set(up = False, IRR)`, []string{lostDefault}, "default|nexthop"},
	{"too small for IPv6", dead6, `host.link("m0").set(mtu = 1000, IRR)`,
		[]string{"route fd50::/64 via fd01::2 via fd77::2 of link m0 in host"}, "fd50|nexthop"},
	{"move", deadHop, `host.link("m0").set(ns = netns("n1"), IRR)`, []string{lostDefault}, "default|nexthop"},
	{"down below one under a dead nexthop",
		strings.Replace(strings.Replace(deadHop, "; route",
			"; link add v0 link m0 type macvlan; link set v0 addrgenmode none up; addr add 10.4.0.1/24 dev v0; route",
			1), "via 10.1.0.2 dev m0", "via 10.4.0.2 dev v0", 1),
		`down(host.link("m0"), IRR)`, []string{"route default via 10.4.0.2 via 10.77.0.2 of link v0 in host"}, ""},
	{"add an address", deadHop, `addr(host.link("m0"), "10.1.0.9/24", IRR)`, []string{lostDefault}, ""},
	{"sysctl that takes IPv6 away", dead6, `sysctl(host, "net.ipv6.conf.m0.disable_ipv6", 1, IRR)`,
		[]string{"route fd50::/64 via fd01::2 via fd77::2 of link m0 in host"}, "fd50|nexthop"},
	{"sysctl that can only be written", "", `sysctl(host, "net.ipv4.route.flush", 1, IRR)`,
		[]string{"the value of sysctl net.ipv4.route.flush in host"}, ""},
	{"sysctl that was never set", ends, `sysctl(host, "net.ipv6.conf.m0.stable_secret", "2001:db8::1", IRR)`,
		[]string{"the value of sysctl net.ipv6.conf.m0.stable_secret in host"}, ""},
	{"delete a link with a router", aRouter, `host.link("m0").delete(IRR)`, []string{lostRouter}, "default via"},
	{"move a link with a router", aRouter, `host.link("m0").set(ns = netns("n1"), IRR)`,
		[]string{lostRouter}, "default via"},
	{"down with a router", aRouter, `down(host.link("m0"), IRR)`, []string{lostRouter}, "default via"},
	{"too small for IPv6 with a router", aRouter, `host.link("m0").set(mtu = 1000, IRR)`,
		[]string{lostRouter}, "default via"},
	{"mtu of a router", aRouter, `host.link("m0").set(mtu = 1300, IRR)`, []string{lostRouter}, "default via"},
	{"IPv6 off with a router", aRouter, `sysctl(host, "net.ipv6.conf.all.disable_ipv6", 1, IRR)`,
		[]string{lostRouter}, "default via"},
	{"forward with a router", aRouter, `sysctl(host, "net.ipv6.conf.all.forwarding", 1, IRR)`,
		[]string{lostRouter}, "default via"},
	{"forward elsewhere with a router", aRouter, `sysctl(host, "net/ipv6/conf/lo/forwarding", 1, IRR)`,
		[]string{lostRouter}, "default via"},
	{"stop forwarding with a router",
		strings.Replace(aRouter, "; advertise", "; sysctl net.ipv6.conf.m1.forwarding=1; advertise", 1),
		`sysctl(host, "net/ipv6/conf/m1/forwarding", 0, IRR)`, []string{lostRouter}, "default via"},
	{"down with a temporary address", aSecret, `down(host.link("m0"), IRR)`, []string{lostSecret},
		"temporary|_lft|local fd01::"},
	{"move with a temporary address", aSecret, `host.link("m0").set(ns = netns("n1"), IRR)`, []string{lostSecret},
		"temporary|_lft|local fd01::"},
	{"too small for IPv6 with a token", ends + "sysctl net.ipv6.conf.m0.accept_ra=1; token set ::5 dev m0",
		`host.link("m0").set(mtu = 1000, IRR)`, []string{"token ::5 of link m0 in host"}, ""},
}

// aside starts a process in a namespace of its own, which has no name.
func aside(t *testing.T) *os.Process {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	return cmd.Process
}

// makeHost makes a world of iproute2's commands. PID is a process in a namespace without a name, and HELD one that has
// ended since, so that nothing but a descriptor holds its namespace.
func makeHost(t *testing.T, world string) {
	t.Helper()
	nstest.Clean(t)
	for _, line := range strings.Split(world, "; ") {
		if strings.Contains(line, "PID") {
			line = strings.ReplaceAll(line, "PID", strconv.Itoa(aside(t).Pid))
		}
		if strings.Contains(line, "HELD") {
			p := aside(t)
			pid := strconv.Itoa(p.Pid)
			ns, err := os.Open("/proc/" + pid + "/ns/net")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ns.Close() }) // it was only read
			nstest.IP(t, strings.Fields(strings.ReplaceAll(line, "HELD", pid))...)
			_ = p.Kill()
			_, _ = p.Wait()
			continue
		}
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "":
		case "sysctl":
			key, value, _ := strings.Cut(rest, "=")
			file := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
			old, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, []byte(value), 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := os.WriteFile(file, old, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
					// its link may be gone
					t.Error(err)
				}
			})
		case "advertise":
			router, host, _ := strings.Cut(rest, " ")
			nstest.Advertise(t, router, host)
		default:
			nstest.IP(t, strings.Fields(line)...)
		}
	}
	nstest.Quiet(t, "")
}

// clearHost deletes all links and namespaces of the sandbox.
func clearHost(t *testing.T) {
	t.Helper()
	nstest.ClearRules(t)
	for _, table := range []string{"policy", "state"} {
		nstest.TryIP(t, "xfrm", table, "flush")
	}
	nstest.ClearNft(t)
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if _, err := net.InterfaceByIndex(l.Index); err == nil && l.Name != "lo" { // a pair goes with one of its ends
			nstest.IP(t, "link", "del", l.Name)
		}
	}
	names, err := os.ReadDir("/run/netns")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, n := range names {
		nstest.IP(t, "netns", "del", n.Name())
	}
}

// endings are the ways in which a lab is undone.
var endings = []struct {
	name string
	undo func(*runtime.Session) (change.Undoing, error)
}{
	{"at the end", (*runtime.Session).Rollback},
	{"by recover", func(s *runtime.Session) (change.Undoing, error) {
		if err := s.Close(); err != nil {
			return change.Undoing{}, err
		}
		found, err := lab.Open(All().Ops, "").Recover()
		if err != nil || len(found) != 1 {
			return change.Undoing{}, fmt.Errorf("found %v: %w", found, err)
		}
		return found[0].Undoing, found[0].Err
	}},
	{"by down", func(s *runtime.Session) (change.Undoing, error) {
		if err := errors.Join(s.Keep(), s.Close()); err != nil {
			return change.Undoing{}, err
		}
		labs := lab.Open(All().Ops, "")
		lab, err := labs.Find("test")
		if err != nil || !slices.ContainsFunc(lab.Changes, func(e change.Event) bool { return len(e.Lost) > 0 }) {
			return change.Undoing{}, fmt.Errorf("the journal knows nothing of a loss: %v, %w", lab.Changes, err)
		}
		return labs.Down("test")
	}},
}

// TestIrreversible makes changes that cannot be undone whole: refused unless the script says otherwise, and then all
// that can be undone is, the rest is listed, and nothing is left to try again.
func TestIrreversible(t *testing.T) {
	nstest.Long(t)
	for _, c := range irreversible {
		t.Run(c.name, func(t *testing.T) {
			makeHost(t, c.world)
			before := nstest.Dump(t)
			_, err := runScript(t, "x.star", strings.ReplaceAll(strings.ReplaceAll(c.call, ", IRR", ""), "IRR", ""))
			for _, want := range append(c.lost, "undoing it would not bring back",
				"irreversible=True does it all the same") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("without irreversible=True: %v, want %q", err, want)
				}
			}
			nstest.Quiet(t, "")
			nstest.Same(t, before)
			clearHost(t)
			for _, end := range endings {
				t.Run(end.name, func(t *testing.T) {
					defer clearHost(t)
					makeHost(t, c.world)
					before := nstest.Dump(t)
					s := newSession(t)
					if err := runIn(t, s, strings.ReplaceAll(c.call, "IRR", "irreversible = True")); err != nil {
						t.Fatal(err)
					}
					nstest.Quiet(t, "")
					u, err := end.undo(s)
					if err != nil || !u.Over() {
						t.Fatalf("%v, left: %+v", err, u.Left)
					}
					nstest.Quiet(t, "")
					differ := nstest.Diff(before, nstest.Dump(t))
					if c.differ == "" && differ != "" {
						t.Errorf("differs: %s", differ)
					}
					for _, line := range strings.Split(differ, "\n") {
						if differ != "" && !regexp.MustCompile(c.differ).MatchString(line) {
							t.Errorf("differs: %s", line)
						}
					}
					if differ != "" && len(u.Left) != len(c.lost) {
						t.Errorf("%d losses, want %d: %+v", len(u.Left), len(c.lost), u.Left)
					}
					for i, l := range u.Left {
						if i < len(c.lost) && !strings.HasPrefix(l.Reason, c.lost[i]) {
							t.Errorf("lost is %q, want %q", l.Reason, c.lost[i])
						}
					}
					if _, err := os.Lstat("/run/nsscript"); err == nil {
						t.Error("there is a journal still")
					}
				})
			}
		})
	}
}

// newSession begins a run of the lab test. When the test fails, nothing of the lab is left.
func newSession(t *testing.T) *runtime.Session {
	t.Helper()
	s, err := runtime.NewSession(runtime.Options{Vocabulary: All(), Lab: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close() // the test may have closed it
		if t.Failed() {
			labs := lab.Open(All().Ops, "")
			_, _ = labs.Recover() // this and Down find nothing where the test got further
			_, _ = labs.Down("test")
		}
	})
	return s
}

func runIn(t *testing.T, s *runtime.Session, src string) error {
	t.Helper()
	p, err := All().Parse("x.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return s.Run(context.Background(), p)
}

// TestIrreversibleAttempt undoes such changes as part of a script: an attempt that lost something ends the run, and
// what the end of the run makes up for is no loss.
func TestIrreversibleAttempt(t *testing.T) {
	const route = `m0, s0 = host.link("m0"), host.link("s0")
r = route(host, "10.50.0.0/16", nexthops = [{"via": "10.1.0.2", "dev": m0}, {"via": "10.77.0.2", "dev": s0}])
run(host, ["ip", "link", "set", "s0", "down"])
assert.fails(r.delete, "would not bring back route 10.50.0.0/16 via 10.1.0.2 via 10.77.0.2 in host")
`
	for _, c := range []struct {
		name, src string
		err       string // of the run
		left      int
	}{
		{"caught by none", `attempt(attempt, lambda: [host.link("x0").delete(irreversible = True), fail("x")])`,
			"1 change of the attempt could not be undone", 1},
		{"of what is there still",
			`assert.eq(attempt(lambda: [down(host.link("x0"), irreversible = True), fail("x")]).ok, False)`, "", 0},
		{"route of the run's own", route + `r.delete(irreversible = True)`, "", 0},
		{"such a route in an attempt", route + `attempt(lambda: [r.delete(irreversible = True), fail("x")])`,
			"1 change of the attempt could not be undone", 0},
		{"in a namespace of the run's own",
			`a, b = veth(netns("n1"), netns("n2")); a.delete(irreversible = True)`, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := strings.Replace(deadHop,
				"; route add default nexthop via 10.1.0.2 dev m0 nexthop via 10.77.0.2 dev s0; link set s0 down", "", 1)
			if strings.Contains(c.src, "x0") {
				world += "; " + sourced
			}
			makeHost(t, world)
			defer clearHost(t)
			before := nstest.Dump(t)
			s := newSession(t)
			err := runIn(t, s, c.src)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			u, err := s.Rollback()
			if err != nil || len(u.Left) != c.left || !u.Over() {
				t.Errorf("%v, left: %+v", err, u.Left)
			}
			if c.left == 0 {
				nstest.IP(t, "link", "set", "s0", "up")
				nstest.Quiet(t, "")
				nstest.Same(t, before)
			}
		})
	}
}
