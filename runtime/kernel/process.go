package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Run starts a command inside the namespace and waits for it, as `ip netns exec` does: it sees the namespace in
// /proc/net and, through a mount namespace of its own, in /sys. It dies with this process, and when ctx ends, then with
// all that it started. What it leaves running when it ends by itself stays in the pen. The error is about running it, not
// about how it ended.
func (n *Namespace) Run(ctx context.Context, cmd *exec.Cmd, pen Pen) (unix.WaitStatus, error) {
	n.alone, n.m.ran = false, true
	n.m.renew() // it may change anything
	h, err := n.m.herd(pen)
	if err != nil {
		return 0, err
	}
	type result struct {
		st  unix.WaitStatus
		err error
	}
	done := make(chan result, 1)
	// The goroutine keeps its thread until the command has ended: Pdeathsig means the death of that thread. It is
	// never unlocked, so the thread, with its own mount namespace, ends with it.
	go func() {
		runtime.LockOSThread()
		if err := n.enter(); err != nil {
			done <- result{0, errors.Join(fail(err, "enter namespace", n.Name(), nil), h.leave(false))}
			return
		}
		if err := h.start(cmd); err != nil {
			done <- result{0, errors.Join(err, h.leave(false))}
			return
		}
		st, err := await(ctx, h)
		done <- result{st, err}
	}()
	r := <-done
	if i, ok := h.(*initHerd); ok && i.ended != nil && !i.idle() {
		n.m.herds[pen.PIDs] = append(n.m.herds[pen.PIDs], i)
	}
	return r.st, r.err
}

// startable tells what is wrong with a command's folder and words. Starting it would blame the program, or the one that is to
// run it in a PID namespace.
func startable(cmd *exec.Cmd) error {
	if cmd.Dir != "" {
		st, err := os.Stat(cmd.Dir)
		if err == nil && !st.IsDir() {
			err = unix.ENOTDIR
		} else if err == nil {
			err = unix.Access(cmd.Dir, unix.X_OK)
		}
		if path := new(fs.PathError); err != nil && errors.As(err, &path) {
			err = path.Err
		}
		if err != nil {
			return &fs.PathError{Op: "chdir", Path: cmd.Dir, Err: err}
		}
	}
	for _, word := range slices.Concat(cmd.Args, cmd.Env) {
		if strings.ContainsRune(word, 0) {
			return fmt.Errorf("a zero byte in an argument or a variable: %w", unix.EINVAL)
		}
	}
	return cmd.Err
}

// ExitCode is how a command ended, as a shell tells it.
func ExitCode(st unix.WaitStatus) int {
	if st.Signaled() {
		return 128 + int(st.Signal())
	}
	return st.ExitStatus()
}

// enter moves the calling thread, which must be locked and never be unlocked, into the namespace for good.
func (n *Namespace) enter() error {
	// What nsscript itself inherited is not for its children either: they get descriptors 0 to 2.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return err
	}
	// Nor is a mask of signals, which what started nsscript may have set.
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, new(unix.Sigset_t), nil); err != nil {
		return err
	}
	if n.base {
		return nil
	}
	if err := netns.Set(n.fd); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "none", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return err
	}
	// /sys/class/net shows the namespace of whoever mounted it. A machine without /sys has nothing to show.
	var flags uintptr
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys", &fs); err == nil && fs.Flags&unix.ST_RDONLY != 0 {
		flags = unix.MS_RDONLY
	}
	_ = unix.Unmount("/sys", unix.MNT_DETACH)
	if err := unix.Mount(n.Name(), "/sys", "sysfs", flags, ""); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// Exec replaces this process by a command inside the namespace.
func (n *Namespace) Exec(argv, env []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := n.enter(); err != nil {
		return fail(err, "enter namespace", n.Name(), nil)
	}
	return fail(unix.Exec(path, argv, env), "run", strings.Join(argv, " "), n)
}
