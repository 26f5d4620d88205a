package builtins

import (
	"flag"
	"fmt"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

var freshLabs = flag.Int("labs", 3, "how many labs of 10 hosts TestPingAllFresh makes")

// lanOf is a script with a bridge that so many hosts hang on.
const lanOf = `
lan = bridge(netns("lan"))
hosts = [netns("h%%d" %% i) for i in range(%d)]
for i, n in enumerate(hosts):
    p, _ = veth(lan.ns, n, addrs = ([], ["10.0.0.%%d/24" %% (i + 1), "fd00::%%x/64" %% (i + 1)]))
    p.set(master = lan)
`

// TestPingAllFresh has the hosts of a new lab reach each other at once: nothing of it is lost to what the kernel does
// later.
func TestPingAllFresh(t *testing.T) {
	before := nstest.Dump(t)
	for i := range *freshLabs {
		family := []string{"4", "6"}[i%2]
		_, err := runScript(t, "fresh.star", fmt.Sprintf(lanOf, 10)+
			"assert.eq(len(ping_all(hosts, family = "+family+").pairs), 90)\n")
		if err != nil {
			t.Fatalf("lab %d: %v", i, err)
		}
	}
	nstest.Same(t, before)
}

// TestPingAllTable has more hosts reach each other than the machine's table of neighbours has room for.
func TestPingAllTable(t *testing.T) {
	nstest.Long(t)
	_, err := runScript(t, "table.star", fmt.Sprintf(lanOf, 48)+`
for family in 4, 6:
    ping_all(hosts, family = family)
`)
	if err != nil {
		t.Error(err)
	}
}
