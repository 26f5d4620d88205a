package proc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// A Runner runs commands, and knows the PID namespaces in which processes are left.
type Runner struct {
	// Helper is a command of this program's own that calls Init when its first argument is "init", and Supervise
	// when that is "supervise"; set before use.
	Helper []string
	Folder string                  // in which services have theirs, and namespaces their files; set before use
	left   map[string][]*initProcs // by the name of their Procs
	// Where cgroups can be made, empty when nowhere; nil before anybody asked.
	cgroup *string
}

// NewRunner makes one that has no helper.
func NewRunner() *Runner { return &Runner{left: map[string][]*initProcs{}} }

// Close ends what commands left running in PID namespaces.
func (r *Runner) Close() {
	for name := range r.left {
		_ = r.KillPIDs(name) // those that cannot be killed end with this process
	}
}

// FreePIDs chooses a name for the PID namespaces of a transaction; empty when there can be none.
func (r *Runner) FreePIDs() string {
	if len(r.Helper) == 0 {
		return ""
	}
	return randomName()
}

// KillPIDs ends all processes in the PID namespaces of that name. Those of another process ended with that.
func (r *Runner) KillPIDs(name string) error {
	var errs []error
	for _, p := range r.left[name] {
		if err := p.kill(); err != nil {
			errs = append(errs, fmt.Errorf("kill process %d: %w", p.cmd.Process.Pid, err))
		}
	}
	delete(r.left, name)
	return errors.Join(errs...)
}

// PIDsIdle reports whether no process is left in the PID namespaces of that name.
func (r *Runner) PIDsIdle(name string) bool {
	for _, p := range r.left[name] {
		if !p.idle() {
			return false
		}
	}
	return true
}

// A Command is one that a place was made for.
type Command struct {
	r      *Runner
	cmd    *exec.Cmd
	in     Procs
	procs  procs
	killed bool
}

// Prepare makes a place for a command's processes. Run and Close must follow.
func (r *Runner) Prepare(cmd *exec.Cmd, in Procs) (*Command, error) {
	c := &Command{r: r, cmd: cmd, in: in}
	if in.Link != 0 && in.Cgroup == "" {
		return nil, fmt.Errorf("%w: %w", ErrNoBinding, ErrNoCgroups)
	}
	if in.PIDs != "" {
		c.procs = &initProcs{helper: r.Helper}
		return c, nil
	}
	var err error
	c.procs, err = newCgroupProcs(in)
	return c, err
}

// Run starts the command on a thread that enter has brought to where it is to run, and waits for it. It dies with this
// process, and when ctx ends, then with all that it started. What it leaves running when it ends by itself stays in its
// Procs. The error is about running it, not about how it ended.
//
// enter must lock the calling goroutine to its thread for good: the thread, with what enter changed of it, is to end
// with the goroutine, which goes on until the command has ended. Pdeathsig means the death of that thread.
//
// Once it is started, aside, unless it is nil, is given what waits for it, and calls that.
func (c *Command) Run(ctx context.Context, enter func() error, aside func(wait func() error) error) (unix.WaitStatus,
	error) {
	type result struct {
		st  unix.WaitStatus
		err error
	}
	started, done := make(chan error, 1), make(chan result, 1)
	go func() {
		err := enter()
		if err == nil {
			err = c.procs.start(c.cmd)
		}
		if started <- err; err != nil {
			return
		}
		st, err := c.await(ctx)
		done <- result{st, err}
	}()
	if err := <-started; err != nil {
		return 0, err
	}
	var r result
	wait := func() error {
		r = <-done
		return r.err
	}
	if aside == nil {
		aside = func(wait func() error) error { return wait() }
	}
	err := aside(wait)
	return r.st, err
}

// await waits for the command, which was started; when ctx ends first, all of its processes are killed.
func (c *Command) await(ctx context.Context) (unix.WaitStatus, error) {
	killed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { killed <- c.procs.kill() })
	st, err := c.procs.wait()
	if c.killed = !stop(); c.killed {
		err = errors.Join(context.Cause(ctx), err, <-killed)
	}
	return st, err
}

// Close gives the place up, unless processes are left in it.
func (c *Command) Close() error {
	if p, ok := c.procs.(*initProcs); ok && p.ended != nil && !p.idle() {
		c.r.left[c.in.PIDs] = append(c.r.left[c.in.PIDs], p)
	}
	return c.procs.leave(c.killed)
}

// DropInherited keeps what this process itself inherited from what the calling thread starts or becomes: that has
// descriptors 0 to 2, and no mask of signals.
func DropInherited() error {
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return err
	}
	return unix.PthreadSigmask(unix.SIG_SETMASK, new(unix.Sigset_t), nil)
}

func randomName() string { return strconv.FormatUint(rand.Uint64(), 36) }
