package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// crashWorld is what was there before, with names like those that the scenarios give: what they touch, and decoys.
const crashWorld = `
link add pre0 type veth peer name pre1
link add pre2 type veth peer name pre3
link add up9 type veth peer name decoy0
link add prebr address 02:00:00:00:00:b0 type bridge
link set pre0 addrgenmode none
link set pre1 addrgenmode none
link set pre2 addrgenmode none
link set pre3 addrgenmode none
link set up9 addrgenmode none
link set decoy0 addrgenmode none
link set prebr addrgenmode none
link set pre2 master prebr
link set prebr up
link set pre1 up
link set pre0 up
link set pre3 up
link set pre2 up
link set up9 up
link set decoy0 up
addr add 10.9.0.1/24 dev pre0
addr add 10.9.0.2/24 dev pre0
addr add fd09::1/64 dev pre0 nodad
addr add 10.80.1.1/24 dev up9
route add 10.99.0.0/16 via 10.9.0.77
route add fd99::/64 via fd09::77
route add 10.82.0.0/16 via 10.80.1.2
neigh add 10.9.0.77 lladdr 02:00:00:00:00:77 dev pre0 nud permanent
netns add decoy-old
netns add ns11
netns add t
`

// crashRules are somebody's ruleset.
const crashRules = `
table inet pre {
	counter named { packets 7 bytes 70; }
	set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.1.1 }; }
	chain c { type filter hook output priority 7; policy accept; ip daddr @s counter name named; }
	chain d { counter packets 5 bytes 50 comment "kept"; tcp dport { 22, 23 } accept; }
}
table ip behind { chain c { counter packets 9 bytes 90; }; }
`

// crashTraffic is what pre0 has of traffic control.
const crashTraffic = `
qdisc add dev pre0 root handle 5: htb default 10
class add dev pre0 parent 5: classid 5:10 htb rate 1gbit
qdisc add dev pre0 parent 5:10 handle 51: tbf rate 900mbit burst 1mb latency 50ms
filter add dev pre0 parent 5: protocol ip pref 7 u32 match ip dst 10.9.0.99/32 flowid 5:10
`

func settledWorld(t *testing.T) {
	t.Helper()
	nstest.Settled(t, []string{"pre0", "pre1", "pre2", "pre3", "prebr", "up9", "decoy0"}, []string{"fd09::1"})
}

// makeWorld makes the world; the test ends it.
func makeWorld(t *testing.T) (before string) {
	t.Helper()
	batch := exec.Command("ip", "-batch", "-")
	batch.Stdin = strings.NewReader(strings.TrimSpace(crashWorld) + "\n")
	if out, err := batch.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rules := exec.Command("nft", "-f", "-")
	rules.Stdin = strings.NewReader(crashRules)
	if out, err := rules.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	traffic := exec.Command("tc", "-batch", "-")
	traffic.Stdin = strings.NewReader(crashTraffic)
	if out, err := traffic.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		nstest.ClearNft(t)
		for _, args := range [][]string{{"link", "del", "pre0"}, {"link", "del", "pre2"}, {"link", "del", "up9"},
			{"link", "del", "prebr"}, {"netns", "del", "decoy-old"}, {"netns", "del", "ns11"}, {"netns", "del", "t"}} {
			nstest.TryIP(t, args...)
		}
	})
	settledWorld(t)
	return nstest.Dump(t)
}

// recovering undoes what dead runs left, all of it.
func recovering(t *testing.T) {
	t.Helper()
	if out, err := nsscript("recover").CombinedOutput(); err != nil {
		t.Fatalf("recover: %v: %s", err, out)
	}
}
