package nstest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// failing makes TestClean fail, as the process that it starts.
const failing = "NSSCRIPT_TEST_FAILING"

// TestClean fails, in a process of its own, after it left one of everything: the tests after it find nothing of that.
func TestClean(t *testing.T) {
	if os.Getenv(failing) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run", "^TestClean(ed)?$", "-test.v", "-test.parallel", "1")
		// In a sandbox of its own, one for both.
		cmd.Env = append(os.Environ(), failing+"=yes")
		for i, v := range cmd.Env {
			if strings.HasPrefix(v, marker+"=") {
				cmd.Env[i] = "_="
			}
		}
		out, err := cmd.CombinedOutput()
		failed, next := strings.Count(string(out), "--- FAIL"), strings.Contains(string(out), "--- PASS: TestCleaned")
		if err == nil || failed != 2 || !next {
			t.Errorf("%v, want TestClean and its part alone to fail:\n%s", err, out)
		}
		return
	}
	Clean(t)
	IP(t, "link", "add", "kept0", "type", "veth", "peer", "name", "kept1")
	within := Dump(t)
	t.Run("part", func(t *testing.T) {
		Clean(t)
		sh := `ip netns add left; ip -n left link add left0 type veth peer name left1; ip -n left link set left1 netns 1
ip link add kept7 type bridge; ip addr add 10.7.0.1/24 dev kept0; ip addr add fd07::1/64 dev lo
ip rule add from 10.7.0.0/16 table 77 priority 500; ip -6 rule add blackhole iif kept0 priority 500
ip route add blackhole 10.8.0.0/16; ip -6 route add unreachable fd08::/64 table 77
mkdir -p /run/nsscript/lab; echo x >/run/nsscript/lab/journal
sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv4.ip_forward=1
sleep 1000 & ip netns exec left sleep 1000 &`
		cmd := exec.Command("sh", "-ec", sh)
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		t.Error("fails")
	})
	Same(t, within)
	if _, err := os.Stat("/run/nsscript"); err == nil || Running("sleep") != 0 {
		t.Error("a process or a journal was left")
	}
}

// TestCleaned is what comes after a test that failed.
func TestCleaned(t *testing.T) {
	if os.Getenv(failing) == "" {
		t.Skip("TestClean runs it")
	}
	if links := Dump(t); strings.Contains(links, "kept0") {
		t.Errorf("a link was left:\n%s", links)
	}
}
