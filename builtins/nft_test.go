package builtins

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// expires is what of a ruleset's text goes on by itself.
var expires = regexp.MustCompile(` expires [0-9a-z]+`)

// ruleset is the host's as nft shows it, with what its counters have.
func ruleset(t *testing.T) string {
	t.Helper()
	return expires.ReplaceAllString(shell(t, "nft list ruleset"), "")
}

// TestRulesets makes random rulesets, changes each by one or two random texts, and undoes that: at once, or by who
// finds the journal of a process that died then. The rulesets are the same afterwards, to what their counters had.
func TestRulesets(t *testing.T) {
	if lacks("nft") {
		t.Skip("there is no nft here")
	}
	seeds := 200
	if testing.Short() {
		seeds = 20
	}
	can := kernelRules(t)
	made, refused, lost := 0, 0, 0
	for seed := range seeds {
		w := &rulesetWorld{rand: rand.New(rand.NewPCG(uint64(seed), 7)), can: can}
		text, tables := w.ruleset()
		m, err := kernel.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Host().ApplyRules(text); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		before := ruleset(t)
		var ops []change.Op
		var records []record
		texts := ""
		many := 1 + w.rand.IntN(2)
		for i := range many {
			op := &changeRules{NS: m.Host().Ref(), Text: w.change(tables)}
			err := op.Check(m, false)
			if _, more := kernel.Losses(err); err != nil && !more {
				lost++
				t.Logf("seed %d: %v\n%s", seed, err, text)
				break
			} else if err != nil {
				refused++ // what an older text deleted is changed
				continue
			}
			data, err := json.Marshal(op)
			if err = errors.Join(err, change.ValidOp(op), op.Do(m)); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, op.Text)
			}
			if i+1 < many || w.rand.IntN(2) == 0 { // else the process dies before it can
				_, err := op.Note(m)
				if err != nil {
					t.Fatal(err)
				}
				if data, err = json.Marshal(op); err != nil {
					t.Fatal(err)
				}
				attempted(t, m, "flush ruleset")
			}
			ops, records = append(ops, op), append(records, record{op.Kind(), string(data)})
			texts += "---\n" + op.Text
			made++
		}
		m.Close()
		if seed%2 == 0 {
			labs := plant(t, "killed", records...)
			found, err := labs.Recover()
			if err != nil || len(found) != 1 || found[0].Err != nil || len(found[0].Left) > 0 {
				t.Fatalf("seed %d: recovery: %+v, %v\n%s%s", seed, found, err, text, texts)
			}
		} else {
			var raws [][]byte
			for _, r := range records {
				raws = append(raws, []byte(r.data))
			}
			if err := undoAll(raws, ops, seed%4 == 1, honest); err != nil {
				t.Fatalf("seed %d: %v\n%s%s", seed, err, text, texts)
			}
		}
		if after := ruleset(t); after != before {
			t.Fatalf("seed %d: %s\n%s%s", seed, nstest.Diff(before, after), text, texts)
		}
		nstest.ClearNft(t)
	}
	t.Logf("%d changes undone, %d refused, %d that would have lost something", made, refused, lost)
	if made < seeds/2 || lost > 0 {
		t.Error("too little was tried")
	}
}

// attempted makes a change that is undone at once.
func attempted(t *testing.T, m *kernel.Machine, text string) {
	t.Helper()
	op := &changeRules{NS: m.Host().Ref(), Text: text}
	if err := errors.Join(op.Check(m, false), op.Do(m), op.Undo(m)); err != nil {
		t.Fatal(err)
	}
}

// wrongTexts are refused with nft's or the kernel's own words, and where in the text and the script they belong.
var wrongTexts = []struct{ text, at, says string }{
	{`table`, "1:", "syntax error"},
	{"table ip t {\n\tchain c { type filter hook inptu priority 0; }\n}", "2:", "hook inptu|unknown chain hook"},
	{"table ip t {\n\tchain c { type filtre hook input priority 0; }\n}", "2:", "unknown chain type"},
	{"table ip t {\n\tchain c { type filter hook input priority 0; policy drp; }\n}", "2:", "expecting accept or drop"},
	{"table ip t {\n\tchain c { tcp dport htttp accept; }\n}", "2:", "Could not resolve service"},
	{"table ip t {\n\tchain c { ip saddr 10.0.0.256 accept; }\n}", "2:", "Could not resolve hostname|syntax error"},
	{"table ip t {\n\tchain c { ip6 saddr ::1 accept; }\n}", "2:", "conflicting|cannot use ip6"},
	{"table ip t {\n\tchain c { jump nowhere; }\n}", "2:", "No such file or directory"},
	{"table ip t {\n\tchain c { ip saddr @nowhere accept; }\n}", "2:", "No such file or directory"},
	{"table ip t {\n\tchain c { counter name nowhere; }\n}", "2:", "No such file or directory"},
	{"table ip t {\n\tchain c { tcp dport 80 acept; }\n}", "2:", "syntax error"},
	{"table ip t {\n\tchain c { tcp dport 80-70 accept; }\n}", "2:", "Range has zero or negative size"},
	{"table ip t {\n\tchain c { tcp dport 65536 accept; }\n}", "2:", "exceeds|Value 65536|out of range"},
	{"table ip t {\n\tchain c { meta mark set; }\n}", "2:", "syntax error"},
	{"table ip t {\n\tset s { type ipv4_adr; }\n}", "2:", "syntax error|unknown datatype"},
	{"table ip t {\n\tset s { type ipv4_addr; elements = { fd00::1 }; }\n}", "2:",
		"Could not resolve hostname|Address"},
	{"table ip t {\n\tmap m { type ipv4_addr : inet_service; elements = { 10.0.0.1 }; }\n}", "2:", "Invalid argument"},
	{"add rule ip nowhere c accept", "1:13", "No such file or directory"},
	{"\n\ndelete table ip nowhere", "3:17", "No such file or directory"},
	{"add chain ip nowhere c", "1:", "No such file or directory"},
	{"add element ip nowhere s { 10.0.0.1 }", "1:", "No such file or directory"},
	{"table bogus t { }", "1:", "syntax error"},
	{"frobnicate", "1:", "syntax error"},
	{"table ip t {\n\tchain c { type nat hook input priority 0; masquerade; }\n}", "2:",
		"Operation not supported|not valid"},
	{"table ip t {\n\tchain c {\n\t\ttcp dport 80 accept\n", "", "syntax error"},
	{"include \"/nowhere/at/all.nft\"", "1:", "File not found"},
	{"table ip t {\n\tset s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 10.1.0.0/16 }; }\n}", "2:",
		"conflicting intervals specified"},
	{"table inet t {\n\tchain c { type nat hook prerouting priority -100; dnat ip to 10.0.0.1:80; }\n}", "2:",
		"transport protocol mapping is only valid after transport protocol match"},
	{"table ip t {\n\tchain c { ct state nw accept; }\n}", "2:", "Could not parse conntrack state"},
	{"table ip t {\n\tchain c { meta iif \"nolink\" accept; }\n}", "2:", "Interface does not exist"},
	{"table ip t {\n\tchain a { jump b; }\n\tchain b { type filter hook input priority 0; jump a; jump b; }\n}", "2:",
		"Too many links|Operation not supported"},
	{"table ip t {\n\tchain c { type filter hook input priority 0; masquerade; }\n}", "2:", "Operation not supported"},
	{"table ip t {\n\tchain c { limit rate 5/fortnight accept; }\n}", "2:", "syntax error|wrong|unknown"},
	{"define x = 1\ntable ip t {\n\tchain c { tcp dport $y accept; }\n}", "3:", "unknown identifier"},
}

func TestWrongRulesets(t *testing.T) {
	if lacks("nft") {
		t.Skip("there is no nft here")
	}
	before := nstest.State(t)
	for _, c := range wrongTexts {
		script := "n = netns(\"n\")\nnft(n, '''" + c.text + "''')\n"
		_, err := runScript(t, "wrong.star", script)
		if err == nil {
			t.Errorf("%q is not refused", c.text)
			continue
		}
		said := err.Error()
		if !regexp.MustCompile(c.says).MatchString(said) {
			t.Errorf("%q: said\n%s\nwant %s", c.text, said, c.says)
		}
		line, col, exact := strings.Cut(c.at, ":")
		if want := "line " + line + " of the text"; c.at != "" && !strings.Contains(said, want) {
			t.Errorf("%q: said\n%s\nwant %s", c.text, said, want)
		}
		if n := int(atoi(line)); exact && col != "" {
			at := itoa(n+1) + ":" + col
			if n == 1 { // behind nft(n, '''
				at = "2:" + itoa(int(atoi(col))+10)
			}
			if !strings.Contains(said, "wrong.star:"+at+":") {
				t.Errorf("%q: said\n%s\nwant it at %s", c.text, said, at)
			}
		}
		if after := nstest.State(t); after != before {
			t.Fatal(nstest.Diff(before, after))
		}
	}
	for text, word := range map[string]string{"list ruleset": "list", "add table ip t; reset counters": "reset",
		"# monitor\nmonitor": "monitor", "table ip t {\n}\n\tdescribe tcp dport": "describe"} {
		if _, err := runScript(t, "wrong.star", "nft(netns(\"n\"), '''"+text+"''')"); err == nil ||
			!strings.Contains(err.Error(), "the command \""+word+"\"") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRulesetLoss has a table of somebody's that the kernel does not take back: an old-style meter. What cannot change
// that is done and undone, and the rest refused unless the script says otherwise.
func TestRulesetLoss(t *testing.T) {
	if lacks("nft") {
		t.Skip("there is no nft here")
	}
	shell(t, `nft 'table ip mine { chain c { counter packets 7 bytes 7; }; }
		table ip metered { chain c { meter m size 128 { ip saddr limit rate 5/second } accept; }; }
		table ip behind { chain c { counter packets 5 bytes 7; }; }'`)
	t.Cleanup(func() { nstest.ClearNft(t) })
	before := ruleset(t)
	for _, text := range []string{"table ip other { chain c { }; }", "delete table ip behind"} {
		if _, err := runScript(t, "x.star", "nft(host, '"+text+"')"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if after := ruleset(t); after != before {
			t.Errorf("%s: %s", text, nstest.Diff(before, after))
		}
	}
	for _, text := range []string{"flush ruleset", "delete table ip metered"} {
		_, err := runScript(t, "x.star", "nft(host, '"+text+"')")
		if err == nil || !strings.Contains(err.Error(), "ruleset in host") ||
			!strings.Contains(err.Error(), "of table ip metered") {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err := runScript(t, "x.star", "nft(host, 'add rule ip mine c drop')") // mine stands before metered
	if err == nil || !strings.Contains(err.Error(), "a changed table stands before table ip metered") {
		t.Error(err)
	}
	s := newSession(t)
	if err := runIn(t, s, "nft(host, 'flush ruleset', irreversible = True)"); err != nil {
		t.Fatal(err)
	}
	u, err := s.Rollback()
	if err != nil || len(u.Left) != 1 || !strings.HasPrefix(u.Left[0].Reason, "ruleset in host is lost") || !u.Over() {
		t.Errorf("%v, left: %+v", err, u.Left)
	}
}
