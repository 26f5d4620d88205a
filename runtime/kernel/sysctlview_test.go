package kernel

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSysctlBecomes asks what a value becomes, in the unit of another key, also where only some namespaces have the
// key.
func TestSysctlBecomes(t *testing.T) {
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, c := range [][3]string{
		{"net.ipv4.neigh.eth7.retrans_time", "300", "3000"},
		{"net/ipv4/neigh/default/retrans_time", "300", "3000"},
		{"net.ipv6.neigh.default.base_reachable_time", "12", "12000"},
		{"net.ipv6.route.gc_min_interval", "3", "3000"},
		{"net.ipv4.conf.all.rp_filter", "2", "2"},
	} {
		if _, err := m.Host().Sysctl(c[0]); strings.Contains(c[0], "route") && errors.Is(err, unix.ENOENT) {
			continue // an ordinary user's namespaces have none of these
		}
		finer, err := SysctlFiner(c[0])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.SysctlBecomes(c[0], c[1], finer); err != nil || got != c[2] {
			t.Errorf("%s=%s becomes %q, %v, want %s", c[0], c[1], got, err, c[2])
		}
	}
}
