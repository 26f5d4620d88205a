package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// stuck is a lab whose script gets to a step that takes for ever and that nothing interrupts.
const stuck = `
netns("n1")
veth(host, "n1", name = "stuck0")
x, y = 0, 0
for _ in range(9):
    x, y = [x] * 1000, [y] * 1000
print("ready")
def compare():
    x == y
compare()
`

// children are the processes that a process has started and that are there.
func children(t *testing.T, pid int) (all []int) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			continue // a thread that ended
		}
		for _, f := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}

// cpu is how long a process has been running on a processor, in hundredths of a second.
func cpu(t *testing.T, pid int) (ticks int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	for _, f := range fields[11:13] { // utime and stime (proc_pid_stat(5))
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return ticks
}

// TestStuck interrupts runs inside a step that cannot be interrupted: they end all the same, and when they have, all is
// undone, by the run's watcher or, when that is gone, by the process itself. The exit code is that of the interruption.
func TestStuck(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		sig   syscall.Signal
		alone bool // its watcher is dead
		code  int
		want  string
	}{
		{"timeout", []string{"--timeout", "1s"}, 0, false, exitFailed, "the script ran longer than 1s"},
		{"SIGINT", nil, syscall.SIGINT, false, 128 + int(syscall.SIGINT), "interrupt"},
		{"SIGTERM alone", nil, syscall.SIGTERM, true, 128 + int(syscall.SIGTERM), "terminated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := nstest.Dump(t)
			cmd := nsscript(append(c.args, "--lab", "stuck", "-c", stuck)...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Fatalf("got %q, %v", line, err)
			}
			for ready := cpu(t, cmd.Process.Pid); cpu(t, cmd.Process.Pid) < ready+20; time.Sleep(time.Millisecond) {
				// It prints, and then it compares.
			}
			if c.alone {
				for _, pid := range children(t, cmd.Process.Pid) {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
			}
			began := time.Now()
			if c.sig != 0 {
				if err := cmd.Process.Signal(c.sig); err != nil {
					t.Fatal(err)
				}
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != c.code {
				t.Errorf("%v, want exit code %d", err, c.code)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			nstest.Same(t, before)
			orphans(t)
			for _, want := range []string{"interrupted, and this does not stop: " + c.want,
				"the run of lab stuck had died: rolled back 3 changes; nothing left behind"} {
				if !strings.Contains(said.String(), want) {
					t.Errorf("want %q:\n%s", want, &said)
				}
			}
			if place := "<command>:9:7: interrupted"; !nstest.Raced && !strings.HasPrefix(said.String(), place) {
				t.Errorf("want %q:\n%s", place, &said)
			}
		})
	}
}

// TestDeep hashes a value that is nested as deep as memory allows, in the one way that cannot be refused before: the
// stack that this takes ends the run, not the process.
func TestDeep(t *testing.T) {
	if nstest.Raced {
		t.Skip("the race detector has a stack of its own, which is shorter")
	}
	before := nstest.Dump(t)
	out, err := nsscript("-c", "netns('n1')\nx = ()\nfor _ in range(8000000):\n    x = (x,)\n{x: 1}").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed ||
		!strings.HasPrefix(string(out), "<command>:5:3: interrupted") ||
		!strings.Contains(string(out), "nested too deep") {
		t.Errorf("%v: %.1000s", err, out)
	}
	orphans(t)
	nstest.Same(t, before)
}
