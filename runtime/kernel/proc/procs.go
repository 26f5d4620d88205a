package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Procs is where the commands of one transaction have their processes: the path of a cgroup, or a name for PID
// namespaces that this process knows; neither is for commands whose processes end with them.
type Procs struct {
	Cgroup string
	PIDs   string
	// Link is the index of the link that their sockets are bound to, 0 for none. That takes a cgroup.
	Link int
}

// outputPatience is how long the output of a command is waited for that has ended itself, while what it left running
// holds it open.
const outputPatience = 100 * time.Millisecond

// procs are one command's processes, so that a timeout ends all of them: in a cgroup of their own inside the lab's, or
// in a PID namespace of their own, or, where there can be neither, in a process group, which a process can leave.
type procs interface {
	// start starts the command on the calling thread, which is in its namespace.
	start(cmd *exec.Cmd) error
	// wait returns when the command itself has ended.
	wait() (unix.WaitStatus, error)
	// kill ends all of them.
	kill() error
	// leave is called at the end: after wait, or when the command could not be started.
	leave(killed bool) error
}

// startable tells what is wrong with a command's folder and words. Starting it would blame the program, or the one that
// is to run it in a PID namespace.
func startable(cmd *exec.Cmd) error {
	if cmd.Dir != "" {
		st, err := os.Stat(cmd.Dir)
		if err == nil && !st.IsDir() {
			err = unix.ENOTDIR
		} else if err == nil {
			err = unix.Access(cmd.Dir, unix.X_OK)
		}
		if path := new(fs.PathError); err != nil && errors.As(err, &path) {
			err = path.Err
		}
		if err != nil {
			return &fs.PathError{Op: "chdir", Path: cmd.Dir, Err: err}
		}
	}
	for _, word := range slices.Concat(cmd.Args, cmd.Env) {
		if strings.ContainsRune(word, 0) {
			return fmt.Errorf("a zero byte in an argument or a variable: %w", unix.EINVAL)
		}
	}
	return cmd.Err
}

// ExitCode is how a command ended, as a shell tells it.
func ExitCode(st unix.WaitStatus) int {
	if st.Signaled() {
		return 128 + int(st.Signal())
	}
	return st.ExitStatus()
}
