package builtins

import (
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime"
)

// TestRunHints has scripts fail by what means something else in Python, and looks for what to write instead.
func TestRunHints(t *testing.T) {
	const (
		noEnd  = `fdb(vxlan(host, id = 7), "02:00:00:00:00:01")`
		noVLAN = "a, _ = veth(host, master = (bridge(host), None))\nfdb(a, '02:00:00:00:00:01', vlan = 7)"
	)
	for src, want := range map[string]string{
		`"a" + 1`:                                 `"%s%s" % (a, b)`,
		`host.name + "a"`:                         "",
		`None + "a"`:                              `str(x)`,
		"for c in 'abc':\n  pass":                 "text.elems()",
		`[c for c in "abc"]`:                      "text.elems()",
		`list("abc")`:                             "text.elems()",
		"n = 0\ndef f():\n  n += 1\nf()":          "its own: return the value",
		"x = [1]\nfor i in x:\n  x.append(i)":     "loop over list(x)",
		"d = {1: 2}\nfor k in d:\n  d.pop(k)":     "loop over list(x)",
		"h = struct(a = 1)\nh.a = 2":              "make another",
		"l = netns('n').link('lo')\nl.mtu = 1400": "link.set(",
		"x = (1,)\nx[0] = 2":                      "use a list",
		"x = 'a'\nx[0] = 'b'":                     "use a list",
		`assert(1 == 1)`:                          "assert.eq(a, b)",
		`"a".len()`:                               "len(x)",
		`[1].length`:                              "len(x)",
		`"a".contains("a")`:                       "item in x",
		`{}.has_key(1)`:                           "item in x",
		`[1].push(2)`:                             "append",
		`"a".trim()`:                              "strip",
		`time.sleep(1)`:                           `sleep("1s")`,
		`json.dumps(1)`:                           "json.encode",
		`json.loads("1")`:                         "json.decode",
		`1 // 0`:                                  "",
		noEnd:                                     "want dst= or nhid=", noVLAN: "no part in vlan 7",
		`fail("no")`: "",
	} {
		_, err := runScript(t, "x.star", src)
		if err == nil {
			if want != "" {
				t.Errorf("%q does not fail", src)
			}
			continue
		}
		_, hint, _ := strings.Cut(err.Error(), "\n  hint: ")
		hint, _, _ = strings.Cut(hint, "\n")
		if !strings.Contains(hint, want) || want == "" && hint != "" || hint != runtime.Hint(err) {
			t.Errorf("%q: %v: hint %q or %q, want %q", src, err, hint, runtime.Hint(err), want)
		}
	}
}
