package builtins

import (
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// An entryCase is a table whose entries are added and deleted, by itself: all laws, acts and foreigners of it.
type entryCase struct {
	table, link string
	setup       string // a shell's command that makes what it needs, in the world of the laws
	head        map[int]byte
	attrs       map[int][]byte
	theirs      string // what somebody else makes of it, where it is and where it is not
	shows       string

	// Shell's commands, in a random world with LINK: what an entry needs there, and one.
	needs, has string
}

var entryCases = []entryCase{
	{"port fdb", "law1", "ip link set law1 master lawbr", map[int]byte{8: unix.NUD_NOARP, 10: netlink.NTF_MASTER},
		map[int][]byte{unix.NDA_LLADDR: {2, 0, 0, 0, 0, 0x31}},
		"bridge fdb replace 02:00:00:00:00:31 dev law1 master permanent",
		"bridge fdb show dev law1 | grep 00:31 || true",
		"ip link add fdbr up type bridge; ip link set LINK master fdbr",
		"bridge fdb add 02:00:00:00:00:31 dev LINK master static"},
	{"fdb", "lawvx", "ip link add lawvx type vxlan id 9 dstport 4789; " +
		"ip link set lawvx addrgenmode none; ip link set lawvx up",
		map[int]byte{8: unix.NUD_PERMANENT, 10: netlink.NTF_SELF},
		map[int][]byte{unix.NDA_LLADDR: {2, 0, 0, 0, 0, 0x31}, unix.NDA_DST: {10, 9, 0, 77}},
		"bridge fdb replace 02:00:00:00:00:31 dev lawvx dst 10.9.0.78", "bridge fdb show dev lawvx",
		"", "bridge fdb add 02:00:00:00:00:31 dev LINK self permanent"},
	{"mdb", "law1", "ip link set law1 master lawbr",
		map[int]byte{16: 1, 20: 239, 21: 1, 22: 1, 23: 1, 36: 8}, nil, "",
		"bridge mdb show dev lawbr | grep 239 || true",
		"ip link add mdbr up type bridge; ip link set LINK master mdbr",
		"bridge mdb add dev mdbr port LINK grp 239.1.1.1 permanent"},
	{"nexthop", "", "true", map[int]byte{0: unix.AF_INET},
		map[int][]byte{unix.NHA_ID: {77, 0, 0, 0}, unix.NHA_BLACKHOLE: {}},
		"ip nexthop replace id 77 via 10.9.0.77 dev law0", "ip nexthop show",
		"ip link set lo up", "ip nexthop add id 77 blackhole"},
	{"addrlabel", "", "true", map[int]byte{2: 64},
		map[int][]byte{1: append([]byte{0xfd, 0x77}, make([]byte, 14)...), 2: {77, 0, 0, 0}},
		"ip -6 addrlabel add prefix fd77::/64 label 78", "ip -6 addrlabel show",
		"", "ip -6 addrlabel add prefix fd77::/64 label 77"},
	{"mptcp_endpoint", "", "true", nil, map[int][]byte{1: slices.Concat(
		kernel.AppendAttr(nil, 1, []byte{unix.AF_INET, 0}), kernel.AppendAttr(nil, 2, []byte{77}),
		kernel.AppendAttr(nil, 3, []byte{10, 9, 0, 1}), kernel.AppendAttr(nil, 6, []byte{2, 0, 0, 0}))},
		"ip mptcp endpoint add 10.9.0.2 id 77 signal", "ip mptcp endpoint show",
		"", "ip mptcp endpoint add 10.9.0.1 id 77 subflow"},
	{"bridge_vlan", "law1", "ip link set lawbr type bridge vlan_filtering 1; ip link set law1 master lawbr",
		map[int]byte{24: 4, 26: 77}, nil, "bridge vlan add vid 77 dev law1", "bridge vlan show dev law1",
		"ip link add vlbr up type bridge vlan_filtering 1; ip link set LINK master vlbr",
		"bridge vlan add vid 77 dev LINK"},
	{"bridge_vni", "lawvx", "ip link add lawvx type vxlan external vnifilter dstport 4790; " +
		"ip link set lawvx addrgenmode none; ip link set lawvx up",
		nil, map[int][]byte{1: kernel.AppendAttr(nil, 1, []byte{77, 0, 0, 0})},
		"bridge vni add vni 77 remote 10.9.0.78 dev lawvx", "bridge vni show dev lawvx", "", "true"},
	{"mroute_vif", "law1", "true", map[int]byte{0: unix.AF_INET}, map[int][]byte{1: {5, 0, 0, 0}}, "",
		"cat /proc/net/ip_mr_vif", "", "true"},
	{"qdisc", "law1", "true", map[int]byte{10: 0x77, 12: 255, 13: 255, 14: 255, 15: 255},
		map[int][]byte{1: []byte("tbf\x00"), 2: tcOptionsOf("tbf")},
		"tc qdisc replace dev law1 root handle 9: pfifo", "tc qdisc show dev law1 | sed s/refcnt.[0-9]*//",
		"", "tc qdisc replace dev LINK root handle 77: tbf rate 1mbit burst 10kb limit 10kb"},
	{"tc_class", "law1", "tc qdisc add dev law1 root handle 77: htb",
		map[int]byte{8: 0x10, 10: 0x77, 14: 0x77},
		map[int][]byte{1: []byte("htb\x00"), 2: htbExample()},
		"tc qdisc del dev law1 root; tc qdisc add dev law1 root handle 77: htb; " +
			"tc class add dev law1 parent 77: classid 77:1 htb rate 9mbit; " +
			"tc class add dev law1 parent 77:1 classid 77:10 htb rate 7mbit",
		"tc class show dev law1",
		"tc qdisc replace dev LINK root handle 77: htb",
		"tc class replace dev LINK parent 77: classid 77:10 htb rate 1mbit"},
	{"tc_filter", "law1", "tc qdisc add dev law1 clsact",
		map[int]byte{9: 8, 12: 0xf2, 13: 0xff, 14: 0xff, 15: 0xff, 17: 3, 18: 5},
		map[int][]byte{1: []byte("u32\x00"), 2: u32Example()}, "", "tc filter show dev law1 ingress",
		"tc qdisc replace dev LINK clsact",
		"tc filter add dev LINK ingress protocol all pref 5 u32 match u32 0 0 flowid 1:1"},
}

func u32Example() []byte {
	flow := tcHandle(0x10001)
	options, err := u32Filter.options(map[string]kindAttr{"match": &u32Match{{}}, "flowid": &flow}, nil)
	if err != nil {
		panic(err)
	}
	return options
}

func htbExample() []byte {
	rate := rateIn[width64](125000)
	options, err := htbClass.options(map[string]kindAttr{"rate": &rate}, nil)
	if err != nil {
		panic(err)
	}
	return options
}

// tcOptionsOf are the options of an example of a kind of qdisc.
func tcOptionsOf(kind string) []byte {
	e := tcNamed(qdiscKinds, kind).example(kernel.LinkRef{Index: 1})
	return kernel.InfoAttr(e.Msg[20:], 2)
}

// entry is one of the table, on a link where entries hang on one.
func (c entryCase) entry(l kernel.LinkRef) kernel.Entry {
	e := kernel.Entry{NS: l.NS, Table: c.table}
	if c.link != "" {
		e.Link = &l
	}
	e.Msg = kernel.Blank(e)
	for at, b := range c.head {
		e.Msg[at] = b
	}
	for _, typ := range []int{1, 2, 4} {
		if value, ok := c.attrs[typ]; ok {
			e.Msg = kernel.AppendAttr(e.Msg, typ, value)
		}
	}
	return e
}

// there is an entry of the world, once what it needs is made.
func (c entryCase) there(t *testing.T, m *kernel.Machine) kernel.Entry {
	t.Helper()
	needs(t, &addEntry{Entry: kernel.Entry{Table: c.table}})
	shell(t, c.setup)
	if c.link == "lawvx" {
		t.Cleanup(func() { nstest.IP(t, "link", "del", "lawvx") })
	}
	t.Cleanup(func() {
		shell(t, "ip link set law1 nomaster; ip link set lawbr type bridge vlan_filtering 0 2>/dev/null || true; "+
			"tc qdisc del dev law1 root 2>/dev/null || true; tc qdisc del dev law1 clsact 2>/dev/null || true; "+
			"ip nexthop flush; ip mptcp endpoint flush; for l in 77 78; do "+
			"ip -6 addrlabel del prefix fd77::/64 label $l 2>/dev/null || true; done")
	})
	nstest.Settled(t, []string{"law0", "law1"}, []string{"fd09::1"})
	nstest.Quiet(t, "") // a bridge's carrier comes with its port's
	name := c.link
	if name == "" {
		name = "lo"
	}
	e := c.entry(pre(t, m, name))
	if c.table == "mdb" {
		br := pre(t, m, "lawbr")
		copy(e.Msg[4:], encodeNumber[width32](br.Index))
		e.Master = br.Name
	}
	return e
}

func entryLaws() (all []law) {
	for _, c := range entryCases {
		all = append(all,
			law{c.table + " add", func(t *testing.T, m *kernel.Machine) change.Op {
				return &addEntry{Entry: c.there(t, m)}
			}, c.shows},
			law{c.table + " del", func(t *testing.T, m *kernel.Machine) change.Op {
				e := c.there(t, m)
				if err := m.AddEntry(e); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = m.DelEntry(e) }) // may have gone with its link
				return &delEntry{Entry: e}
			}, c.shows})
	}
	return all
}

// entryForeigner is who changes what a law of a table is about.
func entryForeigner(law string) (foreigner, bool) {
	for _, c := range entryCases {
		if table, _ := strings.CutSuffix(law[:len(law)-3], " "); table != c.table {
			continue
		}
		if c.theirs == "" { // there is nothing in it to change
			return foreigner{"true", "true", false}, true
		}
		acts := c.theirs
		if c.table == "mptcp_endpoint" && strings.HasSuffix(law, "add") {
			acts = "ip mptcp endpoint del id 77; " + acts
		}
		if c.table == "addrlabel" && strings.HasSuffix(law, "add") {
			acts = "ip -6 addrlabel del prefix fd77::/64 label 77; " + acts
		}
		return foreigner{acts, c.shows, true}, true
	}
	return foreigner{}, false
}
