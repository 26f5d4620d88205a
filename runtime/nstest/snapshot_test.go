package nstest

import (
	"os/exec"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

// TestSnapshotSees changes one thing at a time of a world in which nothing else changes: what the snapshot does not
// see, no test that compares two would find.
func TestSnapshotSees(t *testing.T) {
	IP(t, "netns", "add", "seen")
	t.Cleanup(func() { TryIP(t, "netns", "del", "seen") })
	sh := func(line string) error { return exec.Command("ip", "netns", "exec", "seen", "sh", "-c", line).Run() }
	for _, line := range []string{"ip link add m0 numtxqueues 4 numrxqueues 4 type veth peer name m1 numtxqueues 4 " +
		"numrxqueues 4", "ip link add b0 type bridge", "ip link set m1 master b0",
		"for l in lo m0 m1 b0; do ip link set $l addrgenmode none up; done", "ip addr add 10.1.0.1/24 dev m0",
		"ip addr add fd01::1/64 dev m0 nodad"} {
		if err := sh(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	Quiet(t, "seen")
	for _, line := range []string{
		"tc qdisc add dev m0 root handle 7: htb", "tc class add dev m0 parent 7: classid 7:1 htb rate 1mbit",
		"tc filter add dev m0 parent 7: protocol ip u32 match ip dport 80 0xffff classid 7:1",
		"tc class change dev m0 parent 7: classid 7:1 htb rate 2mbit", "tc qdisc add dev m1 clsact",
		"tc filter add dev m1 ingress protocol ip u32 match ip dport 81 0xffff classid 1:1",
		"tc filter add dev m1 egress protocol ip u32 match ip dport 82 0xffff classid 1:1",
		"ip maddr add 01:00:5e:00:00:77 dev m0", "bridge mdb add dev b0 port m1 grp 239.1.1.1 permanent",
		"bridge mdb add dev b0 port m1 grp ff0e::1234 permanent", "ip link property add dev m0 altname another-name",
		"ethtool -K m0 tso off", "ethtool -L m0 rx 2 tx 2", "echo 3 >/sys/class/net/m0/queues/rx-0/rps_cpus",
		"echo 7 >/sys/class/net/m0/gro_flush_timeout", "ip link add v0 type vxlan id 5 dstport 4789",
		"ip link set v0 protodown on", "bridge fdb append 00:00:00:00:00:00 dev v0 dst 10.1.0.9",
		"ip link set m0 mode dormant", "ip token set ::77 dev m0", "ip link set m0 gso_max_size 30000",
		"ip link set m0 gro_max_size 30000", "ip -6 route add fd50::/64 via fd01::2",
		"ip -6 route change fd50::/64 via fd01::2 expires 5000", "ip addr add fd01::2/64 dev m0 nodad",
		"ip addr change fd01::2/64 dev m0 valid_lft 5000 preferred_lft 5000",
		"bridge fdb add 02:00:00:00:00:01 dev m1 master static",
		"bridge fdb replace 02:00:00:00:00:01 dev m1 master static sticky",
		"bridge fdb add 02:00:00:00:00:02 dev m1 master extern_learn",
		"bridge fdb add 02:00:00:00:00:03 dev b0 self permanent",
		"bridge fdb add 02:00:00:00:00:04 dev m1 self permanent", "bridge link set dev m1 cost 77",
		"ip addrlabel add prefix fd99::/64 label 77", "ip rule add iif m0 table 77",
		"ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:05 dev m0 nud permanent", "ip neigh add proxy 10.1.0.8 dev m0",
		"sysctl -w net.ipv4.conf.m0.rp_filter=2", "sysctl -w net.ipv6.neigh.m0.gc_stale_time=7",
		"ip nexthop add id 5 via 10.1.0.9 dev m0", "ip link set m0 alias x", "ip link set m0 group 7",
	} {
		before := Snapshot(t, "seen")
		if err := sh(line); err != nil {
			if _, missing := exec.LookPath(strings.Fields(line)[0]); missing != nil {
				t.Logf("left out, there is no %s", strings.Fields(line)[0])
				continue
			}
			t.Errorf("%s: %v", line, err)
		} else if Snapshot(t, "seen") == before {
			t.Errorf("not seen: %s", line)
		}
	}
}
