package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/lock"
	"github.com/nsscript/nsscript/runtime/sandbox"
)

// answerPatience is how long the first process of a sandbox may take to answer.
const answerPatience = sandbox.Patience

// endPatience is how long what is in a sandbox may take to end.
const endPatience = time.Minute

// Reach finds a lab that is in a sandbox. The error is os.ErrNotExist when there is none of that name.
func Reach(name string) (*Sandboxed, error) {
	h := &Sandboxed{name}
	c, err := h.dial()
	if err != nil {
		return nil, err
	}
	return h, c.Close()
}

// AllSandboxed lists the labs that are in sandboxes of this user's. Of one that does not answer nothing but that is
// known.
func AllSandboxed() ([]Lab, error) {
	names, err := sandbox.Names()
	labs, errs := make([]Lab, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { labs[i], errs[i] = (&Sandboxed{name}).Describe() })
	}
	all.Wait()
	var found []Lab
	for i, lab := range labs {
		switch e := errs[i]; {
		case errors.Is(e, sandbox.ErrSilent):
			found = append(found, Lab{Name: names[i], State: noAnswer, Sandbox: true, Namespaces: []string{}})
		case e == nil:
			found = append(found, lab)
		case !ended(e):
			err = errors.Join(err, e)
		}
	}
	return found, err
}

// ended reports whether an error in talking to a sandbox is its end.
func ended(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

// dial connects to the lab's first process. One that is stopped is not waited for.
func (h *Sandboxed) dial() (*net.UnixConn, error) {
	c, pid, err := sandbox.Dial(h.name)
	if err == nil && lock.Stopped(pid) {
		c.Close()
		err = sandbox.ErrSilent
	}
	if err == nil {
		err = c.SetDeadline(time.Now().Add(answerPatience))
	}
	return c, h.silent(err, pid)
}

// silent words the error of a lab that does not answer.
func (h *Sandboxed) silent(err error, pid int) error {
	if !errors.Is(err, sandbox.ErrSilent) && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	e := &kernel.Error{Op: "reach", Object: "lab " + h.name, Err: sandbox.ErrSilent, Machine: true}
	if pid > 0 {
		e.Err, e.Hint = fmt.Errorf("process %d, which has it: %w", pid, sandbox.ErrSilent),
			fmt.Sprintf("`kill -KILL %d` ends it, and all that is in its sandbox", pid)
	}
	if lock.Stopped(pid) {
		e.Err = fmt.Errorf("process %d, which has it, is stopped: %w", pid, sandbox.ErrSilent)
		e.Hint = fmt.Sprintf("`kill -CONT %d` lets it go on; ", pid) + e.Hint
	}
	return e
}
