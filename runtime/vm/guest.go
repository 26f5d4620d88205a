package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/sandbox"
)

// port is the serial port that messages go through. The kernel's console is the first one.
const port = "/dev/ttyS1"

// Init is the first process of a machine: it makes that one like any other, runs the command that it was booted for,
// and tells what becomes of it. It returns only when there is nobody to tell that it could not.
func Init() error {
	if os.Getpid() != 1 {
		return errors.New("this is for the first process of a virtual machine only")
	}
	if err := mounts(); err != nil {
		return err
	}
	f, err := os.OpenFile(port, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := raw(f); err != nil {
		return err
	}
	out := newSender(f)
	last := message{}
	code, err := work(f, out)
	if last.Exit = &code; err != nil {
		last = message{Error: err.Error()}
	}
	if err := out.send(last); err != nil {
		return err
	}
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) // unless who is told ends the machine before
}

// mounts mounts what any machine has.
func mounts() error {
	for _, m := range []struct{ kind, at, options string }{
		{"proc", "/proc", ""}, {"sysfs", "/sys", ""}, {"devtmpfs", "/dev", ""}, {"devpts", "/dev/pts", "ptmxmode=666"},
		{"tmpfs", "/dev/shm", "mode=1777"}, {"cgroup2", "/sys/fs/cgroup", ""}} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	for fd, name := range map[string]string{"fd": "/dev/fd", "fd/0": "/dev/stdin", "fd/1": "/dev/stdout",
		"fd/2": "/dev/stderr"} {
		if err := os.Symlink("/proc/self/"+fd, name); err != nil {
			return err
		}
	}
	return nil
}

// raw has a serial port take bytes for bytes.
func raw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return fmt.Errorf("set up %s: %w", f.Name(), err)
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t); err != nil {
		return fmt.Errorf("set up %s: %w", f.Name(), err)
	}
	return nil
}

// work runs the command that the machine was booted for.
func work(port *os.File, out *sender) (code int, err error) {
	text, err := os.ReadFile(jobFile)
	if err != nil {
		return 0, err
	}
	var j job
	if err := json.Unmarshal(text, &j); err != nil {
		return 0, fmt.Errorf("read %s: %w", jobFile, err)
	}
	if err := prepare(); err != nil {
		return 0, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return 0, err
	}
	if err := out.send(message{Booted: unix.ByteSliceToString(name.Release[:])}); err != nil {
		return 0, err
	}
	go func() {
		for range time.Tick(heartbeat) {
			if out.send(message{Alive: true}) != nil {
				return // nobody is there to hear it
			}
		}
	}()
	return command(j, port, out)
}

// command runs a command to its end. What has lost its parent meanwhile is this process's child, and awaited as well.
func command(j job, port io.Reader, out *sender) (code int, err error) {
	files := make([]*os.File, 3)
	var ends []*os.File // of the pipes that are the command's
	var outputs []*os.File
	var copied sync.WaitGroup
	for fd := range files {
		r, w, err := os.Pipe()
		if err != nil {
			return 0, err
		}
		if fd == 0 {
			files[fd], ends = r, append(ends, r)
			go func() {
				_, _ = w.Write(j.Stdin) // it need not read it
				w.Close()
			}()
			continue
		}
		files[fd], ends, outputs = w, append(ends, w), append(outputs, r)
		copied.Go(func() { _, _ = io.Copy(stream{out, fd == 2}, r) }) // its end is the command's, at the latest
	}
	p, err := os.StartProcess("/proc/self/exe", append([]string{"nsscript"}, j.Args...),
		&os.ProcAttr{Dir: j.Dir, Env: j.Env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return 0, err
	}
	for _, f := range ends {
		f.Close()
	}
	go func() {
		for lines := json.NewDecoder(port); ; {
			var m message
			if lines.Decode(&m) != nil {
				return // nobody is there to send signals
			}
			_ = p.Signal(syscall.Signal(m.Signal)) // it may have ended
		}
	}()
	var st unix.WaitStatus
	for {
		pid, err := unix.Wait4(-1, &st, 0, nil)
		if err == unix.EINTR {
			continue
		} else if err != nil {
			return 0, fmt.Errorf("wait for the command: %w", err)
		}
		if pid == p.Pid {
			break
		}
	}
	for _, r := range outputs { // what it left running may hold their other ends
		if err := r.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return 0, err
		}
	}
	copied.Wait()
	if st.Signaled() {
		return 128 + int(st.Signal()), nil
	}
	return st.ExitStatus(), nil
}

// prepare makes the machine's network like that of any machine, and the devices that load their modules when they are
// opened.
func prepare() error {
	if err := sandbox.Loopback(); err != nil {
		return err
	}
	for setting, value := range map[string]string{
		"kernel/modprobe": modprobe,
		// Otherwise a tunnel's module puts its fallback device into every namespace.
		"net/core/fb_tunnels_only_for_init_net": "2",
	} {
		err := os.WriteFile("/proc/sys/"+setting, []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel may load no modules, or know no tunnels
			return err
		}
	}
	const tun = "/dev/net/tun" // misc(4): 10, 200
	if _, err := os.Stat(tun); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(tun), 0o755); err != nil {
			return err
		}
		if err := unix.Mknod(tun, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))); err != nil {
			return fmt.Errorf("make %s: %w", tun, err)
		}
		return os.Chmod(tun, 0o666)
	}
	return nil
}
