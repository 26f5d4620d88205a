package builtins

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// pairs is the world that links are given more in: a pair, and a bridge with two ports that are ends of pairs.
const pairs = `
sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
ip link add m0 address 02:00:00:00:00:01 type veth peer name m1 address 02:00:00:00:00:02
ip link add b0 address 02:00:00:00:00:b0 type bridge
ip link add p0 address 02:00:00:00:00:03 type veth peer name q0 address 02:00:00:00:00:04
ip link add p1 address 02:00:00:00:00:05 type veth peer name q1 address 02:00:00:00:00:06
ip link set p0 master b0; ip link set p1 master b0
for l in m0 m1 b0 p0 q0 p1 q1; do ip link set $l up; done
for l in m0 m1 p0 q0 p1 q1; do ip link show $l >/dev/null; done # which makes their carriers known
`

// changesOf are the changes that can take something from a link L.
var changesOf = []struct{ name, call string }{
	{"down", `down(host.link("L"), IRR)`},
	{"set", `host.link("L").set(mtu = 1000, name = "another", mac = "02:00:00:00:00:77", alias = "x", txqlen = 7, ` +
		`group = 7, IRR)`},
	{"leave", `host.link("L").set(master = False, IRR)`},
	{"move", `host.link("L").set(ns = netns("n1"), IRR)`},
	{"delete", `host.link("L").delete(IRR)`},
}

// untilLinux616 is what older kernels lose: newer ones keep the chains of links that go until these are back.
func untilLinux616(lost map[string]string) map[string]string {
	if exec.Command("nft", "-c", "table netdev x { chain c { type filter hook ingress device none0 priority 0; }; }").
		Run() == nil {
		return nil
	}
	return lost
}

// givenToLinks are things that somebody else gave a link, and which changes of it are refused since undoing them would
// not bring that back. All other changes are made, and bring it back.
var givenToLinks = []struct {
	name, link, shell string
	refused           map[string]string // by the change: what is lost
}{
	{"nothing", "m0", "true", nil},
	{"nothing, to a port", "p0", "true", nil},
	{"nothing, to a bridge", "b0", "true", nil},
	{"a qdisc", "m0", "tc qdisc add dev m0 root handle 7: tbf rate 1mbit burst 10k latency 5ms", nil},
	{"a qdisc with a table of sizes", "m0",
		"tc qdisc add dev m0 root handle 7: stab mtu 2048 tsize 512 mpu 64 linklayer atm pfifo limit 9",
		map[string]string{"move": "the size table of qdisc pfifo 7: of link m0 in host",
			"delete": "the size table of qdisc pfifo 7: of link m0 in host"}},
	{"a block of filters that others share", "m0", "tc qdisc add dev m0 ingress_block 7 clsact",
		map[string]string{"move": "the shared block of qdisc clsact ffff: of link m0 in host",
			"delete": "the shared block of qdisc clsact ffff: of link m0 in host"}},
	{"a tree of classes", "m0", "tc qdisc add dev m0 root handle 1: htb default 20; " +
		"tc class add dev m0 parent 1: classid 1:1 htb rate 10mbit; " +
		"tc class add dev m0 parent 1:1 classid 1:10 htb rate 3mbit ceil 10mbit prio 1; " +
		"tc class add dev m0 parent 1:1 classid 1:20 htb rate 7mbit burst 20kb; " +
		"tc qdisc add dev m0 parent 1:10 handle 10: tbf rate 2mbit burst 10kb latency 9ms; " +
		"tc filter add dev m0 parent 1: protocol ip pref 7 u32 match ip dst 10.0.0.0/8 flowid 1:10", nil},
	{"a qdisc at the other end", "m0",
		"tc qdisc add dev m1 clsact; tc filter add dev m1 ingress pref 5 u32 match u32 0 0 flowid 1:1",
		nil},
	{"a filter elsewhere that sends to it", "m0", "tc qdisc add dev q0 clsact; tc filter add dev q0 ingress pref 5 " +
		"u32 match u32 0xffffffff 0xffffffff action mirred egress redirect dev m0",
		map[string]string{"move": "action mirred index 1 of link m0 in host",
			"delete": "action mirred index 1 of link m0 in host"}},
	{"a chain of nftables", "m0",
		"nft 'table netdev x { chain c { type filter hook ingress device m0 priority 0; }; }'",
		untilLinux616(map[string]string{"move": "chain c of table netdev x of link m0 in host",
			"delete": "chain c of table netdev x of link m0 in host"})},
	{"multicast addresses", "m0",
		"ip maddr add 01:00:5e:00:00:77 dev m0; bridge fdb add 01:00:5e:01:02:03 dev m0 self permanent",
		map[string]string{"move": "address 01:00:5e:00:00:77, address 01:00:5e:01:02:03 of link m0 in host",
			"delete": "address 01:00:5e:00:00:77"}},
	{"an address that it lets in", "m0", "bridge fdb add 02:00:00:00:00:99 dev m0 self permanent",
		map[string]string{"move": "address 02:00:00:00:00:99 of link m0 in host",
			"delete": "address 02:00:00:00:00:99 of link m0 in host"}},
	{"groups that it listens to", "m0", "ip addr add 10.9.0.1/24 dev m0; ip addr add fd09::1/64 dev m0 nodad", nil},
	{"other names", "m0", "ip link property add dev m0 altname another-name-of-m0 altname a.third", nil},
	{"limits", "m0", "ip link set m0 gso_max_size 30000 gso_max_segs 100 gro_max_size 20000",
		map[string]string{"delete": "gro_max_size, gso_ipv4_max_size, gso_max_segs, gso_max_size of link m0 in host"}},
	{"a broadcast address", "m0", "ip link set m0 broadcast ff:ff:ff:ff:ff:fe",
		map[string]string{"delete": "broadcast address of link m0 in host"}},
	{"queues", "q2", "ip link add q2 numtxqueues 3 numrxqueues 5 type veth peer name q3",
		map[string]string{"delete": "numrxqueues, numtxqueues of link q2 in host"}},
	{"a mode", "m0", "ip link set m0 mode dormant",
		map[string]string{"down": "state up in mode dormant of link m0 in host",
			"move": "state up in mode dormant of link m0", "delete": "state up in mode dormant of link m0"}},
	{"a mode of the other end", "m0", "ip link set m1 mode dormant",
		map[string]string{"down": "state up in mode dormant of m1 in host",
			"move": "state up in mode dormant of m1 in host", "delete": "state up in mode dormant of m1 in host"}},
	{"a mode while it is down", "m0", "ip link set m0 down; ip link set m0 mode dormant",
		map[string]string{"delete": "mode of link m0 in host"}},
	{"a mode of its bridge", "p0", "ip link set p1 down; ip link set b0 mode dormant", map[string]string{
		"leave": "state up in mode dormant of link b0", "move": "state up in mode dormant of link b0",
		"delete": "state up in mode dormant of link b0"}},
	{"offloads", "m0", "ethtool -K m0 tso off", map[string]string{"delete": "ethtool features of link m0 in host"}},
	{"offloads of a bridge", "b0", "ethtool -K b0 tx off",
		map[string]string{"delete": "ethtool features of link b0 in host"}},
	{"processors for a queue", "m0", "echo 1 2>/dev/null >/sys/class/net/m0/queues/rx-0/rps_cpus || echo only root may",
		map[string]string{"delete": "queues/rx-0/rps_cpus of link m0 in host"}},
	{"the qdisc that it has by default", "i0", "ip link add i0 type ifb; ip link set i0 up",
		map[string]string{"set": "operation not supported"}},
	{"a rule that names it", "m0", "ip rule add iif m0 table 77", nil},
	{"forwarding entries of a port", "p0", "bridge fdb add 02:00:00:00:01:01 dev p0 master static; " +
		"bridge fdb add 02:00:00:00:01:02 dev p0 master permanent; " +
		"bridge fdb add 02:00:00:00:01:03 dev p0 master static sticky; bridge fdb add 02:00:00:00:01:04 dev p0 " +
		"master extern_learn", nil},
	{"forwarding entries of ports, to their bridge", "b0", "bridge fdb add 02:00:00:00:01:02 dev p0 master " +
		"permanent; bridge fdb add 02:00:00:00:01:03 dev p1 master static sticky; " +
		"bridge fdb add 02:00:00:00:01:05 dev b0 self permanent; bridge link set dev p0 backup_port p1", nil},
	{"a port that it is the backup of", "p0", "bridge link set dev p1 backup_port p0",
		map[string]string{"leave": "backup_port of p1 of link p0 in host", "move": "backup_port of p1",
			"delete": "backup_port of p1"}},
	{"a state that a port was set to", "p0", "bridge link set dev p0 state 2",
		map[string]string{"down": "state learning of port p0 of link p0 in host",
			"leave": "state learning of port p0", "move": "state learning of port p0",
			"delete": "state learning of port p0 of link p0 in host"}},
	{"a state that a port was set to under a bridge that is down", "p0",
		"ip link set b0 down; bridge link set dev p0 state 3",
		map[string]string{"leave": "state forwarding of port p0", "move": "state forwarding of port p0",
			"delete": "state forwarding of port p0"}},
	{"a state of the port at the other end", "q0", "bridge link set dev p0 state 0",
		map[string]string{"down": "state disabled of port p0 of link q0 in host", "move": "state disabled of port p0",
			"delete": "state disabled of port p0"}},
	{"a state of a port, to its bridge", "b0", "bridge link set dev p1 state 2",
		map[string]string{"down": "state learning of port p1 of link b0 in host",
			"delete": "state learning of port p1"}},
	{"a group behind a port", "p0",
		"bridge mdb add dev b0 port p0 grp 239.1.1.1 permanent; bridge mdb add dev b0 port p1 grp 239.1.1.2 permanent",
		nil},
	{"groups behind ports of a bridge", "b0", "bridge mdb add dev b0 port p0 grp ff0e::1234 permanent; " +
		"bridge mdb add dev b0 port p1 grp 239.1.1.2 src 10.0.0.9 permanent", nil},
	{"a group of a bridge that takes none any more", "b0",
		"bridge mdb add dev b0 port p0 grp 239.1.1.1 permanent; ip link set b0 type bridge mcast_snooping 0",
		map[string]string{"delete": "group 239.1.1.1 of link p0 in host"}},
	{"a group behind a port of a bridge that is down", "p0",
		"bridge mdb add dev b0 port p0 grp 239.1.1.1 permanent; ip link set b0 down",
		map[string]string{"leave": "group 239.1.1.1 of link p0 in host", "move": "group 239.1.1.1 of link p0",
			"delete": "group 239.1.1.1 of link p0"}},
	{"entries of a vxlan", "v0", "ip link add v0 type vxlan id 5 dstport 4789; bridge fdb append 00:00:00:00:00:00 " +
		"dev v0 dst 10.0.0.2; bridge fdb add 02:00:00:00:00:11 dev v0 dst 10.0.0.3", nil},
}

// filterLines are the lines of filters in a snapshot.
var filterLines = regexp.MustCompile(`(?m)^ filter .*\n`)

// TestUnheld changes links that have what their images do not hold: either the change is refused and nothing is done,
// or all of it is there again after the undoing. What is refused can be had all the same, and is then named after the
// undoing.
func TestUnheld(t *testing.T) {
	nstest.Long(t)
	for _, g := range givenToLinks {
		t.Run(g.name, func(t *testing.T) {
			for _, ch := range changesOf {
				t.Run(ch.name, func(t *testing.T) {
					if ch.name == "leave" && g.link != "p0" || ch.name == "move" && g.link == "b0" {
						return // it is no port; no kernel moves a bridge
					}
					t.Cleanup(func() {
						clearHost(t)
						shell(t, "ip rule del table 77 2>/dev/null || true; rm -rf /run/nsscript")
					})
					if why := shell(t, pairs+g.shell); why != "" {
						t.Skip(why)
					}
					nstest.Quiet(t, "")
					state := func() string {
						// That an action has been counted shows in its filter, and looking at it is enough for that.
						return filterLines.ReplaceAllString(nstest.Snapshot(t, ""), "") +
							shell(t, "tc filter show dev q0 ingress | grep mirred || true")
					}
					before := state()
					call := strings.ReplaceAll(ch.call, "L", g.link)
					want, refused := g.refused[ch.name]
					unchanged := func() {
						t.Helper()
						nstest.Quiet(t, "")
						if after := state(); after != before {
							t.Errorf("differs:\n%s", nstest.Diff(before, after))
						}
					}
					s := newSession(t)
					err := runIn(t, s, strings.NewReplacer(", IRR", "", "IRR", "").Replace(call))
					switch {
					case !refused && err != nil:
						t.Errorf("refused: %v", err)
					case refused && (err == nil || !strings.Contains(err.Error(), want)):
						t.Errorf("%v, want %q", err, want)
					}
					if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
						t.Errorf("undone: %v, left %+v", err, u.Left)
					}
					unchanged()
					if !refused || !strings.Contains(want, " of link ") {
						return
					}
					s2 := newSession(t)
					if err := runIn(t, s2, strings.ReplaceAll(call, "IRR", "irreversible = True")); err != nil {
						t.Fatal(err)
					}
					u, err := s2.Rollback()
					named := slices.ContainsFunc(u.Left, func(l change.Leftover) bool {
						return strings.Contains(l.Reason, want)
					})
					if err != nil || !u.Over() || !named {
						t.Errorf("undone: %v, left %+v, want %q", err, u.Left, want)
					}
				})
			}
		})
	}
}

// TestUnheldAttempt has an attempt change a link of the run's own that a command gave more: what an attempt takes away
// it must be able to bring back.
func TestUnheldAttempt(t *testing.T) {
	for _, text := range []string{"a.delete()", `a.set(ns = netns("k"))`} {
		s := newSession(t)
		err := runIn(t, s, `
n, m = netns("n"), netns("m")
a, b = veth(n, m, addrs = ("10.0.0.1/24", "10.0.0.2/24"))
assert.eq(attempt(lambda: [`+text+`, fail("undo")]).error.msg, "undo")
run(n, ["tc", "qdisc", "add", "dev", "eth0", "root", "handle", "7:", "stab", "mtu", "2048", "tsize", "512", "mpu", "64",
        "linklayer", "atm", "tbf", "rate", "1mbit", "burst", "10k", "latency", "50ms"])
run(n, ["ip", "link", "property", "add", "dev", "eth0", "altname", "uplink-of-the-first-host"])
r = attempt(lambda: [`+text+`, fail("undo")])
assert.contains(r.error.msg, "would not bring back the size table of qdisc tbf 7: of link eth0 in n")
assert.contains(run(n, ["ip", "link", "show", "dev", "eth0"]).stdout, "uplink-of-the-first-host")
assert.contains(run(n, ["tc", "qdisc", "show", "dev", "eth0"]).stdout, "tbf")
`+text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
			t.Errorf("%s, undone: %v, left %+v", text, err, u.Left)
		}
	}
}
