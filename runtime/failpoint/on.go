//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// What tests say: at which hit to die, whether what this process follows dies too, and where to write the hits' names.
const (
	KillAt  = "NSSCRIPT_FAILPOINT_KILL"
	KillAll = "NSSCRIPT_FAILPOINT_ALL"
	LogFile = "NSSCRIPT_FAILPOINT_LOG"
	// Fault is "N once|ever ERRNO" or "N once|ever before|after": the Nth act that can fail, or it and all that follow,
	// fail with a number, or their answer is lost before the kernel got them or after it did them. A write is followed
	// by writes only, and the others by the others.
	Fault = "NSSCRIPT_FAILPOINT_FAULT"
)

var state = struct {
	sync.Mutex
	hits, killAt int
	others       []int
	all          bool
	log          *os.File
	acts         int
	fault        *fault
	failing      bool // the fault has begun
}{}

func init() {
	var err error
	if at := os.Getenv(KillAt); at != "" {
		if state.killAt, err = strconv.Atoi(at); err != nil {
			panic(err)
		}
	}
	state.all = os.Getenv(KillAll) != ""
	path := os.Getenv(LogFile)
	if text := os.Getenv(Fault); text != "" {
		if state.fault, err = parse(text); err != nil {
			panic(err)
		}
	}
	for _, name := range []string{KillAt, KillAll, LogFile, Fault} {
		_ = os.Unsetenv(name) // they are for this process, not for those that it starts
	}
	if path != "" {
		if state.log, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			panic(err)
		}
	}
}

// At is called at every hit, when a test in this process has set it.
var At func(name string)

// Hit passes a failpoint, and dies at the one that the test has chosen.
func Hit(name string) {
	if At != nil {
		At(name)
	}
	state.Lock()
	defer state.Unlock()
	state.hits++
	if state.log != nil {
		if _, err := fmt.Fprintln(state.log, name); err != nil {
			panic(err)
		}
	}
	if state.hits == state.killAt {
		for _, pid := range state.others {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// A fault is what happens to an act.
type fault struct {
	at    int
	ever  bool
	errno syscall.Errno // 0: the answer is lost
	after bool
	write bool // it is a write's
}

func parse(text string) (*fault, error) {
	var f fault
	var often, how string
	if _, err := fmt.Sscanf(text, "%d %s %s", &f.at, &often, &how); err != nil {
		return nil, fmt.Errorf("%s=%q: %w", Fault, text, err)
	}
	f.ever, f.after = often == "ever", how == "after"
	if how != "before" && how != "after" {
		number, err := strconv.Atoi(how)
		if err != nil {
			return nil, err
		}
		f.errno = syscall.Errno(number)
	}
	return &f, nil
}

// What LogFile says of the acts that can fail.
const (
	AnAct    = "act: "
	ARequest = AnAct + "request"
	ACall    = AnAct + "call"
	AWrite   = AnAct + "write"
)

// Lost is the error of a request whose answer did not come.
const Lost = syscall.EAGAIN

// Request makes a netlink request, or lets it fail as the test says.
func Request(send func() error) error { return attempt(send, ARequest) }

// Call makes a system call, or lets it fail as the test says. Its answer cannot be lost.
func Call(call func() error) error { return attempt(call, ACall) }

// Write writes to a file, or lets that fail as the test says.
func Write(write func() error) error { return attempt(write, AWrite) }

func attempt(act func() error, kind string) error {
	state.Lock()
	state.acts++
	f := state.fault
	hit := f != nil && state.acts == f.at
	if hit && f.errno == 0 && kind != ARequest {
		hit = false // parts of a script that take turns do not always make their acts in one order
	} else if hit {
		state.failing, f.write = true, kind == AWrite
	} else if state.failing && f.ever {
		hit = f.write == (kind == AWrite) && (f.errno != 0 || kind == ARequest)
	}
	if state.log != nil {
		if _, err := fmt.Fprintln(state.log, kind); err != nil {
			panic(err)
		}
	}
	state.Unlock()
	switch {
	case !hit:
		return act()
	case f.errno != 0:
		return f.errno
	case f.after:
		if err := act(); err != nil {
			return err
		}
	}
	return Lost
}

// Follow names a process that is to die with this one, when the test says so.
func Follow(pid int) {
	state.Lock()
	defer state.Unlock()
	if state.all {
		state.others = append(state.others, pid)
	}
}
