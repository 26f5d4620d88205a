package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestShardAuto reads the variables of engines.
func TestShardAuto(t *testing.T) {
	for _, c := range []struct{ env, shard, want, mistaken string }{
		{"JOB_COMPLETION_INDEX=0", "auto/4", "1/4", ""},
		{"JOB_COMPLETION_INDEX=3", "auto/4", "4/4", ""},
		{"JOB_COMPLETION_INDEX=4", "auto/4", "", "JOB_COMPLETION_INDEX is 4, and there are 4 parts from 0 on"},
		{"JOB_COMPLETION_INDEX=0", "auto", "", "Kubernetes tells an index, and not how many there are"},
		{"SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=10 " +
			"SLURM_ARRAY_TASK_STEP=3", "auto", "3/4", ""},
		{"SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=7", "auto", "",
			"array from 1 to 7 in steps of 1 has 3 tasks"},
		{"CI_NODE_INDEX=1 CI_NODE_TOTAL=3", "auto", "1/3", ""},
		{"CI_NODE_INDEX=0 CI_NODE_TOTAL=3", "auto", "", "CI_NODE_INDEX is 0"},
		{"CI_NODE_TOTAL=1", "auto", "1/1", ""},
		{"CI_NODE_TOTAL=1 JOB_COMPLETION_INDEX=1", "auto/2", "2/2", ""},
		{"CIRCLE_NODE_INDEX=1 CIRCLE_NODE_TOTAL=2", "auto", "2/2", ""},
		{"BUILDKITE_PARALLEL_JOB=1 BUILDKITE_PARALLEL_JOB_COUNT=2", "auto", "2/2", ""},
		{"BITBUCKET_PARALLEL_STEP=1 BITBUCKET_PARALLEL_STEP_COUNT=2", "auto", "2/2", ""},
		{"AWS_BATCH_JOB_ARRAY_INDEX=1 AWS_BATCH_JOB_ARRAY_SIZE=2", "auto", "2/2", ""},
		{"NOMAD_ALLOC_INDEX=1", "auto/2", "2/2", ""},
		{"TEST_SHARD_INDEX=1 TEST_TOTAL_SHARDS=2", "auto", "2/2", ""},
		{"TEST_SHARD_INDEX=1 TEST_TOTAL_SHARDS=2", "auto/3", "", "TEST_TOTAL_SHARDS is 2"},
		{"TEST_SHARD_INDEX=x TEST_TOTAL_SHARDS=2", "auto", "", `TEST_SHARD_INDEX of Bazel is "x", and no number`},
		{"BAZEL_TEST=1", "auto", "1/1", ""},
		{"", "auto", "", "no engine has set an index: none of TEST_SHARD_INDEX (Bazel), "},
		{"CI_NODE_INDEX=1 CI_NODE_TOTAL=3 JOB_COMPLETION_INDEX=0", "auto", "", "are both set"},
		{"", "2/3", "2/3", ""},
		{"", "4/3", "", "want I/N"},
		{"", "0/3", "", "want I/N"},
		{"", "1", "", "want I/N"},
		{"", "1/x", "", `"x" is no number of parts`},
		{"", "1/03", "", `"03" is no number of parts`},
		{"", "auto/0", "", `"0" is no number of parts`},
	} {
		t.Run(c.env+" "+c.shard, func(t *testing.T) {
			for _, e := range engines {
				for _, name := range []string{e.index, e.count, e.min, e.max, e.step, "BAZEL_TEST"} {
					if name != "" {
						t.Setenv(name, "")
					}
				}
			}
			for _, pair := range strings.Fields(c.env) {
				name, value, _ := strings.Cut(pair, "=")
				t.Setenv(name, value)
			}
			p, err := parsePart(c.shard)
			if c.mistaken != "" {
				if err == nil || !strings.Contains(err.Error(), c.mistaken) {
					t.Errorf("%v, %v; want %s", p, err, c.mistaken)
				}
			} else if err != nil || p.String() != c.want {
				t.Errorf("%v, %v; want %s", p, err, c.want)
			}
		})
	}
}

// quick writes a folder of cases that need no time, of which one fails and one is skipped.
func quick(t *testing.T, cases int) string {
	dir := t.TempDir()
	var b strings.Builder
	for i := range cases {
		what := map[int]string{3: `fail("on purpose")`, 5: `t.skip("not today")`}[i]
		if what == "" {
			what = "pass"
		}
		fmt.Fprintf(&b, "def test_%d(t):\n    %s\n\n", i, what)
	}
	if err := os.WriteFile(filepath.Join(dir, "quick.star"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// outcomes are the cases of a JUnit report, with what became of each.
func outcomes(t *testing.T, file string) (all []string) {
	t.Helper()
	suites, err := junit.IngestFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites {
		for _, c := range s.Tests {
			all = append(all, fmt.Sprintf("%s:%s %s", c.Classname, c.Name, c.Status))
		}
	}
	slices.Sort(all)
	return all
}

// TestSuiteMerged runs a suite whole and in parts: together these come to the same.
func TestSuiteMerged(t *testing.T) {
	cases, work := quick(t, 12), t.TempDir()
	whole := filepath.Join(work, "whole.xml")
	expect(t, exitFailed, "10 passed, 1 failed, 1 skipped", "test", "--junit", whole, cases)
	want := outcomes(t, whole)
	if len(want) != 12 {
		t.Fatalf("%d cases: %v", len(want), want)
	}
	timings := filepath.Join(work, "timings.json")
	for _, parts := range []int{4, 16} {
		dir := filepath.Join(work, fmt.Sprint(parts))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range parts {
			cmd := nsscript("test", "--shard", fmt.Sprintf("auto/%d", parts), "--timings", timings, "--results",
				filepath.Join(dir, fmt.Sprintf("%d.jsonl", i)), cases)
			cmd.Env = append(cmd.Env, fmt.Sprintf("JOB_COMPLETION_INDEX=%d", i))
			if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() > exitFailed {
				t.Fatalf("part %d: %v: %s", i, err, out)
			}
		}
		merged := filepath.Join(work, "merged.xml")
		expect(t, exitFailed, "10 passed, 1 failed, 1 skipped", "test", "merge", "--junit", merged, "--timings",
			timings, dir)
		if got := outcomes(t, merged); !slices.Equal(got, want) {
			t.Errorf("%d parts: %q, want %q", parts, got, want)
		}
	}
	dir := filepath.Join(work, "4")
	expect(t, exitFailed, "0 passed, 1 failed, 0 skipped", "test", "--rerun", dir, cases)
	if err := os.Remove(filepath.Join(dir, "2.jsonl")); err != nil {
		t.Fatal(err)
	}
	out, _ := outcome(t, nsscript("test", "merge", dir))
	if !strings.Contains(out, "\nmissing: no results of part 3/4\n") {
		t.Error(out)
	}
	expect(t, exitUsage, "has no *.jsonl files", "test", "merge", cases)
	expect(t, exitUsage, "rerun shard", "test", "--rerun", dir, "--shard", "1/2", cases)
}

var shardKills = flag.Int("shardkills", 6, "how often TestShardKilled kills a run")

// TestShardKilled kills a run at any moment: what it has written is read, and each case is known to have ended or not.
func TestShardKilled(t *testing.T) {
	before := nstest.Dump(t)
	const count = 30
	cases := quick(t, count)
	for i := range *shardKills {
		work := t.TempDir()
		results, report := filepath.Join(work, "r.jsonl"), filepath.Join(work, "r.xml")
		cmd := nsscript("test", "--results", results, "--junit", report, cases)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(i*7919%1000)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it was killed, or has ended before
		orphans(t)
		text, err := os.ReadFile(results)
		if err != nil || !strings.Contains(string(text), "\n") {
			continue // before it had said what it was to run
		}
		done := 0
		for line := range strings.Lines(string(text)) {
			var e struct{ Event string }
			if json.Unmarshal([]byte(line), &e) != nil {
				continue // it is cut off
			}
			if slices.Contains([]string{"passed", "failed", "skipped"}, e.Event) {
				done++
			}
		}
		// The report has the cases until the last but those that ended in the moment of the kill.
		if n := len(outcomes(t, report)); n > done || n < done-2 {
			t.Errorf("%d cases are in the report, and %d in the results", n, done)
		}
		merged := filepath.Join(work, "merged.xml")
		out, _ := outcome(t, nsscript("test", "merge", "--junit", merged, results))
		if n := len(outcomes(t, merged)); n != count {
			t.Errorf("%d cases are in the merged report, want %d: %s", n, count, out)
		}
		if done < count && !strings.Contains(out, "cut off: part 1/1 did not come to its end") {
			t.Errorf("%d cases had ended: %s", done, out)
		}
	}
	nstest.Same(t, before)
}

// TestBazel does what Bazel's test encyclopedia asks of a test.
func TestBazel(t *testing.T) {
	cases, work := quick(t, 12), t.TempDir()
	file := func(name string) string { return filepath.Join(work, name) }
	run := func(code int, want string, env ...string) {
		t.Helper()
		cmd := nsscript("test", "--shard", "auto", cases)
		cmd.Env = append(cmd.Env, "BAZEL_TEST=1", "XML_OUTPUT_FILE="+file("test.xml"),
			"TEST_PREMATURE_EXIT_FILE="+file("dies"), "TEST_INFRASTRUCTURE_FAILURE_FILE="+file("infrastructure"))
		cmd.Env = append(cmd.Env, env...)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
			t.Errorf("%v: exit code %d, want %d and %q: %s", env, cmd.ProcessState.ExitCode(), code, want, out)
		}
		for _, name := range []string{"dies", "infrastructure"} {
			if _, err := os.Stat(file(name)); err == nil {
				t.Errorf("%v: %s is there", env, name)
			}
		}
	}
	run(exitFailed, "10 passed, 1 failed, 1 skipped")
	if n := len(outcomes(t, file("test.xml"))); n != 12 {
		t.Errorf("%d cases in the report", n)
	}
	run(0, "1 passed, 0 failed, 0 skipped", "TESTBRIDGE_TEST_ONLY=test_7")
	run(0, "", "TESTBRIDGE_TEST_ONLY=test_7", "TEST_SHARD_INDEX=1", "TEST_TOTAL_SHARDS=2",
		"TEST_SHARD_STATUS_FILE="+file("status"))
	if _, err := os.Stat(file("status")); err != nil {
		t.Errorf("the file that says that parts are known: %v", err)
	}
	run(exitFailed, "1 failed", "TESTBRIDGE_TEST_RUNNER_FAIL_FAST=1")
}
