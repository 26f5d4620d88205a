package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// EndService asks a service's command to end, kills all that is left of it when its time is over, and removes the
// folder. It is content when that is gone.
func (r *Runner) EndService(s Service, grace time.Duration) error {
	if err := s.Valid(); err != nil {
		return err
	}
	if filepath.Dir(string(s)) != filepath.Clean(r.Folder) {
		return fmt.Errorf("not the folder of a process in %s: %q", r.Folder, s)
	}
	if err := s.kill(grace); err != nil && !errors.Is(err, ErrEnded) {
		return err
	}
	return s.remove()
}

// kill ends the supervisor, and with it all of the service.
func (s Service) kill(grace time.Duration) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var err2 error
	err = raw.Control(func(fd uintptr) {
		cred, err2 = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if cred.Pid <= 0 { // it is in a PID namespace that is not seen from here: only it can end itself
		return s.Stop(context.Background(), grace)
	}
	supervisor, err := unix.PidfdOpen(int(cred.Pid), 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrEnded
	} else if err != nil {
		return err
	}
	defer unix.Close(supervisor)
	numbers, err := numbered(supervisor)
	if err != nil {
		return err
	}
	if len(numbers) < 2 || numbers[len(numbers)-1] != 1 {
		return fmt.Errorf("process %d listens at its socket, and is not the first of a PID namespace of its own",
			cred.Pid)
	}
	// The number was the supervisor's when it was turned into a descriptor: it can be connected to still.
	again, err := s.dial()
	if err != nil {
		return err
	}
	again.Close()
	_ = s.Stop(context.Background(), grace) // what does not work is made up for below
	if err := unix.PidfdSendSignal(supervisor, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return awaitExit(supervisor, int(cred.Pid))
}

// awaitExit waits for the end of a process that was killed. The kernel ends all others of its PID namespace before.
func awaitExit(pidfd, pid int) error {
	for deadline := time.Now().Add(killPatience); ; {
		left := time.Until(deadline)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(max(left, 0).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n > 0:
			return nil
		default:
			return fmt.Errorf("process %d does not end", pid)
		}
	}
}

// remove removes the folder, and nothing else that may be in it.
func (s Service) remove() error {
	dir, err := os.Lstat(string(s))
	if errors.Is(err, unix.ENOENT) {
		return nil
	} else if err == nil && !dir.IsDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		return err
	}
	logs, _, err := s.logged()
	if err != nil {
		return err
	}
	files := []string{serviceSocket, serviceState}
	for _, n := range logs {
		files = append(files, logName(n))
	}
	for _, name := range files {
		if err := os.Remove(filepath.Join(string(s), name)); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	if err := os.Remove(string(s)); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}
