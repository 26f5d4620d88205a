package runtime

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/script"
)

func TestNearest(t *testing.T) {
	names := []string{"addr", "attempt", "bridge", "down", "metric", "mtu", "netns", "nexthops", "peer", "ping",
		"table", "ttl", "up", "veth", "via"}
	for name, want := range map[string]string{
		"vet": "veth", "veht": "veth", "VETH": "veth", "vethh": "veth", "tev": "",
		"pear": "peer", "pre": "", "pnig": "ping", "pingg": "ping",
		"tll": "ttl", "mut": "mtu", "u": "up", "ups": "up", "x": "", "upp": "up",
		"netn": "netns", "nexthop": "nexthops", "next_hops": "nexthops", "metrics": "metric", "matric": "metric",
		"adr": "addr", "address": "", "brdige": "bridge", "tabel": "table",
		"": "", "entirely": "", "日本": "",
		// of two that are equally near the one that begins alike
		"vie": "via", "donw": "down",
	} {
		if got := script.Nearest(name, names); got != want {
			t.Errorf("Nearest(%q) is %q, want %q", name, got, want)
		}
	}
	if got := script.Nearest("aa", []string{"", "ab", "ba"}); got != "ab" {
		t.Errorf("got %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1},
		{"abc", "bac", 1}, {"abc", "cab", 2}, {"kitten", "sitting", 3}, {"abcd", "badc", 2}, {"netns", "nets", 1},
	} {
		if got := script.Distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) is %d, want %d", c.a, c.b, got, c.want)
		}
		if got := script.Distance(c.b, c.a); got != c.want {
			t.Errorf("distance(%q, %q) is %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestSignature(t *testing.T) {
	for _, c := range []struct {
		d    *Decl
		want string
	}{
		{callDecl, "call(alpha, beta=2, gamma=None, *, delta=7, epsilon=None, zeta=None, eta=None, theta=None, iota, " +
			"**kappa) -> string"},
		{restDecl, "rest(first, *rest, named=False) -> string"},
		{methodDecl, "thing.name(name, size=3, fn=None) -> string"},
		{noDecl, "mod.no()"},
	} {
		if got := c.d.Signature(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// described is a vocabulary to ask about.
func described() *Vocabulary {
	return &Vocabulary{Decls: []*Decl{callDecl, methodDecl, noDecl},
		Types: []*Type{{Name: "thing", Doc: "A thing. There are many.",
			Attrs: []Attr{{Name: "size", Type: "int", Doc: "how large it is",
				Get: func(*View, starlark.Value) (starlark.Value, error) { return starlark.MakeInt(1), nil }}}}}}
}

func TestHelp(t *testing.T) {
	voc := described()
	for _, c := range []struct {
		name     string
		markdown bool
		want     []string
	}{
		{"thing.name", false,
			[]string{"thing.name(name, size=3, fn=None) -> string\n\n    Names the thing.\n\n", "    name       its " +
				"name (string)\n    size       its size (int, default 3)\n    fn         what to call (function)\n"}},
		{"thing.name", true,
			[]string{"### thing.name\n\n```\nthing.name(name,", "- `size` (int, default 3): its size\n"}},
		{"call", false, []string{"    beta       the second (even number, default 2)\n",
			"    eta        the seventh (dict)\n", "    zeta       the sixth (list of even number)\n",
			"    theta      the eighth (any)\n", "    **kappa    all others "}},
		{"call", true, []string{"- `**kappa` (", "- `alpha` (spot): the first\n"}},
		{"mod.no", false, []string{"mod.no()\n\n    Takes nothing.\n"}},
		{"thing", false, []string{"thing (type)\n\n    A thing. There are many.\n\n    .size       how large it is " +
			"(int)\n    .name(name, size=3, fn=None) -> string\n"}},
		{"thing", true, []string{"### thing (type)\n\nA thing. There are many.\n\n- `.size` (int): how large it is\n"}},
		{"thing.size", false, []string{"thing.size: int\n\n    how large it is\n"}},
		{"mod", false, []string{"mod.no                       Takes nothing.\n"}},
	} {
		got := voc.Help(c.name, c.markdown)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("Help(%q, %v): want %q in\n%s", c.name, c.markdown, want, got)
			}
		}
	}
	for _, name := range []string{"", "nothing", "thing.", "thing.nope", "cal"} {
		if got := voc.Help(name, false); got != "" {
			t.Errorf("Help(%q): %s", name, got)
		}
	}
	if got := strings.Join(voc.Names(), " "); got != "call thing.name mod.no thing @std//addrs.star "+
		"@std//faults.star @std//firewall.star @std//routes.star @std//topo.star addresses link_local etc_hosts "+
		"degrade flap partition stateful_firewall auto_routes hops cable all_pairs line ring mesh "+
		"torus star linear tree" {
		t.Errorf("names: %s", got)
	}
	ref := voc.Reference()
	for _, name := range []string{"### thing (type)\n", "### call\n", "### thing.name\n", "### mod.no\n"} {
		if strings.Count(ref, name) != 1 {
			t.Errorf("the reference has %q %d times", name, strings.Count(ref, name))
		}
	}
}

func TestSummary(t *testing.T) {
	for doc, want := range map[string]string{
		"Calls. And says so.":         "Calls.",
		"Calls":                       "Calls",
		"Runs\n  over lines. Really.": "Runs over lines.",
		"Has net.ipv4 in it. Second.": "Has net.ipv4 in it.",
		"":                            "",
	} {
		if got := Summary(doc); got != want {
			t.Errorf("Summary(%q) is %q, want %q", doc, got, want)
		}
	}
}
