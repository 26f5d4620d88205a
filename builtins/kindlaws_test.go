package builtins

import (
	"errors"
	"maps"
	"os/exec"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// supported skips a test of a kind of link that this kernel does not have.
func (k *linkKind) supported(t *testing.T, m *kernel.Machine) {
	t.Helper()
	has(t, m, k.feature())
}

// probed are the features that were asked for, and whether they are there.
var probed = map[string]bool{}

// has skips a law where the kernel lacks a feature.
func has(t *testing.T, m *kernel.Machine, f *runtime.Feature) {
	t.Helper()
	there, asked := probed[f.Name]
	if !asked {
		there = f.Probe(m) == nil
		probed[f.Name] = there
	}
	if !there {
		leftOut(t, f.Remedy)
	}
}

// exampleOn is a link of the kind in the host's namespace, standing on law1 where it stands on one.
func (k *linkKind) exampleOn(t *testing.T, m *kernel.Machine, name, peer string) *addLink {
	t.Helper()
	k.supported(t, m)
	if k.Name == "vrf" { // as if there had been one: what the first one adds stays
		for _, family := range []string{"-4", "-6"} {
			for _, of := range []string{"rule", "mrule"} { // of multicast routes a kernel may have one table
				add := exec.Command("ip", family, of, "add", "l3mdev", "priority", "1000", "protocol", "kernel")
				_ = add.Run() // one is there already
			}
		}
	}
	lower := pre(t, m, "law1")
	op := k.example(fresh(t, m, name).LinkRef, &lower, pre(t, m, "law0"))
	if k.hasMAC() && k.Name != "netkit" { // whose ends have none unless mode= says so
		op.MAC = "02:00:00:00:00:b1"
	}
	if op.Paired() {
		end := fresh(t, m, peer)
		op.Peer = &end
	}
	return op
}

// made is a link of the kind that was there before the run.
func (k *linkKind) made(t *testing.T, m *kernel.Machine) *kernel.Link {
	t.Helper()
	made := k
	if k.master != "" {
		made = vethKind
		if err := linkKinds[k.master].exampleOn(t, m, "master0", "").Do(m); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nstest.TryIP(t, "link", "del", "master0") })
	}
	op := made.exampleOn(t, m, "kind0", "kind1")
	if err := op.Do(m); err != nil {
		t.Fatal(err)
	}
	if k.master != "" {
		nstest.IP(t, "link", "set", "kind0", "master", "master0")
		nstest.IP(t, "link", "set", "master0", "up")
	}
	var lines []string
	for _, end := range op.ends() {
		lines = append(lines, "link set "+end.Name+" addrgenmode none", "link set "+end.Name+" up")
	}
	nstest.Batch(t, append(lines, "addr add 10.66.1.1/24 dev kind0")...)
	nstest.Quiet(t, "")
	t.Cleanup(func() { nstest.TryIP(t, "link", "del", "kind0") })
	l, err := m.Read(op.LinkRef)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// others are values of a word other than the one that it has, some of which the kernel may refuse.
func (w *kindWord) others(now kindAttr) (all []kindAttr) {
	vals := map[string][]starlark.Value{
		"bool": {starlark.True, starlark.False},
		"int": {starlark.MakeInt(8), starlark.MakeInt(9), starlark.MakeInt(77), starlark.MakeInt(3),
			starlark.MakeInt(2)},
		"duration":    {starlark.String("4s"), starlark.String("5s"), starlark.String("30s"), starlark.String("100s")},
		"MAC address": {starlark.String("02:00:00:00:00:77"), starlark.String("01:80:c2:00:00:04")},
		"address": {starlark.String("10.9.0.77"), starlark.String("10.9.0.78"),
			starlark.String("fd00::77"), starlark.String("fd00::78")},
		"address or list of them": {starlark.String("10.9.0.77"), starlark.String("fd00::77")},
	}[w.attr().(runtime.Typer).ArgType()]
	if c, ok := w.attr().(runtime.Chooser); ok {
		for _, word := range c.Choices(nil) {
			vals = append(vals, starlark.String(word))
		}
	}
	for _, val := range vals {
		if a, err := w.given(nil, val); err == nil && (now == nil || a.value().String() != now.value().String()) {
			all = append(all, a)
		}
	}
	return all
}

// wordChanges are changes of a link's own words: of each, to one of the values that it has not.
func wordChanges(k *linkKind, l *kernel.Link, by int) (ops []*setWord) {
	if k == nil {
		return nil
	}
	for _, w := range k.words {
		if !w.set {
			continue
		}
		if all := w.others(w.read(k.data(l))); len(all) > 0 {
			a := all[by%len(all)]
			ops = append(ops, k.setting(l.LinkRef, &w, a))
		}
	}
	return ops
}

// kindLaws are those of each kind: it is made, it is deleted, and each of its words that can change is set.
func kindLaws() (all []law) {
	for _, k := range allKinds() {
		all = append(all,
			law{name: "link add " + k.Name, op: func(t *testing.T, m *kernel.Machine) change.Op {
				return k.exampleOn(t, m, "new0", "new1")
			}})
		if kernel.Remade(k.Name) {
			all = append(all, law{name: "link del " + k.Name, op: func(t *testing.T, m *kernel.Machine) change.Op {
				return &delLink{Link: k.made(t, m).LinkRef}
			}})
		}
	}
	for _, k := range setKinds() {
		for _, w := range k.words {
			if !w.set {
				continue
			}
			name := "link set type " + k.Name + " " + w.name
			all = append(all, law{name: name, op: func(t *testing.T, m *kernel.Machine) change.Op {
				return w.changed(t, m, k)
			}})
		}
	}
	return all
}

// wordsNeed is what makes a word one that the kernel takes: a shell's commands, with kind0. A link that the word names
// is kind2.
var wordsNeed = func() map[string]string {
	all := map[string]string{
		"bridge_slave mab":         "bridge link set dev kind0 locked on learning on",
		"bridge_slave vlan_tunnel": "ip link set master0 type bridge vlan_filtering 1",
		"bridge_slave backup_port": "ip link add kind2 type veth peer name kind3; ip link set kind2 master master0",
	}
	all["bridge mcast_vlan_snooping"] = "ip link set kind0 type bridge vlan_filtering 1"
	const delays, ports = "ip link set kind0 type bond miimon 100", "for p in 4 2; do " +
		"ip link add kind$p type veth peer name end$p; ip link set end$p up; ip link set kind$p master kind0; done"
	const lacp = "802.3ad"
	for word, mode := range map[string]string{"packets_per_slave": "balance-rr", "tlb_dynamic_lb": "balance-tlb",
		"lacp_active": lacp, "lacp_rate": lacp, "ad_select": lacp, "ad_actor_sys_prio": lacp,
		"ad_user_port_key": lacp, "ad_actor_system": lacp} {
		all["bond "+word] = "ip link set kind0 down; ip link set kind0 type bond mode " + mode
	}
	maps.Copy(all, map[string]string{"bond updelay": delays, "bond downdelay": delays,
		"bond peer_notify_delay": delays, "bond active_slave": ports, "bond primary": ports})
	return all
}()

// changed is a change of the word that the kernel makes.
func (w *kindWord) changed(t *testing.T, m *kernel.Machine, k *linkKind) change.Op {
	if w.needs != "" {
		f, err := All().Feature(w.needs)
		if err != nil {
			t.Fatal(err)
		}
		has(t, m, f)
	}
	if w.secret != 0 {
		leftOut(t, "what it was is kept nowhere: a change is refused as a loss")
	}
	l := k.made(t, m)
	if first := wordsNeed[k.Name+" "+w.name]; first != "" {
		shell(t, first)
		t.Cleanup(func() { shell(t, "for p in 2 4; do ip link del kind$p 2>/dev/null || true; done") })
		nstest.Quiet(t, "")
	}
	why := errors.New("the test has no other value")
	for by := range 5 {
		ops := wordChanges(k, l, by)
		if _, names := w.attr().(*besideAttr); names {
			ops = []*setWord{k.setting(l.LinkRef, w, &besideAttr{masterArg{pre(t, m, "kind2")}})}
		}
		for _, op := range ops {
			if op.Attr != w.name {
				continue
			}
			err := op.Check(m, false)
			if err == nil {
				err = op.Do(m)
			}
			if err != nil {
				why = err
				continue
			}
			if err := op.Undo(m); err != nil {
				t.Fatal(err)
			}
			return &setWord{Link: op.Link, LinkKind: op.LinkKind, Attr: op.Attr, Words: op.Words, Value: op.Value}
		}
	}
	leftOut(t, why.Error())
	return nil
}

// kindForeigner is who changes what a law of a kind is about.
func kindForeigner(law string) (foreigner, bool) {
	words := strings.Fields(law)
	kind := words[len(words)-1]
	if strings.HasPrefix(law, "link set type ") {
		kind = words[3]
	}
	other := map[bool]string{true: "bridge", false: "ifb"}[kind != "bridge"]
	switch {
	case kindNamed(kind) == nil:
		return foreigner{}, false
	case strings.HasPrefix(law, "link add "):
		return foreigner{"ip link del new0; ip link add new0 type " + other, "ip link show new0", true}, true
	case strings.HasPrefix(law, "link del "):
		return foreigner{"ip link add kind0 type " + other, "ip link show kind0", true}, true
	}
	return foreigner{"ip link set kind0 alias theirs", "ip link show kind0 | grep alias", false}, true
}

// TestKindWords has somebody else change a word that the run has changed: it is left as it is, and said. Without that,
// and with a time that the kernel rounds, it is set back.
func TestKindWords(t *testing.T) {
	world(t)
	s := newSession(t)
	defer s.Close()
	before := nstest.Snapshot(t, "")
	if err := runIn(t, s, `
v = vxlan(host, id = 7, ttl = 3)
attempt(lambda: [v.set(ttl = 4), v.set(ttl = 5), fail("undo")])
assert.eq(v.info.ttl, 3)
host.link("lawbr").set(forward_delay = "4010ms", ageing_time = "1990ms", stp_state = True)
assert.eq(host.link("lawbr").info.stp_state, True)
assert.fails(lambda: host.link("lawbr").set(ttl = 4), "link lawbr is a bridge link, and ttl= is of .*vxlan")
assert.fails(lambda: v.set(mode = "private"), "mode= is of .*macvlan")
`); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
		t.Errorf("undone: %v, left %+v", err, u.Left)
	}
	if after := nstest.Snapshot(t, ""); after != before {
		t.Errorf("differs:\n%s", nstest.Diff(before, after))
	}
	s = newSession(t)
	defer s.Close()
	if err := runIn(t, s, `host.link("lawbr").set(priority = 77)`); err != nil {
		t.Fatal(err)
	}
	nstest.IP(t, "link", "set", "lawbr", "type", "bridge", "priority", "78")
	u, err := s.Rollback()
	if err != nil || len(u.Left) != 1 || !strings.Contains(u.Left[0].Reason, "it is 78, was 32768, was set to 77") {
		t.Errorf("undone: %v, left %+v", err, u.Left)
	}
}

// TestPortWords wants a word of link.set to mean one thing of a link that is a port: a bridge is no port of a bridge.
func TestPortWords(t *testing.T) {
	for _, ports := range portKinds {
		for _, k := range allKinds() {
			for _, w := range ports.words {
				if own := k.word(w.name); own != nil && own.set && w.set && k.Name != ports.master &&
					w.name != "learning" { // a vxlan's, which says so
					t.Errorf("%s= is of a %s and of a %s", w.name, k, ports)
				}
			}
		}
	}
}
