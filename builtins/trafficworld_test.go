package builtins

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// trafficQdiscs are what a link can have at its root, in tc(8)'s words. N is a number from 1 to 9. Of what classes a
// qdisc has by itself there are four, and one that has them made gets some of the class behind the bar.
var trafficQdiscs = []string{
	"tbf rate Nmbit burst N0kb latency N0ms", "pfifo limit N0", "bfifo limit N0kb", "pfifo_head_drop limit N0",
	"htb default 1N r2q N | htb rate Nmbit ceil 10mbit burst N0kb prio N", "prio bands 4", "ets bands 4 strict 2",
	"hfsc default 1N | hfsc ls m2 Nmbit ul m2 20mbit", "drr | drr quantum N000", "qfq | qfq weight N",
	"netem delay N0ms loss N%", "netem limit N00 rate Nmbit reorder N% delay Nms", "fq_codel limit N00 target Nms",
	"codel target Nms ecn", "fq limit N00 quantum N000", "sfq perturb N0", "cake bandwidth Nmbit",
	"pie target N0ms", "red limit N00kb avpkt 1000 ecn", "choke limit N00 bandwidth Nmbit", "hhf limit N00",
	"sfb limit N00", "skbprio limit N0",
}

// trafficFilters look at what comes in, or choose a class of the qdisc at the root.
var trafficFilters = []string{
	"protocol ip u32 match ip dst 10.0.N.0/24", "protocol all u32 match u32 0 0 match u16 0x080N 0xffff at -2",
	"protocol ip flower ip_proto tcp dst_port N0-N9 src_ip 10.N.0.0/16", "protocol 802.1q flower vlan_id N",
	"protocol ipv6 flower dst_ip fd00::N ip_proto icmpv6 type 128", "protocol arp flower arp_tip 10.0.0.N",
	"protocol 802.1q flower vlan_id N vlan_ethtype ipv4 ip_proto udp src_port N", "protocol all matchall",
	"protocol ip handle N fw", "protocol all basic",
}

var trafficActions = []string{
	"drop", "ok", "mirred egress redirect dev wif", "mirred egress mirror dev wif pipe action drop",
	"police rate Nmbit burst N0kb conform-exceed drop", "vlan push id N priority 3", "skbedit mark 0xN priority 1:N",
	"pedit ex munge ip ttl set N munge tcp dport set N0 pipe", "ct zone N pipe", "gact drop random determ ok N",
}

// trafficChanges are changes by a script. L is the link, K a number.
var trafficChanges = []string{
	`L.qdiscs[K % len(L.qdiscs)].delete()`, `L.tc_filters[K % len(L.tc_filters)].delete()`,
	`L.tc_classes[K % len(L.tc_classes)].delete()`, `qdisc(L, "tbf", rate = "Kmbit", replace = True)`,
	`qdisc(L, "htb", handle = "7:", replace = True); tc_class(L, "7:K", rate = "1mbit")`, `L.delete()`,
	`qdisc(L, "pfifo", parent = L.tc_classes[K % len(L.tc_classes)], limit = K)`, `shape(L, rate = "Kmbit")`,
	`tc_filter(L, "u32", parent = "ingress", match = "ip dst 10.0.0.K", action = action.mirred(host.link("wif")))`,
	`[q.set(limit = K) for q in L.qdiscs if q.kind in ("pfifo", "codel", "fq", "hhf", "netem")]`,
	`[q.set(rate = "Kmbit") for q in L.qdiscs if q.kind == "tbf"]`,
	`[c.set(rate = "Kmbit") for c in L.tc_classes if c.kind == "htb"]`,
	`[q.set(ecn = K % 2 == 0) for q in L.qdiscs if q.kind in ("red", "codel", "fq_codel")]`,
	`tc_filter(L, "flower", protocol = "ip", parent = "ingress", dst_ip = "10.0.0.K", action = action.drop())`,
	`qdisc(L, "red", limit = "Kmb", avpkt = 1000, replace = True)`, `L.set(mtu = 1400 + K)`,
	`qdisc(L, "netem", delay = "Kms", replace = True)`, `[q.delete() for q in L.qdiscs if q.parent == "root"]`,
	`[q.delete() for q in L.qdiscs if q.parent == "root"]; shape(L, rate = "1mbit", both = True)`,
}

// A trafficWorld draws stacks of qdiscs, classes and filters of what this kernel has.
type trafficWorld struct{ rand *rand.Rand }

func (w *trafficWorld) fill(part string) string {
	for strings.Contains(part, "N") {
		part = strings.Replace(part, "N", fmt.Sprint(1+w.rand.IntN(9)), 1)
	}
	return part
}

func (w *trafficWorld) one(of []string) string { return w.fill(of[w.rand.IntN(len(of))]) }

// tryTC reports whether the kernel and tc(8) take a line.
func tryTC(line string) bool { return exec.Command("tc", strings.Fields(line)...).Run() == nil }

// kernelTraffic leaves out what this kernel has not.
func kernelTraffic(t *testing.T, w *trafficWorld) (qdiscs, filters, actions []string) {
	t.Helper()
	trafficLinks(t)
	defer trafficGone(t)
	for _, q := range trafficQdiscs {
		root, _, _ := strings.Cut(w.fill(q), " | ")
		if tryTC("qdisc add dev wt0 root handle 5: " + root) {
			qdiscs = append(qdiscs, q)
			tryTC("qdisc del dev wt0 root")
		}
	}
	tryTC("qdisc add dev wt0 clsact")
	for i, f := range append(slices.Clone(trafficFilters), trafficActions...) {
		line := f
		if i >= len(trafficFilters) {
			line = "protocol all u32 match u32 0 0 action " + f
		}
		if !tryTC("filter add dev wt0 ingress pref 9 " + w.fill(line)) {
			continue
		}
		if tryTC("filter del dev wt0 ingress"); i < len(trafficFilters) {
			filters = append(filters, f)
		} else {
			actions = append(actions, f)
		}
	}
	t.Logf("%d qdiscs, %d filters and %d actions", len(qdiscs), len(filters), len(actions))
	if len(qdiscs) < 4 || len(filters) < 2 || len(actions) < 1 {
		t.Fatal("this kernel has too little")
	}
	return qdiscs, filters, actions
}

func trafficLinks(t *testing.T) {
	t.Helper()
	nstest.Batch(t, "link add wt0 type veth peer name wt1", "link add wif type ifb", "link set wif up",
		"link set wt0 addrgenmode none", "link set wt1 addrgenmode none", "link set wt0 up", "link set wt1 up")
}

func trafficGone(t *testing.T) {
	t.Helper()
	nstest.Batch(t, "link del wt0", "link del wif")
}

// stack is a random one, as lines of tc(8) which have it made.
func (w *trafficWorld) stack(qdiscs, filters, actions []string) (lines []string) {
	root, class, made := strings.Cut(w.one(qdiscs), " | ")
	lines = append(lines, "qdisc add dev wt0 root handle 5: "+root)
	kind, _, _ := strings.Cut(root, " ")
	for i := range w.rand.IntN(5) {
		id := fmt.Sprintf("5:%x", 0x11+i)
		switch {
		case made:
			lines = append(lines, "class add dev wt0 parent 5: classid "+id+" "+w.fill(class))
		case kind == "prio" || kind == "ets":
			id = fmt.Sprintf("5:%d", i%4+1)
		default:
			continue
		}
		if leaf, _, _ := strings.Cut(w.one(qdiscs), " | "); w.rand.IntN(2) == 0 {
			lines = append(lines, fmt.Sprintf("qdisc add dev wt0 parent %s handle %d: %s", id, 60+i, leaf))
		}
		if w.rand.IntN(2) == 0 {
			lines = append(lines, fmt.Sprintf("filter add dev wt0 parent 5: pref %d %s flowid %s", 1+w.rand.IntN(5),
				w.one(filters), id))
		}
	}
	if w.rand.IntN(3) > 0 {
		lines = append(lines, "qdisc add dev wt0 clsact")
		for range 1 + w.rand.IntN(4) {
			side := []string{"ingress", "egress"}[w.rand.IntN(2)]
			line := fmt.Sprintf("filter add dev wt0 %s pref %d %s action %s", side, 1+w.rand.IntN(5), w.one(filters),
				w.one(actions))
			lines = append(lines, line)
		}
	}
	return lines
}

// tcCounts are what tc(8) shows that nobody has set.
var tcCounts = regexp.MustCompile(`(index|fh|ht|refcnt|direct_packets_stat|ref|bind|police|ver) \S+|` +
	`used_hw_stats disabled`)

// traffic is what tc(8) shows of the links, in an order of its own.
func traffic(t *testing.T) string {
	t.Helper()
	text := shell(t, "for l in wt0 wt1 wif; do tc -d qdisc show dev $l; tc -d class show dev $l; "+
		"for p in '' ingress egress; do tc -d filter show dev $l $p 2>/dev/null; done; done; ip link show wt0")
	var lines []string
	for line := range strings.Lines(tcCounts.ReplaceAllString(text, "")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// change is a random script. What is refused of it is left out.
func (w *trafficWorld) change() string {
	src := "L = host.link(\"wt0\")\n"
	for i := range 1 + w.rand.IntN(3) {
		body := trafficChanges[w.rand.IntN(len(trafficChanges))]
		body = regexp.MustCompile(`\bK\b|K(mbit|mb|ms)`).ReplaceAllStringFunc(body, func(s string) string {
			return fmt.Sprint(2+w.rand.IntN(7)) + s[1:]
		})
		src += fmt.Sprintf("def c%d():\n    %s\nprint(\"done\" if attempt(c%d) else \"refused\")\n", i,
			strings.ReplaceAll(body, "; ", "\n    "), i)
	}
	return src
}
