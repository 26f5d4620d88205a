package builtins

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestNamelessPeer deletes, moves and sets down a link whose other end is in a namespace that has only a process, as a
// container's has: both ends come back.
func TestNamelessPeer(t *testing.T) {
	defer clearHost(t)
	pid := strconv.Itoa(aside(t).Pid)
	nstest.IP(t, "link", "add", "m0", "type", "veth", "peer", "name", "m1", "netns", pid)
	nstest.IP(t, "link", "set", "m0", "addrgenmode", "none", "up")
	there := func(args ...string) string {
		out, err := exec.Command("nsenter",
			append([]string{"--net=/proc/" + pid + "/ns/net", "ip"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	for _, args := range [][]string{{"link", "set", "m1", "addrgenmode", "none", "up"},
		{"addr", "add", "10.1.0.1/24", "dev", "m1"},
		{"addr", "add", "fd01::1/64", "dev", "m1", "nodad"}, {"route", "add", "default", "via", "10.1.0.9"}} {
		there(args...)
	}
	state := func() string {
		nstest.Quiet(t, "")
		return there("-d", "link") + there("addr") + there("route") + there("-6", "route")
	}
	before, host := state(), nstest.Dump(t)
	for _, act := range []string{`m0.delete()`, `m0.set(ns = netns("n1"))`, `down(m0)`, `m0.set(mtu = 1000)`} {
		if _, err := runScript(t, "x.star", `m0 = host.link("m0")`+"\n"+act); err != nil {
			t.Errorf("%s: %v", act, err)
		}
		if after := state(); after != before {
			t.Errorf("%s: the other end is not the same:\n%s", act, nstest.Diff(before, after))
		}
		nstest.Same(t, host)
	}
}
