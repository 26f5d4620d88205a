package builtins

import (
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// twins are expressions that come by a value of each type in different ways; those of others are values that no other
// one equals, as each call gives one of its own.
var twins = map[string]struct{ same, others []string }{
	"namespace": {[]string{`n`, `netns_at(name = "n")`, `a.ns`, `b.peer.ns`, `fd.link.ns`, `default.ns`,
		`n.link("lo").ns`},
		[]string{`m`, `host`}},
	"link": {[]string{`b`, `a.peer`, `m.link("eth0")`, `m.links[1]`, `v4.link`, `[l for l in m.links if l.master][0]`,
		`addr(b, "10.9.9.9/32").link`}, []string{`a`, `br`, `m.link("lo")`, `n.link("eth0")`, `b.master`}},
	"address": {[]string{`v4`, `[v4, v6][0]`, `again(v4)`},
		[]string{`v6`, `fd`, `addr(b, "10.0.0.2/25")`, `addr(br, "10.0.0.2/24")`}},
	"route": {[]string{`default`, `[default][0]`, `rerouted()`,
		`[r for r in n.routes if r.dst == "default"][0]`}, []string{`route(n, "10.7.0.0/16", via = m)`,
		`route(n, "default", via = m, metric = 7)`, `route(n, "default", via = m, table = 7)`}},
	"route_get":     {[]string{`way`}, []string{`route_get(n, "10.0.0.2")`}},
	"encapsulation": {[]string{`labels`, `encap.mpls([7])`}, []string{`encap.mpls(8)`, `encap.xfrm(7)`}},
	"rule": {[]string{`ruled`, `[ruled][0]`, `n.rules[1]`}, []string{`n.rules[0]`, `rule(n, table = 7, priority = 2)`,
		`rule(m, table = 7, priority = 1)`, `rule(n, table = 7, priority = 1, family = 6)`}},
	"neigh": {[]string{`told`, `[told][0]`, `a.neighs[0]`}, []string{`neigh(a, "10.0.0.78", "02:00:00:00:00:78")`,
		`neigh(b, "10.0.0.77", "02:00:00:00:00:77")`}},
	"fdb": {[]string{`stays`, `[stays][0]`, `b.fdb[0]`, `br.fdb[-1]`}, []string{`fdb(b, "02:00:00:00:00:02")`}},
	"mdb": {[]string{`grp`, `b.mdb[0]`}, []string{`mdb(br, b, "239.1.1.2")`}},
	"nexthop": {[]string{`hole`, `n.nexthops[0]`},
		[]string{`nexthop(n, id = 2, blackhole = True)`, `nexthop(m, id = 1, blackhole = True)`}},
	"addrlabel": {[]string{`labelled`, `[x for x in n.addrlabels if x.label == 77][0]`},
		[]string{`addrlabel(n, "fd78::/64", 77)`, `n.addrlabels[0]`}},
	"bridge_vlan": {[]string{`b.vlans[0]`, `br.vlans[-1]`}, []string{`br.vlans[0]`, `bridge_vlan(b, 7)`}},
	"bridge_vni":  {[]string{`nv`, `nvx.vnis[0]`}, []string{`bridge_vni(nvx, 8)`}},
	"mroute_vif":  {[]string{`a.mroute_vifs[0]`}, []string{`mroute_vif(b)`, `mroute_vif(a, family = 6)`}},
	"mroute": {[]string{`mr`, `n.mroutes[0]`}, []string{`mroute(n, "239.1.1.2", iif = a, oifs = [])`,
		`mroute(m, "239.1.1.1", source = "10.0.0.9", iif = b, oifs = [])`}},
	"mptcp_endpoint": {[]string{`point`, `n.mptcp_endpoints[0]`},
		[]string{`mptcp_endpoint(n, "10.0.0.9", signal = True)`, `mptcp_endpoint(m, "10.0.0.1", subflow = True)`}},
	"mptcp_limits": {[]string{`mptcp_limits(n)`, `mptcp_limits(n, subflows = 7)`}, []string{`mptcp_limits(m)`}},
	"qdisc":        {[]string{`tb`, `a.qdiscs[0]`}, []string{`qdisc(b, "tbf", rate = "1mbit")`}},
	"tc_filter": {[]string{`tf`, `a.tc_filters[0]`}, []string{
		`tc_filter(b, "u32", match = "u32 0 0", flowid = "7:1")`}},
	"tc_action":    {[]string{`action.mirred(a)`, `action.mirred(a)`}, []string{`action.mirred(a, mode = "mirror")`}},
	"tc_class":     {[]string{`cl`, `a.tc_classes[0]`}, []string{`tc_class(b, "7:1", rate = "1mbit")`}},
	"shape":        {[]string{`shape(b)`, `shape(b, rate = "1mbit")`}, []string{`shape(a)`}},
	"ruleset":      {[]string{`nft(n)`, `nft(n, "table ip t {}")`}, []string{`nft(m)`}},
	"nft_rule":     {[]string{`wall`, `[wall][0]`}, []string{`drop(n, sport = 1)`, `drop(m, sport = 1)`}},
	"connections":  {[]string{`conntrack(n)`, `tracked`}, []string{`conntrack(m)`, `conntrack(n, proto = "icmp")[:1]`}},
	"connection":   {[]string{`conntrack(n)[0]`, `tracked[0]`}, []string{`tracked[1]`}},
	"pool":         {[]string{`pool`}, []string{`subnets("10.0.0.0/8", 24)`}},
	"reachability": {[]string{`reached`}, []string{`ping_all([n, m], check = False)`}},
	"solicited":    {[]string{`asked`}, []string{`arping(a, "10.0.0.9", check = False, timeout = "1ms")`}},
	"trace":        {[]string{`traced`}, []string{`trace(n, a.ip)`}},
	"pmtu":         {[]string{`fits`}, []string{`pmtu(n, a.ip)`}},
	"ping":         {[]string{`reply`}, []string{`ping(n, a, count = 1)`}},
	"result":       {[]string{`done`}, []string{`run(n, ["true"])`}},
	"wg_peer":      {[]string{`wgp`, `[wgp][0]`, `wgl.wg_peers[0]`}, []string{`wg_peer(wgl, wg_key().public_key)`}},
	"process":      {[]string{`beside`, `processes()[0]`}, []string{`spawn(n, ["sleep", "1000"], name = "beside2")`}},
	"file":         {[]string{`own`, `n.files[0]`}, []string{`file(n, "/etc/y")`, `file(m, "/etc/x")`, `inside`}},
	"folder":       {[]string{`inside`, `n.files[1]`}, []string{`folder(n, "/run/y")`, `folder(m, "/run/x")`, `own`}},
	"xfrm_policy": {[]string{`shield`, `n.xfrm_policies[0]`}, []string{`xfrm_policy(n, dir = "in")`,
		`xfrm_policy(m, dir = "out", src = "10.8.0.0/16")`}},
	"xfrm_state": {[]string{`xfs`, `n.xfrm_states[0]`}, []string{
		`xfrm_state(n, src = "10.0.0.1", dst = "10.0.0.2", spi = 2, auth = ("digest_null", "0x"), proto = "ah")`}},
	"wg_key":     {[]string{`key`, `wg_key("` + wgSecret + `")`}, []string{`wg_key()`}},
	"monitor":    {[]string{`heard`}, []string{`monitor(n)`}},
	"throughput": {[]string{`measured`}, []string{`throughput(n, n, bytes = "1kb")`}},
	"listener":   {[]string{`heeded`}, []string{`listen(n, 81)`}},
	"stream":     {[]string{`talk`}, []string{`heeded.accept()`, `connect(n, n, 80)`}},
	"udp":        {[]string{`told_udp`}, []string{`udp(n)`}},
	"capture":    {[]string{`seen`}, []string{`capture(n.link("lo"))`}},
	"packet":     {[]string{`frame`, `packet(layer.ether(), "x")`}, []string{`packet(layer.ether(), "y")`}},
	"header":     {[]string{`layer.ip(ttl = 5)`, `head`}, []string{`layer.ip(ttl = 6)`, `frame.layers[0]`}},
	"attempt":    {[]string{`tried`}, []string{`attempt(lambda: 1)`}},
}

// TestEqual comes by values of each type in different ways: those of one object are equal, have one hash where they
// have any, and are found in lists; those of others are not.
func TestEqual(t *testing.T) {
	before := nstest.Dump(t)
	for _, typ := range All().Types {
		if k := entryNamed(typ.Name); k != nil && lacked(&addEntry{Entry: kernel.Entry{Table: k.Tables[0]}}) {
			continue
		}
		c, ok := twins[typ.Name]
		if !ok && typ.Name != "test" {
			t.Errorf("type %s has no values here", typ.Name)
		}
		src := `
n, m = netns("n"), netns("m")
a, b = veth(n, m, addrs = ("10.0.0.1/24", None))
v4, v6 = addr(b, "10.0.0.2/24", "fd00::2/64")
fd = addr(a, "fd00::1/64")
br = bridge(m, ports = [b])
default = route(n, "default", via = m)
told = neigh(a, "10.0.0.77", "02:00:00:00:00:77")
ruled = rule(n, table = 7, priority = 1)
key = wg_key("` + wgSecret + `")
stays, grp = fdb(b, "02:00:00:00:00:01"), mdb(br, b, "239.1.1.1")
point = mptcp_endpoint(n, "10.0.0.1", subflow = True)
hole, labelled = nexthop(n, id = 1, blackhole = True), addrlabel(n, "fd77::/64", 77)
way, labels = route_get(n, "10.0.0.2"), encap.mpls(7)
pool, reply, done, tried = subnets("10.0.0.0/8", 24), ping(n, a, count = 1), run(n, ["true"]), attempt(lambda: 1)
heard = monitor(n)
heeded, told_udp = listen(n, 80), udp(n)
talk = connect(n, n, 80)
measured = throughput(n, n, bytes = "1kb")
seen, frame, head = capture(n.link("lo")), packet(layer.ether(), "x"), layer.ip(ttl = 5)

def again(x):
    x.delete()
    return addr(x.link, str(x))

def rerouted():
    default.delete()
    return route(n, "0.0.0.0/0", via = "10.0.0.2")

same = []
others = []
`
		if typ.Name == "qdisc" {
			src += "tb = qdisc(a, \"tbf\", rate = \"1mbit\")\n"
		}
		if typ.Name == "process" {
			src += "beside = spawn(n, [\"sleep\", \"1000\"])\n"
		}
		if typ.Name == "file" || typ.Name == "folder" {
			src += "own, inside = file(n, \"/etc/x\"), folder(n, \"/run/x\")\n"
		}
		if typ.Name == "bridge_vni" {
			src += "nvx = vxlan(n, external = True, vnifilter = True)\nnv = bridge_vni(nvx, 7)\n"
		}
		if strings.HasPrefix(typ.Name, "mroute") {
			src += "mr = mroute(n, \"239.1.1.1\", source = \"10.0.0.9\", iif = a, oifs = [])\n"
		}
		if typ.Name == "reachability" {
			src += "reached = ping_all([n, m], check = False)\n"
		}
		if typ.Name == "solicited" {
			src += "asked = arping(a, \"10.0.0.9\", check = False, timeout = \"1ms\")\n"
		}
		if typ.Name == "trace" || typ.Name == "pmtu" {
			src += "traced, fits = trace(n, a.ip), pmtu(n, a.ip)\n"
		}
		if typ.Name == "nft_rule" {
			src += "wall = drop(n, sport = 1)\n"
		}
		if strings.HasPrefix(typ.Name, "connection") {
			src += "accept(n, state = \"new\")\nping(n, a, count = 1, family = 4)\n" +
				"ping(n, a, count = 1, family = 4)\ntracked = conntrack(n)\n"
		}
		if typ.Name == "tc_class" {
			src += "for l in [a, b]:\n    qdisc(l, \"htb\", handle = \"7:\")\n" +
				"cl = tc_class(a, \"7:1\", rate = \"1mbit\")\n"
		}
		if typ.Name == "tc_filter" {
			src += "for l in [a, b]:\n    qdisc(l, \"htb\", handle = \"7:\")\n" +
				"tf = tc_filter(a, \"u32\", match = \"u32 0 0\", flowid = \"7:1\")\n"
		}
		if typ.Name == "xfrm_policy" {
			src += "shield = xfrm_policy(n, dir = \"out\", src = \"10.8.0.0/16\")\n"
		}
		if typ.Name == "xfrm_state" {
			src += `xfs = xfrm_state(n, src = "10.0.0.1", dst = "10.0.0.2", spi = 1, ` +
				`enc = ("ecb(cipher_null)", "0x"), auth = ("digest_null", "0x"))` + "\n"
		}
		if typ.Name == "wg_peer" {
			src += "wgl = wireguard(n)\nwgp = wg_peer(wgl, wg_key().public_key)\n"
		}
		for _, e := range c.same {
			src += "same.append(" + e + ")\n"
		}
		for _, e := range c.others {
			src += "others.append(" + e + ")\n"
		}
		hashed := []string{"namespace", "link", "address", "route"}
		for _, typ := range entryTypes() {
			hashed = append(hashed, typ.Name)
		}
		src += "hashed = " + starlark.Bool(slices.Contains(hashed, typ.Name)).String() + `
for i, x in enumerate(same):
    for j, y in enumerate(same):
        if x != y or not x == y or hashed and {x: 1}.get(y) != 1:
            fail("%d and %d are not equal: %s, %s" % (i, j, x, y))
    if not x in same or x in others:
        fail("%d is not found: %s" % (i, x))
    for j, y in enumerate(others):
        if x == y or not x != y or hashed and {x: 1}.get(y) == 1:
            fail("%d and other %d are equal: %s, %s" % (i, j, x, y))
        assert.fails(lambda: x < y, "not implemented")
`
		if _, err := runScript(t, typ.Name+".star", src); err != nil {
			t.Errorf("%s: %v", typ.Name, err)
		}
	}
	nstest.Same(t, before)
}

// entryNamed is the kind of entry with a name, nil when there is none.
func entryNamed(name string) *entryKind {
	all := allEntries()
	if i := slices.IndexFunc(all, func(k *entryKind) bool { return k.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}
