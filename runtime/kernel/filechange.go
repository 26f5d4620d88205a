package kernel

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// AddFile makes a file at the place that PlaceFile chose. What is started from then on sees it.
func (m *Machine) AddFile(f File) error {
	err := failpoint.Call(func() error { return m.addFile(f) })
	failpoint.Hit("file: added")
	if err != nil {
		if e := m.removeFile(f); e != nil {
			return Partly(f.fail(errors.Join(err, e), "add"))
		}
	}
	return f.fail(err, "add")
}

func (m *Machine) addFile(f File) error {
	if err := os.Mkdir(f.Kept, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	failpoint.Hit("file: folder made")
	root, err := m.filesRoot(f)
	if err != nil {
		return err
	}
	defer root.Close()
	var made *os.File
	if f.Dir {
		if err = root.Mkdir(f.At, 0o700); err == nil {
			made, err = root.Open(f.At)
		}
	} else {
		made, err = root.OpenFile(f.At, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = made.WriteString(f.Text)
		}
	}
	if made != nil {
		defer made.Close()
	}
	if err == nil && f.User != nil {
		err = made.Chown(int(f.User.UID), int(f.User.GID))
	}
	if err == nil {
		err = unix.Fchmod(int(made.Fd()), f.Mode)
	}
	failpoint.Hit("file: made")
	if err == nil && f.own() {
		err = root.Symlink(f.Path, f.At+seenAt)
	}
	return err
}

// RemoveFile removes a file, or a folder with all that programs have put into it. It is content when that is gone.
func (m *Machine) RemoveFile(f File) error {
	return f.fail(failpoint.Call(func() error { return m.removeFile(f) }), "remove")
}

func (m *Machine) removeFile(f File) error {
	if err := f.Valid(); err != nil {
		return err
	}
	root, err := m.filesRoot(f)
	if errors.Is(err, unix.ENOENT) {
		return nil
	} else if err != nil {
		return err
	}
	defer root.Close()
	if f.own() {
		if err := root.Remove(f.At + seenAt); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	failpoint.Hit("file: taken from its path")
	all, err := f.asides(root)
	for _, name := range append(all, f.At) {
		if err == nil {
			err = root.RemoveAll(name)
		}
	}
	if err != nil {
		return err
	}
	failpoint.Hit("file: removed")
	return unlessFilled(os.Remove(f.Kept))
}

// asides are the names of what was set aside of a file that is in no other one.
func (f *File) asides(root *os.Root) (all []string, err error) {
	if !f.own() {
		return nil, nil
	}
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if strings.HasPrefix(name, f.At+asideSign) {
			all = append(all, name)
		}
	}
	return all, err
}

// unlessFilled drops the error of removing a folder that others have their files in.
func unlessFilled(err error) error {
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// HasFile is an error when a file is not there any more.
func (m *Machine) HasFile(f File) error {
	root, err := m.filesRoot(f)
	if err == nil {
		defer root.Close()
		_, err = root.Lstat(f.At)
	}
	return f.fail(err, "find")
}

// SetFileAside takes a file from its path and keeps it under the name that FreeAside has drawn.
func (m *Machine) SetFileAside(f File, name string) error {
	return f.fail(failpoint.Call(func() error {
		root, err := m.filesRoot(f)
		if err != nil {
			return err
		}
		defer root.Close()
		if f.own() {
			if err := root.Remove(f.At + seenAt); err != nil {
				return err
			}
		}
		failpoint.Hit("file: taken from its path")
		if err := root.Rename(f.At, name); err != nil {
			return Partly(err)
		}
		return nil
	}), "delete")
}

// PutFileBack undoes SetFileAside, whether that was done or not, or in part.
func (m *Machine) PutFileBack(f File, name string) error {
	return f.fail(failpoint.Call(func() error {
		if err := f.Valid(); err != nil {
			return err
		}
		root, err := m.filesRoot(f)
		if err != nil {
			return unlessGone(err)
		}
		defer root.Close()
		if _, err = root.Lstat(name); err == nil {
			err = root.Rename(name, f.At)
			failpoint.Hit("file: put back")
		} else if errors.Is(err, unix.ENOENT) {
			_, err = root.Lstat(f.At) // it was not set aside, or has gone with what it was in
		}
		if err != nil || !f.own() {
			return unlessGone(err)
		}
		if err := root.Symlink(f.Path, f.At+seenAt); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		return nil
	}), "restore")
}
