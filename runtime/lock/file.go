package lock

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Patience is how long a lock is waited for whose holder is at work: many commands that run at once take turns.
const Patience = time.Minute

// glance is how often a holder is looked at.
const glance = 250 * time.Millisecond

// A HeldError says that a lock was not let go.
type HeldError struct {
	Path    string
	PID     int // of the process that holds it; 0 when that is not seen from here
	Stopped bool
}

func (e *HeldError) Error() string {
	switch {
	case e.PID == 0:
		return fmt.Sprintf("%s is locked, and was not let go for %s", e.Path, Patience)
	case e.Stopped:
		return fmt.Sprintf("%s is locked by process %d, which is stopped", e.Path, e.PID)
	}
	return fmt.Sprintf("%s is locked by process %d, which did not let go for %s", e.Path, e.PID, Patience)
}

// Hint is what to do about it.
func (e *HeldError) Hint() string {
	switch {
	case e.PID == 0:
		return ""
	case e.Stopped:
		return fmt.Sprintf("`kill -CONT %d` lets it go on", e.PID)
	}
	return fmt.Sprintf("see what it is at: `ps -fp %d`", e.PID)
}

// File takes a lock (LOCK_SH or LOCK_EX) on an open file; closing that lets go. The error is a *HeldError when who
// holds it is stopped, or does not let go for patience.
func File(f *os.File, how int, patience time.Duration) error {
	err := Try(f, how)
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return err
	}
	got := make(chan error, 1)
	// it holds the file open: a lock that comes too late goes with the caller's close
	go func() { got <- flock(f, how) }()
	for deadline := time.Now().Add(patience); ; {
		select {
		case err := <-got:
			return err
		case <-time.After(min(glance, patience)):
		}
		e := &HeldError{Path: f.Name(), PID: holder(f)}
		if e.Stopped = Stopped(e.PID); e.Stopped || time.Now().After(deadline) {
			return e
		}
	}
}

// Try takes a lock or fails with EWOULDBLOCK.
func Try(f *os.File, how int) error { return flock(f, how|syscall.LOCK_NB) }

// Wait takes a lock however long that takes.
func Wait(f *os.File, how int) error { return flock(f, how) }

func flock(f *os.File, how int) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	e := c.Control(func(fd uintptr) {
		for err = syscall.EINTR; err == syscall.EINTR; {
			err = syscall.Flock(int(fd), how)
		}
	})
	return errors.Join(e, err)
}

// holder finds the process that holds a lock on a file, 0 when there is none that is seen from here (proc_locks(5)).
func holder(f *os.File) int {
	st, err := f.Stat()
	locks, err2 := os.ReadFile("/proc/locks")
	if err != nil || err2 != nil {
		return 0
	}
	inode := ":" + strconv.FormatUint(st.Sys().(*syscall.Stat_t).Ino, 10)
	for line := range strings.Lines(string(locks)) {
		// A line of who waits has "->" behind its number.
		if l := strings.Fields(line); len(l) > 5 && l[1] == "FLOCK" && strings.HasSuffix(l[5], inode) {
			pid, err := strconv.Atoi(l[4])
			if err == nil && pid != os.Getpid() {
				return pid
			}
		}
	}
	return 0
}

// Stopped reports whether a process was stopped by a signal or a debugger (proc_pid_stat(5)).
func Stopped(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := strings.LastIndexByte(string(text), ')') // its name can have anything in it
	if err != nil || i < 0 {
		return false
	}
	f := strings.Fields(string(text[i+1:]))
	return len(f) > 0 && slices.Contains([]string{"T", "t"}, f[0])
}
