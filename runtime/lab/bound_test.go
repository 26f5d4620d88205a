package lab

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// role makes the test binary be a run that takes memory ("run"), or its watcher ("watch PID BYTES").
const role = "NSSCRIPT_TEST_ROLE"

func TestMain(m *testing.M) {
	switch args := strings.Fields(os.Getenv(role)); {
	case len(args) == 0:
		os.Exit(m.Run())
	case args[0] == "run":
		greedy()
	default:
		told, err := boundParent(args[1:])
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString("ready\n")
		os.Stdout.WriteString(<-told + "\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the run has been killed: this process is to do it
	}
}

// greedy starts its watcher, then asks for more memory than that allows, and waits to be killed.
func greedy() {
	watcher := exec.Command("/proc/self/exe")
	watcher.Env = append(os.Environ(), role+"=watch "+strconv.Itoa(os.Getpid())+" "+strconv.Itoa(1<<30))
	out, err := watcher.StdoutPipe()
	in, err2 := watcher.StdinPipe() // it ends with this process
	if err = errors.Join(err, err2); err == nil {
		err = watcher.Start()
	}
	if err != nil {
		panic(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		panic(err)
	}
	os.Stdout.WriteString("ready\n")
	huge := make([]byte, 2<<30) // never touched
	go func() {
		if line, err := lines.ReadString('\n'); err == nil {
			os.Stdout.WriteString(line) // should it be told without having been killed
		}
	}()
	time.Sleep(time.Minute)
	in.Close()
	os.Exit(int(huge[0]))
}

// TestBound has a process take more memory than its watcher allows: it is killed before it can use it.
func TestBound(t *testing.T) {
	run := exec.Command("/proc/self/exe")
	run.Env = append(os.Environ(), role+"=run")
	began := time.Now()
	out, err := run.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL ||
		!strings.HasPrefix(string(out), "ready\n") {
		t.Errorf("%v: %s", err, out)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestBoundOthers checks that only the process's parent is ever killed.
func TestBoundOthers(t *testing.T) {
	if told, err := boundParent([]string{strconv.Itoa(os.Getpid()), "1"}); told != nil || err != nil {
		t.Errorf("watches another process: %v", err)
	}
	for _, args := range [][]string{{"x", "1"}, {"1", "-1"}} {
		if _, err := boundParent(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
