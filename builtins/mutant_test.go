package builtins

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// mutated makes a change of every kind, most of them to what was there before (see world).
const mutated = `
n = netns("n1")
l = host.link("law0")
a, b = veth(host, n, name = "x0", addrs = ("10.44.0.1/24", "10.44.0.2/24"))
br = bridge(host, name = "xbr", ports = [a], addrs = ["fd44::1/64"], mac = "02:00:00:00:00:44")
br.set(forward_delay = "4s", ageing_time = "100s")
l.set(mtu = 1400, alias = "x", txqlen = 7, name = "y0")
l.set(offloads = {"tso": False})
addr(l, "10.45.0.1/24").delete()
route(host, "10.46.0.0/16", via = "10.44.0.2", metric = 7)
r = route(host, "10.47.0.0/16", nexthops = [{"via": "10.44.0.2", "weight": 2}, {"via": "10.44.0.3", "dev": a}], table = 100)
r.delete()
again = [r for r in host.routes if r.dst == "10.99.0.0/16"][0].replace(via = "10.44.0.2", dev = a, mtu = 1400)
again.append(via = "10.44.0.3")
rule(host, src = "10.48.0.0/16", priority = 499, table = 9)
host.rules[1].delete()
neigh(l, "10.9.0.5", "02:00:00:00:00:55")
[x for x in l.neighs if x.ip == "10.9.0.77"][0].delete()
vx = vxlan(host, name = "xvx", id = 9, dstport = 4789)
fdb(a, "02:00:00:00:00:61").delete()
fdb(vx, "02:00:00:00:00:62", dst = "10.9.0.77").delete()
mdb(br, a, "239.1.1.1").delete()
nexthop(host, id = 77, blackhole = True).delete()
addrlabel(host, "fd77::/64", 77).delete()
mptcp_endpoint(host, "10.44.0.1", subflow = True).delete()
mptcp_endpoint(host, "10.44.0.1", subflow = True)
mptcp_limits(host, subflows = 4)
fdb(a, "02:00:00:00:00:63")
fdb(vx, "02:00:00:00:00:64", dst = "10.9.0.77")
mdb(br, a, "239.1.1.2")
nexthop(host, group = [nexthop(host, id = 78, dev = a)])
nv = vxlan(host, name = "xnv", external = True, vnifilter = True, dstport = 4790)
bridge_vni(nv, 7).delete()
bridge_vni(nv, 8)
mroute_vif(a).delete()
mroute(host, "239.44.1.1", source = "10.44.0.2", iif = a, oifs = l).delete()
mroute(host, "239.44.1.2", source = "10.44.0.2", iif = a, oifs = l)
addrlabel(host, "fd78::/64", 77)
tb = qdisc(vx, "tbf", rate = "1mbit", handle = "7:")
tb.set(rate = "2mbit")
tb.delete()
hq = qdisc(vx, "htb", handle = "8:")
tc_class(vx, "8:1", rate = "1mbit").delete()
hc = tc_class(vx, "8:2", rate = "1mbit")
hc.set(rate = "2mbit")
tc_filter(vx, "u32", match = "u32 0 0", flowid = "8:2").delete()
tc_filter(vx, "u32", match = "u32 0 0", flowid = "8:2")
hq.delete()
xfrm_policy(host, src = "10.48.0.0/16", dir = "out", tmpl = {"reqid": 7}).delete()
sysctl(host, "net.ipv4.conf.all.forwarding", 1)
sysctl(host, "net.ipv6.conf.y0.disable_ipv6", 1)
nft(host, "flush chain inet law c")
host.link("lawbr").delete()
netns_at(name = "lawns").delete()
host.link("law1").set(ns = netns_at(name = "decoy"))
run(n, ["true"])
fo = folder(n, "/run/daemon")
fi = file(n, "/run/daemon/x", "text", user = 0)
fi.write("other")
fi.delete()
file(n, "/etc/x", "text")
spawn(n, ["sleep", "1000"], user = 1, stdin = "", env = {"A": "b"}, restart = True, may_exit = True)
`

var every = flag.Int("every", 10, "TestMutants takes every Nth mutant")

// poison is what stands in a mutant for something else.
var poison = []any{nil, true, -1, 0, 1<<30 - 1, 1 << 31, 1<<32 + 1, json.Number("9223372036854775808"), 1.5, "", "..",
	"a/b", "x\x00y", "\x1b[2J", "/etc/passwd", "../../etc/passwd", "AAAA", strings.Repeat("A", 70000), []any{},
	[]any{nil}, map[string]any{}, map[string]any{"..": ".."}}

// TestMutants changes the ops of a real journal in one place each, and has the mutants undone one by one. None of them
// touches what the journal says nothing of; and then the journal itself still undoes all that it had.
func TestMutants(t *testing.T) {
	nstest.Long(t)
	v := newVictims(t)
	outside := v.state(t)
	world(t)
	nstest.IP(t, "link", "property", "add", "dev", "lawbr", "altname", "law-bridge")
	nstest.IP(t, "link", "property", "add", "dev", "law1", "altname", "law-end")
	if out, err := exec.Command("bridge", "fdb", "add", "02:00:00:00:07:07", "dev", "lawbr", "self",
		"permanent").CombinedOutput(); err != nil {
		t.Fatalf("bridge fdb add: %v: %s", err, out)
	}
	rules := mutated
	if lacks("nft") {
		rules = strings.Replace(rules, "nft(", "0 and nft(", 1)
	} else {
		shell(t, "nft '"+lawRuleset+"'")
		t.Cleanup(func() { nstest.ClearNft(t) })
	}
	if !lacks("nftables", "conntrack") {
		rules += `
accept(n, state = "new")
ping(n, "127.0.0.1", count = 1)
conntrack(n, proto = "icmp").flush()
`
	}
	nstest.Quiet(t, "", "lawns")
	before := nstest.Snapshot(t, "", "decoy", "lawns")
	labs := abandon(t, rules)
	nstest.Quiet(t, "")
	dead := filepath.Join(journal.DefaultDir, "dead")
	e, _, err := journal.OpenDir(journal.DefaultDir).Find("dead")
	if err != nil || e.Err != nil {
		t.Fatal(err, e.Err)
	}
	text, err := os.ReadFile(dead + "/journal")
	if err := errors.Join(err, os.Remove(dead+"/journal"), os.Remove(dead)); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	during := v.state(t)
	tried, refused := 0, 0
	all := mutants(t, journal.Open(e.Records))
	for _, m := range all {
		kinds[m.kind] = true
		for i, p := range append([]any{m.sample}, poison...) {
			if i > 0 && (i+m.place)%*every != 0 || i == 0 && p == nil {
				continue
			}
			if (p == "AAAA" || p == "\x1b[2J") &&
				(strings.HasSuffix(m.path, "name") || strings.HasSuffix(m.path, "alias") ||
					strings.Contains(m.path, "altname")) {
				continue // a link may have it, and would be given it
			}
			tried++
			plant(t, "evil", record{m.kind, string(mutant(t, m.data, m.path, p))})
			found, err := labs.Recover()
			if err != nil || len(found) != 1 {
				t.Fatalf("%s %s=%.100v: %+v, %v", m.kind, m.path, p, found, err)
			}
			if _, err := os.Stat("/run/nsscript/evil"); err == nil {
				unplant(t, "evil")
			}
			if found[0].Err != nil {
				refused++
				continue
			}
			if lost := constant(outside, during, v.state(t)); lost != "" {
				t.Fatalf("%s %s=%.100v touched something else: %+v\n%s", m.kind, m.path, p, found, lost)
			}
		}
	}
	for _, op := range All().Ops {
		if op.Kind() == "pid namespace" || lacked(op) {
			continue // the first is for machines without cgroups
		}
		if !kinds[op.Kind()] && (op.Kind() != "cgroup add" || nstest.Cgroups()) {
			t.Errorf("there is no mutant of %q", op.Kind())
		}
	}
	if err := errors.Join(os.MkdirAll(dead, 0o700), os.WriteFile(dead+"/journal", text, 0o600)); err != nil {
		t.Fatal(err)
	}
	// What a mutant has undone already cannot always be undone again; it is said then.
	found, err := labs.Recover()
	if err != nil || len(found) != 1 || found[0].Err != nil {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := os.Stat(dead); err == nil {
		unplant(t, "dead")
	}
	nstest.Quiet(t, "", "lawns")
	if after := nstest.Snapshot(t, "", "decoy", "lawns"); after != before {
		t.Error(nstest.Diff(before, after))
	}
	t.Logf("%d mutants of %d places, %d refused", tried, len(all), refused)
}

// A place is somewhere in a record of a journal, which mutants have something else in.
type place struct {
	kind  string // of the op
	data  []byte
	path  string
	place int // a number
	// sample is what a record could have there that has nothing; nil elsewhere.
	sample any
}

// mutants lists all places of the records of a journal, those that differ only in which of many they are once; and then
// the fields that none of these records has, in one that could have them.
func mutants(t *testing.T, records []journal.Record) (all []place) {
	t.Helper()
	seen, known := map[string]bool{}, samples{}
	add := func(kind string, data []byte, below string) {
		for path := range places(t, data) {
			if at := kind + starred.ReplaceAllString(path, "/*"); strings.HasPrefix(path, below) && !seen[at] {
				seen[at] = true
				all = append(all, place{kind: kind, data: data, path: path, place: len(seen)})
			}
		}
	}
	want, have := map[string]bool{}, map[string]bool{}
	types := map[string]reflect.Type{}
	for _, op := range All().Ops {
		types[op.Kind()] = reflect.TypeOf(op)
		units(types[op.Kind()], want)
	}
	for _, r := range records {
		add(r.Kind, r.Data, "")
		for _, s := range known.spots(types[r.Kind], "", parse(t, r.Data)) {
			have[s.unit] = have[s.unit] || s.there
		}
	}
	for more := true; more; { // what is planted can have fields again
		more = false
		for _, r := range records {
			for _, s := range known.spots(types[r.Kind], "", parse(t, r.Data)) {
				if have[s.unit] {
					continue
				}
				have[s.unit], more = true, true
				sample := known.of(s.typ)
				data := mutant(t, r.Data, s.path, sample)
				all = append(all, place{kind: r.Kind, data: data, path: s.path, sample: sample})
				add(r.Kind, data, s.path)
				for _, s := range known.spots(types[r.Kind], "", parse(t, data)) {
					have[s.unit] = have[s.unit] || s.there
				}
				records = append(records, journal.Record{Kind: r.Kind, Data: data})
			}
		}
	}
	for unit := range want {
		if !have[unit] && !strings.HasPrefix(unit, "builtins.addPIDs") &&
			(!strings.HasPrefix(unit, "builtins.addCgroup") || nstest.Cgroups()) {
			t.Errorf("no mutant has another %s", unit)
		}
	}
	return all
}

// starred are the parts of a path that are one of many.
var starred = regexp.MustCompile(`/[0-9]+\b|/[^/]*~[^/]*`)

// places are the paths of all values in some JSON: the names of fields and the numbers of elements, in which a slash is
// a tilde.
func places(t *testing.T, data []byte) map[string]bool {
	all := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		all[path] = true
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(path+"/"+strings.ReplaceAll(k, "/", "~"), e)
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s/%d", path, i), e)
			}
		}
	}
	walk("", parse(t, data))
	return all
}

func parse(t *testing.T, data []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// mutant is some JSON with another value in one place, which may be a field that it does not have.
func mutant(t *testing.T, data []byte, path string, p any) []byte {
	t.Helper()
	var change func(at string, v any) any
	change = func(at string, v any) any {
		if at == path {
			return p
		}
		switch v := v.(type) {
		case map[string]any:
			if field, ok := strings.CutPrefix(path, at+"/"); ok && !strings.Contains(field, "/") {
				v[strings.ReplaceAll(field, "~", "/")] = p
				return v
			}
			for k, e := range v {
				v[k] = change(at+"/"+strings.ReplaceAll(k, "/", "~"), e)
			}
		case []any:
			for i, e := range v {
				v[i] = change(fmt.Sprintf("%s/%d", at, i), e)
			}
		}
		return v
	}
	out, err := json.Marshal(change("", parse(t, data)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// constant are the lines of both before and during that are not there after.
func constant(before, during, after string) (lost string) {
	for line := range strings.Lines(before) {
		if strings.Contains(during, line) && !strings.Contains(after, line) {
			lost += line
		}
	}
	return lost
}
