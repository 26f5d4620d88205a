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
	Folders  []string  // that are to be seen in it wherever they are, beside the current one
	Memory   uint64    // bytes of data that each of its processes may have (RLIMIT_DATA); no limit when 0
	// For tests of what root does on the machine: root in it is root of the machine's files and devices.
	Privileged bool
}

// config is what the first process is told.
type config struct {
	Listener bool     `json:"listener,omitempty"`
	Memory   uint64   `json:"memory,omitempty"`
	Folders  []string `json:"folders,omitempty"`  // that are to be seen
	Secluded bool     `json:"secluded,omitempty"` // it has the mounts that root has made for it
	// it has its user ids now, and is to begin once more; the rest follows
	Ids bool `json:"ids,omitempty"`
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
	c := config{Memory: spec.Memory, Folders: visible(spec.Folders)}
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
	var nobody *unused
	var ids *idMaps // which only commands can give
	if os.Geteuid() != 0 || !spec.Privileged {
		if nobody = unusedIDs(); nobody != nil {
			c.Secluded = true
			nobody.attributes(cmd.SysProcAttr)
		} else if ids = subordinate(); ids == nil {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
	}
	s := &Sandbox{Reports: reports, cmd: cmd, control: control}
	if err := start(cmd, nobody, c.Folders); err != nil {
		control.Close()
		reports.Close()
		return nil, err
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

// start starts the first process. That of root's has mounts that are made before.
func start(cmd *exec.Cmd, nobody *unused, folders []string) error {
	if nobody == nil {
		return refusal("start it", cmd.Start())
	}
	return onThread(func() error {
		if err := seclude(nobody, folders); err != nil {
			return err
		}
		return refusal("start it", cmd.Start())
	})
}

// Pid is the sandbox's first process, as this one sees it. It is nobody else's until Wait.
func (s *Sandbox) Pid() int { return s.cmd.Process.Pid }

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
