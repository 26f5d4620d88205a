package builtins

import (
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// held are the images of an op that a mutant takes something out of.
func held(op change.Op, less func(img *kernel.Image)) {
	for _, img := range saved(op) {
		less(img)
	}
}

// without takes an image's part of a table.
func without(table string) func(img *kernel.Image) {
	return func(img *kernel.Image) { delete(img.Parts, table) }
}

// unsaid does what would be refused, and says nothing of it afterwards.
func unsaid(op change.Op) {
	held(op, func(img *kernel.Image) {
		img.Unheld, img.Learned, img.Token, img.Autoconf = nil, kernel.Learned{}, "", false
	})
	switch op := op.(type) {
	case *delLink:
		op.Above = nil
	case *moveLink:
		op.Gone = nil
	}
}

// alone undoes a change of a link and nothing that changed with it.
func alone(op change.Op) {
	switch op := op.(type) {
	case *setLink:
		op.Others = nil
	case *moveLink:
		op.Above, op.Others = nil, nil
	case *delLink:
		op.Others = nil
	}
}

const addressed = pair + "addr add 10.1.0.1/24 dev m0; addr add 10.1.0.2/24 dev m0; addr add fd01::1/64 dev m0 " +
	"nodad; addr add fd01::2/64 dev m0 nodad; "

// cares are worlds in which a change has something to look after, and what undoing it comes to without that.
var cares = []struct {
	name, world string
	act         act
	forget      func(op change.Op)
}{
	{"qdisc", pair + "sh: tc qdisc add dev m0 root handle 7: pfifo limit 7", deletion("m0"),
		func(op change.Op) { held(op, without("qdisc")) }},
	{"default qdisc", "tuntap add name m0 mode tap; link set m0 addrgenmode none; link set m0 up; link set m0 txqlen 0",
		move, unsaid},
	{"address let in", pair + "sh: bridge fdb add 02:00:00:00:00:99 dev m0 self permanent", move, unsaid},
	{"limit", pair + "link set m0 gso_max_size 30000", deletion("m0"), unsaid},
	{"backup port", bridged +
		"link add p1 type veth peer name q1; link set p1 master b0; sh: bridge link set dev p1 backup_port m0",
		settingOf("m0", "master", "0"), unsaid},
	{"group behind a port", bridged + "sh: bridge mdb add dev b0 port m0 grp 239.1.1.1 permanent", deletion("b0"),
		func(op change.Op) {
			held(op, func(img *kernel.Image) { img.Ports[0].Parts = nil })
		}},
	{"nexthop objects", addressed + "nexthop add id 5 via 10.1.0.9 dev m0", settingOf("m0", "up", "off"),
		func(op change.Op) { held(op, without("nexthop")) }},
	{"link above in another namespace, deleted", pair + "link add v0 link m0 netns AWAY type macvlan",
		deletion("m0"), unsaid},
	{"link above in another namespace, mtu", pair + "link add v0 link m0 netns AWAY type macvlan" + upAway,
		settingOf("m0", "mtu", "1000"), alone},
	{"carrier of a bridge without ports", pair + "link add b0 type bridge; link set b0 addrgenmode none up",
		deletion("b0"), unsaid},
	{"altnames", pair + "sh: ip link property add dev m0 altname another", deletion("m0"), func(op change.Op) {
		held(op, func(img *kernel.Image) { img.Altnames = nil })
	}},
	{"forwarding entries", bridged + "sh: bridge fdb add 02:00:00:00:07:07 dev b0 self permanent", deletion("b0"),
		func(op change.Op) { held(op, without("fdb")) }},
	{"routes that expire", addressed + "-6 route add fd50::/64 dev m0 expires 5000", settingOf("m0", "up", "off"),
		func(op change.Op) { held(op, without("route")) }},
	{"source of a route over another link", addressed + side + "-6 route add fd50::/64 dev s0 src fd01::1",
		removal("m0", "fd01::1/64"), func(op change.Op) { held(op, without("route")) }},
	{"finer unit", pair + "net/ipv4/neigh/m0/base_reachable_time_ms=12340",
		writing("net.ipv4.neigh.m0.base_reachable_time", "30"), func(op change.Op) {
			s := op.(*setSysctl)
			s.Finer, s.Old, s.Shadow = "", "12", nil
		}},
	{"sysctl that cannot be set back", pair, writing("net.ipv6.conf.m0.stable_secret", "fd00::1"), func(op change.Op) {
		op.(*setSysctl).Loss = nil
	}},
	{"token", pair + "sh: sysctl -w net.ipv6.conf.m0.accept_ra=2; sh: ip token set ::77 dev m0",
		deletion("m0"), unsaid},
}

// TestMutationOfCares does each of these, which is the same afterwards or refused, and does it with what is to be
// looked after left out: the comparison of TestProperty notices.
func TestMutationOfCares(t *testing.T) {
	nstest.Long(t)
	for _, c := range cares {
		t.Run(c.name, func(t *testing.T) {
			whole := &trial{world: worldOf(c.world), acts: []act{c.act}}
			if f, _ := whole.run(t, "ca", honest, 5*time.Second); f != nil {
				t.Fatal(f.text)
			}
			tr := &trial{world: worldOf(c.world), acts: []act{c.act}, forget: c.forget}
			if f, done := tr.run(t, "ca", honest, 300*time.Millisecond); done != 1 {
				t.Error("nothing was done")
			} else if f == nil {
				t.Error("nothing noticed that it was left out")
			}
		})
	}
}
