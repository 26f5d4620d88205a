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
)

var state = struct {
	sync.Mutex
	hits, killAt int
	others       []int
	all          bool
	log          *os.File
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
	for _, name := range []string{KillAt, KillAll, LogFile} {
		_ = os.Unsetenv(name) // they are for this process, not for those that it starts
	}
	if path != "" {
		if state.log, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			panic(err)
		}
	}
}

// Hit passes a failpoint, and dies at the one that the test has chosen.
func Hit(name string) {
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

// Follow names a process that is to die with this one, when the test says so.
func Follow(pid int) {
	state.Lock()
	defer state.Unlock()
	if state.all {
		state.others = append(state.others, pid)
	}
}
