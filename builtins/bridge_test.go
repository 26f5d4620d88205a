package builtins

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// TestBridgeVLANs sets what is of vlans and sees it taken back. A kernel without them refuses one option and leaves the
// others out in silence: all of them are the same error then, which names what it was built without.
func TestBridgeVLANs(t *testing.T) {
	s := newSession(t)
	defer s.Close()
	has := runIn(t, s, `require("bridge_vlan")`) == nil
	if err := runIn(t, s, `bridge(host, name = "vbr")`); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"vlan_filtering = True", `vlan_protocol = "802.1ad"`, "vlan_default_pvid = 7",
		"vlan_stats_enabled = True", "vlan_stats_per_port = True"} {
		for _, act := range []string{"br.set(" + word + ")", "bridge(host, " + word + ")"} {
			err := runIn(t, s, `br = host.link("vbr")
before = br.info
def change():
    `+act+`
    fail("undo")
r = attempt(change)
assert.eq(br.info, before)
if r.error.msg != "undo":
    r.unwrap()
`)
			k := new(kernel.Error)
			switch {
			case has && err != nil:
				t.Errorf("%s: %v", act, err)
			case !has && (!errors.As(err, &k) || !errors.Is(err, unix.EOPNOTSUPP) || !k.Machine ||
				!strings.Contains(k.Hint, "CONFIG_BRIDGE_VLAN_FILTERING") ||
				!strings.Contains(k.Hint, "--kernel debian")):
				t.Errorf("%s: %v, hint %q", act, err, k.Hint)
			}
		}
	}
	if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
		t.Errorf("undone: %v, left %+v", err, u.Left)
	}
}
