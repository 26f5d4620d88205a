package lock

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// An OwnerError says that a folder which should be this user's alone is not.
type OwnerError struct {
	Path string
	UID  int // whose it is
	Mode os.FileMode
}

func (e *OwnerError) Error() string {
	if e.UID != os.Geteuid() {
		return fmt.Sprintf("%s belongs to user %d, not to user %d", e.Path, e.UID, os.Geteuid())
	}
	return fmt.Sprintf("%s is open to others (mode %o)", e.Path, e.Mode.Perm())
}

// Hint is what to do about it.
func (e *OwnerError) Hint() string {
	if e.UID != os.Geteuid() {
		return fmt.Sprintf("look at what is in it, and then `rm -r %s`, or `chown -R %d %s` when it is this user's own",
			e.Path, os.Geteuid(), e.Path)
	}
	return "chmod 700 " + e.Path
}

// Folder makes the caller the only one who works in a folder that is this user's alone, until unlock is called. With
// create it is made when it is not there; without, that is os.ErrNotExist. Whoever has the lock may remove the folder.
func Folder(path string, create bool) (unlock func(), err error) {
	for {
		if create {
			if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
				return nil, err
			}
			failpoint.Hit("lock: folder made")
		}
		f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
		if create && errors.Is(err, os.ErrNotExist) {
			continue // removed in between
		} else if err != nil {
			return nil, err
		}
		if err = private(f); err == nil { // first, since others can lock what they can open
			err = File(f, syscall.LOCK_EX, Patience)
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		// The folder that is locked must be the one that is there: another may have removed it before we had the lock.
		mine, err1 := f.Stat()
		there, err2 := os.Lstat(path)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return func() { f.Close() }, nil
		}
		f.Close()
		if !create && errors.Is(err2, os.ErrNotExist) {
			return nil, err2
		}
	}
}

// private refuses a folder that others can write to or read.
func private(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	uid := int(st.Sys().(*syscall.Stat_t).Uid)
	if uid != os.Geteuid() || st.Mode().Perm()&0o077 != 0 {
		return &OwnerError{f.Name(), uid, st.Mode()}
	}
	return nil
}
