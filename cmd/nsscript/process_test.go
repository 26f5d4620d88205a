package main

import (
	"bufio"
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestChildSignals starts a run that has signals blocked: what it starts has none blocked, and does not ignore SIGPIPE.
func TestChildSignals(t *testing.T) {
	for _, where := range []string{"--sandbox", "--rm"} {
		cmd := nsscript(where, "--rm", "-c", `print(run(netns("n"), ["grep", "Sig[BI]", "/proc/self/status"]).stdout)`)
		done := make(chan struct{})
		var out string
		go func() {
			defer close(done)
			runtime.LockOSThread() // and the thread ends with this
			set := unix.Sigset_t{Val: [16]uint64{1<<(unix.SIGTERM-1) | 1<<(unix.SIGUSR1-1)}}
			if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
				t.Error(err)
			}
			out, _ = outcome(t, cmd)
		}()
		<-done
		var blocked, ignored uint64
		if n, err := fmt.Sscanf(out, "SigBlk:\t%x\nSigIgn:\t%x\n", &blocked, &ignored); n != 2 || err != nil ||
			blocked != 0 || ignored&(1<<(unix.SIGPIPE-1)) != 0 {
			t.Errorf("%s: %v:\n%s", where, err, out)
		}
	}
}

// TestLongArguments passes a sandbox more arguments than its socket holds at once. The lab outlives them.
func TestLongArguments(t *testing.T) {
	nstest.Unraced(t)
	before := nstest.Dump(t)
	if out, code := outcome(t, nsscript("--sandbox", "--lab", "long", "-c", `netns("n1")`)); code != 0 {
		t.Fatalf("%d, %s", code, out)
	}
	for _, c := range []struct{ count, size int }{{1, 130_000}, {600, 1000}, {1500, 1000}, {100_000, 1}} {
		args := []string{"exec", "long", "n1", "--", "sh", "-c", "echo $#"}
		for range c.count + 1 { // the first is $0
			args = append(args, strings.Repeat("\xff", c.size))
		}
		cmd := nsscript(args...)
		if out, code := outcome(t, cmd); code != 0 || out != fmt.Sprintln(c.count) {
			t.Errorf("%d times %d bytes: exit code %d, %.200q", c.count, c.size, code, out)
		}
	}
	if out, code := outcome(t, nsscript("down", "long")); code != 0 {
		t.Errorf("down: %d, %s", code, out)
	}
	orphans(t)
	nstest.Same(t, before)
}

// TestFollowedLog has a log followed until its lab is taken down, which is no failure.
func TestFollowedLog(t *testing.T) {
	before := nstest.Dump(t)
	for _, where := range []string{"--sandbox", "-q"} {
		up := nsscript(where, "--lab", "followed", "-c",
			`spawn(netns("n"), ["sh", "-c", "echo up; sleep 1000"], name = "p")`)
		if out, code := outcome(t, up); code != 0 {
			t.Fatalf("%s: %d, %s", where, code, out)
		}
		follow := nsscript("logs", "followed", "p", "-f")
		var said bytes.Buffer
		follow.Stderr = &said
		printed, err := follow.StdoutPipe()
		if err == nil {
			err = follow.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(printed).ReadString('\n'); line != "up\n" || err != nil {
			t.Errorf("%s: %q, %v", where, line, err)
		}
		if out, code := outcome(t, nsscript("down", "followed")); code != 0 {
			t.Errorf("%s: down: %d, %s", where, code, out)
		}
		if err := follow.Wait(); err != nil || said.Len() > 0 {
			t.Errorf("%s: %v, said %q", where, err, said.String())
		}
	}
	orphans(t)
	nstest.Same(t, before)
}
