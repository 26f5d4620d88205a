//go:build failpoint

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestFailpointsSwap has somebody else put another object in the place of one that recovery has looked at and is about
// to take away: it is left, and said to be.
func TestFailpointsSwap(t *testing.T) {
	netns := [][]string{{"netns", "del", "swap"}, {"netns", "add", "swap"}}
	links := [][]string{{"link", "del", "swap0"}, {"link", "add", "swap0", "type", "veth", "peer", "name", "swap1"}}
	for _, c := range []struct {
		name, src, at string
		swap          [][]string
		want          string // of what is left
		undo          []string
	}{
		{"namespace", `netns("swap")`, "namespace: before a mount is taken away", netns,
			"changed by somebody else meanwhile", []string{"netns", "del", "swap"}},
		{"namespace that is gone", `netns("swap")`, "namespace: before a mount is taken away", netns[:1], "", nil},
		{"name", `netns("swap")`, "namespace: before the file is removed", netns, "changed by somebody else meanwhile",
			[]string{"netns", "del", "swap"}},
		{"link", `veth(host, name = "swap0", peer = "swap1")`, "netlink: before a request", links,
			"changed by somebody else meanwhile", []string{"link", "del", "swap0"}},
		{"bridge", `bridge(host, name = "swap0")`, "netlink: before a request", links,
			"changed by somebody else meanwhile", []string{"link", "del", "swap0"}},
		{"link of an address", `addr(host.link("swap0"), "10.71.0.1/24")`, "netlink: before a request",
			append(links[:2:2], []string{"addr", "add", "10.71.0.1/24", "dev", "swap0"}), "",
			[]string{"link", "del", "swap0"}},
		// Another protocol's is another route: ours has gone, and theirs stays.
		{"route", `route(host, "10.72.0.0/16", type = "blackhole")`, "netlink: before a request",
			[][]string{{"route", "del", "blackhole", "10.72.0.0/16"}, {"route", "add", "blackhole", "10.72.0.0/16"}},
			"", []string{"route", "del", "blackhole", "10.72.0.0/16"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.src, "host.link") {
				nstest.IP(t, "link", "add", "swap0", "type", "veth", "peer", "name", "swap1")
			}
			deadOf(t, c.src)
			var swapped string
			failpoint.At = func(name string) {
				if name != c.at {
					return
				}
				failpoint.At = nil
				for _, args := range c.swap {
					nstest.IP(t, args...)
				}
				swapped = strip(nstest.State(t))
			}
			found, err := lab.Open(vocabulary().Ops, "").Recover()
			if failpoint.At != nil {
				failpoint.At = nil
				t.Fatalf("%q was not reached", c.at)
			}
			if err != nil || len(found) != 1 || found[0].Err != nil {
				t.Fatalf("%+v, %v", found, err)
			}
			left := ""
			for _, l := range found[0].Left {
				left += l.Reason
			}
			if c.want == "" && left != "" || !strings.Contains(left, c.want) {
				t.Errorf("left %q, want %q", left, c.want)
			}
			if after := strip(nstest.State(t)); after != swapped {
				t.Error(nstest.Diff(swapped, after))
			}
			if _, err := os.Stat(deadJournal); err == nil {
				if err := errors.Join(os.RemoveAll(filepath.Dir(deadJournal)),
					os.Remove(journal.DefaultDir)); err != nil {
					t.Fatal(err)
				}
			}
			if c.undo != nil {
				nstest.IP(t, c.undo...)
			}
		})
	}
}

// strip leaves out what is of nsscript itself.
func strip(state string) string {
	var b strings.Builder
	for line := range strings.Lines(state) {
		if !strings.Contains(line, journal.DefaultDir) {
			b.WriteString(strings.TrimSpace(line) + "\n")
		}
	}
	return b.String()
}
