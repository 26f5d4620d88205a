package proc

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// A Process is one that was detached.
type Process struct{ cmd *exec.Cmd }

// Detach starts a command that outlives this process: in a session of its own, so that no terminal's signal reaches it,
// in the root folder, with nothing of this process but its standard error and its environment.
func Detach(argv []string) (*Process, error) {
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	failpoint.Follow(cmd.Process.Pid)
	failpoint.Hit("watcher: started")
	return &Process{cmd}, nil
}

// Kill ends the process, and returns when it has ended.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.cmd.Process.Pid, err)
	}
	_ = p.cmd.Wait() // it was killed, or has ended itself
	return nil
}
