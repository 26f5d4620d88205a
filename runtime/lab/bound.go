package lab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// glance is how often the memory of another process is looked at that is near to its bound, seldom that of others.
const (
	glance = 25 * time.Millisecond
	seldom = 10 * glance
)

// boundParent has the process that started this one, a run, killed when it takes too much memory.
func boundParent(args []string) (told <-chan string, err error) {
	if len(args) != 2 {
		return nil, nil
	}
	pid, err1 := strconv.Atoi(args[0])
	most, err2 := strconv.ParseUint(args[1], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	run, err := os.FindProcess(pid)
	if err != nil || os.Getppid() != pid {
		return nil, err // it has ended already
	}
	return Bound(pid, most, run.Kill), nil
}

// Bound has a run's process killed, from another one, when it has asked for more memory than most bytes and does not
// see to it itself within a second: Go's collector stops all of a process, and waits for a step that fills a huge value
// as long as that takes. Before it is killed, told has the reason.
func Bound(pid int, most uint64, kill func() error) (told <-chan string) {
	killed := make(chan string, 1)
	go func() {
		var since time.Time
		for pause := glance; ; {
			time.Sleep(pause) // there is no event of what memory a process has
			statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
			var data uint64 // pages that it may write to, touched or not (proc_pid_statm(5))
			if _, e := fmt.Sscan(string(statm), new(string), new(string), new(string), new(string), new(string),
				&data); err != nil || e != nil {
				return // it has ended
			}
			used := data * uint64(os.Getpagesize())
			if pause = glance; used < most/2 {
				pause = seldom
			}
			switch {
			case used <= most:
				since = time.Time{}
			case since.IsZero():
				since = time.Now()
			case time.Since(since) > time.Second:
				killed <- fmt.Sprintf("had asked for more than %d MiB of memory and was killed", most>>20)
				_ = kill() // it may have ended by itself
				return
			}
		}
	}()
	return killed
}
