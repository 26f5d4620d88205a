package kernel

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// FuzzMessages looks for a message that an image may have and that is a panic when the image is restored.
func FuzzMessages(f *testing.F) {
	m, err := Open()
	if err != nil {
		f.Fatal(err)
	}
	defer m.Close()
	img, err := m.Image(LinkRef{NS: m.Host().Ref(), Index: loopback, Name: "lo"})
	if err != nil {
		f.Fatal(err)
	}
	for _, msg := range append(img.addrs(), img.routes()...) {
		f.Add(msg, msg)
	}
	two := []byte{unix.AF_INET6, 64, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0, 52, 0, 9, 0, // two ways with their gateways
		24, 0, 0, 0, 2, 0, 0, 0, 12, 0, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0,
		24, 0, 4, 0, 3, 0, 0, 0, 12, 0, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0}
	f.Add(two, two)
	f.Add([]byte{unix.AF_INET, 24, 0, 0, 2, 0, 0, 0, 4, 0, 8, 0},
		[]byte{unix.AF_INET, 24, 0, 0, 2, 0, 0, 0, 6, 0, 8, 0, 1, 2})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		img := Image{Link: LinkRef{Index: 1, Name: "x"},
			Attrs: map[string]string{"up": "on", "name": "x", "mac": "", "alias": "", "mtu": "1", "txqlen": "1",
				"group": "1", "flags": "1", "master": "0"}}
		img.Parts = map[string][][]byte{"addr": {a, b}}
		if img.Valid() == nil {
			byFamily(img.addrs())
			sameAddr(a, b)
			setAddrFlags(a, addrFlags(b))
		}
		img.Parts = map[string][][]byte{"route": {a, b}}
		if img.Valid() == nil {
			placeOf(a)
			routeOver(a, 1, nil)
			sameRoute(a, b)
			remains(a, b)
			for hop := range hopsOf(rtnl.Attr(a, unix.SizeofRtMsg, unix.RTA_MULTIPATH)) {
				rtnl.Attr(hop, unix.SizeofRtNexthop, unix.RTA_GATEWAY)
				_ = hop[4:8]
			}
			_ = img.Whole() // nothing is wrong with most
		}
		r := routeOf(NSRef{Cookie: 1, Path: "/proc/1/ns/net"}, a, nil)
		if r.Valid() == nil {
			_ = r.String()
			_ = r.Words()
			r.Hops()
			r.Place()
			r.With(b, b)
			among(a, a)
			if (RoutePlace{Routes: [][]byte{b}}).valid(r) == nil {
				r.Same(Route{NS: r.NS, Msg: b})
			}
		}
		for _, t := range tables {
			index := 0
			if t.Link != nil && len(a) >= t.Header {
				index = t.Link(a)
			}
			if t.Key == nil || t.valid(a, index) != nil {
				continue
			}
			t.Key(a)
			t.plain(a)
			if t.Mine != nil {
				t.Mine(&Link{}, a)
			}
			if t.Flags != nil {
				t.Flags(a)
			}
		}
	})
}

// TestImageOfHost holds images of the links that there are against what is asked of images.
func TestImageOfHost(t *testing.T) {
	m := open(t)
	links, err := m.Host().Links()
	if err != nil || len(links) == 0 {
		t.Fatal(links, err)
	}
	for _, l := range links {
		img, err := m.Image(l.LinkRef)
		if err == nil {
			err = img.Valid()
		}
		if err != nil {
			t.Errorf("%s: %v", l.Name, err)
		}
		entries, err := os.ReadDir("/proc/sys/net/ipv4/conf/" + l.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			// The kernel alone writes the one left out.
			if _, ok := img.Sysctls["net/ipv4/conf//"+e.Name()]; !ok && e.Name() != "mc_forwarding" {
				t.Errorf("%s: the image has no %s", l.Name, e.Name())
			}
		}
	}
}
