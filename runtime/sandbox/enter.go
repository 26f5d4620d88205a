package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// An Inside is a sandbox as its first process has it.
type Inside struct {
	Reports  *os.File                 // for who started it
	listener atomic.Pointer[Listener] // where it is reached; nil when it is not to be kept
	kept     atomic.Bool
}

// Reached is where the sandbox is reached now.
func (in *Inside) Reached() *Listener { return in.listener.Load() }

// Move has the sandbox reached elsewhere.
func (in *Inside) Move(to *Listener) error {
	return errors.Join(to.answering(), in.listener.Swap(to).stop())
}

// Enter is called by the first process of a sandbox, before anything else: it makes the new namespaces a machine, with
// mounts, /proc and /sys of its own and an empty /run. From here on the process ends when who started it does, unless
// it is kept. An error about what the machine does not allow is a *Refusal.
func Enter() (*Inside, error) {
	control := os.NewFile(fdControl, "control")
	c, err := readConfig(control)
	if err != nil {
		return nil, fmt.Errorf("read how to begin: %w", err)
	}
	if c.Ids {
		// It has its user ids only now, and gets the privileges that go with them by executing a program.
		return nil, unix.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	for fd := fdControl; fd <= fdListener; fd++ {
		unix.CloseOnExec(fd)
	}
	in := &Inside{Reports: os.NewFile(fdReports, "reports")}
	if c.Listener {
		l := &Listener{file: os.NewFile(fdListener, "listener")}
		if err := l.answering(); err != nil {
			return nil, fmt.Errorf("answer for the sandbox: %w", err)
		}
		in.listener.Store(l)
	}
	go func() {
		_, _ = io.Copy(io.Discard, control) // nothing more is written; an error is as good as an end
		if !in.kept.Load() {
			os.Exit(1)
		}
	}()
	if err := furnish(c); err != nil {
		return nil, err
	}
	if c.Memory > 0 {
		limit := unix.Rlimit{Cur: c.Memory, Max: c.Memory}
		if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
			return nil, fmt.Errorf("limit memory: %w", err)
		}
	}
	return in, nil
}

// readConfig reads one line, and not a byte more.
func readConfig(r io.Reader) (c config, err error) {
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			return c, err
		}
		if b[0] == '\n' {
			return c, json.Unmarshal(line, &c)
		}
	}
}

// furnish makes the mounts of a sandbox, as far as it has not got them.
func furnish(c config) error {
	mount := func(kind, target string, flags uintptr) error {
		return refusal("mount "+target, unix.Mount(kind, target, kind, flags, ""))
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV
	if err := mount("", "/", unix.MS_REC|unix.MS_PRIVATE); err != nil {
		return err
	}
	if err := errors.Join(mount("proc", "/proc", flags|unix.MS_NOEXEC),
		mount("sysfs", "/sys", flags|unix.MS_NOEXEC)); err != nil {
		return err
	}
	if !c.Secluded {
		hidden := slices.DeleteFunc(c.Folders, func(dir string) bool { return !strings.HasPrefix(dir, "/run/") })
		trees, err := openTrees(hidden, 0, -1)
		if err != nil {
			return err
		}
		defer closeTrees(trees)
		if err := mount("tmpfs", "/run", flags); err != nil {
			return err
		}
		for _, t := range trees {
			if err := t.attach(); err != nil {
				return err
			}
		}
	}
	// The current folder is what is seen at its path now, and none of the machine's /proc or /run.
	if cwd, err := os.Getwd(); err == nil && errors.Is(os.Chdir(cwd), os.ErrNotExist) {
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}
	return Loopback()
}

// Loopback sets lo of the namespace that this process is in up, as it is on any machine.
func Loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return refusal("set lo up", err)
	}
	return nil
}

// Keep lets the sandbox go on when who started it ends, and makes the last report, as JSON. Its standard descriptors
// are let go.
func (in *Inside) Keep(report any) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	if err := os.Chdir("/"); err != nil { // so that nobody's file system is held by it
		return err
	}
	in.kept.Store(true)
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return err
		}
	}
	// Last, since who started it may end at once.
	return errors.Join(json.NewEncoder(in.Reports).Encode(report), in.Reports.Close())
}
