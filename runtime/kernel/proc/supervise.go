package proc

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a supervisor has beside the standard descriptors.
const (
	superviseControl = 3 // who starts it tells it its job here, and then to begin
	superviseFolder  = 4 // the service's
)

// A Job is what a service is to do.
type Job struct {
	Path    string        `json:"path"` // the program
	Args    []string      `json:"args"` // with its name
	Env     []string      `json:"env,omitempty"`
	Dir     string        `json:"dir,omitempty"`
	User    *User         `json:"user,omitempty"`  // the supervisor's own when nil
	Input   *string       `json:"input,omitempty"` // all that it reads; when nil, what Service.Write gives it
	Stop    unix.Signal   `json:"stop,omitempty"`
	Grace   time.Duration `json:"grace,omitempty"` // how long after that it is killed
	Restart bool          `json:"restart,omitempty"`
}

// A User is whose process a command is.
type User struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
}

// How long a supervisor waits before it starts a command again: twice as long each time that it ended soon.
const (
	restartFirst = 100 * time.Millisecond
	restartMost  = 5 * time.Second
)

// A supervisor runs a service's command.
type supervisor struct {
	job Job
	log logWriter // of one goroutine at a time

	mu      sync.Mutex
	state   ServiceState
	changed chan struct{} // closed at the next change of the state
	pid     int           // of the command's process, 0 when there is none
	input   *os.File      // what the command reads; nil when it was given all
	asked   chan struct{} // closed when it is to end
	killed  time.Time     // when its grace ends; zero when it was not stopped
	writing chan struct{} // has room for who writes to the input
}

func newSupervisor() *supervisor {
	return &supervisor{changed: make(chan struct{}), asked: make(chan struct{}), writing: make(chan struct{}, 1)}
}

// Supervise is the first process of a service: see Service. It returns when the command has ended and is not to be
// started again.
func Supervise() error {
	unix.CloseOnExec(superviseControl)
	unix.CloseOnExec(superviseFolder)
	control := os.NewFile(superviseControl, "control")
	defer control.Close()
	if err := unix.Fchdir(superviseFolder); err != nil {
		return err
	}
	s := newSupervisor()
	in, out := json.NewDecoder(control), json.NewEncoder(control)
	if err := in.Decode(&s.job); err != nil {
		return err
	}
	mountProc()
	at, err := net.ListenUnix("unix", &net.UnixAddr{Name: serviceSocket, Net: "unix"})
	var state *os.File
	if err == nil {
		state, err = reserved()
	}
	// From here on it can be found; and if nobody tells it to begin, who started it has died.
	if e := errors.Join(out.Encode(reportOf(err)), err); e != nil || in.Decode(new(bool)) != nil {
		return e
	}
	printed, err := s.start()
	if e := errors.Join(out.Encode(reportOf(err)), control.Close()); e != nil || err != nil {
		return e
	}
	go s.accept(at)
	return s.run(state, printed)
}

// reserved makes the file for the last state, with room for it, whoever fills the disk meanwhile.
func reserved() (*os.File, error) {
	f, err := os.OpenFile(serviceState, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err == nil {
		err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 4096)
	}
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = nil
	}
	return f, err
}

// update changes the state and tells who watches it.
func (s *supervisor) update(change func(*ServiceState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
	close(s.changed)
	s.changed = make(chan struct{})
}

// start starts the command, unless it was asked to end: then the error is ErrEnded.
func (s *supervisor) start() (*output, error) {
	cmd := &exec.Cmd{Path: s.job.Path, Args: s.job.Args, Env: append([]string{}, s.job.Env...), Dir: s.job.Dir,
		SysProcAttr: &unix.SysProcAttr{Setsid: true}}
	if u := s.job.User; u != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	if err := startable(cmd); err != nil {
		return nil, err
	}
	printed, print, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer print.Close()
	given, give, err := os.Pipe()
	if err != nil {
		printed.Close()
		return nil, err
	}
	defer given.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = given, print, print
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = ErrEnded; !s.state.Asked {
		err = cmd.Start()
	}
	if err != nil {
		printed.Close()
		give.Close()
		return nil, err
	}
	s.pid, s.state.Since = cmd.Process.Pid, time.Now()
	if s.input != nil {
		s.input.Close()
	}
	if s.input = give; s.job.Input != nil {
		s.input = nil
		go func() {
			_, _ = io.WriteString(give, *s.job.Input) // a command need not read all of it
			give.Close()
		}()
	}
	return s.copy(printed), nil
}

// run waits for the end of the command, and starts it again as long as that is wanted.
func (s *supervisor) run(state *os.File, printed *output) error {
	for pause := restartFirst; ; {
		status, left, err := s.reap()
		if err != nil {
			return err
		}
		printed.end(&logged{s})
		s.update(func(st *ServiceState) {
			st.Status, st.Left = status, left
			if time.Since(st.Since) > restartMost {
				pause = restartFirst
			}
		})
		if !s.again(pause) {
			return s.end(state)
		}
		pause = min(2*pause, restartMost)
		if printed, err = s.start(); errors.Is(err, ErrEnded) {
			return s.end(state)
		} else if err != nil {
			_, _ = io.WriteString(&logged{s}, "start it again: "+err.Error()+"\n")
			return s.end(state)
		}
	}
}

// again reports, after a pause, whether the command is to be started again.
func (s *supervisor) again(pause time.Duration) bool {
	if !s.job.Restart {
		return false
	}
	select {
	case <-s.asked:
		return false
	case <-time.After(pause):
	}
	asked := false
	s.update(func(st *ServiceState) {
		if asked = st.Asked; !asked {
			st.Restarts++
		}
	})
	return !asked
}

// end writes how the command ended. Who watches it reads that when this process has gone.
func (s *supervisor) end(state *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Ended = true
	return errors.Join(json.NewEncoder(state).Encode(s.state), state.Close())
}

// reap waits for the end of the command, and ends all that it has started: the kernel lets none of them fork on.
func (s *supervisor) reap() (status unix.WaitStatus, left bool, err error) {
	for {
		var st unix.WaitStatus
		pid, err := unix.Wait4(-1, &st, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return 0, false, err
		}
		s.mu.Lock()
		ours := pid == s.pid
		if ours {
			s.pid = 0
		}
		s.mu.Unlock()
		if ours {
			status = st
			break
		}
	}
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	left = unix.Kill(-1, unix.SIGKILL) == nil
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); errors.Is(err, unix.ECHILD) {
			return status, left, nil
		}
	}
}
