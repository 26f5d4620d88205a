package builtins

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// helper makes the test binary be the helper of the sessions that tests begin.
var helper = []string{"/proc/self/exe", "helper"}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == helper[1] {
		if _, err := lab.Open(All().Ops, "").Help(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 3 && os.Args[1] == dying {
		fmt.Fprintln(os.Stderr, dieAfter(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	flag.Parse()
	if testing.Short() {
		*rounds, *stories, *every = *rounds/10, *stories/10, *every*10
		*spawns /= 10
	}
	nstest.Main(m)
}

// runScript runs a script in a lab of its own and always rolls it back.
func runScript(t *testing.T, name, src string) (out string, err error) {
	t.Helper()
	p, err := All().Parse(name, []byte(src))
	if err != nil {
		return "", err
	}
	return runProgram(t, p, func(s *runtime.Session) error { return s.Run(context.Background(), p) })
}

func runProgram(t *testing.T, p *runtime.Program, run func(*runtime.Session) error) (out string, err error) {
	t.Helper()
	voc, name := All(), p.Name
	var stdout bytes.Buffer
	o := runtime.Options{Vocabulary: voc, Lab: "test", Stdout: &stdout, Root: filepath.Dir(name)}
	if strings.Contains(p.Source(), "spawn(") || strings.Contains(p.Source(), "mroute(") {
		o.Helper = helper
	}
	s, err := runtime.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err = run(s); err != nil {
		var text strings.Builder
		s.Report(&text, err)
		err = errors.Join(errors.New(text.String()), err)
	}
	if u, e := s.Rollback(); e != nil || len(u.Left) > 0 {
		t.Errorf("rollback of %s: %v, left: %v", name, e, u.Left)
	}
	return stdout.String(), err
}

// TestScripts runs each noun's test script; afterwards the sandbox is as it was.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test scripts: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			before := nstest.Dump(t)
			p, err := All().Parse(f, src)
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range p.Tests() {
				_, e := runProgram(t, p, func(s *runtime.Session) error {
					return s.RunTest(context.Background(), p, test)
				})
				err = errors.Join(err, e)
			}
			if len(p.Tests()) == 0 {
				_, err = runScript(t, f, string(src))
			}
			var skip *runtime.SkipError
			if err != nil && !errors.As(err, &skip) {
				t.Error(err)
			}
			if nstest.Same(t, before); skip != nil {
				t.Skip(skip)
			}
		})
	}
}

// TestFailsAfterStep cuts the tutorial off after each of its steps: whatever was done is undone.
func TestFailsAfterStep(t *testing.T) {
	steps := []string{
		`ns1 = netns("ns1")`, `ns2 = netns("ns2")`,
		`a, b = veth(host, name = "veth-ns1", peer = "veth-ns2", up = False)`,
		`a.set(ns = ns1)`, `b.set(ns = ns2)`,
		`addr(a, "172.16.0.1/16")`, `addr(b, "172.16.0.2/16")`,
		`up(a, b)`, `ping(ns1, "172.16.0.2", count = 1)`, `ping(ns2, "172.16.0.1", count = 1)`,
	}
	for k := range len(steps) + 1 {
		before := nstest.Dump(t)
		_, err := runScript(t, "cut.star", strings.Join(append(append([]string{}, steps[:k]...), `fail("here")`), "\n"))
		if err == nil || !strings.Contains(err.Error(), "here") {
			t.Fatalf("after %d steps: %v, want the script's own failure", k, err)
		}
		nstest.Same(t, before)
	}
}

// TestPreexisting checks that a link, its addresses and routes that were there before survive what scripts do to them.
func TestPreexisting(t *testing.T) {
	nstest.IP(t, "link", "add", "pre0", "type", "veth", "peer", "name", "pre1")
	defer nstest.IP(t, "link", "del", "pre0")
	for _, args := range [][]string{
		{"addr", "add", "10.9.0.1/24", "dev", "pre0"}, {"addr", "add", "10.9.0.2/24", "dev", "pre0"},
		{"addr", "add", "10.9.0.3/24", "dev", "pre0"}, {"addr", "add", "fd09::1/64", "dev", "pre0", "nodad"},
		{"link", "set", "pre0", "addrgenmode", "none"}, {"link", "set", "pre1", "addrgenmode", "none"},
		{"link", "set", "pre0", "up"}, {"link", "set", "pre1", "up"},
		{"addr", "replace", "fd09::1/64", "dev", "pre0", "nodad"},
		{"route", "add", "10.99.0.0/16", "via", "10.9.0.77"}, {"-6", "route", "add", "fd99::/64", "via", "fd09::77"},
		{"neigh", "add", "10.9.0.77", "lladdr", "02:00:00:00:00:77", "dev", "pre0", "nud", "permanent"},
	} {
		nstest.IP(t, args...)
	}
	settled := func() { t.Helper(); nstest.Settled(t, []string{"pre0", "pre1"}, []string{"fd09::1"}) }
	for _, act := range []string{
		`down(l)`, `l.set(mtu = 1000)`,
		`l.set(mtu = 1000, mac = "02:00:00:00:00:99", name = "other", alias = "x", txqlen = 7)`, `l.delete()`,
		`l.set(ns = netns("away"))`, `addr(l, "10.10.0.1/24").delete()`, `addr(l, "10.9.0.9/24")`,
		`l.set(master = bridge(host, name = "brx"))`, `sysctl(host, "net.ipv4.ip_forward", 1)`,
		`sysctl(host, "net.ipv4.conf.all.forwarding", 1)`, `route(host, "10.98.0.0/16", via = "10.9.0.77")`,
	} {
		settled()
		before := nstest.Dump(t)
		if _, err := runScript(t, "act.star",
			"l = host.link(\"pre0\")\nr = attempt(lambda: ["+act+
				", fail(\"undo\")])\nassert.eq(r.error.msg, \"undo\")\n"); err != nil {
			t.Errorf("attempt of %s: %v", act, err)
		}
		settled()
		nstest.Same(t, before)
		if _, err := runScript(t, "act.star", "l = host.link(\"pre0\")\n"+act); err != nil {
			t.Errorf("%s: %v", act, err)
		}
		settled()
		nstest.Same(t, before)
	}
}
