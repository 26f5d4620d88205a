package builtins

import (
	"strings"
	"testing"
)

// TestMistakes has scripts make mistakes where failures are caught: these end the script all the same, and at once.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ call, says string }{
		{`veth(n, n, nam = "x")`, `nam`},
		{`veth()`, "missing argument"},
		{`addr(l, "10.0.0.1")`, "has no prefix length"},
		{`addr(l, 5)`, "int"},
		{`l.nosuch`, "has no .nosuch field or method"},
		{`"a".nosuch()`, "has no .nosuch field or method"},
		{`struct(a = 1).b`, "has no .b attribute"},
		{`1 + "a"`, "unknown binary op: int + string"},
		{`-"a"`, "unknown unary op: - string"},
		{`5()`, "invalid call of non-function"},
		{`two(1)`, "missing 1 argument"},
		{`two(1, 2, c = 3)`, "unexpected keyword argument"},
		{`{[]: 1}`, "unhashable type"},
		{`1 < "a"`, "not implemented"},
		{`range(1, 2, 3, 4)`, "range: got 4 arguments"},
	} {
		for _, catch := range []string{"attempt(lambda: %)", "eventually(lambda: %, timeout = '1h')",
			"assert.fails(lambda: %)"} {
			src := strings.Replace("n = netns('n')\nl, _ = veth(n, n)\ndef two(a, b):\n    return a\n"+catch+
				"\nprint('caught')\n", "%", c.call, 1)
			if out, err := runScript(t, "x.star", src); err == nil ||
				!strings.Contains(err.Error(), c.says) || out != "" {
				t.Errorf("%s: %q, %v; want %q", strings.Replace(catch, "%", c.call, 1), out, err, c.says)
			}
		}
	}
}

// TestNoMistakes has scripts fail for what can be otherwise later.
func TestNoMistakes(t *testing.T) {
	for _, call := range []string{`fail("x")`, `assert.eq(1, 2)`, `n.link("later")`, `None.name`, `l.master.name`,
		`[][0]`, `{}["later"]`, `int("later")`, `veth(n, n, name = "eth0")`, `route(n, "10.0.0.0/8", via = "10.1.0.1")`,
		`run(n, ["false"])`, `1 // 0`, `gone.mtu`, `gone.set(mtu = 1400)`, `old.links`} {
		src := "n = netns('n')\nl, _ = veth(n, n)\ngone, _ = veth(n, n)\ngone.delete()\nold = " +
			"netns('old')\nold.delete()\nprint(attempt(lambda: " + call + ").ok)\n"
		if out, err := runScript(t, "x.star", src); err != nil || out != "False\n" {
			t.Errorf("%s: %q, %v", call, out, err)
		}
	}
}
