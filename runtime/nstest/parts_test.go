package nstest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestParts has two tests dealt out, one of which fails, in a process of its own: each has run once, and alone in its
// sandbox.
func TestParts(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestPart(Fails|Passes)$", "-test.v", "-test.parallel", "2")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, marker+"=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, failing+"=yes")
	out, err := cmd.CombinedOutput()
	said := string(out)
	good := err != nil && !strings.Contains(said, "\nPASS\n")
	for _, want := range []string{"--- FAIL: TestPartFails", "--- PASS: TestPartPasses", "alone"} {
		good = good && strings.Count(said, want) == 1
	}
	if !good {
		t.Errorf("%v, want one test to fail and one to pass, once each:\n%s", cmd.ProcessState, said)
	}
}

// TestPartFails is one part.
func TestPartFails(t *testing.T) {
	if os.Getenv(failing) == "" {
		t.Skip("TestParts runs it")
	}
	IP(t, "link", "add", "part0", "type", "veth", "peer", "name", "part1")
	t.Error("fails")
}

// TestPartPasses is the other one.
func TestPartPasses(t *testing.T) {
	if os.Getenv(failing) == "" {
		t.Skip("TestParts runs it")
	}
	if ip("link", "show", "part0") != nil {
		t.Log("alone")
	}
}
