package nstest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode"
)

// A table says how one kind of object is dumped and printed: a line each, with what the kernel counts, times or draws
// by lot left out.
type table struct {
	name   string
	kind   int    // RTM_GET...
	ask    []byte // the request's header
	header int    // length of the answer's fixed header
	names  map[int]string
	mask   string // attributes not to print, by number, " 7 23 "
	sorted bool   // the order says nothing
	keep   func(msg []byte) bool
}

// Numbers of linux/rtnetlink.h and its neighbours that package syscall does not name.
const (
	rtmGetNexthop = 106
	afBridge      = 7
	nudNoarp      = 0x40
	nudPermanent  = 0x80
	ntfExtLearned = 0x10
)

var tables = []table{
	{"link", syscall.RTM_GETLINK, make([]byte, 16), 16,
		map[int]string{1: "mac", 3: "name", 4: "mtu", 5: "peer", 6: "qdisc", 10: "master", 13: "txqlen",
			16: "operstate", 20: "alias", 27: "group", 33: "carrier", 37: "peernsid"},
		" 7 14 23 35 45 47 48 54 59 60 ", false, nil},
	{"addr", syscall.RTM_GETADDR, make([]byte, 8), 8,
		map[int]string{1: "address", 2: "local", 3: "label", 4: "broadcast", 8: "flags", 9: "metric", 11: "proto"},
		"", false, nil},
	{"route", syscall.RTM_GETROUTE, append([]byte{syscall.AF_INET}, make([]byte, 11)...), 12, routeNames, " 12 ",
		false, notCloned},
	{"route6", syscall.RTM_GETROUTE, append([]byte{syscall.AF_INET6}, make([]byte, 11)...), 12, routeNames, "",
		true, notCloned},
	{"rule", syscall.RTM_GETRULE, make([]byte, 12), 12, nil, "", false, nil},
	{"neigh", syscall.RTM_GETNEIGH, make([]byte, 12), 12, map[int]string{1: "dst", 2: "lladdr"}, " 3 4 ",
		true, permanent},
	// NTF_PROXY
	{"proxy", syscall.RTM_GETNEIGH, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}, 12, map[int]string{1: "dst"},
		" 3 4 ", true, nil},
	{"fdb", syscall.RTM_GETNEIGH, append([]byte{afBridge}, make([]byte, 11)...), 12,
		map[int]string{2: "lladdr", 9: "master"}, " 3 ", true, permanent},
	{"neightbl", syscall.RTM_GETNEIGHTBL, make([]byte, 4), 4, map[int]string{1: "name"}, " 5 7 8 9 ", true, nil},
	{"nexthop", rtmGetNexthop, make([]byte, 8), 8, nil, "", false, nil},
	{"addrlabel", syscall.RTM_GETADDRLABEL, append([]byte{syscall.AF_INET6}, make([]byte, 11)...), 12, nil,
		"", false, nil},
}

var routeNames = map[int]string{1: "dst", 4: "oif", 5: "gateway", 6: "metric", 7: "src", 9: "multipath", 15: "table",
	18: "via", 20: "pref"}

func notCloned(msg []byte) bool { return number(msg[8:])&0x200 == 0 } // RTM_F_CLONED

// permanent leaves out what was learned, but not by somebody's program, and the multicast groups that links listen to.
func permanent(msg []byte) bool {
	if lladdr := find(msg, 12, 2); msg[0] == afBridge && len(lladdr) > 0 && lladdr[0]&1 != 0 {
		return false
	}
	return msg[10]&ntfExtLearned != 0 || binary.NativeEndian.Uint16(msg[8:])&nudPermanent != 0 ||
		msg[0] == afBridge && binary.NativeEndian.Uint16(msg[8:])&nudNoarp != 0
}

// Snapshot is the state of namespaces, "" for the sandbox's own, as the kernel itself dumps it: links with their
// settings, addresses, routes, rules, neighbours, nexthops, and the settings of all links and of links to come. It sees
// what Dump sees, in milliseconds.
func Snapshot(t testing.TB, namespaces ...string) string {
	t.Helper()
	var b strings.Builder
	for _, ns := range namespaces {
		if err := within(ns, func() error { return snapshot(&b, ns) }); err != nil {
			t.Fatalf("snapshot of namespace %q: %v", ns, err)
		}
	}
	return b.String()
}

func snapshot(b *strings.Builder, ns string) error {
	c, err := dial(syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.close()
	var links [][]byte
	for _, tab := range tables {
		all, err := c.dump(tab.kind, tab.ask)
		if err != nil {
			return fmt.Errorf("dump of %s: %w", tab.name, err)
		}
		if tab.name == "link" {
			links = all
		}
		var lines, local []string
		for _, msg := range all {
			switch {
			case tab.keep != nil && !tab.keep(msg):
			case tab.name == "route" && (msg[7] == syscall.RTN_LOCAL || msg[7] == syscall.RTN_BROADCAST):
				// An address or subnet that is there twice has two; their order follows the addresses' history, which
				// is gone.
				local = append(local, tab.line(ns, msg))
			case tab.name == "addr" && bytes.Equal(find(msg, tab.header, 11), []byte{3}):
				// IFA_PROTO, IFAPROT_KERNEL_LL
				// The kernel makes them when a link goes up, and their order is that of the ways in which they were to
				// be made.
				local = append(local, tab.line(ns, msg))
			case tab.name == "fdb" && shared(links, msg):
				// The kernel has one entry for the address of several ports, behind the one that had it first.
				lines = append(lines, tab.line(ns, slices.Concat(msg[:4], make([]byte, 4), msg[8:])))
			default:
				lines = append(lines, tab.line(ns, msg))
			}
		}
		sort.Strings(local)
		lines = append(lines, local...)
		if tab.sorted {
			sort.Strings(lines)
		}
		for _, l := range lines {
			b.WriteString(l)
		}
	}
	if err := c.attached(b, ns, links); err != nil {
		return err
	}
	if err := errors.Join(wireguards(b, ns), xfrms(b, ns), mptcps(b, ns), nfts(b, ns), mroutes(b, ns),
		vnis(b, ns)); err != nil {
		return err
	}
	for _, pattern := range []string{"net/ipv4/ip_*", "net/ipv4/conf/all/*", "net/ipv4/conf/default/*",
		"net/ipv6/conf/all/*", "net/ipv6/conf/default/*"} {
		files, _ := filepath.Glob("/proc/sys/" + pattern)
		for _, f := range files {
			if v, err := c.read(f); err == nil {
				fmt.Fprintf(b, "%s sysctl %s=%s\n", ns, strings.TrimPrefix(f, "/proc/sys/"), v)
			}
		}
	}
	return nil
}

// shared reports whether a bridge's entry is the address of several of its ports, or of one and its own.
func shared(links [][]byte, entry []byte) bool {
	master, those := find(entry, 12, 9), 0
	for _, l := range links {
		if master != nil && bytes.Equal(find(l, 16, 1), find(entry, 12, 2)) &&
			(bytes.Equal(find(l, 16, 10), master) || bytes.Equal(l[4:8], master)) {
			those++
		}
	}
	return those > 1
}

// line prints a message: its header, and its attributes by name where they have one. A link's settings and those of a
// neighbour table get a line each, so that a difference is short.
func (tab table) line(ns string, msg []byte) string {
	var b, more strings.Builder
	head := append([]byte(nil), msg[:min(tab.header, len(msg))]...)
	prefix := ns + " " + tab.name
	switch tab.name {
	case "link":
		prefix += " " + strconv.Itoa(int(number(head[4:])))
		clear(head[12:]) // ifi_change
	case "route":
		if find(msg, tab.header, 18) != nil {
			// RTNH_F_LINKDOWN, which the kernel forgets when such a route is added, until the link changes
			head[8] &^= 0x10
		}
	case "addrlabel":
		clear(head[8:]) // how often the table has changed
	case "neigh":
		head[11] = 0 // ndm_type: what routes said of the address when the neighbour was added
	case "addr":
		prefix += " " + strconv.Itoa(int(number(head[4:])))
	}
	fmt.Fprintf(&b, "%s %x", prefix, head)
	for _, a := range attributes(msg, tab.header) {
		if strings.Contains(tab.mask, " "+strconv.Itoa(a.typ)+" ") {
			continue
		}
		if lives := lifetime(tab.name, a); lives != "" {
			b.WriteString(lives)
			continue
		}
		name := tab.names[a.typ]
		if name == "" {
			name = strconv.Itoa(a.typ)
		}
		switch {
		case tab.name == "link" && a.typ == 26: // IFLA_AF_SPEC
			settings(&more, prefix, a.value)
		case tab.name == "link" && a.typ == 18: // IFLA_LINKINFO
			linkInfo(&more, prefix, a.value, find(msg, tab.header, 1))
		case tab.name == "link" && a.typ == 33 && head[8]&1 == 0:
			// IFLA_CARRIER of a link that is down: a bridge has one until it looks for it first
		case tab.name == "link" && a.typ == 30 && head[8]&1 == 0:
			// IFLA_PROMISCUITY of a link that is down: what macvlans above it want is counted only while it is up
		case tab.name == "link" && a.typ == 16 && a.value[0] == 3:
			// lower layer down: whether the peer had its carrier when this was last looked at
			b.WriteString(" operstate=02")
		case tab.name == "link" && a.typ == 6 && (text(a.value) == "noop" ||
			text(a.value) == "pfifo_fast" && head[8]&1 == 0):
			b.WriteString(" qdisc=noqueue") // a link that is down, and whether it was ever up
		case tab.name == "route6" && a.typ == 9: // RTA_MULTIPATH
			fmt.Fprintf(&b, " %s=%s", name, text(ways(a.value)))
		case tab.name == "neightbl" && a.typ == 6: // NDTA_PARMS
			for _, p := range attributes(a.value, 0) {
				if p.typ != 2 && p.typ != 3 { // NDTPA_REFCNT; NDTPA_REACHABLE_TIME, which is drawn by lot
					fmt.Fprintf(&more, "%s %x parameter %d=%s\n", prefix, find(a.value, 0, 1), p.typ, text(p.value))
				}
			}
		default:
			fmt.Fprintf(&b, " %s=%s", name, text(a.value))
		}
	}
	return b.String() + "\n" + more.String()
}

// ways are those of an IPv6 route without RTNH_F_DEAD and RTNH_F_LINKDOWN. A link that went down and up has the first
// until it gets a carrier. The second is not set in a way that was added before the kernel looked at the carrier.
func ways(multipath []byte) []byte {
	all := bytes.Clone(multipath)
	for at := 0; at+8 <= len(all); { // struct rtnexthop: length, flags, weight, index
		all[at+2] &^= 0x11
		at += max(8, (int(binary.NativeEndian.Uint16(all[at:]))+3)&^3)
	}
	return all
}

// lifetime says whether an address or an IPv6 route ends by itself, and not when: that is later after every undoing.
func lifetime(table string, a attribute) string {
	switch {
	case table == "addr" && a.typ == 6 && len(a.value) >= 8: // IFA_CACHEINFO: preferred, valid
		ends := func(v uint32) bool { return v != 1<<32-1 }
		if deprecated := number(a.value) == 0; deprecated || ends(number(a.value[4:])) {
			return fmt.Sprintf(" deprecated=%t ends=%t", deprecated, ends(number(a.value[4:])))
		}
		return " ends=false"
	case table == "route6" && a.typ == 12 && len(a.value) >= 12: // RTA_CACHEINFO: ..., ..., expires
		return fmt.Sprintf(" ends=%t", number(a.value[8:]) != 0)
	}
	return ""
}

// settings prints IFLA_AF_SPEC: conf/LINK of both families, by the numbers of linux/ip.h and linux/ipv6.h.
func settings(b *strings.Builder, prefix string, spec []byte) {
	for _, family := range attributes(spec, 0) {
		for _, a := range attributes(family.value, 0) {
			switch {
			case family.typ == syscall.AF_INET && a.typ == 1, family.typ == syscall.AF_INET6 && a.typ == 2: // ..._CONF
				for i := 0; i+4 <= len(a.value); i += 4 {
					fmt.Fprintf(b, "%s conf of family %d: %d=%d\n", prefix, family.typ, i/4, number(a.value[i:]))
				}
			case family.typ == syscall.AF_INET6 && (a.typ == 7 || a.typ == 8): // token, address generation
				fmt.Fprintf(b, "%s family %d: %d=%s\n", prefix, family.typ, a.typ, text(a.value))
			}
		}
	}
}

// masked are, by kinds, the timers, the counters and the numbers that ports get in the order of their joining.
var masked = map[string]string{
	"bridge":         " 16 17 18 19 47 48 ",
	"port of bridge": " 13 14 15 16 17 18 19 21 22 23 24 37 38 41 ",
	"bond":           " 23 ",
	"port of bond":   " 1 2 3 6 7 8 ",
}

// linkInfo prints IFLA_LINKINFO without what changes by itself.
// A bridge has its address in its ids (IFLA_BR_ROOT_ID, IFLA_BR_BRIDGE_ID) as soon as that was set once.
func linkInfo(b *strings.Builder, prefix string, info, mac []byte) {
	bridge := text(find(info, 0, 1)) == "bridge"
	for _, a := range attributes(info, 0) {
		mask := ""
		switch a.typ {
		case 2: // IFLA_INFO_DATA
			mask = masked[text(find(info, 0, 1))]
		case 5: // IFLA_INFO_SLAVE_DATA
			mask = masked["port of "+text(find(info, 0, 4))]
		case 3: // IFLA_INFO_XSTATS
			continue
		default:
			fmt.Fprintf(b, "%s info %d=%s\n", prefix, a.typ, text(a.value))
			continue
		}
		for _, d := range attributes(a.value, 0) {
			if bridge && a.typ == 2 && (d.typ == 10 || d.typ == 11) && number(d.value[4:]) == 0 {
				d.value = slices.Concat(d.value[:2], mac)
			}
			if !strings.Contains(mask, " "+strconv.Itoa(d.typ)+" ") {
				fmt.Fprintf(b, "%s info %d %d=%s\n", prefix, a.typ, d.typ, text(d.value))
			}
		}
	}
}

func text(v []byte) string {
	s := strings.TrimRight(string(v), "\x00")
	if len(s) > 1 && strings.IndexFunc(s,
		func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return fmt.Sprintf("%x", v)
}
