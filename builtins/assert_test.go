package builtins

import (
	"errors"
	"strings"
	"testing"
)

// TestAssertMessages compares what assertions say, whole.
func TestAssertMessages(t *testing.T) {
	const before = `
routes = ["10.0.%d.0/24 dev eth%d" % (i, i) for i in range(9)]
other = routes[:4] + ["10.9.0.0/16 dev eth9"] + routes[5:]
text = "".join(["line %d\n" % i for i in range(9)])
`
	for _, c := range []struct{ call, want string }{
		{`assert.eq(1, 2)`, "want a == b\n  a: 1\n  b: 2"},
		{`assert.eq([1, 2], [1, 3], msg = "hosts")`, "hosts: want a == b\n  a: [1, 2]\n  b: [1, 3]"},
		{`assert.eq(routes, other)`, `want a == b
  --- a
  +++ b
  @@ -2,7 +2,7 @@
   "10.0.1.0/24 dev eth1",
   "10.0.2.0/24 dev eth2",
   "10.0.3.0/24 dev eth3",
  -"10.0.4.0/24 dev eth4",
  +"10.9.0.0/16 dev eth9",
   "10.0.5.0/24 dev eth5",
   "10.0.6.0/24 dev eth6",
   "10.0.7.0/24 dev eth7",`},
		{`assert.eq(text, text.replace("line 8", "line 8 ").replace("line 0", "line\t0"))`, `want a == b
  --- a
  +++ b
  @@ -1,4 +1,4 @@
  -line 0
  +"line\t0"
   line 1
   line 2
   line 3
  @@ -6,4 +6,4 @@
   line 5
   line 6
   line 7
  -line 8
  +"line 8 "`},
		{`assert.eq({"b": routes, "a": 1, "c": {}}, {"c": {}, "a": 1, "b": other})`, `want a == b
  --- a
  +++ b
  @@ -4,7 +4,7 @@
     "10.0.1.0/24 dev eth1",
     "10.0.2.0/24 dev eth2",
     "10.0.3.0/24 dev eth3",
  -  "10.0.4.0/24 dev eth4",
  +  "10.9.0.0/16 dev eth9",
     "10.0.5.0/24 dev eth5",
     "10.0.6.0/24 dev eth6",
     "10.0.7.0/24 dev eth7",`},
		{`assert.eq(struct(name = "n" * 80, mtu = 1500, set = set([2, 1])), struct(name = "n" * 80, mtu = 1400, ` +
			`set = set([1, 2])))`,
			"want a == b\n  --- a\n  +++ b\n  @@ -1,3 +1,3 @@\n  -mtu = 1500,\n  +mtu = 1400,\n   name = \"" +
				strings.Repeat("n", 80) + "\",\n   set = set([1, 2]),"},
		{`assert.eq("x" * 80 + "abc", "x" * 80 + "adc")`,
			"want a == b\n  a: \"" + strings.Repeat("x", 80) + "abc\"\n  b: \"" + strings.Repeat("x", 80) +
				"adc\"\n  they are alike for 81 bytes, then a has \"bc\" and b \"dc\""},
		{`assert.eq(list(range(1000)), [-i for i in range(1000)])`,
			"want a == b\n  --- a\n  +++ b\n  @@ -1,1000 +1,1000 @@\n   0,\n  -1,..."},
		{`assert.eq(routes, tuple(routes))`, "want a == b\n  a: [\"10.0.0.0/24 dev eth0\", ..."},
		{`assert.lt(2, 1, msg = "mtu")`, "mtu: want a < b\n  a: 2\n  b: 1"},
		{`assert.ne(1, 1)`, "want a != b\n  a: 1\n  b: 1"},
		{`assert.true(0, "forwarding")`, "forwarding: want a value that is True, got 0"},
		{`assert.false([1])`, "want a value that is False, got [1]"},
		{`assert.contains("a\nb", "c", msg = "log")`,
			"log: want item in container\n  item: \"c\"\n  container:\n    a\n    b"},
		{`assert.not_contains([1, 2], 2)`, "want item not in container\n  item: 2\n  container: [1, 2]"},
		{`assert.not_contains({"a": 1}, "a")`, "want item not in container\n  item: \"a\"\n  container: {\"a\": 1}"},
		{`assert.matches("state DOWN", "state (UP|UNKNOWN)", msg = "a")`,
			"a: want a text that matches \"state (UP|UNKNOWN)\"\n  text: \"state DOWN\""},
		{`assert.fails(lambda: fail("no"), "yes", msg = "guard")`,
			"guard: want an error that matches \"yes\"\n  got: \"no\""},
		{`assert.fails(lambda: 1, msg = "guard")`, "guard: want an error, but lambda did not fail"},
		{`assert.near(0.031, "20ms", "2ms", msg = "rtt")`,
			"rtt: want a within 2ms of b, and they are 11ms apart\n  a: 0.031\n  b: \"20ms\""},
		{`assert.near(95, 100, "4%")`, "want a within 4% of b, and they are 5 apart\n  a: 95\n  b: 100"},
		{`assert.near(1 << 70, (1 << 70) + 2, 1)`,
			"want a within 1 of b, and they are 2 apart\n  a: 1180591620717411303424\n  b: 1180591620717411303426"},
	} {
		_, err := runScript(t, "x.star", before+c.call)
		var said *assertError
		if !errors.As(err, &said) {
			t.Errorf("%s: %v", c.call, err)
			continue
		}
		want, begins := strings.CutSuffix(c.want, "...")
		if got := strings.TrimPrefix(said.msg, "assert: "); got != want && !(begins && strings.HasPrefix(got, want)) {
			t.Errorf("%s\n%s\nwant\n%s", c.call, got, c.want)
		}
	}
}

// TestAssertBounds compares values that are too large to be shown, and says little of them.
func TestAssertBounds(t *testing.T) {
	for _, call := range []string{
		`assert.eq(list(range(20000)), [-i for i in range(20000)])`,
		`assert.eq("a\n" * 20000, "b\n" * 20000)`,
		`assert.eq("a" * 20000, "b" * 20000)`,
		`assert.eq("a" * 20000 + "c", "a" * 20000)`,
		`assert.eq("a\n" + "é" * 20000, "a\n" + "e" * 20000)`,
		`assert.contains("a\n" * 20000, "b")`,
		`assert.false([0] * 20000)`,
		`assert.matches("é" * 20000, "b")`,
		`assert.fails(lambda: fail("a\n" * 20000), "b")`,
		"x = [1]\nx.append(x)\ny = [2]\ny.append(y)\nassert.eq([x, \"a\" * 80], [y, \"a\" * 80])",
	} {
		_, err := runScript(t, "x.star", call)
		var said *assertError
		if !errors.As(err, &said) || len(said.msg) > 20_000 {
			t.Errorf("%s\n%.500v", call, err)
		}
	}
}
