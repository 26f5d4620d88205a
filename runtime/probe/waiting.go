package probe

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a socket that is used by several at once: each direction by one at a time, who can be told to stop.
type conn struct {
	*os.File
	raw              syscall.RawConn
	reading, writing chan struct{}
	closed           atomic.Bool
}

func newConn(fd int, name string) (*conn, error) {
	f := polled(fd, name)
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &conn{File: f, raw: raw, reading: make(chan struct{}, 1), writing: make(chan struct{}, 1)}, nil
}

// Close closes the socket: who waits for it gets os.ErrClosed. Doing it twice does nothing more.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.File.Close()
}

// Closed reports whether it was closed at this end.
func (c *conn) Closed() bool { return c.closed.Load() }

// control has fn use the descriptor, which stays open as long.
func (c *conn) control(fn func(fd int) error) error {
	var err error
	if cerr := c.raw.Control(func(fd uintptr) { err = fn(int(fd)) }); cerr != nil {
		return os.ErrClosed
	}
	return err
}

// read calls try until it reports true, whenever the socket may have something. When ctx ends before, its cause is the
// error.
func (c *conn) read(ctx context.Context, try func(fd int) bool) error {
	return during(ctx, c.reading, c.SetReadDeadline, func() error {
		return c.retried(c.raw.Read, unix.POLLIN, try)
	})
}

// write is read for what waits until there is room.
func (c *conn) write(ctx context.Context, try func(fd int) bool) error {
	return during(ctx, c.writing, c.SetWriteDeadline, func() error {
		return c.retried(c.raw.Write, unix.POLLOUT, try)
	})
}

// retried calls try as wait says, and goes on where Go's poller gives the socket up: its last event was an error and
// nothing else, as when an ICMP error finds the send buffer half full (runtime/netpoll.go, eventErr).
func (c *conn) retried(wait func(func(fd uintptr) bool) error, events int16, try func(fd int) bool) error {
	for {
		err := wait(func(fd uintptr) bool { return try(int(fd)) })
		switch {
		case err == nil: // also when it was closed meanwhile: what try has got, such as a connection, is the caller's
			return nil
		case c.Closed():
			return os.ErrClosed
		case errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
		done := false
		if err := c.raw.Control(func(fd uintptr) {
			unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, 1)
			done = try(int(fd))
		}); err != nil || done {
			return err
		}
	}
}

// during has one at a time use a direction of a socket, and ends that when ctx ends.
func during(ctx context.Context, turn chan struct{}, deadline func(time.Time) error, use func() error) error {
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		deadline(time.Unix(1, 0))
		close(told)
	})
	err := use()
	if !stop() {
		<-told
		deadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return context.Cause(ctx)
		}
	}
	return err
}
