package proc

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// cgroupProcs are a command's processes in a cgroup, or a process group.
type cgroupProcs struct {
	path    string // of the cgroup; empty when there is none
	lab, fd int    // the lab's cgroup and this one
	cmd     *exec.Cmd
}

// newCgroupProcs makes a cgroup inside a lab's.
func newCgroupProcs(in Procs) (procs, error) {
	if in.Cgroup == "" {
		return &cgroupProcs{}, nil
	}
	fd, err := openOurs(in.Cgroup)
	if err != nil {
		return nil, err
	}
	p := &cgroupProcs{path: filepath.Join(in.Cgroup, "run-"+randomName()), lab: fd}
	if err = failpoint.Call(func() error { return unix.Mkdirat(fd, filepath.Base(p.path), 0o755) }); err == nil {
		p.fd, err = unix.Openat(fd, filepath.Base(p.path),
			unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if in.Link != 0 {
		if err := bindSockets(p.fd, in.Link); err != nil {
			return nil, errors.Join(err, p.leave(false))
		}
	}
	return p, nil
}

func (p *cgroupProcs) start(cmd *exec.Cmd) error {
	if err := startable(cmd); err != nil {
		return err
	}
	p.cmd = cmd
	cmd.WaitDelay = outputPatience
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL,
		UseCgroupFD: p.path != "", CgroupFD: p.fd}
	return cmd.Start()
}

func (p *cgroupProcs) wait() (unix.WaitStatus, error) {
	err := p.cmd.Wait()
	if errors.As(err, new(*exec.ExitError)) || errors.Is(err, exec.ErrWaitDelay) {
		err = nil // what it left running may hold its output open
	}
	if p.cmd.ProcessState == nil {
		return 0, err
	}
	return unix.WaitStatus(p.cmd.ProcessState.Sys().(syscall.WaitStatus)), err
}

func (p *cgroupProcs) kill() error {
	if p.path != "" {
		return killCgroup(p.fd)
	}
	if err := unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// leave lets what the command left running stay in its cgroup as long as the lab's is there. Without cgroups it ends
// now, for there is no later time at which it could be found.
func (p *cgroupProcs) leave(killed bool) error {
	if p.path == "" {
		if p.cmd != nil && p.cmd.Process != nil {
			return p.kill()
		}
		return nil
	}
	defer unix.Close(p.lab)
	defer unix.Close(p.fd)
	if killed {
		deadline := time.Now().Add(killPatience)
		err := awaitEmpty(p.fd, deadline)
		if err == nil {
			err = removeCgroup(p.path, deadline)
		}
		if err != nil {
			return fmt.Errorf("delete cgroup %s: %w", p.path, err)
		}
		return nil
	}
	// One that is busy goes with the lab's.
	err := failpoint.Call(func() error { return unix.Unlinkat(p.lab, filepath.Base(p.path), unix.AT_REMOVEDIR) })
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("delete cgroup %s: %w", p.path, err)
	}
	return nil
}
