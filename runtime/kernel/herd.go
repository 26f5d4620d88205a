package kernel

import (
	"errors"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A herd is one command's processes, so that a timeout ends all of them: in a cgroup of their own inside the lab's or,
// where there are no cgroups, in the process group that the command begins, which a process can leave.
type herd struct {
	path    string // of the cgroup; empty when there is none
	pen, fd int    // the lab's cgroup and this one
}

// newHerd prepares for a command that is to be started inside a lab's cgroup, and has it started there.
func newHerd(cgroup string, attr *unix.SysProcAttr) (*herd, error) {
	attr.Setpgid = true
	if cgroup == "" {
		return &herd{}, nil
	}
	pen, err := openOurs(cgroup)
	if err != nil {
		return nil, fail(err, "open cgroup", cgroup, nil)
	}
	h := &herd{path: filepath.Join(cgroup, "run-"+randomName()), pen: pen}
	if err = unix.Mkdirat(pen, filepath.Base(h.path), 0o755); err == nil {
		h.fd, err = unix.Openat(pen, filepath.Base(h.path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		unix.Close(pen)
		return nil, fail(err, "add cgroup", h.path, nil)
	}
	attr.UseCgroupFD, attr.CgroupFD = true, h.fd
	return h, nil
}

// kill kills the command, which leads the process group, and all that it started.
func (h *herd) kill(group int) error {
	if h.path != "" {
		return killCgroup(h.fd)
	}
	if err := unix.Kill(-group, unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// leave is called when the command has ended, or could not be started. What it left running stays in its cgroup as long
// as the lab's is there. Without cgroups it ends now, for there is no later time at which it could be found.
func (h *herd) leave(group int, killed bool) error {
	if h.path == "" {
		if group > 0 {
			return h.kill(group)
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
	if err := unix.Unlinkat(h.pen, filepath.Base(h.path), unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.EBUSY) {
		return fail(err, "delete cgroup", h.path, nil)
	}
	return nil
}
