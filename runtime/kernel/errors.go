package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// An Error says which act on which object in which namespace the kernel refused, and why. It prints as
// "verb object in namespace: cause (ERRNO)"; the errno is reachable with errors.Is.
type Error struct {
	Op     string // what was tried, in iproute2's words: "add address"
	Object string // on what: "172.16.0.1/16 to veth-ns1"
	NS     string // where: "ns1", "host"; empty when the object stands in no namespace
	Err    error  // the cause
	Hint   string // what to do about it, when that is known
	// Machine says that the fault is the machine's and not the script's: a privilege, a kernel feature or a name
	// that somebody else holds.
	Machine bool
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Object != "" {
		b.WriteString(" " + e.Object)
	}
	if e.NS != "" {
		b.WriteString(" in " + e.NS)
	}
	return b.String() + ": " + Cause(e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Cause words an error: the kernel's own extended message where it sent one, and the errno by name. Several are told in
// one line, and none twice.
func Cause(err error) string {
	if many, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		var all []string
		for _, e := range many.Unwrap() {
			if text := Cause(e); !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
		return strings.Join(all, "; ")
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	name := unix.ErrnoName(errno)
	text := strings.TrimPrefix(err.Error(), errno.Error()+": ")
	var path *fs.PathError
	if errors.As(err, &path) {
		text = strings.Replace(err.Error(), path.Error(), path.Path+": "+errno.Error(), 1)
	}
	if name == "" || strings.Contains(text, "("+name+")") {
		return text
	}
	return text + " (" + name + ")"
}

// ErrGone means that an object is not there (any more): its namespace, its link or itself.
var ErrGone = errors.New("it is gone")

// ErrDeleted is the ErrGone of what the run itself has deleted.
var ErrDeleted error = goneError("it was deleted")

// A goneError is ErrGone in other words.
type goneError string

func (e goneError) Error() string        { return string(e) }
func (e goneError) Is(target error) bool { return target == ErrGone }

// ErrDiverged means that an object is not what the change left behind: somebody else changed it, so it was let be.
var ErrDiverged = errors.New("changed by somebody else meanwhile, left as it is")

// ErrInTheWay is the ErrDiverged of something that is kept until its name is free again.
var ErrInTheWay = fmt.Errorf("its name is another one's: %w", ErrDiverged)

// ErrLost means that a request was made and its answer did not come: nobody knows whether it was done.
var ErrLost = rtnl.ErrLost

// errPartly marks what Partly was given.
var errPartly = errors.New("done in part")

// Partly marks the error of an act of several steps of which some were made.
func Partly(err error) error { return &partly{err} }

type partly struct{ error }

func (p *partly) Unwrap() []error { return []error{p.error, errPartly} }

// Unsettled reports whether the error of an act leaves open how much of it was done: it is to be undone like one that
// was.
func Unsettled(err error) bool { return errors.Is(err, ErrLost) || errors.Is(err, errPartly) }

// fail wraps a cause that is not nil, and adds the hint and the blame that the errno is known for.
func fail(err error, op, object string, ns *Namespace) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Object: object, Err: err}
	if ns != nil {
		e.NS = ns.Name()
	}
	switch {
	case (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) && !privileged():
		e.Machine, e.Hint = true, "this needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN): run it with sudo"
	case errors.Is(err, unix.EPERM):
		e.Machine = true
	case errors.Is(err, unix.EOPNOTSUPP):
		e.Machine = true
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		e.Machine, e.Hint = true, "the limit on open files is reached: raise it with ulimit -n"
	case errors.Is(err, unix.ENOSPC):
		e.Machine, e.Hint = true, "a limit of the kernel or of the file system is reached: "+
			"see /proc/sys/user/max_net_namespaces and df /run"
	case errors.Is(err, ErrGone) || op != "" && errors.Is(err, unix.ENODEV):
		e.Hint = "it was deleted, or its namespace was"
	}
	return e
}

// privileged reports whether this process has the capabilities that all of this takes, in its user namespace: what is
// refused then is refused for another reason.
func privileged() bool {
	var caps [2]unix.CapUserData
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	const needed = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_ADMIN
	return unix.Capget(&head, &caps[0]) == nil && caps[0].Effective&needed == needed
}

// hinted adds a hint to an error of this package that has none yet.
func hinted(err error, hint string, args ...any) error {
	var e *Error
	if errors.As(err, &e) && e.Hint == "" {
		e.Hint = fmt.Sprintf(hint, args...)
	}
	return err
}

// gone reports whether an errno of a delete or a look-up says that the object was not there. Each kind of object has
// its own: ENODEV a link, EADDRNOTAVAIL an address, ESRCH a route, ENOENT a neighbour or a file.
func gone(err error) bool {
	for _, e := range []error{ErrGone, unix.ENODEV, unix.EADDRNOTAVAIL, unix.ESRCH, unix.ENOENT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// unlessGone drops an error which says that the object was not there.
func unlessGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// gone is the error of a delete that is content when there is nothing.
func (n *Namespace) gone(err error, op, object string, look func() (there bool, err error)) error {
	if err = n.reallyGone(err, op, object, look); errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// reallyGone is the error of a delete. Whatever the kernel says, it is ErrGone when a look tells that there is nothing:
// the errno can be about something else, such as the link that an address is on. It is ErrLost too when that was it,
// for then it may be this delete that did it.
func (n *Namespace) reallyGone(err error, op, object string, look func() (there bool, err error)) error {
	if err != nil {
		if there, e := look(); e != nil {
			err = errors.Join(err, e)
		} else if !there && errors.Is(err, ErrLost) {
			err = fmt.Errorf("%w, and %w", ErrGone, err)
		} else if !there {
			err = ErrGone
		}
	}
	return fail(err, op, object, n)
}
