package builtins

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/assist"
)

// completions is what the word that a text ends with may become, each as the text would be then.
func completions(sc *assist.Scope, text string) (all []string) {
	from, candidates := sc.Complete(text)
	for _, c := range candidates {
		all = append(all, text[:from]+c)
	}
	return all
}

// TestCompleteAll completes every builtin, every argument of it, and every attribute and method of every type.
func TestCompleteAll(t *testing.T) {
	voc := All()
	sc := assist.New(voc)
	expect := func(text, want string) {
		t.Helper()
		if got := completions(sc, text); !slices.Contains(got, want) {
			t.Errorf("%q completes to %q, not to %q", text, got, want)
		}
	}
	isType := map[string]bool{}
	for _, typ := range voc.Types {
		isType[typ.Name] = true
		sc.Types["my_"+typ.Name] = typ.Name
		for _, a := range typ.Attrs {
			expect("x = [my_"+typ.Name+"."+a.Name[:1], "x = [my_"+typ.Name+"."+a.Name)
		}
	}
	for _, d := range voc.Decls {
		name, params := d.Name, d.Params
		if typ, _, dotted := strings.Cut(d.Name, "."); dotted && isType[typ] {
			name, params = "my_"+d.Name, params[1:]
		}
		expect(name[:len(name)-1], name)
		for _, p := range params {
			if p.Rest == "" {
				expect(name+"(", name+"("+p.Name+"=")
				expect("def f():\n    return "+name+"("+p.Name[:1], "def f():\n    return "+name+"("+p.Name+"=")
			}
			if p.Values != nil && (p.Keyword || len(params) == 1) {
				for _, v := range p.Values(voc) {
					expect(fmt.Sprintf(`%s(%s = "`, name, p.Name), fmt.Sprintf(`%s(%s = "%s`, name, p.Name, v))
				}
			}
		}
		if typ, _, _ := strings.Cut(d.Result, " or "); isType[typ] {
			expect(name+"(1, [2], ')').", name+"(1, [2], ')')."+members(voc, typ)[0])
		}
	}
}

func members(voc *runtime.Vocabulary, typ string) (names []string) {
	for _, t := range voc.Types {
		if t.Name == typ {
			for _, a := range t.Attrs {
				names = append(names, a.Name)
			}
		}
	}
	return names
}

func TestComplete(t *testing.T) {
	sc := assist.New(All())
	sc.Names["nodes"] = starlark.NewList([]starlark.Value{starlark.String("x")})
	sc.Types["a"], sc.Types["pair"], sc.Own = "link", "(link, link)", map[string]bool{"a": true, "nodes": true}
	sc.Namespaces = func() []string { return []string{"left", "right"} }
	sc.Links = func() []string { return []string{"eth0", "left0"} }
	sc.Files = func(dir string) []string {
		return map[string][]string{"": {"sub/", "top.star", "notes.txt"}, "sub/": {"two.star"}}[dir]
	}
	for _, c := range []struct{ text, want string }{
		{"", "a|nodes"},
		{"pin", "ping|ping_all"},
		{"x = pin", "x = ping|x = ping_all"},
		{"assert.e", "assert.eq"},
		{"json.enc", "json.encode|json.encode_indent"},
		{"a.n", "a.name|a.neighs|a.ns"},
		{"a.ns.li", "a.ns.link|a.ns.links"},
		{"a.ns.links[0].pe", "a.ns.links[0].peer"},
		{"a.peer.ns.na", "a.peer.ns.name"},
		{"a.master.na", "a.master.name"},
		{`netns("x").li`, `netns("x").link|netns("x").links`},
		{`veth(a, b)[0].pee`, `veth(a, b)[0].peer`},
		{"pair[1].pee", "pair[1].peer"},
		{"nodes[0].upp", "nodes[0].upper"},
		{`"x".joi`, `"x".join`},
		{"a.addrs.app", "a.addrs.append"},
		{"a.name.upp", "a.name.upper"},
		{"unknown.x", ""},
		{"a().x", ""},
		{"ping(a, '1.2.3.4', co", "ping(a, '1.2.3.4', count=|ping(a, '1.2.3.4', connect|" +
			"ping(a, '1.2.3.4', conntrack|ping(a, '1.2.3.4', counters"},
		{"ping(a, '1.2.3.4', count=1, co",
			"ping(a, '1.2.3.4', count=1, connect|ping(a, '1.2.3.4', count=1, conntrack|" +
				"ping(a, '1.2.3.4', count=1, counters"},
		{"ping(a, '1.2.3.4', count=", "ping(a, '1.2.3.4', count=a|ping(a, '1.2.3.4', count=nodes"},
		{"ping(a, '1.2.3.4', check=T", "ping(a, '1.2.3.4', check=True"},
		{"ping(a, d", "ping(a, dst=|ping(a, df=|ping(a, dict|ping(a, dir|ping(a, dnat|" +
			"ping(a, dns|" +
			"ping(a, down|ping(a, drop|ping(a, dummy"},
		{"a.set(mt", "a.set(mtu="},
		{"veth(a, netns('x', l",
			"veth(a, netns('x', lo=|veth(a, netns('x', lambda|veth(a, netns('x', latency|" +
				"veth(a, netns('x', layer|veth(a, netns('x', len|" +
				"veth(a, netns('x', list|veth(a, netns('x', listen"},
		{`ping("le`, `ping("left`},
		{`ping(ns = "`, `ping(ns = "left|ping(ns = "right|ping(ns = "host`},
		{`host.link("e`, `host.link("eth0`},
		{`netns_at(name = "r`, `netns_at(name = "right`},
		{`require("ipv`, `require("ipv6|require("ipvlan|require("ipvtap`},
		{`route(a, "x", type = "bl`, `route(a, "x", type = "blackhole`},
		{`load("`, `load("@std//addrs.star|load("@std//faults.star|load("@std//firewall.star|` +
			`load("@std//routes.star|load("@std//topo.star|load("sub/|load("top.star`},
		{`load("sub/t`, `load("sub/two.star`},
		{`load("top.star", "x`, ""},
		{`["le`, `["left|["left0`},
		{"1.", ""},
		{`"closed"`, ""},
		{"if a.up and no", "if a.up and nodes|if a.up and not"},
		{"# pin", ""},
		{"x = 1 # pin", ""},
		{"# x\npin", "# x\nping|# x\nping_all"},
		{"if a: re", "if a: ready|if a: redirect|if a: reject|if a: repr|if a: require|if a: return|if a: reversed"},
		{"de", "def"},
		{")]}.x", ""},
		{"f(", "f(a|f(nodes"},
		{"..", ""},
		{`"""le`, `"""left|"""left0`},
	} {
		got := strings.Join(completions(sc, c.text), "|")
		if got != c.want {
			t.Errorf("%q completes to %q, want %q", c.text, got, c.want)
		}
	}
}

// FuzzComplete looks for texts that completion cannot stand.
func FuzzComplete(f *testing.F) {
	for _, s := range []string{"a.b(c=", `f("`, "[{(", ")", "x[1].", "load(\"\"\"", "def f():\n  r'\\", "a..b",
		"é.", "0.5.x"} {
		f.Add(s)
	}
	sc := assist.New(All())
	f.Fuzz(func(t *testing.T, text string) {
		if from, _ := sc.Complete(text); from < 0 || from > len(text) {
			t.Errorf("%q: the word begins at %d", text, from)
		}
	})
}

// BenchmarkFirstCompletion makes the vocabulary and completes with it once: what a user waits for at most.
func BenchmarkFirstCompletion(b *testing.B) {
	for b.Loop() {
		sc := assist.New(All())
		for _, text := range []string{"pin", "ping(a, ", `netns("x").li`} {
			sc.Complete(text)
		}
	}
}
