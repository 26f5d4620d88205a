package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// The descriptors that the first process of a sandbox gets beside the standard ones.
const (
	fdControl  = 3 // its Spec as JSON; when this ends, so does the sandbox, unless it was kept
	fdReports  = 4 // what it tells who started it
	fdListener = 5 // where it is reached; only with Spec.Listener
)

// A Spec says how to start a sandbox.
type Spec struct {
	Argv     []string // a command of this program that calls Enter
	Stdin    *os.File // nothing when nil, as for the next two
	Stdout   *os.File
	Stderr   *os.File
	Terminal bool      // Stdin is a terminal that is nobody's yet, and is to be its own
	Listener *Listener // where it is to be reached; may be nil
	Cgroup   *os.File  // folder of the cgroup that it is to be in; this process's own when nil
	Memory   uint64    // bytes of data that each of its processes may have (RLIMIT_DATA); no limit when 0
}

// config is what the first process is told.
type config struct {
	Listener bool   `json:"listener,omitempty"`
	Memory   uint64 `json:"memory,omitempty"`
	Ids      bool   `json:"ids,omitempty"` // it has its user ids now, and is to begin once more; the rest follows
}

// A Sandbox is a sandbox that was started, in the hands of who started it.
type Sandbox struct {
	Reports *os.File // what the inside reports; its end is the sandbox's
	cmd     *exec.Cmd
	control *os.File
}

// Start starts a sandbox. It ends when this process ends. An error about what the machine does not allow is a *Refusal.
func Start(spec Spec) (*Sandbox, error) {
	controlled, control, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer controlled.Close()
	reports, reporting, err := os.Pipe()
	if err != nil {
		control.Close()
		return nil, err
	}
	defer reporting.Close()
	cmd := exec.Command(spec.Argv[0], spec.Argv[1:]...)
	// A nil file in an interface would not be nil to exec.
	if spec.Stdin != nil {
		cmd.Stdin = spec.Stdin
	}
	if spec.Stdout != nil {
		cmd.Stdout = spec.Stdout
	}
	if spec.Stderr != nil {
		cmd.Stderr = spec.Stderr
	}
	cmd.ExtraFiles = []*os.File{controlled, reporting}
	c := config{Memory: spec.Memory}
	if spec.Listener != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, spec.Listener.file)
		c.Listener = true
	}
	// A session of its own: signals of a terminal are for who started it, and it passes them on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: spec.Terminal,
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	if spec.Cgroup != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(spec.Cgroup.Fd())
	}
	var ids *idMaps
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		if ids = subordinate(); ids == nil {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
	}
	s := &Sandbox{Reports: reports, cmd: cmd, control: control}
	if err := cmd.Start(); err != nil {
		control.Close()
		reports.Close()
		return nil, refusal("start it", err)
	}
	to := json.NewEncoder(control)
	if ids != nil {
		if err = ids.give(cmd.Process.Pid); err == nil {
			err = to.Encode(config{Ids: true})
		}
	}
	if err == nil {
		err = to.Encode(c)
	}
	if err != nil {
		return nil, errors.Join(err, s.Kill())
	}
	return s, nil
}

// Signal sends a signal to the sandbox's first process.
func (s *Sandbox) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Wait returns when the sandbox has ended, and all in it: its exit code, or the signal that ended it.
func (s *Sandbox) Wait() (code int, sig syscall.Signal, err error) {
	err = s.cmd.Wait()
	s.release()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return 0, 0, err
	}
	st := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if st.Signaled() {
		return 0, st.Signal(), nil
	}
	return st.ExitStatus(), 0, nil
}

// Kill ends the sandbox, and returns when all in it has ended.
func (s *Sandbox) Kill() error {
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill sandbox: %w", err)
	}
	_, _, err := s.Wait()
	return err
}

// Leave lets go of a sandbox that is kept: it goes on without this process.
func (s *Sandbox) Leave() error {
	s.release()
	return s.cmd.Process.Release()
}

func (s *Sandbox) release() {
	s.control.Close()
	s.Reports.Close()
}
