package builtins

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// abandon runs a script as lab "dead" and leaves all as it is when the process dies after the last line.
func abandon(t *testing.T, src string) *lab.Labs {
	t.Helper()
	voc := All()
	p, err := voc.Parse("dead.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	o := runtime.Options{Vocabulary: voc, Lab: "dead", Stdout: &bytes.Buffer{}}
	if strings.Contains(src, "spawn(") || strings.Contains(src, "mroute(") {
		o.Helper = helper
	}
	s, err := runtime.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return lab.Open(voc.Ops, "")
}

// TestOwnLinks checks what links of a run's own do to what was there before: they leave their namespaces, and become
// ports of bridges. Undone by the run, by an attempt or by another process, nothing is left of it.
func TestOwnLinks(t *testing.T) {
	for _, args := range [][]string{{"netns", "add", "pre"}, {"link", "add", "prebr", "type", "bridge"},
		{"link", "set", "prebr", "addrgenmode", "none"}} {
		nstest.IP(t, args...)
	}
	defer func() {
		nstest.TryIP(t, "netns", "del", "pre")
		nstest.TryIP(t, "link", "del", "prebr")
	}()
	moved := func() string { return nstest.Dump(t) }
	// A bridge that never had a port cannot be brought back whole: its carrier and its ids are the first port's. Its
	// mac can.
	joined := func() string {
		mac, err := os.ReadFile("/sys/class/net/prebr/address")
		if err != nil {
			t.Fatal(err)
		}
		return string(mac)
	}
	for _, c := range []struct {
		act   string
		state func() string
	}{
		{`a, b = veth(netns("n1"), name = "x0", peer = "x1"); a.set(ns = host); b.set(ns = host)`, moved},
		{`a, _ = veth(netns("n1"), netns("n2"), name = "x0"); a.set(ns = host)`, moved},
		{`a, _ = veth(netns("n1"), netns("n2"), name = "x0"); a.set(ns = host); a.set(ns = netns("n3"))`, moved},
		{`a, b = veth(netns("n1"), name = "x0"); a.set(ns = netns_at(name = "pre")); b.set(ns = host)`, moved},
		{`a, _ = veth(host, netns("n1"), name = "x0"); a.set(master = host.link("prebr"))`, joined},
	} {
		before := c.state()
		same := func(how string) {
			t.Helper()
			if after := c.state(); after != before {
				t.Fatalf("%s, %s: %s", c.act, how, nstest.Diff(before, after))
			}
		}
		src := "def act():\n    " + c.act + "\n"
		if _, err := runScript(t, "own.star", src+"act()\n"); err != nil {
			t.Errorf("%s: %v", c.act, err)
		}
		same("undone by the run")
		if _, err := runScript(t, "own.star",
			src+"assert.eq(attempt(lambda: [act(), fail(\"undo\")]).error.msg, \"undo\")\nact()\n"); err != nil {
			t.Errorf("attempt of %s: %v", c.act, err)
		}
		same("undone by an attempt")
		found, err := abandon(t, src+"act()\n").Recover()
		if err != nil || len(found) != 1 || found[0].Err != nil || len(found[0].Left) > 0 {
			t.Errorf("recovery of %s: %+v, %v", c.act, found, err)
		}
		same("undone by another process")
	}
}

// TestSysctlFollowsLink changes a setting of a link, after which somebody renames the link and gives another its name:
// the setting is the link's, whatever it is called.
func TestSysctlFollowsLink(t *testing.T) {
	setup := func(args ...string) { t.Helper(); nstest.IP(t, args...) }
	setup("link", "add", "mine0", "type", "veth", "peer", "name", "other0")
	defer nstest.TryIP(t, "link", "del", "renamed0")
	before := nstest.Snapshot(t, "")
	labs := abandon(t,
		`sysctl(host, "net.ipv4.conf.mine0.rp_filter", 2); sysctl(host, "net.ipv4.conf.all.forwarding", 1)`)
	setup("link", "set", "mine0", "name", "renamed0")
	setup("link", "set", "other0", "name", "mine0")
	found, err := labs.Recover()
	if err != nil || len(found) != 1 || found[0].Err != nil || len(found[0].Left) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	after := nstest.Snapshot(t, "")
	after = strings.ReplaceAll(strings.ReplaceAll(after, "name=mine0", "name=other0"), "name=renamed0", "name=mine0")
	if after != before {
		t.Error(nstest.Diff(before, after))
	}
}
