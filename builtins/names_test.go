package builtins

import (
	"os"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestTwoNames takes the names of a namespace that has two away: the one that the script says goes, the namespace lives
// on with its links by the other one, and ends with the last. Undone by the run or by another process, both are back.
func TestTwoNames(t *testing.T) {
	nstest.IP(t, "netns", "add", "one")
	shell(t, "touch /run/netns/two; mount --bind /run/netns/one /run/netns/two")
	t.Cleanup(func() { shell(t, "ip netns del one; ip netns del two") })
	nstest.IP(t, "link", "add", "far0", "type", "veth", "peer", "name", "near0", "netns", "one")
	t.Cleanup(func() { nstest.IP(t, "link", "del", "far0") }) // with the namespace it would go later
	names := func() string {
		inode := func(name string) string { return shell(t, "stat -L -c %i /run/netns/"+name+" 2>&1 || true") }
		return inode("one") + inode("two")
	}
	before, were := nstest.Dump(t), names()
	const src = `
a, b = netns_at(name = "one"), netns_at(name = "two")
assert.eq((a.name, b.name, a == b), ("one", "two", True))
b.delete()
assert.fails(lambda: netns_at(name = "two"), "ENOENT")
assert.fails(lambda: b.delete(), "delete namespace two: .*ENOENT")
l = netns_at(name = "one").link("near0")
l.set(mtu = 1400)
assert.eq(host.link("far0").peer, l)
`
	const end = `
a.delete()
for use in [a, b]:
    assert.fails(lambda: use.links, "it was deleted")
assert.fails(lambda: host.link("far0"), "ENODEV")
netns("one")
netns("two")
`
	for _, src := range []string{src, src + end} {
		if _, err := runScript(t, "names.star", src); err != nil {
			t.Error(err)
		}
		nstest.Same(t, before)
		found, err := abandon(t, src).Recover()
		if err != nil || len(found) != 1 || found[0].Err != nil || len(found[0].Left) > 0 {
			t.Errorf("%+v, %v", found, err)
		}
		nstest.Same(t, before)
		if now := names(); now != were {
			t.Errorf("the names lead to\n%s, led to\n%s", now, were)
		}
	}
	if _, err := os.Lstat("/run/nsscript"); err == nil {
		t.Error("/run/nsscript is there still")
	}
}
