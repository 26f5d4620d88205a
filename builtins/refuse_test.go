package builtins

import (
	"os"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// refused are lines that the kernel would take and make something else of.
var refused = []struct{ line, want string }{
	{`a.set(alias = "x" * 256)`, "alias of 256 bytes"},
	{`a.set(alias = "x" * 65600)`, "alias of 65600 bytes"},
	{`a.set(alias = "a\0b")`, "no zero bytes"},
	{`a.set(txqlen = -5)`, "is no txqlen of a link"},
	{`a.set(group = 1 << 40)`, "is no group of a link"},
	{`route(n, "10.9.0.0/16", via = "10.0.0.2", metric = -5)`, `parameter "metric": -5 is not from 0`},
	{`route(n, "10.9.0.0/16", via = "10.0.0.2", metric = 1 << 33)`, `parameter "metric": 8589934592 is not from 0`},
	{`route(n, "10.9.0.0/16", via = "10.0.0.2", table = -1)`, `parameter "table": -1 is not from 1`},
	{`route(n, "fd09::/64", via = "fe80::1%x0")`, "name its link with dev="},
	{`route(n, "10.9.0.0/16", nexthops = ["10.0.0.2"] * 9000)`, "9000 nexthops are more than 512"},
}

func TestRefused(t *testing.T) {
	before := nstest.Dump(t)
	for _, c := range refused {
		src := "n = netns(\"n1\")\na, _ = veth(n, name = \"x0\", peer = \"x1\", addrs = [\"10.0.0.1/24\", " +
			"\"10.0.0.2/24\"])\n" + c.line
		if _, err := runScript(t, "refused.star", src); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.line, err, c.want)
		}
	}
	nstest.Same(t, before)
}

// TestTakenName checks that a name which is taken is refused before there is an intent to take it: a run that died
// after the kernel had refused it could not be told from one whose namespace somebody else has replaced.
func TestTakenName(t *testing.T) {
	nstest.IP(t, "netns", "add", "taken")
	defer nstest.TryIP(t, "netns", "del", "taken")
	before := nstest.Dump(t)
	labs := abandon(t, `assert.fails(lambda: netns("taken"), "EEXIST"); netns("n1")`)
	e, ok, err := journal.OpenDir(journal.DefaultDir).Find("dead")
	if err != nil || !ok || len(e.Records) == 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	for _, r := range e.Records {
		if strings.Contains(string(r.Data), "taken") {
			t.Errorf("%s %s", r.State, r.Data)
		}
	}
	if found, err := labs.Recover(); err != nil || len(found) != 1 || found[0].Err != nil || len(found[0].Left) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	nstest.Same(t, before)
}

// TestRelativePath recovers a run that named a namespace by a path, from another folder.
func TestRelativePath(t *testing.T) {
	nstest.IP(t, "netns", "add", "rel")
	defer nstest.TryIP(t, "netns", "del", "rel")
	before := nstest.Dump(t)
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("/run")
	labs := abandon(t, `sysctl(netns_at(path = "netns/rel"), "net.ipv4.ip_forward", 1)`)
	t.Chdir(home)
	if found, err := labs.Recover(); err != nil || len(found) != 1 || found[0].Err != nil || len(found[0].Left) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	nstest.Same(t, before)
}
