package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestPrintable has names that would move the cursor: of a script, and of somebody else's link. None reaches the
// terminal.
func TestPrintable(t *testing.T) {
	before := nstest.Dump(t)
	script := filepath.Join(t.TempDir(), "a\x1b[2J", "names.star")
	if err := os.Mkdir(filepath.Dir(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte(`n = netns("n1"); n2 = netns_at(name = "foreign"); assert.eq(args, [])`),
		0o600); err != nil {
		t.Fatal(err)
	}
	nstest.IP(t, "netns", "add", "foreign")
	defer nstest.IP(t, "netns", "del", "foreign")
	for _, args := range [][]string{{"-v", "--trace", script}, {"ls"}, {"show", "names"},
		{"show", "names", "--commands"}, {"--replace", script, "x"}} {
		if args[0] == "ls" {
			nstest.TryIP(t, "-n", "n1", "link", "add", "x\x1b[2J", "type", "bridge")
		}
		out, _ := outcome(t, nsscript(args...))
		if out == "" || strings.Contains(out, "\x1b") {
			t.Errorf("%q: %q", args, out)
		}
	}
	if out, code := outcome(t, nsscript("recover")); code != 0 {
		t.Error(out)
	}
	nstest.IP(t, "netns", "del", "foreign")
	nstest.Same(t, before)
	nstest.IP(t, "netns", "add", "foreign")
}
