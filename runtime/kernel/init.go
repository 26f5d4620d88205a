package kernel

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// What a first process of a PID namespace has beside its command's descriptors.
const (
	initControl = 3 // it ends when this is closed, which the death of who started it does
	initReport  = 4 // it writes here how the command ended
)

// A report is how a command ended, or why it could not be started.
type report struct {
	Status unix.WaitStatus `json:"status"`
	Last   bool            `json:"last,omitempty"` // it left nothing running
	Error  string          `json:"error,omitempty"`
	Errno  unix.Errno      `json:"errno,omitempty"`
}

// Init is the first process of a PID namespace: it runs the program at path with argv, reports how that ended, and stays as
// long as anything that was started is running. With it the kernel kills all that is left, whatever became of its
// session, its process group and its parents (pid_namespaces(7)). It never returns when the process is to stay.
func Init(path string, argv []string) error {
	unix.CloseOnExec(initControl)
	unix.CloseOnExec(initReport)
	control, out := os.NewFile(initControl, "control"), os.NewFile(initReport, "report")
	// Processes are shown as they are numbered in here; a machine that hides parts of /proc forbids that.
	_ = unix.Mount("", "/", "none", unix.MS_SLAVE|unix.MS_REC, "")
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	cmd := &exec.Cmd{Path: path, Args: argv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, SysProcAttr: &unix.SysProcAttr{Setpgid: true}}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true} // as a login shell has it
	}
	if err := cmd.Start(); err != nil {
		r := report{Error: err.Error()}
		errors.As(err, &r.Errno)
		return json.NewEncoder(out).Encode(r)
	}
	// The command's descriptors are the command's alone: who reads its output waits for their end.
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	for fd := 0; fd < 3 && err == nil; fd++ {
		err = unix.Dup3(int(null.Fd()), fd, 0)
	}
	if err != nil {
		return err
	}
	// Whoever asks the first process to end means the command.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGWINCH)
	go func() {
		for sig := range signals {
			_ = cmd.Process.Signal(sig) // it may have ended
		}
	}()
	go func() {
		_, _ = io.Copy(io.Discard, control) // nothing is ever written; an error is as good as an end
		os.Exit(0)
	}()
	var r report
	for flags := 0; ; {
		var st unix.WaitStatus
		pid, err := unix.Wait4(-1, &st, flags, nil)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ECHILD):
			return err
		case pid == cmd.Process.Pid:
			r.Status = st
			flags = unix.WNOHANG // until it is known whether others are there
		case pid <= 0 && err == nil, errors.Is(err, unix.ECHILD):
			last := err != nil
			if flags != 0 {
				flags, r.Last = 0, last
				if err := errors.Join(json.NewEncoder(out).Encode(r), out.Close()); err != nil {
					return err
				}
			}
			if last {
				return nil
			}
		}
	}
}

// An initHerd is a command's processes in a PID namespace of their own.
type initHerd struct {
	helper  []string // a command that calls Init
	cmd     *exec.Cmd
	control *os.File
	report  *os.File
	drains  []func(time.Duration)
	ended   chan struct{} // closed when the first process, and so all of them, has ended; nil before it is there
}

// start starts the command on the calling thread, which is in its namespaces.
func (h *initHerd) start(cmd *exec.Cmd) (err error) {
	if err := startable(cmd); err != nil {
		return err
	}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	controlled, control := pipe()
	reports, reporting := pipe()
	if err != nil {
		return err
	}
	theirs = []*os.File{controlled, reporting}
	h.control, h.report = control, reports
	h.cmd = exec.Command(h.helper[0], append(append(h.helper[1:len(h.helper):len(h.helper)], "init", cmd.Path), cmd.Args...)...)
	h.cmd.Env, h.cmd.Dir = cmd.Env, cmd.Dir
	h.cmd.ExtraFiles = []*os.File{controlled, reporting}
	h.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	ours := []*os.File{control, reports}
	in, isFile := cmd.Stdin.(*os.File)
	var feed *os.File
	if !isFile {
		in, feed = pipe()
		theirs, ours = append(theirs, in), append(ours, feed)
	}
	outputs := []struct {
		to   io.Writer
		from *os.File
		file *os.File
	}{{to: cmd.Stdout}, {to: cmd.Stderr}}
	for i := range outputs {
		o := &outputs[i]
		if o.file, isFile = o.to.(*os.File); !isFile {
			o.from, o.file = pipe()
			theirs, ours = append(theirs, o.file), append(ours, o.from)
		}
	}
	if err == nil {
		h.cmd.Stdin, h.cmd.Stdout, h.cmd.Stderr = in, outputs[0].file, outputs[1].file
		err = h.cmd.Start()
	}
	if err != nil {
		for _, f := range ours {
			f.Close()
		}
		if errors.Is(err, unix.E2BIG) { // the words that are too long are the command's
			err = &fs.PathError{Op: "run", Path: cmd.Path, Err: unix.E2BIG}
		}
		return err
	}
	h.ended = make(chan struct{}) // from here on there is something to end
	if feed != nil {
		go func() {
			if cmd.Stdin != nil {
				_, _ = io.Copy(feed, cmd.Stdin) // a command need not read all of it
			}
			feed.Close()
		}()
	}
	for _, o := range outputs {
		if o.from != nil {
			h.drains = append(h.drains, drain(o.to, o.from))
		}
	}
	go func() {
		_ = h.cmd.Wait() // it was killed, or has reported
		control.Close()
		close(h.ended)
	}()
	return nil
}

// drain copies a pipe until its end. finish gives that a little time, since what a command left running may hold it open,
// and ends it.
func drain(to io.Writer, from *os.File) (finish func(time.Duration)) {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(to, from) // a writer that has enough ends the command with EPIPE
		from.Close()
		close(done)
	}()
	return func(patience time.Duration) {
		select {
		case <-done:
		case <-time.After(patience):
			from.Close()
			<-done
		}
	}
}

// wait returns when the command itself has ended.
func (h *initHerd) wait() (unix.WaitStatus, error) {
	var r report
	err := json.NewDecoder(h.report).Decode(&r)
	h.report.Close()
	for _, finish := range h.drains {
		finish(outputPatience)
	}
	switch {
	case err != nil: // it was killed before it could report
		return unix.WaitStatus(unix.SIGKILL), nil
	case r.Errno != 0:
		return 0, r.Errno
	case r.Error != "":
		return 0, errors.New(r.Error)
	case r.Last:
		<-h.ended
	}
	return r.Status, nil
}

// kill kills the command and all that it started, and returns when they have ended: the kernel ends the others before it
// lets the first one go.
func (h *initHerd) kill() error {
	h.control.Close()
	err := h.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-h.ended
	return err
}

func (h *initHerd) leave(bool) error { return nil }

// idle reports whether none of them is running.
func (h *initHerd) idle() bool {
	select {
	case <-h.ended:
		return true
	default:
		return false
	}
}

// A Spawned is a command that runs in a PID namespace of its own and in this process's other namespaces.
type Spawned struct{ h *initHerd }

// Spawn starts a command with files as its descriptors. helper is a command that calls Init.
func Spawn(helper []string, cmd *exec.Cmd) (*Spawned, error) {
	h := &initHerd{helper: helper}
	if err := h.start(cmd); err != nil {
		return nil, fail(err, "run", cmd.Path, nil)
	}
	return &Spawned{h}, nil
}

// Wait returns when the command itself has ended, with its exit code as a shell would give it. What it left running goes
// on as long as this process.
func (s *Spawned) Wait() (int, error) {
	st, err := s.h.wait()
	return ExitCode(st), err
}

// Signal sends a signal to the command, through its first process.
func (s *Spawned) Signal(sig os.Signal) error { return s.h.cmd.Process.Signal(sig) }

// Kill ends the command and all that it has started.
func (s *Spawned) Kill() error { return s.h.kill() }
