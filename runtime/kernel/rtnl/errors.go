package rtnl

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ErrLost means that a request was made and its answer did not come: nobody knows whether it was done.
var ErrLost = errors.New("the kernel's answer was lost")

// An ExtAck is an errno for which the kernel sent its own explanation (netlink's extended acknowledgement).
type ExtAck struct {
	Errno unix.Errno
	Text  string
}

func (e *ExtAck) Error() string { return e.Errno.Error() + ": " + e.Text }
func (e *ExtAck) Unwrap() error { return e.Errno }

// Explanation is the kernel's own text for an error, "" when it sent none.
func Explanation(err error) string {
	var ack *ExtAck
	if errors.As(err, &ack) {
		return ack.Text
	}
	return ""
}
