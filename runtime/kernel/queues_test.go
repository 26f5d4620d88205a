package kernel

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// TestQueues deletes pairs and makes them again: one that was made with one queue has that again, one that was not has
// as many as before, and neither is a loss.
func TestQueues(t *testing.T) {
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n, err := m.Make("n", false)
	if err != nil {
		t.Fatal(err)
	}
	queues := func(index int) (counts [2]int) {
		t.Helper()
		raw, err := n.linkMessage(index)
		if err != nil {
			t.Fatal(err)
		}
		for i, typ := range []int{unix.IFLA_NUM_TX_QUEUES, unix.IFLA_NUM_RX_QUEUES} {
			counts[i] = rtnl.Uint32(raw, unix.SizeofIfInfomsg, typ)
		}
		return counts
	}
	for i, one := range []bool{true, false} {
		end := func(index int, name string) LinkSpec {
			return LinkSpec{LinkRef: LinkRef{NS: n.Ref(), Index: index, Name: name}, Kind: "veth", OneQueue: one}
		}
		a, b := end(2+2*i, "a"), end(3+2*i, "b")
		a.Peer = &b
		if err := m.AddLink(a); err != nil {
			t.Fatal(err)
		}
		had := queues(a.Index)
		if one && had != [2]int{1, 1} {
			t.Errorf("one queue was asked for, and there are %v", had)
		}
		img, err1 := m.Image(a.LinkRef)
		peer, err2 := m.Image(b.LinkRef)
		if err := errors.Join(err1, err2, m.Unheld(img, Deleting), m.Unheld(peer, Deleting), m.DelLink(a.LinkRef),
			m.Recreate(img, peer)); err != nil {
			t.Fatal(err)
		}
		for _, end := range []LinkSpec{a, b} {
			if have := queues(end.Index); have != had {
				t.Errorf("%s has %v queues again, had %v", end.Name, have, had)
			}
		}
		if err := m.DelLink(a.LinkRef); err != nil {
			t.Fatal(err)
		}
	}
}
