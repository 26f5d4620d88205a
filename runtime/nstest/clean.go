package nstest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cleaning are the tests that clean up already.
var cleaning sync.Map

// Clean has a test that fails leave the sandbox without what it added since the first call, so that one failure is one
// failure. What it took from others does not come back.
func Clean(t testing.TB) {
	t.Helper()
	cleanFrom(t, dump)
}

func cleanFrom(t testing.TB, dumped func(testing.TB) string) {
	t.Helper()
	if os.Getpid() != 1 { // it is no sandbox
		return
	}
	if _, already := cleaning.LoadOrStore(t, true); already {
		return
	}
	before := dumped(t)
	processes := running()
	t.Cleanup(func() {
		cleaning.Delete(t)
		if !t.Failed() {
			return
		}
		// Links go a while after the namespace that they are in.
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			left := takeAway(since(running(), processes), before, dump(t))
			if left == "" {
				return
			}
			if time.Now().After(deadline) {
				t.Logf("left behind: %s", left)
				return
			}
		}
	})
}

func running() []string {
	processes, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well formed
	return processes
}

// since is what there was not before.
func since(now, before []string) []string {
	return slices.DeleteFunc(now, func(s string) bool { return slices.Contains(before, s) })
}

// takeAway ends processes and deletes what only the second of two dumps has in the sandbox's own namespace: mounts,
// files of /run, cgroups, links, addresses, rules, routes. It gives sysctls their values back. It returns one thing
// that was still there, if any.
func takeAway(processes []string, before, after string) (left string) {
	for _, p := range processes {
		left = p
		pid, _ := strconv.Atoi(filepath.Base(p)) // it is all digits
		_ = syscall.Kill(pid, syscall.SIGKILL)   // it may have ended
		// The sandbox's first process is the parent of all that have lost theirs.
		_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	}
	was, is := sections(before), sections(after)
	added := func(title string, do func(line string)) {
		for _, line := range slices.Backward(since(is[title], was[title])) {
			left = title + ": " + line
			do(line)
		}
	}
	// What fails here is tried again, and reported in the end.
	added("mounts", func(line string) { _ = syscall.Unmount(strings.Fields(line)[1], syscall.MNT_DETACH) })
	added("/run", func(path string) { _ = os.Remove(path) })
	added("cgroups", func(path string) { _ = os.Remove(path) })
	added("links", func(name string) { _ = ip("link", "del", name) })
	added("addrs", func(line string) { _ = ip(append([]string{"addr", "del"}, strings.Fields(line)...)...) })
	for _, family := range []string{"-4", "-6"} {
		added("ip "+family+" rule", func(line string) {
			priority, rule, _ := strings.Cut(line, ":")
			_ = ip(append([]string{family, "rule", "del", "priority", priority}, strings.Fields(rule)...)...)
		})
		added("ip "+family+" route show table all", func(line string) {
			_ = ip(append([]string{family, "route", "del"}, strings.Fields(line)...)...)
		})
	}
	for _, line := range since(was["sysctl"], is["sysctl"]) {
		path, value, _ := strings.Cut(line, " ")
		if _, err := os.Stat(path); err == nil { // its link is there
			left = "sysctl: " + line
			_ = os.WriteFile(path, []byte(value), 0)
		}
	}
	return left
}

// sections are the lines of a dump, by their title, with those of links and addresses by themselves: one that a test
// renamed or changed is none that it left.
func sections(dump string) map[string][]string {
	all := map[string][]string{}
	title, link := "", ""
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		if rest, begins := strings.CutPrefix(line, "== "); begins {
			title = rest
			continue
		}
		all[title] = append(all[title], line)
		f := strings.Fields(line)
		switch {
		case title != "ip -d link" && title != "ip -d addr" || len(f) < 2:
		case strings.HasSuffix(f[0], ":") && strings.HasSuffix(f[1], ":"):
			link, _, _ = strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
			if title == "ip -d link" {
				all["links"] = append(all["links"], link)
			}
		case title == "ip -d addr" && (f[0] == "inet" || f[0] == "inet6"):
			all["addrs"] = append(all["addrs"], f[1]+" dev "+link)
		}
	}
	return all
}

// ClearRules deletes the rules of the sandbox's own namespace that are not the kernel's own.
func ClearRules(t testing.TB) {
	t.Helper()
	c, err := dial(syscall.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	rules, err := c.dump(syscall.RTM_GETRULE, make([]byte, 12))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		priority := number(find(r, 12, 6)) // FRA_PRIORITY
		if priority == 0 || priority == 32766 || priority == 32767 {
			continue
		}
		if _, err := c.ask(syscall.RTM_DELRULE, syscall.NLM_F_ACK, r); err != nil {
			t.Fatalf("delete rule %d: %v", priority, err)
		}
	}
}
