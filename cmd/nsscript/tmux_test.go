package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestTmux opens the windows of a lab, with a shell of its namespace in each.
func TestTmux(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip(err)
	}
	t.Setenv("TMUX_TMPDIR", t.TempDir())
	t.Setenv("TMUX", "")
	t.Setenv("SHELL", "/bin/sh")
	t.Setenv("PS1", "$ ")
	before := nstest.Dump(t)
	tmux := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("tmux", args...).CombinedOutput()
		if err != nil {
			t.Errorf("tmux %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	defer func() { _ = exec.Command("tmux", "kill-server").Run() }() // of a test that has failed
	for _, where := range []string{"--sandbox", "-q"} {
		expect(t, 0, "", where, "--lab", "panes.x", "-c", `[netns(n) for n in ["left", "right"]]`)
		for range 2 { // the second finds it
			expect(t, 0, "`tmux attach -t nsscript-panes_x` shows it", "tmux", "panes.x")
		}
		if got := tmux("list-windows", "-t", "nsscript-panes_x", "-F", "#{window_name}"); got != "left\nright\n" {
			t.Errorf("%s: windows %q", where, got)
		}
		tmux("send-keys", "-t", "nsscript-panes_x:right", "ip link add seen0 type veth", "Enter")
		for seen, deadline := false, time.Now().Add(30*time.Second); !seen; {
			out, _ := outcome(t, nsscript("exec", "panes.x", "right", "ip", "-br", "link"))
			if seen = strings.Contains(out, "seen0"); !seen && time.Now().After(deadline) {
				t.Fatalf("%s: what was typed in the window is not done in its namespace: %s", where, out)
			}
		}
		tmux("kill-server")
		expect(t, 0, "", "down", "panes.x")
	}
	orphans(t)
	nstest.Same(t, before)
	t.Setenv("PATH", t.TempDir())
	expect(t, exitMachine, "find tmux", "tmux", "panes.x")
}
