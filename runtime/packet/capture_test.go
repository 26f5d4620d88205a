package packet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

var million = flag.Bool("million", false, "capture 1,000,000 frames that come at 100,000 a second")

func here(fn func() error) error { return fn() }

// pair makes two links, each the other's end, and returns their indexes.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "a"}, PeerName: "b"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.LinkDel(veth) })
	for _, name := range []string{"b", "a"} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			t.Fatal(err)
		}
		a, b = l.Attrs().Index, a
	}
	return a, b
}

func begin(t testing.TB, index int, filter string, snap int) *Capture {
	t.Helper()
	p, err := pcapfilter.Compile(filter, pcapfilter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Begin(here, index, Options{Filter: p, Snap: snap, Buffer: 16 << 20, Keep: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func sender(t testing.TB, index int) *Sender {
	t.Helper()
	s, err := NewSender(here, index)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// numbered is a frame of the local experimental EtherType with a number.
func numbered(n, size int) []byte {
	f := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, make([]byte, size-14)...)
	binary.BigEndian.PutUint32(f[14:], uint32(n))
	return f
}

func send(t testing.TB, s *Sender, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		if _, err := s.Send(t.Context(), f, 1, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func got(t testing.TB, c *Capture) []Frame {
	t.Helper()
	all, _, err := c.Frames(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCapture has frames come at both ends, whole and cut; all that were sent are there at once.
func TestCapture(t *testing.T) {
	a, b := pair(t)
	whole, cut, out := begin(t, b, "ether proto 0x88b5", 1<<16), begin(t, b, "", 20), begin(t, a, "outbound", 1<<16)
	in := begin(t, b, "outbound and ether proto 0x88b5", 1<<16)
	s := sender(t, a)
	for i := range 100 {
		send(t, s, numbered(i, 100))
		if n := len(got(t, whole)); n != i+1 {
			t.Fatalf("%d frames of %d", n, i+1)
		}
	}
	for i, f := range got(t, whole) {
		if !bytes.Equal(f.Data, numbered(i, 100)) || f.Length != 100 || f.Outgoing || f.Time.Before(whole.Began) {
			t.Fatalf("frame %d is %+v", i, f)
		}
	}
	if all := got(t, cut); len(all) < 100 || len(all[0].Data) != 20 {
		t.Errorf("%d frames, %+v", len(all), all)
	}
	if all := got(t, out); len(all) < 100 || !all[0].Outgoing {
		t.Errorf("%d frames sent", len(all))
	}
	if all := got(t, in); len(all) != 0 {
		t.Errorf("%d frames that come are said to go", len(all))
	}
	whole.Close()
	send(t, s, numbered(0, 100))
	if n := len(got(t, whole)); n != 100 {
		t.Errorf("%d frames after the end", n)
	}
}

// TestCaptureTagged has a VLAN tag, which the kernel takes out of the frame, be there all the same.
func TestCaptureTagged(t *testing.T) {
	a, b := pair(t)
	tagged := slices.Concat(numbered(0, 60)[:12], []byte{0x81, 0, 0x60, 10}, numbered(0, 60)[12:])
	all, ten, eleven, plain := begin(t, b, "", 1<<16), begin(t, b, "vlan 10", 1<<16), begin(t, b, "vlan 11", 1<<16),
		begin(t, b, "ether proto 0x88b5", 1<<16)
	send(t, sender(t, a), tagged)
	for c, want := range map[*Capture]int{all: 1, ten: 1, eleven: 0, plain: 0} {
		frames := slices.DeleteFunc(slices.Clone(got(t, c)), func(f Frame) bool { return f.Data[0] == 0x33 })
		if len(frames) != want || want == 1 && !bytes.Equal(frames[0].Data, tagged) {
			t.Errorf("%d frames of %d: %+v", len(frames), want, frames)
		}
	}
}

// TestCaptureDown has the link go down and up again, and then go: the capture sees what comes while it is up.
func TestCaptureDown(t *testing.T) {
	a, b := pair(t)
	c := begin(t, b, "ether proto 0x88b5", 1<<16)
	l, err := netlink.LinkByIndex(b)
	if err != nil {
		t.Fatal(err)
	}
	s := sender(t, a)
	send(t, s, numbered(1, 60))
	for _, set := range []func(netlink.Link) error{netlink.LinkSetDown, netlink.LinkSetUp} {
		if err := set(l); err != nil {
			t.Fatal(err)
		}
	}
	// The kernel gives a pair its carriers back a moment later, and sends nothing before.
	for _, index := range []int{a, b} {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if l, err := netlink.LinkByIndex(index); err != nil || l.Attrs().OperState == netlink.OperUp {
				break
			}
		}
	}
	send(t, s, numbered(2, 60))
	if all := got(t, c); len(all) != 2 {
		t.Errorf("%d frames", len(all))
	}
	if err := netlink.LinkDel(l); err != nil {
		t.Fatal(err)
	}
	if all := got(t, c); len(all) != 2 {
		t.Errorf("%d frames after the link", len(all))
	}
}

// TestCaptureFull has more come than is kept, and more than there is room for while nothing reads: all is counted.
func TestCaptureFull(t *testing.T) {
	a, b := pair(t)
	p, err := pcapfilter.Compile("ether proto 0x88b5", pcapfilter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Begin(here, b, Options{Filter: p, Snap: 1 << 16, Buffer: 1, Keep: 10 * (100 + entrySize)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := sender(t, a)
	for i := range 15 {
		send(t, s, numbered(i, 100))
	}
	if st, err := c.Stats(t.Context()); err != nil || st != (Stats{Frames: 10, Full: 5}) {
		t.Errorf("%+v, %v", st, err)
	}
	c.mu.Lock() // it cannot be read meanwhile
	for i := range 1000 {
		send(t, s, numbered(i, 1400))
	}
	c.mu.Unlock()
	st, err := c.Stats(t.Context())
	if err != nil || st.Frames != 10 || st.Dropped == 0 || st.Dropped+st.Full != 1005 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestMillion loses none of a million frames that come at 100,000 a second.
func TestMillion(t *testing.T) {
	if !*million {
		t.Skip("-million is not said")
	}
	a, b := pair(t)
	c := begin(t, b, "ether proto 0x88b5", 1<<16)
	s := sender(t, a)
	began := time.Now()
	const n, at = 1_000_000, 100_000
	for i := range n {
		send(t, s, numbered(i, 100))
		for i%100 == 99 && time.Since(began) < time.Duration(i)*time.Second/at {
		}
	}
	took := time.Since(began)
	st, err := c.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d frames in %v: %.0f a second; %+v", n, took, n/took.Seconds(), st)
	for i, f := range got(t, c) {
		if binary.BigEndian.Uint32(f.Data[14:]) != uint32(i) {
			t.Fatalf("frame %d is %x", i, f.Data[:18])
		}
	}
	if st != (Stats{Frames: n}) {
		t.Errorf("%+v", st)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "million.pcapng"))
	if err == nil {
		err = errors.Join(Write(f, "b", 1<<16, got(t, c), st), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("capinfos", "-c", "-M", f.Name()).CombinedOutput(); err != nil ||
		!bytes.Contains(out, []byte("1000000")) {
		t.Errorf("capinfos: %s, %v", out, err)
	}
}
