package kernel

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
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
	ended   chan struct{} // closed when the first process, and so all of them, has ended
}

// start starts the command on the calling thread, which is in its namespaces.
func (h *initHerd) start(cmd *exec.Cmd) (err error) {
	if cmd.Err != nil {
		return cmd.Err
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
	in, feed := pipe()
	out, outIn := pipe()
	errs, errIn := pipe()
	if err != nil {
		return err
	}
	theirs = []*os.File{controlled, reporting, in, outIn, errIn}
	h.control, h.report, h.ended = control, reports, make(chan struct{})
	h.cmd = exec.Command(h.helper[0], append(append(h.helper[1:len(h.helper):len(h.helper)], "init", cmd.Path), cmd.Args...)...)
	h.cmd.Env, h.cmd.Dir, h.cmd.Stdin, h.cmd.Stdout, h.cmd.Stderr = cmd.Env, cmd.Dir, in, outIn, errIn
	h.cmd.ExtraFiles = []*os.File{controlled, reporting}
	h.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	if err := h.cmd.Start(); err != nil {
		for _, f := range []*os.File{control, reports, feed, out, errs} {
			f.Close()
		}
		return err
	}
	go func() {
		if cmd.Stdin != nil {
			_, _ = io.Copy(feed, cmd.Stdin) // a command need not read all of it
		}
		feed.Close()
	}()
	h.drains = []func(time.Duration){drain(cmd.Stdout, out), drain(cmd.Stderr, errs)}
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
