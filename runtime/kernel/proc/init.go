package proc

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"
)

// What a first process of a PID namespace has beside its command's descriptors.
const (
	initControl = 3 // it ends when this is closed, which the death of who started it does
	initReport  = 4 // it writes here how the command ended
)

// Init is the first process of a PID namespace: it runs the program at path with argv, reports how that ended, and
// stays as long as anything that was started is running. With it the kernel kills all that is left, whatever became of
// its session, its process group and its parents (pid_namespaces(7)). It never returns when the process is to stay.
func Init(path string, argv []string) error {
	unix.CloseOnExec(initControl)
	unix.CloseOnExec(initReport)
	control, out := os.NewFile(initControl, "control"), os.NewFile(initReport, "report")
	mountProc()
	cmd := &exec.Cmd{Path: path, Args: argv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &unix.SysProcAttr{Setpgid: true}}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true} // as a login shell has it
	}
	if err := cmd.Start(); err != nil {
		return json.NewEncoder(out).Encode(reportOf(err))
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
		unix.Exit(0)
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
				// not os.Exit: the race detector would sleep for a second there, unless the command's environment
				// forbids it
				unix.Exit(0)
			}
		}
	}
}

// mountProc has /proc show the processes of the PID namespace as they are numbered there. A machine that hides parts of
// /proc forbids that.
func mountProc() {
	_ = unix.Mount("", "/", "none", unix.MS_SLAVE|unix.MS_REC, "")
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}
