// Package nstest is for tests only: it runs a test binary inside a sandbox of its own, dumps the state of its kernel
// objects, and says what a test left behind. Production code must not import it.
package nstest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/sandbox"
)

// The first thread stays out of namespaces: see cmd/nsscript.
func init() { runtime.LockOSThread() }

const marker = "NSSCRIPT_TEST_SANDBOX"

// Main is to be called by TestMain: it runs the package's tests inside namespaces of their own (mount, network, pid
// and, for an ordinary user, user), so that they need no privileges and cannot hurt the machine. Each processor has
// such a sandbox with a part of the tests. It fails when the machine outside is not as it was before.
func Main(m *testing.M) {
	if cgroup, ok := os.LookupEnv(marker); ok {
		if os.Getpid() == 1 { // and not a worker that looks for inputs (-test.fuzz), or a test that starts itself
			_, err := sandbox.Enter()
			if err == nil && cgroup != "" {
				err = mountCgroup(cgroup)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "nstest:", err)
				os.Exit(1)
			}
		}
		os.Exit(m.Run())
	}
	if !flag.Parsed() {
		flag.Parse()
	}
	if flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	before := Outside()
	all, at, err := parts()
	code := 0
	switch {
	case err != nil:
	case all == nil:
		code, err = inSandbox(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	default:
		code, err = runParts(all, at)
	}
	if after := Outside(); after != before {
		fmt.Fprintf(os.Stderr, "nstest: the tests changed the machine outside their sandbox:\n%s\n",
			Diff(before, after))
		os.Exit(1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nstest:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// IP runs iproute2 in a test.
func IP(t testing.TB, args ...string) {
	t.Helper()
	if err := ip(args...); err != nil {
		t.Fatal(err)
	}
}

// Batch runs lines of iproute2, each without the word ip, in one process.
func Batch(t testing.TB, lines ...string) {
	t.Helper()
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip -batch: %v: %s", err, out)
	}
}

// TryIP runs iproute2 in a cleanup: the test goes on when it fails, but has failed.
func TryIP(t testing.TB, args ...string) {
	t.Helper()
	if err := ip(args...); err != nil {
		t.Error(err)
	}
}

// Outside is what tests must leave as it was on the machine itself: names, links, addresses, routes, mounts.
func Outside() string {
	var b strings.Builder
	for _, args := range [][]string{{"-o", "link"}, {"-o", "addr"}, {"route", "show", "table", "all"}, {"rule"},
		{"netns", "list"}} {
		show(&b, "", "ip", args...)
	}
	section(&b, "/run/netns", names("/run/netns"))
	section(&b, "/run/nsscript", names("/run/nsscript"))
	return stable(b.String())
}

// Dump is the state of the whole sandbox in words: every namespace's links, addresses, routes, rules, neighbours and
// sysctls as other people's programs show them, the mounts, what is in /run, and the cgroups. It has the test
// Clean up.
func Dump(t testing.TB) string {
	t.Helper()
	state := dump(t)
	cleanFrom(t, func(testing.TB) string { return state })
	return state
}

func dump(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, ns := range append([]string{""}, names("/run/netns")...) {
		for _, args := range [][]string{{"-d", "link"}, {"-d", "addr"}, {"-4", "route", "show", "table", "all"},
			{"-6", "route", "show", "table", "all"}, {"-4", "rule"}, {"-6", "rule"},
			{"neigh", "show", "nud", "permanent"}, {"neigh", "show", "proxy"}} {
			show(&b, ns, "ip", args...)
		}
		more := func() error { return errors.Join(wireguards(&b, ns), xfrms(&b, ns), mptcps(&b, ns), nfts(&b, ns)) }
		if err := within(ns, more); err != nil {
			fmt.Fprintln(&b, err) // of what is no namespace, as ip(8) says it
		}
		sysctls(t, &b, ns)
	}
	files(t, &b)
	return stable(b.String())
}

// State is what Dump shows and more, in milliseconds, as the kernel itself says it.
func State(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(Snapshot(t, append([]string{""}, names("/run/netns")...)...))
	files(t, &b)
	return b.String()
}

// files prints the mounts, what is in /run, and the cgroups.
func files(t testing.TB, b *strings.Builder) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range strings.Split(string(mounts), "\n") {
		// A mount's number is not its identity, and the mount point /run/netns stays, as it does with ip netns.
		if f := strings.Fields(l); len(f) > 5 && f[4] != "/run/netns" {
			lines = append(lines, f[3]+" "+f[4]+" "+f[5])
		}
	}
	sort.Strings(lines) // a name that was taken away and given back is the last one mounted
	section(b, "mounts", lines)
	var found []string
	err = filepath.WalkDir("/run", func(path string, _ os.DirEntry, err error) error {
		if path != "/run/netns" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	section(b, "/run", found)
	section(b, "cgroups", below(cgroupMount))
}

// sysctls reads every setting of links and neighbours and of ip itself in a namespace, on a thread that ends with it.
func sysctls(t testing.TB, b *strings.Builder, ns string) {
	t.Helper()
	var lines []string
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is in the namespace
		if ns != "" {
			f, err := os.Open("/run/netns/" + ns)
			if err != nil {
				done <- err
				return
			}
			defer f.Close()
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				if errors.Is(err, unix.EINVAL) { // a file below a namespace that is gone
					lines, err = []string{"none: it is no namespace"}, nil
				}
				done <- err
				return
			}
		}
		for _, pattern := range []string{"ipv[46]/conf/*/*", "ipv[46]/neigh/*/*", "ipv4/ip_*"} {
			files, err := filepath.Glob("/proc/sys/net/" + pattern)
			if err != nil || len(files) == 0 {
				done <- fmt.Errorf("no sysctls %s: %w", pattern, err)
				return
			}
			for _, f := range files {
				if v, err := os.ReadFile(f); err == nil { // some can only be written
					lines = append(lines, f+" "+string(bytes.TrimSpace(v)))
				}
			}
		}
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatalf("sysctls of %q: %v", ns, err)
	}
	section(b, "sysctl "+ns, lines)
}

func section(b *strings.Builder, title string, lines []string) {
	fmt.Fprintf(b, "== %s\n%s\n", title, strings.Join(lines, "\n"))
}

func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	sort.Strings(all)
	return all
}

// stable leaves out what changes by itself: times that run, and random secrets and addresses.
func stable(dump string) string {
	var b bytes.Buffer
	for _, l := range strings.Split(dump, "\n") {
		f := strings.Fields(l)
		for i := 0; i < len(f); i++ {
			if i+1 < len(f) && (strings.HasSuffix(f[i], "_timer") || f[i] == "expires" || f[i] == "valid_lft" ||
				f[i] == "preferred_lft" ||
				f[i] == "permaddr" && strings.Contains(l, "6 ")) { // of tunnels over IPv6 (link/tunnel6, link/gre6)
				f[i+1] = "-"
			}
			if strings.HasPrefix(f[i], "dynamic") {
				f[i] = ""
			}
		}
		if strings.Contains(l, "stable_secret") {
			continue
		}
		b.WriteString(strings.Join(f, " ") + "\n")
	}
	return b.String()
}

// Diff is the lines that two dumps do not share.
func Diff(a, b string) string {
	count := map[string]int{}
	for _, l := range strings.Split(a, "\n") {
		count[l]--
	}
	for _, l := range strings.Split(b, "\n") {
		count[l]++
	}
	var out []string
	for l, n := range count {
		switch {
		case n < 0:
			out = append(out, "- "+l)
		case n > 0:
			out = append(out, "+ "+l)
		}
	}
	sort.Strings(out)
	if x, y := strings.Split(a, "\n"), strings.Split(b, "\n"); len(out) == 0 && a != b {
		for i := range x {
			if x[i] != y[i] {
				return "the order differs: " + x[i] + " is now " + y[i]
			}
		}
	}
	return strings.Join(out, "\n")
}

// Same fails the test when the sandbox is not as it was.
func Same(t testing.TB, before string) {
	t.Helper()
	if after := dump(t); after != before {
		t.Fatalf("the state differs:\n%s", Diff(before, after))
	}
}
