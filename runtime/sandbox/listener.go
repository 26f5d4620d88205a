package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Listener is where a sandbox is reached from outside: an abstract unix(7) socket with the user's id and a name in
// its address. It is in no file system, so nothing of it can be left behind: the kernel frees the name with the
// sandbox. Anybody can bind any such address, so it is the user who made the socket that counts: where another one has
// the address, a longer one serves.
type Listener struct{ file *os.File }

// ErrTaken says that there is a sandbox of that name.
var ErrTaken = errors.New("the name is taken")

// ErrSilent says that a sandbox is there, and takes no connection.
var ErrSilent = errors.New("it does not answer")

// Patience is how long a sandbox is waited for.
const Patience = 10 * time.Second

const addressPrefix = "nsscript/"

func address(name string) string { return addressPrefix + strconv.Itoa(os.Geteuid()) + "/" + name }

// own lists the addresses of this user's sandboxes, by their names.
func own() (map[string][]string, error) {
	all, err := sockets()
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		all, err = unowned()
	}
	found := map[string][]string{}
	for _, s := range all {
		if rest, ok := strings.CutPrefix(s.address, address("")); ok && s.uid == os.Geteuid() {
			name, _, _ := strings.Cut(rest, "/")
			if !slices.Contains(found[name], s.address) {
				found[name] = append(found[name], s.address)
			}
		}
	}
	return found, err
}

// Listen claims a name for a sandbox that is to be started.
func Listen(name string) (*Listener, error) {
	l, err := listen(address(name))
	if errors.Is(err, unix.EADDRINUSE) {
		found, e := own()
		switch {
		case e != nil:
			err = e
		case len(found[name]) > 0:
			err = ErrTaken
		default: // another user has it
			l, err = listen(address(name) + "/" + rand.Text())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	if found, err := own(); err != nil || len(found[name]) > 1 {
		if err == nil {
			err = ErrTaken
		}
		return nil, errors.Join(fmt.Errorf("listen for %s: %w", name, err), l.Close())
	}
	return l, nil
}

func listen(address string) (*Listener, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + address}); err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Listener{os.NewFile(uintptr(fd), address)}, nil
}

// backlog is how many callers can wait.
const backlog = 128

// answering makes this process the one that callers see behind the socket (SO_PEERCRED): until then that is who claimed
// the name.
func (l *Listener) answering() error { return unix.Listen(int(l.file.Fd()), backlog) }

// Listening is a listener that another process has claimed.
func Listening(f *os.File) *Listener { return &Listener{f} }

// File is what to hand to another process.
func (l *Listener) File() *os.File { return l.file }

// stop ends Accept, and lets go of the name.
func (l *Listener) stop() error {
	return errors.Join(unix.Shutdown(int(l.file.Fd()), unix.SHUT_RDWR), l.file.Close())
}

// Close lets go of the name, as far as this process holds it.
func (l *Listener) Close() error { return l.file.Close() }

// Accept waits for the next caller that is the sandbox's own user; others are sent away. The error is os.ErrClosed when
// the sandbox is not reached here any more.
func (l *Listener) Accept() (*net.UnixConn, error) {
	for {
		fd, _, err := unix.Accept4(int(l.file.Fd()), unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EBADF):
			return nil, os.ErrClosed
		case err != nil:
			return nil, err
		}
		if cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil || !ours(cred.Uid) {
			unix.Close(fd)
			continue
		}
		return conn(fd)
	}
}

// ours reports whether an id is this user's or, for root, that of root in its sandboxes. The user is root in the
// sandbox, and nobody else is.
func ours(uid uint32) bool {
	u := unusedIDs()
	return int(uid) == os.Geteuid() || u != nil && int(uid) == u.uids.HostID
}

func conn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "sandbox")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// Dial reaches a sandbox of this user, and tells its first process. os.ErrNotExist: there is none of that name;
// ErrSilent: it is there, and takes no connection.
func Dial(name string) (c *net.UnixConn, pid int, err error) {
	found, err := own()
	if err == nil && len(found[name]) == 0 {
		err = os.ErrNotExist
	}
	for _, a := range found[name] {
		if c, pid, err = dial(a, Patience); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, pid, fmt.Errorf("reach sandbox %s: %w", name, err)
	}
	return c, pid, nil
}

func dial(address string, patience time.Duration) (*net.UnixConn, int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, err
	}
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
	if err == nil {
		err = asRootOf(unusedIDs(), func() error {
			for {
				if err := unix.Connect(fd, &unix.SockaddrUnix{Name: "@" + address}); err != unix.EINTR {
					return err
				}
			}
		})
	}
	var cred *unix.Ucred
	if err == nil {
		cred, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	}
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		err = os.ErrNotExist
	case errors.Is(err, unix.EAGAIN):
		err = ErrSilent
	case err == nil && !ours(cred.Uid):
		err = fmt.Errorf("user %d has it: %w", cred.Uid, os.ErrNotExist) // since it was looked for
	}
	if err != nil {
		unix.Close(fd)
		return nil, 0, err
	}
	c, err := conn(fd)
	return c, int(cred.Pid), err
}

// Names lists this user's sandboxes that are reached by a name.
func Names() ([]string, error) {
	found, err := own()
	return slices.Sorted(maps.Keys(found)), err
}
