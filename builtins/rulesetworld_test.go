package builtins

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rulesetParts are what a table of a family can have, in nft(8)'s language. F is the family's address type, P its word
// for addresses, A and B are addresses, N a number. A kernel need not have all of them.
var rulesetParts = map[string][]string{
	"inet ip ip6": {
		"counter count { packets N bytes NN; };", "quota most { over N mbytes used 7 kbytes; };",
		"limit slow { rate N/second burst 7 packets; };",
		"set plain { type F; elements = { A, B }; };",
		"set lasting { type F; flags timeout; timeout 1h; elements = { A timeout 30m, B }; };",
		"set ranges { type F; flags interval; auto-merge; elements = { A-B }; };",
		"set seen { type F; flags dynamic, timeout; timeout 5m; size 128; };",
		"set pairs { type F . inet_service; flags interval; elements = { A . 80, B . 1000-2000 }; };",
		"set counted { type F; counter; elements = { A counter packets N bytes NN, B comment \"b\" }; };",
		"map ports { type inet_service : F; elements = { 80 : A, 443 : B }; };",
		"map judged { type F : verdict; elements = { A : accept, B : drop }; };",
		"map objects { type F : counter; }; counter mapped { };",
		"ct helper ftp { type \"ftp\" protocol tcp; };",
		"ct timeout quick { protocol tcp; policy = { established : N }; };",
		"chain plain { tcp dport N counter packets N bytes NN accept; P saddr A drop; };",
		"chain called { limit rate N/minute accept; jump last; }; chain last { counter comment \"the last\"; };",
		"chain anon { tcp dport { 22, N, 1000-2000 } accept; P saddr . tcp dport { A . 80, B . N } drop; };",
		"chain verdicts { P saddr vmap { A : accept, B : drop }; tcp dport vmap { N : continue }; };",
		"chain in { type filter hook input priority N; policy accept; ct state established,related accept; " +
			"meta iifname \"lo\" counter accept; };",
		"chain out { type route hook output priority mangle; meta mark set 0xN; ct mark set meta mark; };",
		"chain pre { type nat hook prerouting priority dstnat; tcp dport N redirect to :80; };",
		"chain post { type nat hook postrouting priority srcnat; meta oifname \"x*\" masquerade random; };",
		"chain early { type filter hook prerouting priority raw; udp dport N notrack; " +
			"fib saddr . iif oif missing drop; };",
		"chain learn { set update P saddr timeout 1m @seen2; }; set seen2 { type F; flags dynamic, timeout; };",
		"chain said { log prefix \"N: \" level info; reject with icmpx admin-prohibited; };",
		"chain more { numgen inc mod N vmap { 0 : accept, 1 : drop }; " +
			"tcp flags syn / syn,ack tcp option maxseg size set N; };",
		"chain hashed { meta mark set jhash P saddr mod N; ct count over N reject; };",
		"flowtable fast { hook ingress priority 0; devices = { lo }; };",
	},
	"arp":    {"chain in { type filter hook input priority 0; arp operation request counter packets N bytes NN; };"},
	"bridge": {"chain in { type filter hook prerouting priority N; ether type arp accept; vlan id N drop; };"},
	"netdev": {"chain in { type filter hook ingress device lo priority N; ip saddr A drop; counter; };",
		"set macs { type ether_addr; elements = { 02:00:00:00:00:01 }; };"},
}

// A rulesetWorld draws rulesets of what this kernel has.
type rulesetWorld struct {
	rand *rand.Rand
	can  map[string][]string // by family
}

// kernelRules are the parts that nft and the kernel take, by family.
func kernelRules(t *testing.T) map[string][]string {
	t.Helper()
	w := &rulesetWorld{rand: rand.New(rand.NewPCG(1, 1))}
	can := map[string][]string{}
	for families, parts := range rulesetParts {
		for _, family := range strings.Fields(families) {
			for _, p := range parts {
				cmd := exec.Command("nft", "-c", "-f", "-")
				cmd.Stdin = strings.NewReader("table " + family + " t {\n" + w.fill(family, p) + "\n}")
				if out, err := cmd.CombinedOutput(); err == nil {
					can[family] = append(can[family], p)
				} else {
					t.Logf("%s: %s: %s", family, p, strings.SplitN(string(out), "\n", 2)[0])
				}
			}
		}
	}
	if len(can["inet"]) < 20 {
		t.Fatalf("this kernel has %d parts only", len(can["inet"]))
	}
	return can
}

func (w *rulesetWorld) fill(family, part string) string {
	n := w.rand.IntN(500) + 1
	words := []string{"F", "ipv4_addr", "P", "ip", "A", fmt.Sprintf("10.0.%d.1", n%200), "B",
		fmt.Sprintf("10.1.%d.2", n%200)}
	if family == "ip6" {
		words = []string{"F", "ipv6_addr", "P", "ip6", "A", fmt.Sprintf("fd00::%d", n), "B", fmt.Sprintf("fd01::%d", n)}
	}
	var out []string
	for word := range strings.FieldsSeq(part) {
		for i := 0; i < len(words); i += 2 {
			bare := strings.Trim(word, ";,-")
			if bare == words[i] {
				word = strings.Replace(word, words[i], words[i+1], 1)
			} else if bare == "A-B" {
				word = strings.Replace(word, "A-B", words[5]+"-"+words[7], 1)
			}
		}
		word = strings.ReplaceAll(strings.ReplaceAll(word, "NN", fmt.Sprint(100*n)), "N/", fmt.Sprint(n)+"/")
		for _, form := range []string{"N", "N;", "N,", "0xN;", "\"N:"} {
			if word == form {
				word = strings.Replace(word, "N", fmt.Sprint(n), 1)
			}
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

// table is the text of a random table.
func (w *rulesetWorld) table(family, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s {\n", family, name)
	parts := slices.Clone(w.can[family])
	w.rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	for _, p := range parts[:min(len(parts), 1+w.rand.IntN(6))] {
		b.WriteString("\t" + w.fill(family, p) + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func (w *rulesetWorld) family() string {
	families := []string{"inet", "inet", "inet", "ip", "ip6", "arp", "bridge", "netdev"}
	family := families[w.rand.IntN(len(families))]
	if len(w.can[family]) == 0 {
		return "inet"
	}
	return family
}

// ruleset is a random one.
func (w *rulesetWorld) ruleset() (text string, tables []string) {
	for i := range w.rand.IntN(4) {
		family := w.family()
		name := fmt.Sprintf("t%d", i)
		text += w.table(family, name)
		tables = append(tables, family+" "+name)
	}
	return text, tables
}

// change is a random text that changes a ruleset.
func (w *rulesetWorld) change(tables []string) string {
	var b strings.Builder
	for i := range 1 + w.rand.IntN(4) {
		t := "inet new"
		if len(tables) > 0 {
			t = tables[w.rand.IntN(len(tables))]
		}
		switch w.rand.IntN(6) {
		case 0:
			b.WriteString("flush ruleset\n")
			tables = nil
		case 1:
			if len(tables) > 0 {
				b.WriteString("delete table " + t + "\n")
				tables = slices.DeleteFunc(slices.Clone(tables), func(s string) bool { return s == t })
			}
		case 2:
			if len(tables) > 0 {
				b.WriteString("flush table " + t + "\n")
			}
		case 3:
			b.WriteString("table " + t + " {\n\tchain added { counter; };\n}\n")
		default:
			b.WriteString(w.table(w.family(), fmt.Sprintf("n%d", i)))
		}
	}
	return b.String()
}
