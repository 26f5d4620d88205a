package builtins

import "strings"

// rareParts is one of everything else that iproute2 and its relatives can hang on a link, L, put above it, or make of
// it in another namespace, AWAY. Most users have none of it. It comes back, or the change is refused before it is made.
var rareParts = []string{
	// Traffic control.
	"tc qdisc add dev L root handle 7: tbf rate 1mbit burst 10k latency 50ms",
	"tc qdisc add dev L root handle 7: htb default 1; tc class add dev L parent 7: classid 7:1 htb rate 1mbit; " +
		"tc filter add dev L parent 7: protocol ip u32 match ip dport 80 0xffff classid 7:1",
	"tc qdisc add dev L root handle 7: pfifo limit 7",
	"tc qdisc add dev L clsact; tc filter add dev L egress protocol ip u32 match ip dport 80 0xffff classid 1:1",
	"tc qdisc add dev L ingress; tc filter add dev L ingress protocol all u32 match u32 0 0 action mirred egress " +
		"redirect dev s0",
	"tc qdisc add dev s1 ingress; tc filter add dev s1 ingress protocol all u32 match u32 0 0 action mirred egress " +
		"redirect dev L",
	// The device.
	"ip link property add dev L altname another-name-of-it", "ip link property add dev L altname one altname two",
	"ip maddr add 01:00:5e:00:00:77 dev L", "ethtool -K L tso off", "ethtool -K L tx off gro off",
	"ethtool -L L rx 1 tx 1", "echo 3 >/sys/class/net/L/queues/rx-0/rps_cpus",
	"echo 64 >/sys/class/net/L/queues/rx-0/rps_flow_cnt", "echo 7 >/sys/class/net/L/gro_flush_timeout",
	"echo 1 >/sys/class/net/L/threaded", "ip link set L mode dormant", "ip link set L protodown on",
	"ip link set L gso_max_size 30000", "ip link set L gro_max_size 30000", "ip link set L gso_ipv4_max_size 30000",
	"bridge fdb add 02:00:00:00:07:01 dev L self permanent", "bridge fdb add 01:00:5e:00:07:01 dev L self permanent",
	// What stands on it.
	"ip link add vx0 type vxlan id 42 dev L group 239.1.1.1 dstport 4789; ip link set vx0 up", "ip link add vx0 type " +
		"vxlan id 42 dev L remote 10.1.0.9 dstport 4789; bridge fdb append 02:00:00:00:07:02 dev vx0 dst 10.1.0.8",
	"ip link add mv0 link L netns AWAY type macvlan mode bridge; ip -n AWAY link set mv0 up", "ip link add mv0 link " +
		"L netns AWAY type macvlan; ip -n AWAY addr add 10.8.0.1/24 dev mv0; ip -n AWAY link set mv0 up mtu 900",
	"ip link add vl0 link L type vlan id 5", "ip link add vl0 link L netns AWAY type vlan id 5",
	"ip link add iv0 link L netns AWAY type ipvlan", "ip link add mt0 link L type macvtap",
	"ip link add g0 type gre remote 10.1.0.9 dev L", "ip link add i0 type ipip remote 10.1.0.9 dev L",
	"ip link add st0 type sit remote 10.1.0.9 dev L", "ip link add vt0 type vti remote 10.1.0.9 key 5 dev L",
	"ip link add d0 type bond; ip link set L down; ip link set L master d0; ip link set L up",
	"ip link add f0 type vrf table 10; ip link set f0 up; ip link set L master f0",
	// A bridge and its ports.
	"bridge fdb add 02:00:00:00:07:03 dev L master static",
	"bridge fdb add 02:00:00:00:07:04 dev L master static sticky",
	"bridge fdb add 02:00:00:00:07:05 dev L master permanent",
	"bridge fdb add 02:00:00:00:07:06 dev L master extern_learn",
	"bridge fdb add 02:00:00:00:07:07 dev b0 self permanent",
	"bridge fdb add 02:00:00:00:07:07 dev b0 master permanent", "bridge mdb add dev b0 port L grp 239.1.1.1 permanent",
	"bridge mdb add dev b0 port L grp ff0e::1234 permanent", "bridge mdb add dev b0 port b0 grp 239.1.1.3 permanent",
	"bridge link set dev p0 backup_port L", "bridge link set dev p1 backup_port p0",
	"ip link set L type bridge_slave group_fwd_mask 8", "ip link set L type bridge_slave mcast_router 2",
	"bridge link set dev L bcast_flood off mcast_flood off neigh_suppress on locked on mcast_to_unicast on " +
		"root_block on fastleave on", "bridge link set dev L state 3", "ip link set b0 type bridge forward_delay 200 " +
		"hello_time 150 max_age 800 priority 4096 ageing_time 12345 group_fwd_mask 8", "ip link set b0 type bridge " +
		"mcast_querier 1 mcast_router 2 mcast_hash_max 1024 mcast_last_member_count 5 mcast_igmp_version 3",
	"ip link set b0 type bridge nf_call_iptables 1 group_address 01:80:c2:00:00:04",
	"ip link set b0 type bridge vlan_filtering 1; bridge vlan add dev L vid 77 pvid untagged",
	"ip link set b0 type bridge mcast_snooping 0", "ip link set b0 type bridge no_linklocal_learn 1",
	// Addresses.
	"ip addr add 10.1.0.77/24 dev L valid_lft 5000 preferred_lft 4000",
	"ip addr add fd01::77/64 dev L nodad valid_lft 5000 preferred_lft 4000", "ip addr add fd01::78/64 dev L nodad home",
	"sysctl -w net.ipv6.conf.L.use_tempaddr=2; ip addr add fd01::79/64 dev L nodad mngtmpaddr valid_lft 5000 " +
		"preferred_lft 4000", "ip addr add 10.1.0.78/24 dev L scope link",
	"ip addr add fd01::7a/64 dev L nodad proto 9", "ip addr add 10.1.0.79/24 broadcast 10.1.0.254 dev L",
	"ip addr add 239.1.1.9/32 dev L autojoin", "ip token set ::77 dev L", "sysctl -w net.ipv6.conf.L.addr_gen_mode=3",
	// Routes, neighbours, rules.
	"ip -6 route add fd70::/64 dev L expires 5000",
	"ip -6 route add default via fe80::9 dev L proto ra expires 5000 metric 1024",
	"ip route add 10.70.0.0/16 dev L mtu lock 1200 rto_min 5 initcwnd 7 quickack 1",
	"ip route add 10.71.0.0/16 encap ip id 5 dst 10.1.0.9 dev L",
	"ip -6 route add fd71::/64 encap seg6 mode encap segs fd01::9 dev L",
	"ip route add 10.72.0.0/16 via 10.1.0.9 dev L tos 8", "ip route add multicast 239.0.0.0/8 dev L",
	"ip route add 10.73.0.0/16 dev s0 src 10.1.0.1 table 8", "ip -6 route add fd73::/64 dev s0 src fd01::1 table 8",
	"ip route add broadcast 10.74.0.255 dev L", "ip -6 route add anycast fd74:: dev L", "ip nexthop add id 7 via " +
		"10.1.0.9 dev L; ip nexthop add id 8 via 10.77.0.2 dev s0; ip nexthop add id 70 group 7,3/8; " +
		"ip route add 10.75.0.0/16 nhid 70",
	"ip nexthop add id 9 dev L; ip -6 nexthop add id 19 via fe80::9 dev L; ip -6 route add fd75::/64 nhid 19",
	"ip neigh add 10.1.0.210 lladdr 02:00:00:00:07:08 dev L nud permanent extern_learn",
	"ip neigh add 10.1.0.211 lladdr 02:00:00:00:07:09 dev L nud noarp",
	"ip neigh add fd01::211 lladdr 02:00:00:00:07:0a dev L nud permanent router", "ip rule add iif L table 77",
	"ip rule add oif L table 77", "ip mptcp endpoint add 10.1.0.1 dev L subflow",
	"ip -6 addrlabel add prefix fd01::/64 dev L label 77", "ip tunnel prl-default dev L 10.1.0.1",
	"ip xfrm policy add src 10.1.0.0/24 dst 10.2.0.0/24 dev L dir out",
	// Settings that are two views of one value, or go one way.
	"sysctl -w net.ipv4.neigh.L.unres_qlen_bytes=70000", "sysctl -w net.ipv4.neigh.L.retrans_time_ms=1234",
	"sysctl -w net.ipv6.neigh.L.base_reachable_time_ms=12345", "sysctl -w net.ipv6.conf.L.stable_secret=::1234",
	"sysctl -w net.ipv6.conf.L.router_solicitations=3", "sysctl -w net.ipv6.conf.L.accept_ra_mtu=0",
	// Rules that name it, where there is an nft.
	"nft 'table netdev x { chain c { type filter hook ingress device L priority 0; counter; }; }'",
	"nft 'table inet y { flowtable f { hook ingress priority 0; devices = { L, s0 }; }; }'",
}

// rare gives a link something that most users have not.
func (w *madeWorld) rare(l string) {
	line := rareParts[w.rand.IntN(len(rareParts))]
	line = strings.ReplaceAll(line, "L", l)
	commands := strings.Split(line, "; ")
	if strings.HasPrefix(line, "nft ") {
		commands = []string{line}
	}
	for _, c := range commands {
		w.parts = append(w.parts, part{"sh", c})
	}
}
