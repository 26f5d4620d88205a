package kernel

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestAbove finds what stands on a link in namespaces that have a name, that are mounted elsewhere, and that nothing
// but a descriptor holds: the last cannot be opened, and is a loss.
func TestAbove(t *testing.T) {
	nstest.IP(t, "link", "add", "m0", "type", "veth", "peer", "name", "m1")
	defer nstest.TryIP(t, "link", "del", "m0")
	nstest.IP(t, "link", "add", "v0", "link", "m0", "type", "macvlan")
	nstest.IP(t, "link", "add", "x0", "type", "vxlan", "id", "5", "dev", "m0", "group", "239.1.1.1", "dstport", "4789")
	other := open(t)
	place := func(ns, link string) *Namespace {
		t.Helper()
		n, err := other.Make(ns, false)
		if err != nil {
			t.Fatal(err)
		}
		nstest.IP(t, "link", "add", link, "link", "m0", "type", "macvlan")
		l, err := other.Host().Link(link)
		if err == nil {
			err = other.MoveLink(l.LinkRef, n.Ref(), l.Index, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := other.GiveName(place("named", "v1")); err != nil {
		t.Fatal(err)
	}
	defer nstest.TryIP(t, "netns", "del", "named")
	place("nameless", "v2")
	dir := t.TempDir() + "/a name"
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	nstest.IP(t, "netns", "add", "passing")
	nstest.IP(t, "link", "add", "v3", "link", "m0", "netns", "passing", "type", "macvlan")
	if err := unix.Mount("/run/netns/passing", dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	nstest.IP(t, "netns", "del", "passing")

	m := open(t)
	l, err := m.Host().Link("m0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		Event
		gone, changed string
	}{{Changed, "", "v0 v1 v3 x0"}, {Moved, "x0", "v0 v1 v3"}, {Deleted, "v0 v1 v3 x0", ""}} {
		a := m.LookAbove()
		gone, changed, err := a.Images(l, c.Event)
		if err != nil {
			t.Fatal(err)
		}
		names := func(images []*Image) string {
			var all []string
			for _, img := range images {
				all = append(all, img.Link.Name)
			}
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		if names(gone) != c.gone || names(changed) != c.changed {
			t.Errorf("event %d: gone %q, changed %q", c.Event, names(gone), names(changed))
		}
		if err := a.Lost(); err == nil ||
			!strings.HasPrefix(err.Error(), "link v2, which stands on link m0 in host is lost: ") {
			t.Errorf("event %d: lost %v", c.Event, err)
		}
		a.Close()
	}
}
