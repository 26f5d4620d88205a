package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// accept answers who connects. Where there is no room for one more, those who wait are answered when there is again.
func (s *supervisor) accept(at *net.UnixListener) {
	for {
		c, err := at.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause) // the room is made by whoever has it: there is no event
		default:
			go func() {
				defer c.Close()
				s.serve(c)
			}()
		}
	}
}

// acceptPause is how long a supervisor waits for room that others make.
const acceptPause = 100 * time.Millisecond

// serve answers one who has connected.
func (s *supervisor) serve(c *net.UnixConn) {
	var o order
	if json.NewDecoder(c).Decode(&o) != nil {
		return // who has only looked whether it is there
	}
	var err error
	switch o.Do {
	case "watch":
		s.tell(c)
		return
	case "process":
		if err = s.pass(c); err == nil {
			return
		}
	case "state":
		st := s.now()
		if !st.Ended {
			st.Usage = usage()
		}
		_ = json.NewEncoder(c).Encode(answer{ServiceState: st}) // who has asked may have gone
		return
	case "stop":
		s.stop()
	case "signal":
		err = s.signal(o.Signal)
	case "write":
		err = s.write(o.Text, o.Within, gone(c))
	default:
		err = errors.New("unknown order " + o.Do)
	}
	_ = json.NewEncoder(c).Encode(answer{ServiceState: s.now(), Refused: reportOf(err)})
}

func (s *supervisor) now() ServiceState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// tell sends the state, and each one that it changes to. One who does not read misses those in between.
func (s *supervisor) tell(c *net.UnixConn) {
	left := gone(c)
	for to := json.NewEncoder(c); ; {
		s.mu.Lock()
		st, changed := s.state, s.changed
		s.mu.Unlock()
		if to.Encode(answer{ServiceState: st}) != nil {
			return
		}
		select {
		case <-changed:
		case <-left:
			return
		}
	}
}

// gone tells when the other one, who has nothing more to say, has closed a connection, or this process has.
func gone(c *net.UnixConn) <-chan struct{} {
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = io.Copy(io.Discard, c) // an error is as good as an end
	}()
	return left
}

// pass sends a descriptor of the command's process.
func (s *supervisor) pass(c *net.UnixConn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pid == 0 {
		return ErrEnded
	}
	fd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, _, err = c.WriteMsgUnix([]byte("\n"), unix.UnixRights(fd), nil)
	return err
}

// ask notes that the command is to end; the caller has the lock.
func (s *supervisor) ask() {
	if !s.state.Asked {
		s.state.Asked = true
		close(s.asked)
	}
}

// stop asks the command to end, and kills it when it has not at the end of its grace, which the first one begins. Its
// end is this process's, by which who has asked sees it.
func (s *supervisor) stop() {
	s.mu.Lock()
	s.ask()
	if s.killed.IsZero() {
		s.killed = time.Now().Add(s.job.Grace)
	}
	until := s.killed
	if s.pid > 0 {
		_ = unix.Kill(s.pid, s.job.Stop) // a process that is there can be sent any signal
		_ = unix.Kill(s.pid, unix.SIGCONT)
	}
	s.mu.Unlock()
	time.Sleep(time.Until(until)) // the event that it waits for ends this process
	s.mu.Lock()
	if s.pid > 0 {
		_ = unix.Kill(s.pid, unix.SIGKILL)
	}
	s.mu.Unlock()
	select {}
}

// ends are the signals by which a command is asked to end.
var ends = map[unix.Signal]bool{unix.SIGTERM: true, unix.SIGINT: true, unix.SIGQUIT: true, unix.SIGKILL: true,
	unix.SIGABRT: true}

func (s *supervisor) signal(sig unix.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Ended || s.pid == 0 && !ends[sig] {
		return ErrEnded
	}
	if ends[sig] {
		s.ask() // also one that is to be started again
	}
	if s.pid == 0 {
		return nil
	}
	return unix.Kill(s.pid, sig)
}

// write gives the command something to read, until who has asked for that is left.
func (s *supervisor) write(text []byte, within time.Duration, left <-chan struct{}) error {
	until := time.Now().Add(within)
	late := func(n int) error { return fmt.Errorf("it read %d of %d bytes within %s", n, len(text), within) }
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-time.After(within):
		return late(0)
	case <-left:
		return nil // nobody hears it
	}
	s.mu.Lock()
	to, pid := s.input, s.pid
	s.mu.Unlock()
	if pid == 0 {
		return ErrEnded
	}
	if to == nil {
		return errors.New("it was given all that it reads when it was started")
	}
	if err := to.SetWriteDeadline(until); err != nil {
		return err
	}
	written, seen := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(seen)
		select {
		case <-left:
			_ = to.SetWriteDeadline(time.Now()) // it may be closed
		case <-written:
		}
	}()
	n, err := to.Write(text)
	close(written)
	<-seen
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return late(n)
	} else if errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("it has closed its standard input: %w", unix.EPIPE)
	}
	return err
}

// ticks is how many of the clock's ticks in /proc/PID/stat are a second, on every machine that Linux runs on.
const ticks = 100

// usage adds up what all processes of this PID namespace use but this one, the first; nil where /proc shows others.
func usage() *ServiceUsage {
	if self, err := os.Readlink("/proc/self"); err != nil || self != "1" {
		return nil
	}
	var u ServiceUsage
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		at := strings.LastIndexByte(string(text), ')')
		if err != nil || at < 0 {
			continue // one that has ended
		}
		// The third field is the state: proc_pid_stat(5).
		f := strings.Fields(string(text[at+1:]))
		number := func(field int) int64 {
			if field-3 >= len(f) {
				return 0
			}
			n, _ := strconv.ParseInt(f[field-3], 10, 64)
			return n
		}
		spent := number(16) + number(17) // by children that it has waited for
		if path != "/proc/1/stat" {
			spent += number(14) + number(15)
			u.RSS += resident(path)
			u.Processes++
		}
		u.CPU += time.Duration(spent) * (time.Second / ticks)
	}
	return &u
}

// resident is how much memory a process has: proc_pid_smaps(5), for proc_pid_stat(5) knows it only roughly.
func resident(stat string) (bytes int64) {
	text, _ := os.ReadFile(filepath.Dir(stat) + "/smaps_rollup") // one that has ended has none
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	return 0
}
