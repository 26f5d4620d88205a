package builtins

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// law is an op in the host's namespace of the sandbox, where every change must be undone by itself.
type law struct {
	name  string
	op    func(t *testing.T, m *kernel.Machine) change.Op
	shows string // a command that shows what it changes, where no dump does
}

// shown is what the command shows.
func (l law) shown(t *testing.T) string {
	t.Helper()
	if l.shows == "" {
		return ""
	}
	return shell(t, l.shows)
}

func pre(t *testing.T, m *kernel.Machine, name string) kernel.LinkRef {
	t.Helper()
	l, err := m.Host().Link(name)
	if err != nil {
		t.Fatal(err)
	}
	return l.LinkRef
}

func fresh(t *testing.T, m *kernel.Machine, name string) kernel.LinkSpec {
	t.Helper()
	index, err := m.Host().FreeIndex()
	if err != nil {
		t.Fatal(err)
	}
	return kernel.LinkSpec{LinkRef: kernel.LinkRef{NS: m.Host().Ref(), Index: index, Name: name}}
}

func freeCgroup(t *testing.T, m *kernel.Machine) string {
	t.Helper()
	path, err := m.FreeCgroup()
	if errors.Is(err, proc.ErrNoCgroups) {
		t.Skip("no cgroups here")
	} else if err != nil {
		t.Fatal(err)
	}
	return path
}

func laws() []law {
	set := func(attr, value string) law {
		return law{name: "link set " + attr, op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &setLink{Link: pre(t, m, "law0"), Attr: attr, Value: value}
		}}
	}
	return slices.Concat(kindLaws(), entryLaws(), []law{
		{name: "netns add", op: func(*testing.T, *kernel.Machine) change.Op {
			return &addNetns{Name: "lawful", Lo: true}
		}},
		{name: "netns del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			n, err := m.OpenName("lawns")
			if err != nil {
				t.Fatal(err)
			}
			return &delNetns{NS: n.Ref()}
		}},
		set("up", "off"), set("mtu", "1000"), set("mac", "02:00:00:00:00:42"), set("name", "renamed"),
		set("alias", "an alias"), set("txqlen", "17"), set("group", "5"), set("master", "0"),
		{name: "link set netns", op: func(t *testing.T, m *kernel.Machine) change.Op {
			n, err := m.OpenName("lawns")
			if err != nil {
				t.Fatal(err)
			}
			return &moveLink{From: pre(t, m, "law0"), To: kernel.LinkRef{NS: n.Ref()}}
		}},
		{name: "link set netns, name", op: func(t *testing.T, m *kernel.Machine) change.Op {
			n, err := m.OpenName("lawns")
			if err != nil {
				t.Fatal(err)
			}
			return &moveLink{From: pre(t, m, "law0"), To: kernel.LinkRef{NS: n.Ref(), Name: "renamed"}}
		}},
		{name: "link set offloads", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return offloadsOf(t, m, pre(t, m, "law0"))
		}, shows: "ethtool -k law0"},
		{name: "addr add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addAddr{Addr: kernel.Addr{Link: pre(t, m, "law0"), Prefix: netip.MustParsePrefix("10.8.0.1/24")}}
		}},
		{name: "addr add v6", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addAddr{Addr: kernel.Addr{Link: pre(t, m, "law0"), Prefix: netip.MustParsePrefix("fd08::8/64")}}
		}},
		{name: "addr del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &delAddr{Addr: kernel.Addr{Link: pre(t, m, "law0"), Prefix: netip.MustParsePrefix("10.9.0.1/24")}}
		}},
		{name: "route add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &putRoute{routeChange{Route: lawRoute(m, "10.98.0.0/16", "10.9.0.77")}, kernel.AddRoute}
		}},
		{name: "route append", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &putRoute{routeChange{Route: lawRoute(m, "10.99.0.0/16", "10.9.0.78")}, kernel.AppendRoute}
		}},
		{name: "route append v6", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &putRoute{routeChange{Route: lawRoute(m, "fd99::/64", "fd09::78")}, kernel.AppendRoute}
		}},
		{name: "route replace", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &putRoute{routeChange{Route: lawRoute(m, "10.99.0.0/16", "10.9.0.78")}, kernel.ReplaceRoute}
		}},
		{name: "route replace v6", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &putRoute{routeChange{Route: lawRoute(m, "fd99::/64", "fd09::78")}, kernel.ReplaceRoute}
		}},
		{name: "route del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			r := lawRoute(m, "10.97.0.0/16", "10.9.0.78")
			if err := m.PutRoute(kernel.AddRoute, r); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nstest.IP(t, "route", "del", "10.97.0.0/16") })
			return &delRoute{routeChange{Route: r}}
		}},
		{name: "rule add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addEntry{Entry: ruleOf(m.Host().Ref(), "10.98.0.0/16", 78, 500)}
		}},
		{name: "rule add v6", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addEntry{Entry: ruleOf(m.Host().Ref(), "fd98::/64", 78, 500)}
		}},
		{name: "rule del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &delEntry{Entry: ruleOf(m.Host().Ref(), "10.97.0.0/16", 77, 500)}
		}},
		{name: "neigh add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addEntry{Entry: neighOf(pre(t, m, "law0"), "10.9.0.88")}
		}},
		{name: "neigh add proxy", op: func(t *testing.T, m *kernel.Machine) change.Op {
			e := neighOf(pre(t, m, "law0"), "fd09::88")
			e.Msg = e.Msg[:unix.SizeofNdMsg+20] // without lladdr
			e.Msg[8], e.Msg[10] = 0, netlink.NTF_PROXY
			return &addEntry{Entry: e}
		}},
		{name: "neigh del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &delEntry{Entry: neighOf(pre(t, m, "law0"), "10.9.0.77")}
		}},
		{name: "wg_peer add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addEntry{Entry: wgPeerOf(wireguardKind.made(t, m).LinkRef)}
		}},
		{name: "wg_peer del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			e := wgPeerOf(wireguardKind.made(t, m).LinkRef)
			if err := m.AddEntry(e); err != nil {
				t.Fatal(err)
			}
			return &delEntry{Entry: e}
		}},
		{name: "wg_peer set", op: func(t *testing.T, m *kernel.Machine) change.Op {
			e := wgPeerOf(wireguardKind.made(t, m).LinkRef)
			if err := m.AddEntry(e); err != nil {
				t.Fatal(err)
			}
			return &setEntry{Entry: wgPeerSet(e)}
		}},
		{name: "mroute add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addEntry{Entry: mrouteOf(routedOverBoth(t, m))}
		}, shows: "ip mroute"},
		{name: "mroute del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			e := mrouteOf(routedOverBoth(t, m))
			if err := m.AddEntry(e); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.DelEntry(e) }) // it may have been deleted
			return &delEntry{Entry: e}
		}, shows: "ip mroute"},
		{name: "mptcp_limits set", op: func(t *testing.T, m *kernel.Machine) change.Op {
			op := &setEntry{Entry: mptcpLimitsOf(m.Host().Ref(), 5)}
			needs(t, op)
			return op
		}, shows: "ip mptcp limits"},
		{name: "xfrm_policy add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addEntry{Entry: xfrmPolicyOf(m.Host().Ref(), "10.88.0.0/16")}
		}},
		{name: "xfrm_policy del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			nstest.IP(t, "xfrm", "policy", "add", "src", "10.87.0.0/16", "dir", "out")
			t.Cleanup(func() { nstest.TryIP(t, "xfrm", "policy", "del", "src", "10.87.0.0/16", "dir", "out") })
			return &delEntry{Entry: xfrmPolicyOf(m.Host().Ref(), "10.87.0.0/16")}
		}},
		{name: "xfrm_state add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			op := &addEntry{Entry: xfrmStateOf(m.Host().Ref(), 256)}
			needs(t, op)
			return op
		}},
		{name: "xfrm_state del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			op := &delEntry{Entry: xfrmStateOf(m.Host().Ref(), 257)}
			needs(t, op)
			if err := m.AddEntry(op.Entry); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nstest.TryIP(t, "xfrm", "state", "flush") })
			return op
		}},
		{name: "tc_class set", shows: "tc class show dev law1", op: func(t *testing.T, m *kernel.Machine) change.Op {
			l := pre(t, m, "law1")
			shell(t, "tc qdisc add dev law1 root handle 77: htb; tc class add dev law1 parent 77: classid 77:10 htb "+
				"rate 1mbit")
			t.Cleanup(func() { shell(t, "tc qdisc del dev law1 root") })
			return classOf(l)
		}},
		{name: "qdisc set", shows: "tc qdisc show dev law1", op: func(t *testing.T, m *kernel.Machine) change.Op {
			l := pre(t, m, "law1")
			old := tbfQdisc.example(l)
			if err := m.AddEntry(old); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.DelEntry(old) }) // may have been replaced
			rate := rateIn[width64](250000)
			options, err := tbfQdisc.options(map[string]kindAttr{"rate": &rate}, old.Options())
			if err != nil {
				t.Fatal(err)
			}
			old.Msg = kernel.AppendAttr(tcHeadOf(old), tcaOptions, options)
			return &setOptions{Entry: old}
		}},
		{name: "nft", op: func(t *testing.T, m *kernel.Machine) change.Op {
			op := &changeRules{NS: m.Host().Ref(), Text: lawRules}
			if lacked(op) {
				t.Skip("there is no nft here")
			}
			shell(t, "nft '"+lawRuleset+"'")
			t.Cleanup(func() { nstest.ClearNft(t) })
			return op
		}},
		{name: "sysctl", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &setSysctl{NS: m.Host().Ref(), Key: "net.ipv4.ip_forward", Value: "1"}
		}},
		{name: "pid namespace", op: func(*testing.T, *kernel.Machine) change.Op { return &addPIDs{Name: "lawful"} }},
		{name: "process start", op: func(_ *testing.T, m *kernel.Machine) change.Op { return sleeper(m, m.Host()) }},
		{name: "file add", op: func(_ *testing.T, m *kernel.Machine) change.Op {
			return &addFile{fileOf(m, m.Host(), "/etc/lawful")}
		}, shows: lawFiles},
		{name: "file set", op: func(t *testing.T, m *kernel.Machine) change.Op {
			op := &setFile{fileOp: addedFile(t, m)}
			op.Text = "new\n"
			return op
		}, shows: lawFiles},
		{name: "file del", op: func(t *testing.T, m *kernel.Machine) change.Op {
			op := addedFile(t, m)
			return &delFile{op, op.FreeAside()}
		}, shows: lawFiles},
		{name: "cgroup add", op: func(t *testing.T, m *kernel.Machine) change.Op {
			return &addCgroup{Path: freeCgroup(t, m)}
		}},
	})
}

// lawFiles shows the files of namespaces in /run, and where they are seen.
const lawFiles = "cd /run; find . -path './.files-*' -printf '%p %m %l\\n' -type f -exec cat {} +"

// fileOf is a file of a namespace.
func fileOf(m *kernel.Machine, n *kernel.Namespace, path string) fileOp {
	m.Folder = "/run"
	return fileOp{kernel.File{NS: n.Ref(), Path: path, Text: "text\n", Mode: 0o644}}
}

// addedFile is a file of the host that is there until the test ends.
func addedFile(t *testing.T, m *kernel.Machine) fileOp {
	t.Helper()
	op := fileOf(m, m.Host(), "/etc/lawful")
	if err := errors.Join(m.PlaceFile(&op.File), m.AddFile(op.File)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.RemoveFile(op.File); err != nil {
			t.Error(err)
		}
	})
	return op
}

// A ruleset of somebody's, and a text that changes some of it.
const (
	lawRuleset = `
table ip kept { chain c { type filter hook output priority 7; counter packets 77 bytes 770; }; }
table inet law {
	counter named { packets 7 bytes 70; };
	quota most { over 10 mbytes used 1 mbytes; };
	set s { type ipv4_addr; flags interval, timeout; elements = { 10.0.0.0/8, 192.168.1.1 timeout 1h }; };
	map m { type inet_service : verdict; elements = { 80 : accept, 443 : jump c }; };
	chain c { counter packets 5 bytes 50 comment "kept"; limit rate 5/second accept; };
	chain in { type filter hook input priority 0; policy accept; tcp dport vmap @m; tcp dport { 22, 23 } counter name named; };
}`
	lawRules = `
flush chain inet law c
delete element inet law s { 10.0.0.0/8 }
add rule inet law in udp dport 53 drop
table ip6 new { chain c { }; }
`
)

// offloadsOf switches off a link's segmentation of TCP.
func offloadsOf(t *testing.T, m *kernel.Machine, l kernel.LinkRef) change.Op {
	t.Helper()
	op, err := offloadsArg{{"tso", false}, {"gro", true}}.set(m, l)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// lawRoute is a route of the host's through a gateway.
func lawRoute(m *kernel.Machine, dst, via string) kernel.Route {
	return routeIn(m.Host(), kernel.RouteSpec{Dst: netip.MustParsePrefix(dst),
		Nexthops: []kernel.Nexthop{{Via: netip.MustParseAddr(via)}}})
}

// ruleOf is a rule for packets from a prefix.
func ruleOf(ns kernel.NSRef, src string, table, priority uint32) kernel.Entry {
	p := netip.MustParsePrefix(src)
	e := kernel.Entry{NS: ns, Table: "rule"}
	msg := kernel.Blank(e)
	msg[0], msg[2], msg[7] = netlinkFamily(p.Addr()), byte(p.Bits()), unix.FR_ACT_TO_TBL
	if msg[4] = byte(table); table > math.MaxUint8 {
		msg[4] = unix.RT_TABLE_COMPAT
	}
	msg = kernel.AppendAttr(msg, unix.FRA_SRC, p.Addr().AsSlice())
	msg = kernel.AppendAttr(msg, unix.FRA_PRIORITY, binary.NativeEndian.AppendUint32(nil, priority))
	e.Msg = kernel.AppendAttr(msg, unix.FRA_TABLE, binary.NativeEndian.AppendUint32(nil, table))
	return e
}

// neighOf is a neighbour on a link.
func neighOf(l kernel.LinkRef, ip string) kernel.Entry {
	e := kernel.Entry{NS: l.NS, Table: "neigh", Link: &l}
	msg, addr := kernel.Blank(e), netip.MustParseAddr(ip)
	msg[0], msg[8] = netlinkFamily(addr), unix.NUD_PERMANENT
	msg = kernel.AppendAttr(msg, unix.NDA_DST, addr.AsSlice())
	e.Msg = kernel.AppendAttr(msg, unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 0x88})
	return e
}

// wgPeerOf is a peer of a WireGuard link.
func wgPeerOf(l kernel.LinkRef) kernel.Entry {
	e := kernel.Entry{NS: l.NS, Table: "wg_peer", Link: &l}
	key := [32]byte{31: 2}
	msg := kernel.AppendAttr(kernel.Blank(e), unix.WGPEER_A_PUBLIC_KEY, key[:])
	allowed := []netip.Prefix{netip.MustParsePrefix("10.3.0.0/16"), netip.MustParsePrefix("fd03::/64")}
	e.Msg = kernel.AppendAttr(msg, unix.WGPEER_A_ALLOWEDIPS, kernel.AllowedIPs(allowed))
	return e
}

// wgPeerSet is what that peer is set to.
func wgPeerSet(e kernel.Entry) kernel.Entry {
	e.Msg = kernel.AppendAttr(kernel.Blank(e), unix.WGPEER_A_PUBLIC_KEY, e.Attr(unix.WGPEER_A_PUBLIC_KEY))
	e.Msg = kernel.AppendAttr(e.Msg, unix.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, encodeNumber[width16](25))
	return e
}

// mrouteOf is a multicast route between two links.
func mrouteOf(from, to kernel.LinkRef) kernel.Entry {
	e := kernel.Entry{NS: from.NS, Table: "mroute"}
	msg := kernel.AppendAttr(kernel.Blank(e), unix.RTA_DST, []byte{239, 9, 0, 1})
	msg = kernel.AppendAttr(msg, unix.RTA_SRC, []byte{10, 9, 0, 77})
	msg = kernel.AppendAttr(msg, unix.RTA_IIF, encodeNumber[width32](from.Index))
	e.Msg = kernel.AppendAttr(msg, unix.RTA_MULTIPATH, kernel.MrouteLinks([]int{to.Index}))
	return e
}

// routedOverBoth are two links that multicast is routed over.
func routedOverBoth(t *testing.T, m *kernel.Machine) (from, to kernel.LinkRef) {
	t.Helper()
	links := []kernel.LinkRef{pre(t, m, "law0"), pre(t, m, "law1")}
	for i, l := range links {
		e := kernel.Entry{NS: l.NS, Table: "mroute_vif", Link: &l}
		e.Msg = kernel.AppendAttr(kernel.Blank(e), kernel.MRouteVIF, encodeNumber[width32](i))
		if err := m.AddEntry(e); err != nil && !errors.Is(err, unix.EADDRINUSE) {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.DelEntry(e) }) // it may have gone with the link, or twice
	}
	return links[0], links[1]
}

// mptcpLimitsOf sets how many subflows a namespace's connections have.
func mptcpLimitsOf(ns kernel.NSRef, subflows int) kernel.Entry {
	e := kernel.Entry{NS: ns, Table: "mptcp_limits"}
	e.Msg = kernel.AppendAttr(kernel.Blank(e), 3, encodeNumber[width32](subflows))
	return e
}

// xfrmPolicyOf is a policy for packets from a prefix, with nothing more.
func xfrmPolicyOf(ns kernel.NSRef, src string) kernel.Entry {
	a := &xfrmPolicyArgs{Dir: "out", Src: &placed[srcPlace]{}}
	a.Src.Prefix = netip.MustParsePrefix(src)
	return newEntry(kernel.Entry{NS: ns}, a, a.finish)
}

// xfrmStateOf is a state without a key.
func xfrmStateOf(ns kernel.NSRef, spi int) kernel.Entry {
	a := xfrmExample()
	a.SPI, a.AEAD = whole[widthSPI](spi), nil
	a.Enc = &xfrmAlgo[plainAlgorithm]{name: "ecb(cipher_null)"}
	a.Auth = &xfrmAlgo[cutAlgorithm]{name: "digest_null"}
	e := newEntry(kernel.Entry{NS: ns}, a, a.finish)
	e.Whole = nil
	return e
}

// lacked reports whether an op is one of a table that this kernel does not have.
func lacked(op change.Op) bool { return lackedBy(op) != nil }

// needs skips the law of an op that is one of such a table.
func needs(t *testing.T, op change.Op) {
	t.Helper()
	if f := lackedBy(op); f != nil {
		leftOut(t, f.Remedy)
	}
}

// lackedBy is the feature that this kernel does not have, and the table of an op needs.
func lackedBy(op change.Op) *runtime.Feature {
	var e kernel.Entry
	switch op := op.(type) {
	case *addEntry:
		e = op.Entry
	case *delEntry:
		e = op.Entry
	case *setEntry:
		e = op.Entry
	case *changeRules:
		return lackedOf("nft")
	case *delConnection:
		return lackedOf("nftables", "conntrack")
	default:
		return nil
	}
	return lackedOf(entryKinds[e.Table].Needs...)
}

// lacks reports whether the machine has not all of some features.
func lacks(names ...string) bool { return lackedOf(names...) != nil }

// lackedOf is the first of some features that this kernel does not have.
func lackedOf(names ...string) *runtime.Feature {
	m, err := kernel.Open()
	if err != nil {
		return nil
	}
	defer m.Close()
	for _, f := range features() {
		if !slices.Contains(names, f.Name) {
			continue
		}
		if _, asked := probed[f.Name]; !asked {
			probed[f.Name] = f.Probe(m) == nil
		}
		if !probed[f.Name] {
			return f
		}
	}
	return nil
}

// classOf sets a class to another rate.
func classOf(l kernel.LinkRef) *setOptions {
	e := kernel.Entry{NS: l.NS, Table: "tc_class", Link: &l}
	msg := kernel.Blank(e)
	msg[8], msg[10], msg[14] = 0x10, 0x77, 0x77
	e.Msg = kernel.AppendAttr(kernel.AppendAttr(msg, 1, []byte("htb\x00")), tcaOptions, htbExample())
	rate := rateIn[width64](250000)
	options, err := htbClass.options(map[string]kindAttr{"rate": &rate, "ceil": &rate}, nil)
	if err != nil {
		panic(err)
	}
	e.Msg = kernel.AppendAttr(tcHeadOf(e), tcaOptions, options)
	return &setOptions{Entry: e}
}

// world makes what the ops work on, and takes it away again.
func world(t *testing.T) {
	t.Helper()
	makeWorld(t)
	t.Cleanup(func() {
		nstest.ClearRules(t)
		nstest.Batch(t, "link del law0", "link del lawbr", "netns del lawns")
	})
}

// makeWorld makes a pair with addresses, routes and a neighbour, a bridge, and a namespace.
func makeWorld(t *testing.T) {
	t.Helper()
	nstest.Batch(t,
		"netns add lawns",
		"link add law0 type veth peer name law1",
		"link add lawbr address 02:00:00:00:00:b0 type bridge",
		"link set law0 addrgenmode none",
		"link set law1 addrgenmode none",
		"link set lawbr addrgenmode none",
		"link set lawbr up",
		"link set law1 up",
		"link set law0 up",
		"addr add 10.9.0.1/24 dev law0",
		"addr add 10.9.0.2/24 dev law0",
		"addr add fd09::1/64 dev law0 nodad",
		"route add 10.99.0.0/16 via 10.9.0.77",
		"route add fd99::/64 via fd09::77",
		"rule add from 10.97.0.0/16 table 77 priority 500",
		"rule add from 10.97.1.0/24 table 77 priority 500",
		"rule add blackhole iif law0 priority 500",
		"neigh add 10.9.0.77 lladdr 02:00:00:00:00:77 dev law0 nud permanent")
	nstest.Settled(t, []string{"law0", "law1"}, []string{"fd09::1"})
}

// TestOpLaws holds every op to what it promises: its record is the op; undone before it was made, it changes nothing;
// made and undone, once and again, also as read back from its record by another process, it leaves nothing. Those of
// kinds and tables are made once more by a run that is killed then, and undone by who finds its journal:
// docs/support.md.
func TestOpLaws(t *testing.T) {
	nstest.Unraced(t)
	covered, held, kills := map[string]bool{}, map[string]string{}, map[string]bool{}
	all, run := laws(), 0
	told, here := readOutcomes(t), release(t)
	world(t)
	for _, l := range all {
		covered[l.name] = true // also where this kernel does not have it
		if *rest && (of(l.name) == "" || told.elsewhere(l.name, here) || *update && told[l.name][here] != "") {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			run++
			t.Cleanup(func() { // a law that holds leaves the world to the next
				if t.Failed() {
					clearHost(t)
					makeWorld(t)
				}
				if t.Skipped() && of(l.name) != "" {
					held[l.name] = cmp.Or(missing[t.Name()], "it was left out")
				}
			})
			m, err := kernel.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			op := l.op(t, m)
			covered[op.Kind()] = true
			asked, err := json.Marshal(op)
			if err != nil {
				t.Fatal(err)
			}
			nstest.Quiet(t, "") // a bridge has the carrier of its new port
			before, shown := nstest.State(t), l.shown(t)
			// Where a state takes long to read, the last one tells of all acts before it.
			same := func(last bool) {
				t.Helper()
				if *rest && !last {
					return
				}
				nstest.Quiet(t, "")
				nstest.Settled(t, []string{"law0", "law1"}, []string{"fd09::1"})
				if after := nstest.State(t); after != before {
					t.Fatalf("the state differs:\n%s", nstest.Diff(before, after))
				}
				if now := l.shown(t); now != shown {
					t.Fatalf("%s: %s", l.shows, nstest.Diff(shown, now))
				}
			}
			step := func(name string, act func() error) {
				t.Helper()
				if err := act(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			step("check", func() error { return op.Check(m, false) })
			step("valid", func() error { return change.ValidOp(op) })
			if _, ok := op.(*addNetns); !ok { // its namespace would be gone with its undoing
				step("undo unprovoked", func() error { return op.Undo(m) })
				same(false)
			}
			step("do", func() error { return op.Do(m) })
			if nstest.State(t) == before && l.shown(t) == shown {
				s, same := op.(*setLink)
				_, nothing := op.(*addPIDs)
				if !nothing && (!same || s.Old != s.Value) {
					t.Error("doing it changed nothing")
				}
			}
			text, err := json.Marshal(op)
			if err != nil {
				t.Fatal(err)
			}
			again := reflect.New(reflect.TypeOf(op).Elem()).Interface().(change.Op)
			if err := json.Unmarshal(text, again); err != nil || !reflect.DeepEqual(op, again) {
				t.Errorf("the record is not the op (%v): %s", err, text)
			}
			other, err := kernel.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			other.Folder = m.Folder
			step("read back", func() error { return readBack(other, op) })
			step("undo", func() error { return again.Undo(other) })
			same(false)
			step("undo twice", func() error { return again.Undo(other) })
			same(true)
			if op.Command() == "" {
				t.Error("it has no command")
			}
			if of(l.name) == "" {
				return
			}
			held[l.name] = yes
			one := of(l.name) + " " + strings.Fields(l.name)[1]
			if *rest && kills[one] {
				return // one word of a kind
			}
			kills[one] = true
			killed(t, op.Kind(), asked)
			if nstest.State(t) == before && l.shown(t) == shown {
				t.Error("the run that was killed has changed nothing")
			}
			found, err := lab.Open(All().Ops, "").Recover()
			if err != nil || len(found) != 1 || found[0].Err != nil || len(found[0].Left) > 0 {
				t.Fatalf("recovery: %+v, %v", found, err)
			}
			same(true)
		})
	}
	if !t.Failed() {
		told.hold(t, here, held)
	}
	if run < len(all) {
		return // -run chose some
	}
	for _, op := range All().Ops {
		// A connection is never brought back.
		if !covered[op.Kind()] && op.Kind() != "conntrack del" && (op.Kind() != "cgroup add" || nstest.Cgroups()) {
			t.Errorf("op %q has no law", op.Kind())
		}
	}
}
