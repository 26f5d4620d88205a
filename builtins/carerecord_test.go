package builtins

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// recordCares are scripts of which a record keeps something that only the undoing of all of them together needs, and
// what forgets that. What it comes to is what look prints, and of how many changes something is left.
var recordCares = []struct {
	name, world, script, look string
	kind                      string // of the records
	forget                    func(record map[string]any)
}{
	{"index that a moved link had", "netns add far; link add m0 index 77 type veth peer name m1", `
host.link("m0").set(ns = netns_at(name = "far"))
run(host, ["ip", "link", "add", "other0", "index", "77", "mtu", "1400", "type", "veth", "peer", "name", "other1"])
host.link("other0").set(mtu = 1300)
`, `for l in m0 other0; do ip -o link show $l | grep -o 'mtu [0-9]*'; done`, "link set", func(r map[string]any) {
		for _, at := range []any{r["link"], r["image"].(map[string]any)["link"]} {
			delete(at.(map[string]any), "gen")
		}
	}},
	{"routes of a host that becomes a router", advertised,
		`sysctl(host, "net.ipv6.conf.all.forwarding", 1, irreversible = True)`, "", "sysctl", func(r map[string]any) {
			delete(r, "routes")
		}},
}

// TestMutationOfRecords has another process undo each of these, and once more with a record that lacks what its op
// kept: that ends otherwise, or is reported otherwise.
func TestMutationOfRecords(t *testing.T) {
	nstest.Long(t)
	for _, c := range recordCares {
		t.Run(c.name, func(t *testing.T) {
			ending := func(forget bool) string {
				makeHost(t, c.world)
				defer clearHost(t)
				defer forgetLabs(t)
				labs := abandon(t, c.script)
				e, _, err := journal.OpenDir(journal.DefaultDir).Find("dead")
				if err != nil || e.Err != nil {
					t.Fatal(err, e.Err)
				}
				if forget {
					var records []record
					changed := false
					for _, r := range journal.Open(e.Records) {
						data := r.Data
						if fields, ok := parse(t, data).(map[string]any); ok && r.Kind == c.kind {
							c.forget(fields)
							if data, err = json.Marshal(fields); err != nil {
								t.Fatal(err)
							}
							changed = changed || len(data) < len(r.Data)
						}
						records = append(records, record{r.Kind, string(data)})
					}
					if !changed {
						t.Fatalf("no record of %q has what is to be left out", c.kind)
					}
					unplant(t, "dead")
					plant(t, "dead", records...)
				}
				found, err := labs.Recover()
				if err != nil || len(found) != 1 || found[0].Err != nil {
					t.Fatalf("%+v, %v", found, err)
				}
				nstest.Quiet(t, "")
				return fmt.Sprintf("%sleft: %d\n", shell(t, c.look), len(found[0].Left))
			}
			whole := ending(false)
			if again := ending(false); again != whole {
				t.Fatal("it ends otherwise each time: " + nstest.Diff(whole, again))
			}
			if ending(true) == whole {
				t.Error("nothing tells that it was left out")
			}
		})
	}
}

// forgetLabs removes the journals that a test has left.
func forgetLabs(t *testing.T) {
	t.Helper()
	dirs, err := filepath.Glob(journal.DefaultDir + "/*")
	for _, dir := range dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err = errors.Join(err, os.RemoveAll(journal.DefaultDir)); err != nil {
		t.Error(err)
	}
}
