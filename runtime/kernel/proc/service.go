package proc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Service is a command that runs beside others: the path of the folder that its supervisor works in, which tells it
// from any other. The supervisor is the first process of a PID namespace, so that nothing that the command starts
// outlives it, and it outlives who started it.
//
// In the folder are the socket at which the supervisor is asked, the log, and how the command ended. Who can connect to
// the socket knows that the supervisor is alive, and which process it is.
type Service string

// What is in a service's folder, beside the files of its log.
const (
	serviceSocket = "socket"
	serviceState  = "state"
)

// servicePrefix is what the name of every service's folder begins with: it is no lab's name.
const servicePrefix = ".process-"

// MostGrace is the longest time that a command may be given to end: undoing waits that long for one that is deaf.
const MostGrace = time.Minute

var serviceName = regexp.MustCompile(`^\.process-[0-9a-z]{1,13}$`)

// Valid says what is wrong with a service's path: it must be one that FreeService can have chosen.
func (s Service) Valid() error {
	path := string(s)
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || !serviceName.MatchString(filepath.Base(path)) {
		return fmt.Errorf("not the folder of a process: %q", path)
	}
	return nil
}

// A ServiceState is what a service is at one moment.
type ServiceState struct {
	Since    time.Time       `json:"since"`              // when the command was started last
	Log      int64           `json:"log"`                // bytes that it has printed
	Lost     int64           `json:"lost,omitempty"`     // bytes of these that could not be kept: there was no room
	Restarts int             `json:"restarts,omitempty"` // how often it was started again
	Ended    bool            `json:"ended,omitempty"`
	Asked    bool            `json:"asked,omitempty"` // it was asked to end
	Left     bool            `json:"left,omitempty"`  // it left processes running, which were ended with it
	Status   unix.WaitStatus `json:"status"`          // how it ended the last time
	Usage    *ServiceUsage   `json:"usage,omitempty"` // when it was asked for
}

// How is how the command has ended, in words.
func (st ServiceState) How() string {
	if st.Status.Signaled() {
		return "killed by " + unix.SignalName(st.Status.Signal())
	}
	return fmt.Sprintf("exit code %d", ExitCode(st.Status))
}

// ServiceUsage is what the processes of a service use.
type ServiceUsage struct {
	CPU       time.Duration `json:"cpu"` // all that it used so far
	RSS       int64         `json:"rss"` // bytes of memory, shared ones counted in each
	Processes int           `json:"processes"`
}

// An order is what a supervisor is asked for.
type order struct {
	Do     string        `json:"do"` // "state", "watch", "stop", "signal", "write", "process"
	Signal unix.Signal   `json:"signal,omitempty"`
	Text   []byte        `json:"text,omitempty"`
	Within time.Duration `json:"within,omitempty"` // how long writing may take
}

// An answer is what it says to that.
type answer struct {
	ServiceState
	Refused report `json:"refused,omitzero"`
}

// A SaidError is a failure that tells of the end of a service's log. Two of one service are the same to errors.Is.
type SaidError struct {
	Service Service
	Err     error
}

func (e *SaidError) Error() string { return e.Err.Error() }
func (e *SaidError) Unwrap() error { return e.Err }

func (e *SaidError) Is(target error) bool {
	other, ok := target.(*SaidError)
	return ok && other.Service == e.Service
}

// ErrEnded means that a service has ended.
var ErrEnded = errors.New("it has ended")

// dial connects to the supervisor. The error is ErrEnded when there is none any more.
func (s Service) dial() (*net.UnixConn, error) {
	dir, err := os.OpenFile(string(s), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, ErrEnded
	} else if err != nil {
		return nil, err
	}
	defer dir.Close()
	st := new(unix.Stat_t)
	if err := unix.Fstat(int(dir.Fd()), st); err != nil {
		return nil, err
	}
	if st.Uid != uint32(os.Geteuid()) || st.Mode&0o077 != 0 {
		return nil, fmt.Errorf("%s is not this user's alone", s)
	}
	fd, err := unix.Openat(int(dir.Fd()), serviceSocket, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, ErrEnded
	} else if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, fmt.Errorf("%s/%s is no socket", s, serviceSocket)
	}
	// An address has room for 107 bytes, and the folder's path may be longer.
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d", fd), Net: "unix"})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		err = ErrEnded
	}
	return c, err
}

// ask has the supervisor do something, and waits for its answer, until ctx ends.
func (s Service) ask(ctx context.Context, o order, patience time.Duration) (a answer, err error) {
	c, err := s.dial()
	if err != nil {
		return a, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	err = converse(c, o, &a, patience)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return a, err
}

func converse(c *net.UnixConn, o order, a *answer, patience time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	err := json.NewEncoder(c).Encode(o)
	if err == nil {
		err = json.NewDecoder(c).Decode(a)
	}
	if err != nil {
		return unanswered(err)
	}
	return a.Refused.err()
}

// unanswered is why a supervisor did not answer.
func unanswered(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return ErrEnded
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("its supervisor does not answer")
	}
	return err
}

// answerPatience is how long a supervisor may take to answer, on a machine that is busy.
const answerPatience = 30 * time.Second

// State is what the service is now, with what it uses as long as it runs.
func (s Service) State() (ServiceState, error) {
	a, err := s.ask(context.Background(), order{Do: "state"}, answerPatience)
	if errors.Is(err, ErrEnded) {
		return s.ended()
	}
	return a.ServiceState, err
}

// ended is how the service ended, which its supervisor wrote last. It was killed when it did not write it.
func (s Service) ended() (st ServiceState, err error) {
	text, err := os.ReadFile(filepath.Join(string(s), serviceState))
	if errors.Is(err, unix.ENOENT) { // it was there before the command was: the service is undone
		return ServiceState{Ended: true, Asked: true, Status: unix.WaitStatus(unix.SIGKILL)}, nil
	} else if err != nil {
		return st, err
	}
	if json.Unmarshal([]byte(strings.TrimRight(string(text), "\x00")), &st) != nil || !st.Ended {
		_, end, err := s.logged()
		return ServiceState{Ended: true, Log: end, Status: unix.WaitStatus(unix.SIGKILL)}, err
	}
	return st, nil
}

// Watch calls see with what the service is, now and after each change of that, until it returns false or done is
// closed. The last state is the one in which it has ended.
func (s Service) Watch(done <-chan struct{}, see func(ServiceState) bool) error {
	last := func() error {
		st, err := s.ended()
		if err == nil {
			see(st)
		}
		return err
	}
	c, err := s.dial()
	if errors.Is(err, ErrEnded) {
		return last()
	} else if err != nil {
		return err
	}
	defer c.Close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-done:
			c.Close()
		case <-stop:
		}
	}()
	if err := json.NewEncoder(c).Encode(order{Do: "watch"}); err != nil {
		return last()
	}
	for lines := json.NewDecoder(c); ; {
		var a answer
		err := lines.Decode(&a)
		select {
		case <-done:
			return nil
		default:
		}
		if err != nil {
			return last() // the supervisor has gone
		}
		if !see(a.ServiceState) {
			return nil
		}
	}
}

// Signal sends a signal to the command.
func (s Service) Signal(sig unix.Signal) error {
	_, err := s.ask(context.Background(), order{Do: "signal", Signal: sig}, answerPatience)
	return err
}

// Stop asks the command to end as its job says, kills it when its time is over, and returns when it has ended, or ctx.
func (s Service) Stop(ctx context.Context, grace time.Duration) error {
	_, err := s.ask(ctx, order{Do: "stop"}, grace+answerPatience)
	if errors.Is(err, ErrEnded) {
		return nil
	}
	return err
}

// Write has the command read a text, until ctx ends.
func (s Service) Write(ctx context.Context, text string, within time.Duration) error {
	_, err := s.ask(ctx, order{Do: "write", Text: []byte(text), Within: within}, within+answerPatience)
	return err
}
