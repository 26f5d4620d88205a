package builtins

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// A parallelProgram is a script whose functions each work in a namespace of their own, and at its end print what they
// have made. all calls them.
func parallelProgram(r *rand.Rand, functions int, all string) string {
	var b strings.Builder
	for i := range functions {
		fmt.Fprintf(&b, "def f%d():\n    n = netns(\"n%d\")\n    l = bridge(n, name = \"b\")\n", i, i)
		for k := range 2 + r.IntN(5) {
			var line string
			switch r.IntN(9) {
			case 0:
				line = fmt.Sprintf("addr(l, \"10.%d.%d.1/24\")", k, r.IntN(250))
			case 1:
				line = fmt.Sprintf("attempt(lambda: [bridge(n, name = \"x%d\"), sleep(\"1ms\"), fail(\"undone\")])", k)
			case 2:
				line = fmt.Sprintf("attempt(lambda: [bridge(n, name = \"y%d\"), sleep(\"0s\")])", k)
			case 3:
				line = fmt.Sprintf("l.set(mtu = %d)", 1300+r.IntN(200))
			case 4:
				line = fmt.Sprintf("sysctl(n, \"net.ipv4.conf.all.forwarding\", %d)", r.IntN(2))
			case 5:
				line = "run(n, [\"true\"])"
			case 6:
				line = "ping(n, \"127.0.0.1\", count = 1)"
			case 7:
				line = fmt.Sprintf("netns(\"m%d-%d\").delete()", i, k)
			case 8:
				if line = "pass"; r.IntN(functions) == 0 {
					line = fmt.Sprintf("fail(\"f%d fails\")", i)
				}
			}
			fmt.Fprintf(&b, "    %s\n", line)
		}
		b.WriteString("    return [(x.name, x.mtu, [a for a in x.addrs if \"fe80\" not in a]) for x in n.links]\n")
	}
	var names []string
	for i := range functions {
		names = append(names, fmt.Sprintf("f%d", i))
	}
	fmt.Fprintf(&b, "fns = [%s]\n%s\n", strings.Join(names, ", "), all)
	return b.String()
}

const (
	callSerially = "r = attempt(lambda: [f() for f in fns])\n"
	callBeside   = "r = attempt(lambda: parallel(fns))\n"
	showMade     = "print(r.ok, r.value, r.error and r.error.msg, sorted([n.name for n in namespaces()]))"
)

// TestParallelSerial has random functions called one after the other, and beside each other: they come to the same, and
// so does undoing it.
func TestParallelSerial(t *testing.T) {
	many := 60
	if testing.Short() {
		many = 15
	}
	failed := 0
	for seed := range uint64(many) {
		var out [2]string
		for i, all := range []string{callSerially, "r = attempt(lambda: parallel(fns, limit = 3))\n"} {
			if seed%2 == 0 && i == 1 {
				all = callBeside
			}
			before := nstest.Dump(t)
			var err error
			src := parallelProgram(rand.New(rand.NewPCG(seed, 7)), 6, all+showMade)
			if out[i], err = runScript(t, "parallel.star", src); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, src)
			}
			nstest.Same(t, before)
		}
		if out[0] != out[1] {
			t.Errorf("seed %d: one after the other:\n%sbeside each other:\n%s", seed, out[0], out[1])
		}
		if strings.Contains(out[0], "fails") {
			failed++
		}
	}
	if failed == 0 || failed == many {
		t.Errorf("%d of %d fail: neither kind is tried", failed, many)
	}
}

// TestBesideFails has something fail that goes on beside the script: its error, with its place, is the run's, at once
// and whatever the script is doing, and it cannot be caught.
func TestBesideFails(t *testing.T) {
	up := `p = spawn(n, ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], ready = "line:up", ` +
		`grace = "3s")`
	for what, src := range map[string]string{
		"sleep": `sleep("1h")`,
		"run":   `run(host, ["sleep", "3600"])`,
		"ping":  `ping(host, "127.0.0.1", interval = "1h")`,
		"ping_all": `
for ns in veth(n, netns(), addrs = ("10.0.0.1/24", "10.0.0.2/24")):
    sysctl(ns.ns, "net.ipv4.icmp_echo_ignore_all", 1)
ping_all(timeout = "1h")`,
		"arping":   `arping(veth(n, n)[0], "10.0.0.9", timeout = "1h")`,
		"ndping":   `ndping(veth(n, n)[0], "fd00::9", timeout = "1h")`,
		"trace":    `drop(n, at = "input"); trace(n, "127.0.0.1", timeout = "1h")`,
		"pmtu":     `sysctl(n, "net.ipv4.icmp_echo_ignore_all", 1); pmtu(n, "127.0.0.1", timeout = "1h")`,
		"attempt":  `attempt(sleep, "1h")`,
		"parallel": `parallel([lambda: sleep("1h"), lambda: sleep("1h")])`,
		"wait":     `wait(lambda: False, timeout = "1h", every = "1h")`,
		"ended":    `pass`,
		"expect":   `monitor(host).expect("nothing", timeout = "1h")`,
		"frame":    `expect(capture(n.link("lo"), "udp"), "udp", timeout = "1h")`,
		"no frame": `expect_none(capture(n.link("lo"), "udp"), "udp", timeout = "1h")`,
		"frames":   `send(n.link("lo"), packet(layer.ether(), "x"), count = 1000000, interval = "1h")`,
		"stop":     `p.stop(); fail("it was waited for")`,
		"write":    `p.write((1 << 20) * "x", timeout = "1h")`,
		"measure":  `throughput(host, host.link("lo"), time = "1h")`,
		"http":     "listen(host, 80)\nhttp_get(host, \"http://127.0.0.1/\", timeout = \"1h\")",
		"latency":  `latency(host, host.link("lo"), count = 2, interval = "1h")`,
		"dns":      "udp(host, 53)\ndns(host, \"x\", \"127.0.0.1\", timeout = \"1h\")",
		"accept":   `listen(host, 80).accept(timeout = "1h")`,
		"receive":  `udp(host, 53).recv(timeout = "1h")`,
		"stream":   "listen(host, 80)\nconnect(host, \"127.0.0.1\", 80).recv(timeout = \"1h\")",
		"send":     "listen(host, 80)\nconnect(host, \"127.0.0.1\", 80).send(\"x\" * (32 << 20), timeout = \"1h\")",
		"served": "listen(host, 80, serve = lambda c: sleep(\"1h\"))\n" +
			"connect(host, \"127.0.0.1\", 80).recv(timeout = \"1h\")",
	} {
		t.Run(what, func(t *testing.T) {
			before := nstest.Dump(t)
			begin := ""
			if strings.HasPrefix(src, "p.") {
				begin = up
			}
			_, err := runScript(t, "beside.star", "n = netns(\"n\"); "+begin+
				"\ndef late():\n    bridge(n)\n    fail(\"too late\")\nat(\"20ms\", late)\n"+src+"\n")
			if err == nil || !regexp.MustCompile(`(?s)beside.star:4:9: too late\n +fail`).MatchString(err.Error()) {
				t.Errorf("got %v", err)
			}
			nstest.Same(t, before)
		})
	}
}

// TestParallelInterrupted has the run be told to end while several functions wait: all of them end.
func TestParallelInterrupted(t *testing.T) {
	before := nstest.Dump(t)
	src := `
n = netns("n")
def one(i):
    bridge(n, name = "b%d" % i)
    [lambda: sleep("1h"), lambda: run(n, ["sleep", "3600"]), lambda: wait(lambda: False, timeout = "1h")][i % 3]()
every("1ms", lambda: 1)
at("1h", fail)
parallel_map(one, range(6))
`
	p, err := All().Parse("ended.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond} {
		_, err = runProgram(t, p, func(s *runtime.Session) error {
			ctx, cancel := context.WithTimeout(context.Background(), after)
			defer cancel()
			return s.Run(ctx, p)
		})
		if err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("after %s: %v", after, err)
		}
		nstest.Same(t, before)
	}
}
