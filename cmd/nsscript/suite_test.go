package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/nsscript/nsscript/runtime/nstest"
)

var suiteKills = flag.Int("suitekills", 12, "how often TestSuiteKilled kills the runner")

// TestSuite runs test scenarios, and looks at what is said about them and what is left: nothing.
func TestSuite(t *testing.T) {
	before := nstest.Dump(t)
	dir := "testdata/suite/"
	for _, c := range []struct {
		args []string
		code int
		want []string // regular expressions
	}{
		{[]string{"-list", dir}, 0,
			[]string{`(?s)^testdata/suite/expected.star\n.*testdata/suite/functions.star:test_passes\n`}},
		{[]string{dir + "file.star", dir + "expected.star"}, 0,
			[]string{`ok   testdata/suite/file.star \d`, `2 passed, 0 failed, 0 skipped`}},
		{[]string{dir + "functions.star"}, exitFailed, []string{
			`ok   testdata/suite/functions.star:test_passes`,
			`skip testdata/suite/functions.star:test_skips .*: not today`,
			`(?s)FAIL testdata/suite/functions.star:test_fails .*functions.star:20:9: on purpose\n.*it printed:\n    ` +
				`  setup test_fails\n      teardown\n.*its changes:\n.*ip link add left0.*the lab when it ` +
				`failed:\n.*\n *host\n.*left0.*h2\n`,
			`there is no feature "brigde", did you mean "bridge"`, `2 passed, 2 failed, 1 skipped`}},
		{[]string{"-run", "passes|skips", dir + "functions.star"}, 0, []string{`1 passed, 0 failed, 1 skipped`}},
		{[]string{"-strict", "-run", "passes|skips", dir + "functions.star"}, exitFailed,
			[]string{`1 passed, 0 failed, 1 skipped`}},
		{[]string{"-v", "-run", "passes", dir + "functions.star"}, 0,
			[]string{`setup test_passes\n    a\+b\n    teardown`}},
		{[]string{"-run", "nothing", dir + "file.star"}, exitUsage,
			[]string{`no tests in testdata/suite/file.star match the selection`}},
		{[]string{"-run", "nothing", dir}, exitFailed,
			[]string{`(?s)FAIL testdata/suite/wrong.star.*wrong.star:1:16.*0 passed, 1 failed`}},
		{[]string{dir + "functions.star:test_passes"}, 0, []string{`1 passed, 0 failed, 0 skipped`}},
		{[]string{dir + "functions.star:test_passes", dir + "functions.star:test_skips"}, 0,
			[]string{`1 passed, 0 failed, 1 skipped`}},
		{[]string{dir + "functions.star:test_passes", dir + "functions.star"}, exitFailed,
			[]string{`not today`, `on purpose`}},
		{[]string{dir + "functions.star:test_nothing"}, exitUsage, []string{`functions.star has no test test_nothing`}},
		{[]string{"-shard", "1/1000", dir + "file.star"}, 0, []string{`^0 passed, 0 failed, 0 skipped`}},
		{[]string{"-tap", "-shard", "1/1000", dir + "file.star"}, 0, []string{`^TAP version 14\n1\.\.0\n$`}},
		{[]string{dir + "long.star"}, exitFailed,
			[]string{`(?s)it printed:\n      \.\.\. 35 lines more: -v shows them\n      line 35\n.*its changes:\n    ` +
				`  \.\.\. \d+ lines more.*the lab when it failed:\n      \.\.\. ` +
				`\d+ lines more.*\n(FAIL testdata/suite/long.star:test_\w+\n){2}0 passed, 2 failed`,
				`ip -n undone link add a0 .*# undone\n`, `a name�\[31m`}},
		{[]string{"-v", dir + "long.star:test_long"}, exitFailed, []string{`line 0\n(.*\n)+.*line 39`}},
		{[]string{"-tap", dir + "long.star"}, exitFailed, []string{`a name�\[31m`}},
		{[]string{"-run", "(", dir}, exitUsage, []string{`error parsing regexp`}},
		{[]string{"-shard", "3/2", dir}, exitUsage, []string{`want I/N`}},
		{[]string{"nowhere"}, exitUsage, []string{`nowhere: no such file`}},
		{[]string{dir + "wrong.star"}, exitFailed, []string{`FAIL testdata/suite/wrong.star`, `wrong.star:1:16`}},
		{[]string{"-j", "1", "-failfast", dir + "wrong.star", dir + "file.star"}, exitFailed,
			[]string{`0 passed, 1 failed, 0 skipped`}},
		{[]string{"-tap", dir + "functions.star"}, exitFailed,
			[]string{`(?s)^TAP version 14\n`, `not ok \d - testdata/suite/functions.star:test_fails\n  ---\n`,
				`ok \d - .*:test_skips # SKIP not today`, `1\.\.5\n$`}},
		{[]string{"-timeout", "700ms", dir + "hangs.star"}, exitFailed, []string{`0 passed, 5 failed`,
			`(?s)test_loop .*interrupted: the test ran longer than 700ms`,
			`(?s)test_child_that_ignores_sigterm .*ran longer than 700ms`,
			`(?s)test_blocked_read .*ran longer than 700ms`}},
		{[]string{"-memory", "256", "-run", "memory", dir + "hangs.star"}, exitFailed,
			[]string{`the test took more memory than its limit of 256 MiB`}},
	} {
		if nstest.Raced && c.args[0] == "-memory" {
			continue
		}
		out, code := outcome(t, nsscript(append([]string{"test"}, c.args...)...))
		if code != c.code {
			t.Errorf("%v: exit code %d, want %d:\n%s", c.args, code, c.code, out)
		}
		for _, want := range c.want {
			if !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("%v: does not match %q:\n%s", c.args, want, out)
			}
		}
		if strings.Contains(out, "goroutine ") {
			t.Errorf("%v: shows a Go trace:\n%s", c.args, out)
		}
		orphans(t)
		nstest.Same(t, before)
	}
}

// TestSuiteNamesakes leaves the labs of tests of one name up, by two runs: each is there, and can be taken down. One
// without changes is no lab.
func TestSuiteNamesakes(t *testing.T) {
	before := nstest.Dump(t)
	dir := t.TempDir()
	for _, folder := range []string{"one", "two"} {
		path := filepath.Join(dir, folder)
		if err := errors.Join(os.Mkdir(path, 0o755),
			os.WriteFile(filepath.Join(path, "same.star"), []byte("netns(\"n\")\nfail(\"x\")\n"), 0o644),
			os.WriteFile(filepath.Join(path, "none.star"), []byte("fail(\"x\")\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if out, code := outcome(t, nsscript("test", "--keep-failed", dir)); code != exitFailed ||
			!strings.Contains(out, "0 passed, 4 failed") || strings.Contains(out, "taken") {
			t.Errorf("exit code %d:\n%s", code, out)
		}
	}
	for _, lab := range []string{"t-same", "t-same-2", "t-same-3", "t-same-4"} {
		if out, code := outcome(t, nsscript("down", lab)); code != 0 {
			t.Errorf("down %s: exit code %d: %s", lab, code, out)
		}
	}
	if out, _ := outcome(t, nsscript("ls")); strings.Contains(out, "t-") {
		t.Errorf("left: %s", out)
	}
	orphans(t)
	nstest.Same(t, before)
}

// TestSuiteShards checks that the parts are all the cases, each once, also when others are added.
func TestSuiteShards(t *testing.T) {
	whole, _ := outcome(t, nsscript("test", "-list", "testdata/suite"))
	var parts []string
	for i := range 3 {
		part, code := outcome(t, nsscript("test", "-list", "-shard", fmt.Sprintf("%d/3", i+1), "testdata/suite"))
		if code == 0 {
			parts = append(parts, strings.Split(strings.TrimSpace(part), "\n")...)
		}
		few, _ := outcome(t,
			nsscript("test", "-list", "-shard", fmt.Sprintf("%d/3", i+1), "testdata/suite/functions.star"))
		for _, name := range strings.Split(strings.TrimSpace(few), "\n") {
			if strings.HasPrefix(name, "testdata") && !strings.Contains(part, name+"\n") {
				t.Errorf("%s is in another part when there are more cases", name)
			}
		}
	}
	if want := strings.Count(whole, "\n"); len(parts) != want {
		t.Errorf("%d cases in the parts, want %d", len(parts), want)
	}
}

// TestSuiteFormats has other people's parser read the JUnit report, and reads the JSON lines.
func TestSuiteFormats(t *testing.T) {
	file := filepath.Join(t.TempDir(), "junit.xml")
	out, code := outcome(t,
		nsscript("test", "--json", "--junit", file, "testdata/suite/functions.star", "testdata/suite/file.star"))
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	suites, err := junit.IngestFile(file)
	if err != nil || len(suites) != 2 {
		t.Fatalf("%d suites, %v", len(suites), err)
	}
	var total junit.Totals
	for _, s := range suites {
		total.Tests, total.Passed, total.Failed, total.Skipped = total.Tests+s.Totals.Tests,
			total.Passed+s.Totals.Passed, total.Failed+s.Totals.Failed, total.Skipped+s.Totals.Skipped
	}
	if total.Tests != 6 || total.Passed != 3 || total.Failed != 2 || total.Skipped != 1 {
		t.Errorf("JUnit: %+v", total)
	}
	events := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var e struct{ Event string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events[e.Event]++
	}
	if events["start"] != 6 || events["passed"] != 3 || events["failed"] != 2 || events["skipped"] != 1 ||
		events["end"] != 1 {
		t.Errorf("events: %v", events)
	}
}

// TestSuiteMany runs many copies of a case, all with the same names, at once.
func TestSuiteMany(t *testing.T) {
	before := nstest.Dump(t)
	if out, code := outcome(t, nsscript("test", "-j", "8", "-count", "100", "testdata/suite/file.star")); code != 0 ||
		!strings.Contains(out, "100 passed, 0 failed, 0 skipped") {
		t.Errorf("exit code %d: %s", code, out)
	}
	nstest.Same(t, before)
}

// TestSuiteKeepFailed leaves the lab of a failed case up, to be looked at.
func TestSuiteKeepFailed(t *testing.T) {
	before := nstest.Dump(t)
	out, code := outcome(t, nsscript("test", "--keep-failed", "-run", "fails", "testdata/suite/functions.star"))
	const lab = "t-functions.test_fails"
	if code != exitFailed || !strings.Contains(out, "nsscript down "+lab) {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, c := range [][]string{{"ls"}, {"show", lab}, {"exec", lab, "h2", "--", "true"}, {"down", lab}} {
		if out, code := outcome(t, nsscript(c...)); code != 0 || c[0] == "ls" && !strings.Contains(out, lab) {
			t.Errorf("%v: exit code %d: %s", c, code, out)
		}
	}
	orphans(t)
	nstest.Same(t, before)
}

// TestSuiteKilled kills the runner while cases are running: all of their processes end, and nothing is left.
func TestSuiteKilled(t *testing.T) {
	before := nstest.Dump(t)
	for i := range *suiteKills {
		cmd := nsscript("test", "-j", "8", "-count", "50", "testdata/suite/file.star")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The moments are spread over the length of a run, in an order without a pattern.
		time.AfterFunc(time.Duration(i*7919%500)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it was killed, or has ended before
		begin := time.Now()
		orphans(t)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("the processes of the tests ended %v after the runner", took)
		}
	}
	nstest.Same(t, before)
}

// TestSuiteInterrupted asks the runner to end.
func TestSuiteInterrupted(t *testing.T) {
	before := nstest.Dump(t)
	cmd := nsscript("test", "-run", "blocked", "testdata/suite/hangs.star")
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); nstest.Running("cat") == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the test did not begin")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was asked to end
	said, err := os.ReadFile(out.Name())
	if code := cmd.ProcessState.ExitCode(); err != nil || code != 128+int(syscall.SIGINT) ||
		!strings.Contains(string(said), "interrupted") {
		t.Errorf("exit code %d, %v: %s", code, err, said)
	}
	orphans(t)
	nstest.Same(t, before)
}

// TestDoctor checks that it knows of each feature, and that this machine has all that most scenarios need.
func TestDoctor(t *testing.T) {
	before := nstest.Dump(t)
	out, code := outcome(t, nsscript("doctor", "-v"))
	for _, f := range vocabulary().Features {
		word := map[bool]string{false: "ok", true: "(ok|missing)"}[f.Optional]
		if !regexp.MustCompile(`(?m)^` + word + ` +` + f.Name + ` `).MatchString(out) {
			t.Errorf("nothing is said of %s", f.Name)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	short, code := outcome(t, nsscript("doctor"))
	for _, f := range vocabulary().Features {
		if !regexp.MustCompile(`(?m)(^|[ ,])` + f.Name + `([ ,]|$)`).MatchString(short) {
			t.Errorf("nothing is said of %s in short", f.Name)
		}
	}
	if lines := strings.Count(short, "\n"); code != 0 || lines > 40 {
		t.Errorf("exit code %d, %d lines: %s", code, lines, short)
	}
	js, code := outcome(t, nsscript("doctor", "--json"))
	var all []finding
	if err := json.Unmarshal([]byte(js), &all); err != nil || code != 0 || len(all) < len(vocabulary().Features) {
		t.Errorf("exit code %d, %v: %s", code, err, js)
	}
	for _, d := range vocabulary().Decls {
		for _, need := range d.Needs {
			if _, err := vocabulary().Feature(need); err != nil {
				t.Errorf("%s: %v", d.Name, err)
			}
		}
	}
	nstest.Same(t, before)
}
