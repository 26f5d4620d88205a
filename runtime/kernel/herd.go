package kernel

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// outputPatience is how long the output of a command is waited for that has ended itself, while what it left running
// holds it open.
const outputPatience = 100 * time.Millisecond

// A herd is one command's processes, so that a timeout ends all of them: in a cgroup of their own inside the lab's, or in a
// PID namespace of their own, or, where there can be neither, in a process group, which a process can leave.
type herd interface {
	// start starts the command on the calling thread, which is in its namespace.
	start(cmd *exec.Cmd) error
	// wait returns when the command itself has ended.
	wait() (unix.WaitStatus, error)
	// kill ends all of them.
	kill() error
	// leave is called at the end: after wait, or when the command could not be started.
	leave(killed bool) error
}

// A Pen is where the commands of one transaction have their processes: the path of a cgroup, or a name for PID
// namespaces that this process knows; neither is for commands whose processes end with them.
type Pen struct {
	Cgroup string
	PIDs   string
}

// herd prepares for a command.
func (m *Machine) herd(pen Pen) (herd, error) {
	if pen.PIDs != "" {
		return &initHerd{helper: m.Helper}, nil
	}
	return newCgroupHerd(pen.Cgroup)
}

// FreePIDs chooses a name for the PID namespaces of a transaction; empty when there can be none.
func (m *Machine) FreePIDs() string {
	if len(m.Helper) == 0 {
		return ""
	}
	return randomName()
}

// KillPIDs ends all processes in the PID namespaces of that name. Those of another process ended with that.
func (m *Machine) KillPIDs(name string) error {
	var errs []error
	for _, h := range m.herds[name] {
		errs = append(errs, h.kill())
	}
	delete(m.herds, name)
	return fail(errors.Join(errs...), "kill", "processes", nil)
}

// PIDsIdle reports whether no process is left in the PID namespaces of that name.
func (m *Machine) PIDsIdle(name string) bool {
	for _, h := range m.herds[name] {
		if !h.idle() {
			return false
		}
	}
	return true
}

// A cgroupHerd is a command's processes in a cgroup, or a process group.
type cgroupHerd struct {
	path    string // of the cgroup; empty when there is none
	pen, fd int    // the lab's cgroup and this one
	cmd     *exec.Cmd
}

// newCgroupHerd makes a cgroup inside a lab's.
func newCgroupHerd(lab string) (herd, error) {
	if lab == "" {
		return &cgroupHerd{}, nil
	}
	pen, err := openOurs(lab)
	if err != nil {
		return nil, fail(err, "open cgroup", lab, nil)
	}
	h := &cgroupHerd{path: filepath.Join(lab, "run-"+randomName()), pen: pen}
	if err = failpoint.Call(func() error { return unix.Mkdirat(pen, filepath.Base(h.path), 0o755) }); err == nil {
		h.fd, err = unix.Openat(pen, filepath.Base(h.path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		unix.Close(pen)
		return nil, fail(err, "add cgroup", h.path, nil)
	}
	return h, nil
}

func (h *cgroupHerd) start(cmd *exec.Cmd) error {
	if err := startable(cmd); err != nil {
		return err
	}
	h.cmd = cmd
	cmd.WaitDelay = outputPatience
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL, UseCgroupFD: h.path != "", CgroupFD: h.fd}
	return cmd.Start()
}

func (h *cgroupHerd) wait() (unix.WaitStatus, error) {
	err := h.cmd.Wait()
	if errors.As(err, new(*exec.ExitError)) || errors.Is(err, exec.ErrWaitDelay) {
		err = nil // what it left running may hold its output open
	}
	if h.cmd.ProcessState == nil {
		return 0, err
	}
	return unix.WaitStatus(h.cmd.ProcessState.Sys().(syscall.WaitStatus)), err
}

func (h *cgroupHerd) kill() error {
	if h.path != "" {
		return killCgroup(h.fd)
	}
	if err := unix.Kill(-h.cmd.Process.Pid, unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// leave lets what the command left running stay in its cgroup as long as the lab's is there. Without cgroups it ends now,
// for there is no later time at which it could be found.
func (h *cgroupHerd) leave(killed bool) error {
	if h.path == "" {
		if h.cmd != nil && h.cmd.Process != nil {
			return h.kill()
		}
		return nil
	}
	defer unix.Close(h.pen)
	defer unix.Close(h.fd)
	if killed {
		deadline := time.Now().Add(killPatience)
		err := awaitEmpty(h.fd, deadline)
		if err == nil {
			err = removeCgroup(h.path, deadline)
		}
		return fail(err, "delete cgroup", h.path, nil)
	}
	// One that is busy goes with the lab's.
	err := failpoint.Call(func() error { return unix.Unlinkat(h.pen, filepath.Base(h.path), unix.AT_REMOVEDIR) })
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return fail(err, "delete cgroup", h.path, nil)
	}
	return nil
}

// await waits for the command of a herd that was started; when ctx ends first, all of the herd is killed.
func await(ctx context.Context, h herd) (unix.WaitStatus, error) {
	killed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { killed <- h.kill() })
	st, err := h.wait()
	interrupted := !stop()
	if interrupted {
		err = errors.Join(context.Cause(ctx), err, <-killed)
	}
	return st, errors.Join(err, h.leave(interrupted))
}
