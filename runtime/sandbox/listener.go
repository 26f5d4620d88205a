package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Listener is where a sandbox is reached from outside: an abstract unix(7) socket with the user's id and a name in its
// address. It is in no file system, so nothing of it can be left behind: the kernel frees the name with the sandbox.
type Listener struct{ file *os.File }

// ErrTaken says that there is a sandbox of that name.
var ErrTaken = errors.New("the name is taken")

const addressPrefix = "nsscript/"

func address(name string) string { return addressPrefix + strconv.Itoa(os.Geteuid()) + "/" + name }

// Listen claims a name for a sandbox that is to be started.
func Listen(name string) (*Listener, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + address(name)}); err == nil {
		err = unix.Listen(fd, 16)
	}
	if errors.Is(err, unix.EADDRINUSE) {
		err = ErrTaken
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	return &Listener{os.NewFile(uintptr(fd), address(name))}, nil
}

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

// Accept waits for the next caller that is the sandbox's own user; others are sent away. The error is os.ErrClosed when the
// sandbox is not reached here any more.
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
		// The user is root in the sandbox, and nobody else is.
		if cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil || int(cred.Uid) != os.Geteuid() {
			unix.Close(fd)
			continue
		}
		return conn(fd)
	}
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

// Dial reaches a sandbox of this user. os.ErrNotExist: there is none of that name.
func Dial(name string) (*net.UnixConn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: "@" + address(name)})
	if errors.Is(err, unix.ECONNREFUSED) {
		err = os.ErrNotExist
	}
	if err == nil {
		// Anybody can bind a name.
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && int(cred.Uid) != os.Geteuid() {
			err = fmt.Errorf("it is held by user %d: %w", cred.Uid, unix.EACCES)
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("reach sandbox %s: %w", name, err)
	}
	return conn(fd)
}

// Names lists this user's sandboxes that are reached by a name.
func Names() ([]string, error) {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, line := range strings.Split(string(text), "\n") {
		if _, name, ok := strings.Cut(line, " @"+address("")); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
