package builtins

import (
	"regexp"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestLinkRefused makes links that the kernel refuses: the error says what is refused, with the errno, and the hint
// what to look at where the kernel says nothing.
func TestLinkRefused(t *testing.T) {
	for _, row := range [][2]string{
		{`macvlan(a, mtu = 9000)`,
			`(?s)add macvlan macvlan0 in n: .*EINVAL.*hint: the MTU of link eth0, .*is 1500`},
		{`bridge(n, ports = [a]); macvlan(a)`,
			`(?s)add macvlan macvlan0 in n: .*EBUSY.*hint: link eth0 is a port of`},
		{`macvlan(n.link("lo"))`,
			`(?s)EINVAL.*hint: a macvlan link cannot stand on a loopback link`},
		{`vxlan(n, id = 7); vxlan(n, id = 7)`,
			`add vxlan vxlan1 in n: .*already exists \(EEXIST\)`},
		{`bridge(n, name = "eth0")`,
			`(?s)add link eth0 in n: .*EEXIST.*hint: n has a link eth0 already`},
		{`bridge(n).set(master = bridge(n))`,
			`set master of link br0 in n: .*ELOOP`},
		{`a.set(master = m.link("lo"))`,
			`set master of link eth0 in n: lo is in another namespace, m`},
		{`a.set(ttl = 3)`,
			`link eth0 is a veth link, and ttl= is of .*vxlan links`},
		{`veth(n, m, name = "eth0")`,
			`(?s)EEXIST.*hint: n has a link eth0 already`},
		{`gre(n, key = 1 << 32)`,
			`4294967296 is not from 0 to 4294967295`},
		{`vlan(a, 4095)`,
			`4095 is not from 0 to 4094`},
	} {
		src, want := row[0], row[1]
		before := nstest.Dump(t)
		_, err := runScript(t, "x.star", "n, m = netns(\"n\"), netns(\"m\")\na, b = veth(n, m)\n"+src)
		if err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
		nstest.Same(t, before)
	}
}

// TestLinkLacked makes a link of each kind that this kernel lacks: the hint says how to get one.
func TestLinkLacked(t *testing.T) {
	for kind, src := range map[string]string{"dummy": `dummy(n)`, "ipvlan": `ipvlan(a)`, "vlan": `vlan(a, 5)`,
		"netkit": `netkit(n)`, "wireguard": `wireguard(n)`} {
		_, err := runScript(t, "x.star", "n = netns(\"n\")\na, b = veth(n, n)\n"+src)
		want := `hint: this kernel has no ` + kind + ` links: modprobe ` + linkKinds[kind].Module +
			`, .*CONFIG_.*--kernel .`
		if err != nil && !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}

// TestLongUsage calls builtins wrongly that have many parameters: the hint is about the one.
func TestLongUsage(t *testing.T) {
	for src, want := range map[string]string{
		`host.link("lo").set(forward_delay = 4)`: `hint: forward_delay: bridge: .*15s`,
		`host.link("lo").set(forwarddelay = 4)`:  "hint: `nsscript doc link.set` lists its parameters",
	} {
		if _, err := runScript(t, "x.star", src); err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}
