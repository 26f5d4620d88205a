package builtins

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// addrsOf are addresses as "LINK ADDRESS/LENGTH [LINK] ADDRESS/LENGTH" writes them.
func addrsOf(text string) (all []kernel.Addr) {
	link := ""
	for _, word := range strings.Fields(text) {
		if p, err := netip.ParsePrefix(word); err == nil {
			all = append(all, kernel.Addr{Link: kernel.LinkRef{Name: link}, Prefix: p})
		} else {
			link = word
		}
	}
	return all
}

func TestWays(t *testing.T) {
	for _, c := range []struct {
		own, to string
		family  int
		oneLink bool
		want    string
	}{
		{"a 10.0.0.1/24 fd00::1/64", "b fd00::2/64 10.0.0.2/24", 0, false, "10.0.0.2<10.0.0.1! fd00::2<fd00::1!"},
		{"a 10.0.0.1/24 fd00::1/64", "b fd00::2/64 10.0.0.2/24", 6, false, "fd00::2<fd00::1!"},
		{"a 10.0.0.1/24 fd00::1/64", "b 10.9.0.2/24 fd00::2/64 10.8.0.1/32", 0, false,
			"fd00::2<fd00::1! 10.9.0.2<10.0.0.1 10.8.0.1<10.0.0.1"},
		{"a 10.0.0.1/24 c 10.1.0.1/24", "b 10.1.0.2/24 10.0.0.2/24", 4, false, "10.1.0.2<10.1.0.1! 10.0.0.2<10.0.0.1!"},
		// An address that is the sender's, too, and none of the family.
		{"a 10.0.0.1/24", "b 10.0.0.1/24 10.0.0.2/24", 0, false, "10.0.0.2<10.0.0.1! 10.0.0.1<10.0.0.1"},
		{"a 10.0.0.1/24", "b fd00::2/64", 0, false, "fd00::2<-"},
		{"", "b 10.0.0.2/24", 0, false, "10.0.0.2<-"},
		{"a 10.0.0.1/24", "", 0, false, ""},
		// A link-local address needs the link.
		{"a fe80::1/64", "b fe80::2/64", 0, false, ""},
		{"a fe80::1/64 fd00::1/64", "b fe80::2/64 fd07::2/64", 0, true, "fd07::2<fd00::1 fe80::2%a<fe80::1%a!"},
	} {
		var got []string
		for _, w := range ways(addrsOf(c.own), addrsOf(c.to), c.family, c.oneLink) {
			from := "-"
			if w.from.IsValid() {
				from = w.from.String()
			}
			got = append(got, fmt.Sprintf("%s<%s%s", w.to, from, map[bool]string{true: "!"}[w.shared]))
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("from %q to %q: %s, want %s", c.own, c.to, got, c.want)
		}
	}
}
