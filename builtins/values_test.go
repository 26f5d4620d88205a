package builtins

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// texts are arguments that are taken by some type, and some that are by none.
var texts = []string{"10.0.0.1/24", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/024", "10.0.0.1", "fd00::1/64", "fd00::/64",
	"fe80::1%eth0", "fe80::1%eth0/64", "::ffff:10.0.0.1", "::ffff:10.0.0.1/120", "::/0", "0.0.0.0/0", "default",
	"1.2.3", "010.0.0.1", "", " 10.0.0.1", "10.0.0.1\n", "02:00:00:00:00:01", "02-00-00-00-00-01", "0200.0000.0001",
	"02:00:00:00:00:01:02:03", "02:0:0:0:0:1", "ZZ:00:00:00:00:01", "10ms", "2s", "1.5s", "10msec", "10msecs", "7usecs",
	"1sec", "0", "5", "-1s", "1h30m", "1e9s", "9999999999h", "+5s", ".s", "s", "10 ms", "eth0", "..", "a/b", "-x", "%d",
	"ns1", "host", "all", "a\x00b", "a\x1b[0m", "ä", strings.Repeat("x", 65)}

// checkText gives a text to every type of argument that takes one. What is taken is what it says, and the same when it
// is read again as it is printed.
func checkText(t *testing.T, s string) {
	t.Helper()
	val := starlark.String(s)
	var prefix prefixArg
	if prefix.Unpack(val) == nil {
		if again, err := netip.ParsePrefix(prefix.String()); err != nil || again != prefix.Prefix ||
			prefix.Addr().Is4In6() {
			t.Errorf("%q is the address %s, %v", s, prefix, err)
		}
	}
	var dst dstArg
	if dst.Unpack(val) == nil {
		if (s != "default") != dst.IsValid() || dst.Prefix != dst.Masked() || dst.Addr().Is4In6() ||
			strings.Contains(s, "%") {
			t.Errorf("%q is the destination %s", s, dst)
		}
	}
	var ip ipArg
	if ip.Unpack(val) == nil {
		if again, err := netip.ParseAddr(ip.String()); err != nil || again != ip.Addr || ip.Is4In6() {
			t.Errorf("%q is the address %s, %v", s, ip, err)
		}
	}
	var mac, mac2 macArg
	if mac.Unpack(val) == nil {
		if hw, err := net.ParseMAC(string(mac)); err != nil || len(hw) != 6 ||
			mac2.Unpack(starlark.String(mac)) != nil || mac != mac2 || len(mac) != 17 {
			t.Errorf("%q is the MAC address %s, %v", s, mac, err)
		}
	}
	var d, d2 durationArg
	if d.Unpack(val) == nil {
		if err := d2.Unpack(starlark.String(d.String())); err != nil || d != d2 || d < 0 ||
			time.Duration(d).String() == "" {
			t.Errorf("%q is the duration %s, %v", s, d, err)
		}
	}
	var link linkNameArg
	if link.Unpack(val) == nil &&
		(string(link) != s || len(s) > 15 || kernel.LinkRef{Index: 1, Name: s}.Valid() != nil) {
		t.Errorf("%q is the link's name %s", s, link)
	}
	var ns netnsName
	if ns.Unpack(val) == nil &&
		(string(ns) != s || (kernel.NSRef{Cookie: 1, Name: s, Path: "/run/netns/" + s}).Named() != nil) {
		t.Errorf("%q is the namespace's name %s", s, ns)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	f.Fuzz(checkText)
}

// TestTexts says which of the texts are taken as what.
func TestTexts(t *testing.T) {
	for name, c := range map[string]struct {
		take func(v starlark.Value) error
		want string
	}{
		"address/length": {new(prefixArg).Unpack, "10.0.0.1/24 fd00::1/64 fd00::/64 ::/0 0.0.0.0/0"},
		"destination":    {new(dstArg).Unpack, "10.0.0.1 fd00::/64 ::/0 0.0.0.0/0 default 02:00:00:00:00:01:02:03"},
		"address":        {new(ipArg).Unpack, "10.0.0.1 fe80::1%eth0 02:00:00:00:00:01:02:03"},
		"MAC":            {new(macArg).Unpack, "02:00:00:00:00:01 02-00-00-00-00-01 0200.0000.0001"},
		"duration":       {new(durationArg).Unpack, "10ms 2s 1.5s 10msec 10msecs 7usecs 1sec 0 1h30m +5s"},
		"link": {new(linkNameArg).Unpack, "10.0.0.1 1.2.3 010.0.0.1 0200.0000.0001 10ms 2s 1.5s 10msec " +
			"10msecs 7usecs 1sec 0 5 1h30m 1e9s 9999999999h s eth0 ns1 host"},
	} {
		var taken []string
		for _, s := range texts {
			if c.take(starlark.String(s)) == nil {
				taken = append(taken, s)
			}
		}
		if got := strings.Join(taken, " "); got != c.want {
			t.Errorf("%s: took %s", name, got)
		}
	}
}
