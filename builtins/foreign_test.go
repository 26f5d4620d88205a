package builtins

import (
	"encoding/json"
	"errors"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// A foreigner is somebody else, who changes the very thing that an op has changed, between its Do and its Undo.
type foreigner struct {
	acts     string // in iproute2's words, or as a sysctl
	shows    string // a command that shows what they did: it says the same before the undoing and after it
	diverged bool   // whether the undoing says so
}

// foreigners has one for each of the laws. A law without one fails the test.
var foreigners = map[string]foreigner{
	"netns add":       {"ip netns del lawful; ip netns add lawful", "stat -L -c %i /run/netns/lawful", true},
	"netns del":       {"ip netns add lawns", "stat -L -c %i /run/netns/lawns", true},
	"link set up":     {"ip link set law0 up", "ip link show law0", false}, // as it was before the run
	"link set mtu":    {"ip link set law0 mtu 1300", "ip link show law0", true},
	"link set mac":    {"ip link set law0 address 02:00:00:00:00:43", "ip link show law0", true},
	"link set name":   {"ip link set renamed name theirs", "ip link show theirs", true},
	"link set alias":  {"ip link set law0 alias theirs", "ip link show law0", true},
	"link set txqlen": {"ip link set law0 txqlen 18", "ip link show law0", true},
	"link set group":  {"ip link set law0 group 6", "ip link show law0", true},
	"link set master": {"ip link set law0 master lawbr", "ip link show law0", true},
	"link set netns, name": {"ip -n lawns link set renamed name theirs",
		"{ ip -n lawns link show theirs 2>/dev/null || ip link show theirs; } | grep -o theirs", true},
	"link set netns": {"ip netns add other; ip -n lawns link set law0 netns other",
		"ip -n other link show law0", true},
	"addr add":    {"ip addr replace 10.8.0.1/24 dev law0 metric 77", "ip addr show law0", true},
	"addr add v6": {"ip addr replace fd08::8/64 dev law0 nodad metric 77", "ip addr show law0", true},
	"addr del":    {"ip addr add 10.9.0.1/24 dev law0 label law0:theirs", "ip addr show law0", true},
	"route add":   {"ip route replace 10.98.0.0/16 via 10.9.0.79", "ip route show", true},
	"route append": {"ip route del 10.99.0.0/16 via 10.9.0.78; ip route append 10.99.0.0/16 via 10.9.0.79",
		"ip route show", false}, // which is behind what was there, too
	"route append v6": {"ip -6 route del fd99::/64; ip -6 route add fd99::/64 via fd09::79",
		"ip -6 route show fd99::/64", true},
	"route replace":    {"ip route replace 10.99.0.0/16 via 10.9.0.79", "ip route show", true},
	"route replace v6": {"ip -6 route replace fd99::/64 via fd09::79", "ip -6 route show fd99::/64", true},
	"route del":        {"ip route add 10.97.0.0/16 via 10.9.0.79", "ip route show", true},
	"rule add": {"ip rule del priority 500 table 78; ip rule add from 10.98.0.0/16 table 78 priority 500 " +
		"protocol 9", "ip rule show", true},
	"rule add v6": {"ip -6 rule del priority 500; ip -6 rule add from fd98::/64 table 78 priority 500 protocol 9",
		"ip -6 rule show", true},
	"neigh add": {"ip neigh replace 10.9.0.88 lladdr 02:00:00:00:00:66 dev law0 nud permanent",
		"ip neigh show dev law0", true},
	"neigh add proxy": {"ip -6 neigh del proxy fd09::88 dev law0; ip -6 neigh add proxy fd09::88 dev law0",
		"ip -6 neigh show proxy", true},
	"neigh del": {"ip neigh add 10.9.0.77 lladdr 02:00:00:00:00:66 dev law0 nud permanent",
		"ip neigh show dev law0", true},
	// wg(8) need not be here.
	"wg_peer add":       {"ip link del kind0; ip link add kind0 type ifb", "ip link show kind0", false},
	"wg_peer del":       {"ip link del kind0; ip link add kind0 type ifb", "ip link show kind0", false},
	"link set offloads": {"ethtool -K law0 sg off", "ethtool -k law0 | grep scatter", false},
	"wg_peer set":       {"ip link del kind0; ip link add kind0 type ifb", "ip link show kind0", false},
	"mroute add":        {"true", "true", false}, // ip(8) changes none
	"mroute del":        {"true", "true", false},
	"mptcp_limits set":  {"ip mptcp limits set subflow 7", "ip mptcp limits", true},
	"xfrm_policy add": {"ip xfrm policy del src 10.88.0.0/16 dir out; ip xfrm policy add src 10.88.0.0/16 dir out " +
		"priority 7", "ip xfrm policy", true},
	"xfrm_policy del": {"ip xfrm policy add src 10.87.0.0/16 dir out priority 7", "ip xfrm policy", true},
	"xfrm_state add":  {"ip xfrm state flush", "ip xfrm state", false},
	"xfrm_state del": {"ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 257 mode tunnel enc " +
		"'ecb(cipher_null)' '' auth digest_null ''", "ip xfrm state", true},
	"rule del":     {"ip rule add from 10.97.0.0/16 table 77 priority 500 protocol 9", "ip rule show", true},
	"tc_class set": {"tc class change dev law1 classid 77:10 htb rate 5mbit", "tc class show dev law1", true},
	"qdisc set": {"tc qdisc change dev law1 root handle 77: tbf rate 5mbit burst 10kb limit 10kb",
		"tc qdisc show dev law1", true},
	"nft":           {"nft add table ip theirs", "nft -s list ruleset", true},
	"sysctl":        {"sysctl -q -w net.ipv4.ip_forward=2", "sysctl net.ipv4.ip_forward", true},
	"pid namespace": {"true", "true", false}, // nobody else has one of its name, which this process alone knows
	"cgroup add":    {"true", "true", false}, // nobody else makes one of its name, which is drawn by lot
	"process start": {"true", "true", false}, // likewise
	"file add":      {"true", "true", false}, // likewise
	"file set":      {"true", "true", false}, // what programs write to it is the lab's, too
	"file del":      {"true", "true", false},
}

func shell(t *testing.T, cmd string) string {
	t.Helper()
	out, err := exec.Command("sh", "-e", "-c", cmd).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, out)
	}
	return string(out)
}

// done is an op that was made, as another process reads it from its record.
func done(t *testing.T, l law) (change.Op, *kernel.Machine) {
	t.Helper()
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	op := l.op(t, m)
	if err := errors.Join(op.Check(m, false), op.Do(m)); err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(op)
	if err != nil {
		t.Fatal(err)
	}
	again := reflect.New(reflect.TypeOf(op).Elem()).Interface().(change.Op)
	if err := json.Unmarshal(record, again); err != nil {
		t.Fatal(err)
	}
	other, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	other.Folder = m.Folder
	if mover, ok := again.(change.Mover); ok {
		from, to := mover.Moves()
		other.At(to) // which opens the namespace, as package runtime does
		other.Moved(from.Object(), to.Object())
	}
	return again, other
}

// TestDiverged has somebody else change what each op has changed: undoing leaves it as they made it, says so, and says
// it again the next time.
func TestDiverged(t *testing.T) {
	nstest.Unraced(t)
	for _, l := range laws() {
		t.Run(l.name, func(t *testing.T) {
			f, ok := foreigners[l.name]
			if !ok {
				f, ok = kindForeigner(l.name)
			}
			if !ok {
				f, ok = entryForeigner(l.name)
			}
			if !ok {
				t.Fatal("there is nobody else for it: add one to the table")
			}
			makeWorld(t)
			t.Cleanup(func() { clearHost(t) })
			op, m := done(t, l)
			shell(t, f.acts)
			nstest.Quiet(t, "")
			theirs := shell(t, f.shows)
			for _, when := range []string{"once", "twice"} {
				if err := op.Undo(m); errors.Is(err, kernel.ErrDiverged) != f.diverged || err != nil && !f.diverged {
					t.Errorf("undone %s: %v, want diverged: %v", when, err, f.diverged)
				}
				nstest.Quiet(t, "")
				if now := shell(t, f.shows); now != theirs {
					t.Errorf("undone %s: what they did is overwritten:\n%s", when, nstest.Diff(theirs, now))
				}
			}
			if l.name == "netns del" { // it waits for its name
				shell(t, "ip netns del lawns")
				if err := op.Undo(m); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// beside is what somebody else does to the link that an op has changed, apart from what that changed: law0, wherever it
// is. It stays when the op is undone.
var beside = []struct {
	name, acts, shows string
	not               string // laws that cannot leave it: their own undoing has the kernel take it away
}{
	{"an address", "ip addr add 10.66.0.1/24 dev LINK", "ip -o addr show LINK | grep -o 10.66.0.1/24",
		"link set netns"},
	{"an IPv6 address", "ip addr add fd66::1/64 dev LINK nodad", "ip -o addr show LINK | grep -o fd66::1/64",
		"link set netns, link set mtu"},
	{"the route of an address", "ip addr add 10.66.0.1/24 dev LINK", "ip route | grep 10.66",
		"link set netns, link set up"},
	{"the route of an IPv6 address", "ip addr add fd66::1/64 dev LINK nodad", "ip -6 route | grep fd66",
		"link set netns, link set up, link set mtu"},
	{"a secondary address", "ip addr add 10.9.0.66/24 dev LINK", "ip -o addr show LINK | grep -o 10.9.0.66/24",
		"link set netns"},
	{"a route", "ip route add 10.67.0.0/16 dev LINK", "ip route | grep 10.67", "link set netns, link set up"},
	{"a neighbour", "ip neigh replace 10.9.0.77 lladdr 02:00:00:00:00:66 dev LINK nud permanent",
		"ip neigh show 10.9.0.77 dev LINK", "link set netns, link set up, neigh del"},
	{"an alias", "ip link set LINK alias theirs", "ip link show LINK | grep -o theirs", "link set alias"},
	{"its queue", "ip link set LINK txqlen 66", "ip link show LINK | grep -o 'qlen 66'", "link set txqlen"},
	{"its group", "ip link set LINK group 66", "ip link show LINK | grep -o 'group 66'", "link set group"},
	{"its mtu", "ip link set LINK mtu 1466", "ip link show LINK | grep -o 'mtu 1466'", "link set mtu"},
	{"its mac", "ip link set LINK address 02:00:00:00:00:66", "ip link show LINK | grep -o 02:00:00:00:00:66",
		"link set mac"},
	{"its bridge", "ip link set LINK master lawbr", "ip link show LINK | grep -o 'master lawbr'",
		"link set master, link set netns"},
	{"a flag", "ip link set LINK promisc on", "ip link show LINK | grep -o PROMISC", ""},
	{"a setting", "sysctl -q -w net.ipv4.conf.LINK.rp_filter=2", "sysctl net.ipv4.conf.LINK.rp_filter",
		"link set netns"},
}

// TestBeside has somebody else change other things of a link than an op did: undoing that leaves them, and is content.
func TestBeside(t *testing.T) {
	nstest.Long(t)
	for _, l := range laws() {
		if strings.HasPrefix(l.name, "netns") || strings.HasPrefix(l.name, "link add") ||
			strings.HasPrefix(l.name, "link del") || strings.HasPrefix(l.name, "link set type") {
			continue // it is not of a link that was there and still is
		}
		law, _, renames := strings.Cut(l.name, ", ")
		for _, b := range beside {
			if slices.Contains(strings.Split(b.not, ", "), law) {
				continue
			}
			t.Run(l.name+", "+b.name, func(t *testing.T) {
				makeWorld(t)
				t.Cleanup(func() { clearHost(t) })
				op, m := done(t, l)
				at := func(cmd, netns, link string) string {
					cmd = strings.ReplaceAll(cmd, "LINK", link)
					if netns != "" {
						cmd = "ip netns exec " + netns + " sh -e -c \"" + cmd + "\""
					}
					return cmd
				}
				netns := map[bool]string{true: "lawns"}[law == "link set netns"]
				link := map[bool]string{true: "renamed", false: "law0"}[renames || law == "link set name"]
				shell(t, at(b.acts, netns, link))
				nstest.Quiet(t, "")
				if theirs := shell(t, at(b.shows, netns, link)); theirs == "" {
					t.Fatal("they changed nothing")
				}
				if err := op.Undo(m); err != nil {
					t.Error(err)
				}
				nstest.Quiet(t, "")
				shell(t, at(b.shows, "", "law0"))
			})
		}
	}
}
