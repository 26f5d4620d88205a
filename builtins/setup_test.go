package builtins

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// A setup is what somebody has made on a machine by hand. Its lines are the shell's; "advertise LINK" is a router's
// advertisement that goes out there.
type setup struct {
	name  string
	links string // that operations are tried on
	lines []string
}

const twoEnds = "ip link add h0 type veth peer name p0; ip link set h0 up; ip link set p0 up"

var setups = []setup{
	{"addresses and routes that need them", "h0 p0", []string{twoEnds,
		"ip addr add 2001:db8:1::1/64 dev h0 nodad; ip addr add 2001:db8:1::2/64 dev h0 nodad",
		"ip route add 2001:db8:104::/64 via fe80::77 dev h0 src 2001:db8:1::1 mtu lock 1280",
		"ip route add 172.16.0.0/24 dev h0",
		"ip addr add 10.0.0.1/24 dev h0; ip addr add 10.0.0.2/24 dev h0",
		"ip route add 10.5.0.0/24 via 10.0.0.9 src 10.0.0.2",
		"ip route replace 10.6.0.0/24 dev lo src 10.0.0.2 table 8",
		"ip -6 route add 2001:db8:105::/64 dev h0 expires 5000"}},
	{"bridge", "br0 p0 p1", []string{
		"ip link add br0 address 02:00:00:00:00:b0 type bridge forward_delay 200 hello_time 150 max_age 800 priority " +
			"4096 ageing_time 12345 mcast_querier 1 group_fwd_mask 8 group_address 01:80:c2:00:00:04 mcast_router 2 " +
			"mcast_hash_max 1024 mcast_last_member_count 5 nf_call_iptables 1 mcast_igmp_version 3",
		"ip link add p0 type veth peer name h0; ip link add p1 type veth peer name h1; ip link set p0 master br0; " +
			"ip link set p1 master br0",
		"for l in br0 p0 h0 p1 h1; do ip link set $l up; done", "ip addr add 10.9.0.1/24 dev br0",
		"bridge link set dev p0 cost 77 priority 5 hairpin on guard on fastleave on learning off flood off " +
			"mcast_flood off bcast_flood off neigh_suppress on isolated on mcast_to_unicast off root_block on",
		"ip link set p0 type bridge_slave group_fwd_mask 8", "bridge fdb add 00:11:22:33:44:55 dev p0 master static"}},
	{"bridge, and what is said of stations", "br0 p1", []string{
		"ip link add br0 address 02:00:00:00:00:b0 type bridge; ip link add p0 type veth peer name h0; " +
			"ip link add p1 type veth peer name h1; ip link set p0 master br0; ip link set p1 master br0",
		"for l in br0 p0 h0 p1 h1; do ip link set $l up; done",
		"bridge fdb add 00:11:22:33:44:56 dev p1 master permanent",
		"bridge fdb add 00:11:22:33:44:58 dev p1 master static sticky",
		"bridge fdb add 00:11:22:33:44:59 dev br0 self permanent",
		"bridge fdb add 00:11:22:33:44:61 dev br0 master permanent",
		"bridge fdb add 00:11:22:33:44:62 dev p1 master extern_learn"}},
	{"bridge, and what is said of its groups", "br0 p0", []string{
		"ip link add br0 address 02:00:00:00:00:b0 type bridge; ip link add p0 type veth peer name h0; " +
			"ip link set p0 master br0; for l in br0 p0 h0; do ip link set $l up; done",
		"bridge mdb add dev br0 port p0 grp 239.1.1.1 permanent",
		"bridge mdb add dev br0 port p0 grp ff0e::1234 permanent"}},
	{"bridge with a backup port", "br0 p0 p1", []string{
		"ip link add br0 address 02:00:00:00:00:b0 type bridge; ip link add p0 type veth peer name h0; " +
			"ip link add p1 type veth peer name h1; ip link set p0 master br0; ip link set p1 master br0",
		"for l in br0 p0 h0 p1 h1; do ip link set $l up; done", "bridge link set dev p1 backup_port p0"}},
	{"bridge with vlans", "br0 p0", []string{
		"ip link add br0 address 02:00:00:00:00:b0 type bridge vlan_filtering 1 && ip link add p0 type veth peer " +
			"name h0 && ip link set p0 master br0 && for l in br0 p0 h0; do ip link set $l up; " +
			"done && bridge vlan add dev p0 vid 77 && bridge vlan add dev br0 vid 78 self"}},
	{"queues", "h0", []string{
		"ip link add h0 numtxqueues 8 numrxqueues 8 type veth peer name p0 numtxqueues 4 numrxqueues 4; " +
			"ip link set h0 up; ip link set p0 up; ip addr add 10.9.0.1/24 dev h0", "ethtool -L h0 rx 6 tx 6"}},
	{"offloads", "h0 p0", []string{twoEnds, "ethtool -K h0 tso off"}},
	{"limits", "h0", []string{twoEnds, "ip link set h0 gso_max_size 30000"}},
	{"mode", "h0", []string{twoEnds, "ip link set h0 mode dormant"}},
	{"name of its own", "h0", []string{twoEnds, "ip link property add dev h0 altname h0-alt"}},
	{"token", "h0", []string{twoEnds, "ip token set ::77 dev h0"}},
	{"advertised addresses and routes", "h0", []string{
		"ip link add h0 type veth peer name p0; sysctl -qw net.ipv6.conf.h0.accept_ra_rt_info_max_plen=64; " +
			"ip link set h0 up; ip link set p0 up", "advertise p0"}},
	{"temporary addresses", "h0", []string{
		"ip link add h0 type veth peer name p0; sysctl -qw net.ipv6.conf.h0.use_tempaddr=2; ip link set h0 up; " +
			"ip link set p0 up", "advertise p0"}},
	{"qdisc", "h0 p0", []string{twoEnds, "tc qdisc add dev h0 root tbf rate 1mbit burst 10k latency 5ms"}},
	{"filter", "h0", []string{twoEnds, "tc qdisc add dev h0 clsact",
		"tc filter add dev h0 ingress protocol ip u32 match ip dport 81 0xffff classid 1:1"}},
	{"multicast", "h0", []string{twoEnds, "ip maddr add 01:00:5e:00:00:77 dev h0"}},
	{"address of a station", "h0", []string{twoEnds, "bridge fdb append 02:00:00:00:00:09 dev h0 self"}},
	{"rule", "h0", []string{twoEnds, "ip rule add iif h0 table 77"}},
	{"nexthop objects", "h0 p0",
		[]string{twoEnds,
			"ip addr add 10.1.0.1/24 dev h0; ip nexthop add id 5 via 10.1.0.9 dev h0; ip route add 10.5.0.0/16 nhid " +
				"5"}},
	{"vxlan", "h0 vx0", []string{twoEnds, "ip link add vx0 type vxlan id 42 dev h0 group 239.1.1.1 dstport 4789"}},
	{"vxlan elsewhere", "h0 p0",
		[]string{twoEnds, "ip netns add away",
			"ip link add vx0 type vxlan id 42 dev h0 group 239.1.1.1 dstport 4789; ip link set vx0 netns away"}},
	{"macvlan elsewhere, and its bridge", "h0 p0",
		[]string{twoEnds, "ip netns add away", "ip link add v0 link h0 netns away type macvlan",
			"ip -n away link add b0 type bridge; ip -n away link set b0 up; ip -n away link set v0 up; " +
				"ip -n away link set v0 master b0; ip -n away addr add fd09::1/64 dev b0 nodad"}},
	{"vlan", "h0 v0",
		[]string{twoEnds,
			"ip link add v0 link h0 type vlan id 7 && ip link set v0 up && ip addr add 10.9.0.1/24 dev v0"}},
	{"ipvlan", "h0 v0", []string{twoEnds,
		"ip link add v0 link h0 type ipvlan && ip link set v0 up && ip addr add 10.9.0.1/24 dev v0"}},
	{"macsec", "h0 v0", []string{twoEnds,
		"ip link add v0 link h0 type macsec && ip link set v0 up && ip addr add 10.9.0.1/24 dev v0"}},
	{"hsr", "h0 p1", []string{twoEnds, "ip link add h1 type veth peer name p1; ip link set h1 up; ip link set p1 up",
		"ip link add r0 type hsr slave1 h0 slave2 h1 && ip link set r0 up"}},
	{"tunnels", "h0 p0",
		[]string{twoEnds, "ip addr add 10.9.0.1/24 dev h0; ip addr add fd09::1/64 dev h0 nodad",
			"ip link add t0 type gre local 10.9.0.1 remote 10.9.0.2 dev h0 && ip link set t0 up",
			"ip link add t1 type gretap local 10.9.0.1 remote 10.9.0.3 dev h0 && ip link set t1 up",
			"ip link add t2 type ipip local 10.9.0.1 remote 10.9.0.2 dev h0 && ip link set t2 up",
			"ip link add t3 type sit local 10.9.0.1 remote 10.9.0.2 dev h0 && ip link set t3 up",
			"ip link add t4 type vti local 10.9.0.1 remote 10.9.0.2 key 7 dev h0 && ip link set t4 up",
			"ip link add t5 type ip6tnl local fd09::1 remote fd09::2 dev h0 && ip link set t5 up",
			"ip link add t6 type ip6gre local fd09::1 remote fd09::2 dev h0 && ip link set t6 up"}},
	{"bond", "h0 h1", []string{twoEnds, "ip link add h1 type veth peer name p1; ip link set p1 up",
		"ip link set h0 down; ip link set h1 down; ip link add b0 type bond mode active-backup && ip link set h0 " +
			"master b0 && ip link set h1 master b0 && ip link set b0 up"}},
	{"vrf", "h0 r0", []string{twoEnds, "ip link add r0 type vrf table 10 && ip link set r0 up && ip link set h0 " +
		"master r0 && ip addr add 10.9.0.1/24 dev h0"}},
}

// operations are tried on each link of a set-up; LINK is its name.
var operations = []string{`host.link("LINK").delete()`, `host.link("LINK").set(ns = netns("zz"))`,
	`down(host.link("LINK"))`, `host.link("LINK").set(mtu = 1300)`, `host.link("LINK").set(mtu = 1000)`,
	`host.link("LINK").set(master = bridge(host, name = "zb"))`, `host.link("LINK").set(mac = "02:00:00:00:00:77")`,
	`host.link("LINK").set(name = "other")`, `addr(host.link("LINK"), "10.77.0.1/24").delete()`,
	`sysctl(host, "net.ipv6.conf.all.forwarding", 1)`, `sysctl(host, "net.ipv4.ip_forward", 1)`,
	`sysctl(host, "net.ipv6.conf.LINK.disable_ipv6", 1)`}

// lacking is how the kernel says that it was built without something.
var lacking = regexp.MustCompile(`Operation not supported|Unknown device type|Protocol not supported|qdisc kind is ` +
	`unknown|not supported by`)

// make makes the set-up, in the sandbox's own namespace.
func (s setup) make(t *testing.T) {
	t.Helper()
	for _, line := range s.lines {
		if link, ok := strings.CutPrefix(line, "advertise "); ok {
			nstest.Quiet(t, "")
			if err := advertise(link); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(10 * time.Second); !strings.Contains(nstest.Snapshot(t, ""),
				"20010db800aa"); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the advertisement has not arrived")
				}
			}
			continue
		}
		out, err := exec.Command("sh", "-e", "-c", line).CombinedOutput()
		switch _, missing := exec.LookPath(strings.Fields(line)[0]); {
		case err == nil:
		case missing != nil:
			t.Logf("left out, there is no %s: %s", strings.Fields(line)[0], line)
		case lacking.Match(out):
			t.Logf("left out, the kernel has it not: %s: %s", line, out)
		default:
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
}

// advertise sends what a router says: an address prefix, a route, an mtu and itself as the default route (RFC 4861, RFC
// 4191).
func advertise(link string) error {
	l, err := net.InterfaceByName(link)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	msg := []byte{134, 0, 0, 0, 64, 0, 1800 >> 8, 1800 & 255, 0, 0, 0, 0, 0, 0, 0, 0}
	option := func(head []byte, lifetimes ...uint32) {
		msg = append(msg, head...)
		for _, s := range lifetimes {
			msg = binary.BigEndian.AppendUint32(msg, s)
		}
	}
	prefix := netip.MustParseAddr("2001:db8:aa::").As16()
	option([]byte{3, 4, 64, 0xc0}, 86400, 14400, 0)
	msg = append(msg, prefix[:]...)
	prefix = netip.MustParseAddr("2001:db8:beef::").As16()
	option([]byte{24, 2, 48, 0}, 1500)
	msg = append(msg, prefix[:8]...)
	option([]byte{5, 1, 0, 0}, 1400)
	return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, l.Index),
		unix.Sendto(fd, msg, 0,
			&unix.SockaddrInet6{Addr: netip.MustParseAddr("ff02::1").As16(), ZoneId: uint32(l.Index)}))
}

// TestSetups tries each operation on the links of what somebody made by hand: afterwards all is as it was, or it was
// refused before anything was changed.
func TestSetups(t *testing.T) {
	nstest.Long(t)
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			var done []string
			for _, link := range strings.Fields(s.links) {
				for _, op := range operations {
					if op = strings.ReplaceAll(op, "LINK", link); strings.Contains(strings.Join(done, "\n"), op) {
						continue
					}
					if done = append(done, op); !s.same(t, link, op) {
						clearHost(t)
						done = done[:len(done):len(done)]
					}
				}
			}
			clearHost(t)
		})
	}
}

// same makes the set-up where it is not there, and reports whether it is as it was after an operation.
func (s setup) same(t *testing.T, link, op string) bool {
	t.Helper()
	if _, err := net.InterfaceByName("h0"); err != nil {
		s.make(t)
	}
	if _, err := net.InterfaceByName(link); err != nil {
		return true // the kernel has none of its kind
	}
	names := []string{""}
	if exec.Command("ip", "-n", "away", "link").Run() == nil {
		names = append(names, "away")
	}
	nstest.Quiet(t, names...)
	before := nstest.Snapshot(t, names...)
	r := newSession(t)
	defer r.Close()
	err := runIn(t, r, op+"\nfail(\"undo\")")
	refused := errors.As(err, new(*change.IrreversibleError))
	u, undoing := r.Rollback()
	if undoing != nil || len(u.Left) > 0 {
		t.Errorf("%s: %v, left: %+v", op, undoing, u.Left)
	}
	nstest.Quiet(t, names...)
	after := nstest.Snapshot(t, names...)
	for deadline := time.Now().Add(2 * time.Second); after != before &&
		time.Now().Before(deadline); after = nstest.Snapshot(t, names...) {
		time.Sleep(10 * time.Millisecond)
	}
	if after != before {
		t.Errorf("%s: %s, and not the same afterwards:\n%s", op,
			map[bool]string{true: "refused", false: fmt.Sprint(err)}[refused], nstest.Diff(before, after))
	}
	return after == before && undoing == nil && len(u.Left) == 0
}
