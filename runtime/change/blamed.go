package change

import (
	"errors"
	"os"
	"syscall"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/lock"
)

// Blamed says of an error of the journals that is the machine's what to do about it.
func Blamed(err error) error {
	e := &kernel.Error{Op: "write", Object: "journal", Machine: true}
	var path *os.PathError
	var errno syscall.Errno
	var held *lock.HeldError
	var owner *lock.OwnerError
	switch {
	case errors.As(err, &held):
		e.Op, e.Object, e.Hint, e.Err = "open", "the labs", held.Hint(), held
		return e
	case errors.As(err, &owner):
		e.Op, e.Object, e.Hint, e.Err = "open", "the labs", owner.Hint(), owner
		return e
	case errors.Is(err, os.ErrPermission):
		e.Op, e.Object = "open", "the labs"
		if os.Geteuid() != 0 {
			e.Hint = "labs on the machine itself need root: run it with sudo"
		}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Hint = "the file system of the journals is full: see `df /run`"
	case errors.Is(err, syscall.EROFS):
		e.Hint = "the journals' file system cannot be written to: see `findmnt -T /run/nsscript`"
	case !errors.Is(err, syscall.EIO):
		return err
	}
	if errors.As(err, &path) {
		e.Err = path
	} else if errors.As(err, &errno) {
		e.Err = errno
	}
	return e
}
