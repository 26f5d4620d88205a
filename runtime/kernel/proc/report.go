package proc

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A report is how a command ended, or why it could not be started.
type report struct {
	Status unix.WaitStatus `json:"status"`
	Last   bool            `json:"last,omitempty"`  // it left nothing running
	Ended  bool            `json:"ended,omitempty"` // it is ErrEnded
	Error  string          `json:"error,omitempty"`
	Errno  unix.Errno      `json:"errno,omitempty"`
	Op     string          `json:"op,omitempty"` // of a file that is the matter
	Path   string          `json:"path,omitempty"`
}

// reportOf is an error for another process, which err makes one of again.
func reportOf(err error) (r report) {
	if err != nil {
		r.Error, r.Ended = err.Error(), errors.Is(err, ErrEnded)
		errors.As(err, &r.Errno)
		if path := new(fs.PathError); errors.As(err, &path) {
			r.Path, r.Op = path.Path, path.Op
		}
	}
	return r
}

func (r report) err() error {
	switch {
	case r.Ended:
		return ErrEnded
	case r.Errno != 0 && r.Path != "":
		return &fs.PathError{Op: r.Op, Path: r.Path, Err: r.Errno}
	case r.Errno != 0:
		return r.Errno
	case r.Error != "":
		return errors.New(r.Error)
	}
	return nil
}
