//go:build failpoint

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

var (
	shard = flag.String("shard", "0/1",
		"I/N: take every Nth kill, from the Ith on, so that several processes share the work")
	random = flag.Int("random", 50, "how many kills at random times")
)

// mine tells whether a kill is this shard's.
func mine(t *testing.T, k int) bool {
	t.Helper()
	var i, n int
	if _, err := fmt.Sscanf(*shard, "%d/%d", &i, &n); err != nil || n < 1 {
		t.Fatalf("-shard %s: want I/N", *shard)
	}
	return k%n == i
}

// A crash is one process that is killed at one of its failpoints, or, with at 0, one that ends by itself.
type crash struct {
	args  []string
	typed string // what it reads
	at    int
	all   bool // its watcher dies with it
	log   string
	// Instead of a kill: which request fails, and how (see failpoint.Fault).
	fault string
}

// run runs the process and returns what it said, and whether it was killed.
func (c crash) run(t *testing.T) (out string, killed bool) {
	t.Helper()
	out, code := c.end(t)
	return out, code == 128+int(syscall.SIGKILL)
}

// end runs the process and returns what it said, and its exit code as a shell would.
func (c crash) end(t *testing.T) (out string, code int) {
	t.Helper()
	cmd := nsscript(c.args...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", failpoint.KillAt, c.at))
	if c.all {
		cmd.Env = append(cmd.Env, failpoint.KillAll+"=1")
	}
	if c.fault != "" {
		cmd.Env = append(cmd.Env, failpoint.Fault+"="+c.fault)
	}
	if c.log != "" {
		cmd.Env = append(cmd.Env, failpoint.LogFile+"="+c.log)
	}
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	if c.typed != "" {
		cmd.Stdin = strings.NewReader(c.typed)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		st := exit.Sys().(syscall.WaitStatus)
		if !st.Signaled() {
			return buf.String(), st.ExitStatus()
		}
		if st.Signal() != syscall.SIGKILL {
			t.Fatalf("%v ended by %s: %s", c.args, st.Signal(), buf.String())
		}
		code = 128 + int(st.Signal())
	} else if err != nil {
		t.Fatal(err)
	}
	return buf.String(), code
}

// bare takes away the mount point /run/netns, which stays when labs go: the tutorial is run on machines without it.
func bare(t *testing.T) {
	t.Helper()
	for syscall.Unmount("/run/netns", syscall.MNT_DETACH) == nil {
	}
	if err := os.Remove("/run/netns"); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func labNames(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("/run/nsscript/[a-z0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// cleaned fails when something is left of a crash.
func cleaned(t *testing.T, before string, c crash, out string) {
	t.Helper()
	ok := false
	defer func() { // settledWorld ends the test itself
		if !ok {
			t.Logf("%v killed at failpoint %d (all: %v, fault: %s) said: %s", c.args, c.at, c.all, c.fault, out)
		}
	}()
	if strings.Contains(before, "pre0") {
		settledWorld(t)
	}
	if after := nstest.Dump(t); after != before {
		t.Fatal(nstest.Diff(before, after))
	}
	if n := nstest.Running("sleep"); n > 0 {
		t.Fatalf("%d processes of run() are left", n)
	}
	ok = true
}

// down takes down what a crash after the decision to keep has left up, as its user would.
func down(t *testing.T) {
	t.Helper()
	for _, dir := range labNames(t) {
		if out, err := nsscript("down", filepath.Base(dir)).CombinedOutput(); err != nil {
			t.Fatalf("down %s: %v: %s", dir, err, out)
		}
	}
}

func scenarios(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/crash/*.star")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	for i, f := range files {
		files[i] = fitting(t, f)
	}
	return files
}

// needing is the end of a line of a scenario that is left out where the machine lacks a feature.
var needing = regexp.MustCompile(`  # (\S+)$`)

// fitting is a scenario without what this machine lacks.
func fitting(t *testing.T, file string) string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var kept strings.Builder
	for line := range strings.Lines(string(src)) {
		if name := needing.FindStringSubmatch(strings.TrimSuffix(line, "\n")); name != nil {
			f, err := vocabulary().Feature(name[1])
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if f.Probe(m) != nil {
				continue
			}
		}
		kept.WriteString(line)
	}
	if kept.String() == string(src) {
		return file
	}
	there := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(there, []byte(kept.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return there
}

// hits runs a command to its end and counts the failpoints that it passes.
func hits(t *testing.T, log string, args ...string) int {
	t.Helper()
	c := crash{args: args, log: log}
	out, killed := c.run(t)
	if killed || strings.Contains(out, "are left") {
		t.Fatalf("%v: %s", args, out)
	}
	// What comes after an error is tried by nothing.
	if strings.Contains(out, "rolled back") && strings.HasSuffix(args[0], ".star") &&
		!strings.Contains(out, ": at the end\n") {
		t.Errorf("%v does not do all that it is to do: %s", args, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return passed(string(text))
}

// hitsBefore counts the failpoints that a run passed before the first of a name.
func hitsBefore(t *testing.T, log, name string) int {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	until, _, found := strings.Cut(string(text), name+"\n")
	if !found {
		t.Fatalf("no failpoint %q was hit", name)
	}
	return passed(until)
}

// passed counts the failpoints in a log: it also has the acts that can fail.
func passed(log string) int { return strings.Count(log, "\n") - strings.Count(log, failpoint.AnAct) }

// TestCrash kills runs of every scenario at every failpoint: the process alone, whose watcher then does the work; the
// process and its watcher, so that the next command does; and `down` of what was kept. Nothing is ever left, and
// nothing else is touched.
func TestCrash(t *testing.T) {
	kills := 0
	for _, file := range scenarios(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			before, prepare := "", func() {}
			if filepath.Base(file) == "01_tutorial.star" {
				prepare = func() { bare(t) }
				prepare()
				before = nstest.Dump(t)
			} else {
				before = makeWorld(t)
			}
			if filepath.Base(file) == "14_pids.star" {
				nstest.NoCgroups(t)
				before = nstest.Dump(t)
			}
			// What ip(8) shows, and all that the kernel does: entries of tables that the other has no words for.
			state := nstest.State(t)
			undone := func(c crash, out string) {
				t.Helper()
				cleaned(t, before, c, out)
				if after := nstest.State(t); after != state {
					t.Fatalf("%+v: %s", c, nstest.Diff(state, after))
				}
			}
			log := filepath.Join(t.TempDir(), "hits")
			points := hits(t, log, file)
			kept := len(labNames(t)) > 0
			down(t)
			undone(crash{args: []string{file}}, "")
			for i := range 2 * points {
				if !mine(t, i) {
					continue
				}
				prepare()
				k := i/2 + 1
				c := crash{args: []string{file}, at: k, all: i%2 == 0, log: filepath.Join(t.TempDir(), fmt.Sprint(i))}
				out, killed := c.run(t)
				if !killed {
					t.Errorf("failpoint %d of %d was not reached: %s", k, points, out)
				}
				passed, err := os.ReadFile(c.log)
				if err != nil {
					t.Fatal(err)
				}
				// The watcher is started beside the run: not always at the same point of that.
				if c.all || !strings.Contains(string(passed), "watcher: started\n") {
					recovering(t)
				}
				orphans(t) // the watcher, and what commands left running
				down(t)
				undone(c, out)
				kills++
			}
			if !kept {
				return
			}
			lab := strings.TrimSuffix(filepath.Base(file), ".star")
			up := func() {
				if out, err := nsscript(file).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			up()
			points = hits(t, log+"2", "down", lab)
			for k := 1; k <= points; k++ {
				if !mine(t, k) {
					continue
				}
				up()
				c := crash{args: []string{"down", lab}, at: k}
				out, killed := c.run(t)
				if !killed {
					t.Errorf("failpoint %d of %d of down was not reached: %s", k, points, out)
				}
				recovering(t)
				down(t) // killed before it had decided anything, it left the lab up
				undone(c, out)
				kills++
			}
		})
	}
	t.Logf("%d kills", kills)
}

// TestCrashTwice kills the recovery of a crash at every failpoint that it has, and recovers again.
func TestCrashTwice(t *testing.T) {
	kills := 0
	for _, name := range []string{"01_tutorial", "06_delete_link", "11_namespaces", "13_processes"} {
		t.Run(name, func(t *testing.T) {
			before := makeWorld(t)
			file := "testdata/crash/" + name + ".star"
			log := filepath.Join(t.TempDir(), "hits")
			points := hits(t, log, "--rm", file)
			// Just before the first undoing, everything is there.
			first := 1 + hitsBefore(t, log, "change: before it is undone")
			if first >= points {
				t.Fatalf("it undid nothing in %d failpoints", points)
			}
			crash := crash{args: []string{"--rm", file}, at: first, all: true}
			crash.run(t)
			points = hits(t, log+"2", "recover")
			orphans(t)
			cleaned(t, before, crash, "")
			for k := 1; k <= points; k++ {
				if !mine(t, k) {
					continue
				}
				crash.run(t)
				again := crash
				again.args, again.at = []string{"recover"}, k
				out, killed := again.run(t)
				if !killed {
					t.Errorf("failpoint %d of %d of recover was not reached: %s", k, points, out)
				}
				recovering(t)
				orphans(t)
				cleaned(t, before, again, out)
				kills++
			}
		})
	}
	t.Logf("%d kills", kills)
}

// TestCrashAnyTime kills at random times: the process, its watcher, or all at once.
func TestCrashAnyTime(t *testing.T) {
	before := makeWorld(t)
	files := scenarios(t)
	for i := range *random {
		file := files[i%len(files)]
		cmd := nsscript("-q", file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The moments are spread over the length of a run, in an order without a pattern.
		wait := time.Duration(i*7919%120) * time.Millisecond
		ended := make(chan struct{})
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			select {
			case <-ended:
			case <-time.After(wait):
				if i%3 == 0 {
					// Everything in this pid namespace but its first process: the run, its watcher, what it started.
					nstest.KillOthers(t)
				} else {
					_ = cmd.Process.Kill()
				}
			}
		}()
		_ = cmd.Wait() // it was killed, or has ended before
		close(ended)
		<-killed
		recovering(t) // a watcher that lives holds the lab until it is done
		// A process that was to become the watcher, or a killed one that has not ended yet, holds it like one that
		// runs.
		for {
			out, err := nsscript("ls").CombinedOutput()
			if err != nil {
				t.Fatalf("ls: %v: %s", err, out)
			}
			if !strings.Contains(string(out), " running ") {
				break
			}
		}
		down(t)
		orphans(t)
		cleaned(t, before, crash{args: []string{file}, at: -int(wait / time.Millisecond)}, "")
	}
}

// TestFailpointsHit finds the failpoints in the source, and fails for one that no scenario reaches.
func TestFailpointsHit(t *testing.T) {
	bare(t)
	log := filepath.Join(t.TempDir(), "hits")
	hits(t, log, "--rm", "testdata/crash/01_tutorial.star")
	before := makeWorld(t)
	for _, file := range scenarios(t) {
		hits(t, log, file)
		for _, dir := range labNames(t) {
			hits(t, log, "down", filepath.Base(dir))
		}
	}
	repl := crash{args: []string{"-i", "--lab", "first", "-c", "netns('n1')"}, typed: ":commit other\n", log: log}
	if out, code := repl.end(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	down(t)
	cleaned(t, before, crash{}, "")
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	hit := map[string]bool{}
	for _, name := range strings.Split(string(text), "\n") {
		hit[name] = true
	}
	for _, name := range failpoints(t) {
		if !hit[name] && (nstest.Cgroups() || !strings.HasPrefix(name, "cgroup: ")) {
			t.Errorf("failpoint %q is never hit", name)
		}
	}
}

// failpoints are the names that the source gives to failpoint.Hit.
func failpoints(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Hit" {
				if lit, ok := call.Args[0].(*ast.BasicLit); ok {
					if name, err := strconv.Unquote(lit.Value); err == nil {
						names = append(names, name)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil || len(names) < 10 {
		t.Fatalf("%d failpoints: %v", len(names), err)
	}
	return names
}
