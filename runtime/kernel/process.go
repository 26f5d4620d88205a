package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

// Run starts a command inside the namespace and waits for it, as `ip netns exec` does: it sees the namespace in
// /proc/net and, through a mount namespace of its own, in /sys. It dies with this process, and when ctx ends, then with
// all that it started. What it leaves running when it ends by itself stays where in says. The error is about running
// it, not about how it ended. Once it is started, aside is given what waits for it, and calls that: meanwhile others
// may use the machine.
func (n *Namespace) Run(ctx context.Context, cmd *exec.Cmd, in proc.Procs,
	aside func(wait func() error) error) (unix.WaitStatus, error) {
	n.alone, n.m.ran = false, true
	n.m.renew() // it may change anything
	c, err := n.m.Prepare(cmd, in)
	if errors.Is(err, proc.ErrNoBinding) {
		return 0, err
	}
	if err != nil {
		return 0, fail(err, "add cgroup", "in "+in.Cgroup, nil)
	}
	st, err := c.Run(ctx, n.enter, aside)
	return st, errors.Join(err, fail(c.Close(), "end", "processes of "+cmd.Path, nil))
}

// A Process is a command that runs beside others in a namespace, under a name.
type Process struct {
	NS      NSRef        `json:"ns"`
	Name    string       `json:"name"`
	Service proc.Service `json:"service"`
	Job     proc.Job     `json:"job"`
}

// ValidProcessName says which rule a process's name breaks: as for a namespace's, it is 1 to 64 letters, digits, '.',
// '_' and '-', the first a letter or digit.
func ValidProcessName(name string) error {
	ok, _ := regexp.MatchString(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`, name)
	if !ok {
		return fmt.Errorf("process name %q: want 1 to 64 letters, digits, '.', '_' and '-', first no sign", name)
	}
	return nil
}

// Valid says what is not as nsscript writes it.
func (p *Process) Valid() error {
	job := p.Job
	if len(job.Args) == 0 || job.Path == "" {
		return errors.New("a process without a command")
	}
	if job.Stop < 1 || job.Stop > 64 || job.Grace < 0 {
		return fmt.Errorf("a process that is stopped by signal %d within %s", job.Stop, job.Grace)
	}
	return errors.Join(ValidProcessName(p.Name), p.Service.Valid())
}

// Start starts a process, which sees what Run's command sees.
func (m *Machine) Start(p Process) error {
	n, err := m.Namespace(p.NS)
	if err != nil {
		return fail(err, "start process", p.Name, nil)
	}
	n.alone, m.ran = false, true
	m.renew() // it may change anything
	if err = m.StartService(p.Service, p.Job, n.enter); err == nil {
		return nil
	}
	if !errors.As(err, new(*Error)) {
		err = fail(err, "start process", p.Name, n)
	}
	if _, e := os.Lstat(string(p.Service)); e == nil {
		err = Partly(err) // it could not be ended
	}
	return err
}

// End ends a process and all that it has started, and removes its log. It is content when that is done.
func (m *Machine) End(p Process) error {
	err := m.EndService(p.Service, p.Job.Grace)
	if err == nil && p.NS.Token != "" { // in a namespace of somebody else's, so may be the connections
		var n *Namespace
		if n, err = m.Namespace(p.NS); err == nil {
			err = n.endOrphans()
		}
		err = unlessGone(err)
	}
	return fail(err, "end process", p.Name, nil)
}

// enter locks the calling goroutine to its thread for good, and makes that one that commands are started on: in the
// namespace, and with nothing of what nsscript itself inherited.
func (n *Namespace) enter() error {
	runtime.LockOSThread()
	if err := proc.DropInherited(); err != nil {
		return fail(err, "enter namespace", n.Name(), nil)
	}
	return fail(n.mount(), "enter namespace", n.Name(), nil)
}

// mount moves the calling thread into the namespace, with a mount namespace of its own: /sys shows the namespace there,
// and its files are seen.
func (n *Namespace) mount() error {
	files, err := n.m.Files(n.ref)
	if err != nil || n.base && len(files) == 0 {
		return err
	}
	if n.fd < 0 {
		return ErrGone
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "none", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return err
	}
	if !n.base {
		if err := n.mountSys(); err != nil {
			return err
		}
	}
	return mountFiles(files)
}

// mountSys moves the calling thread, which has a mount namespace of its own, into the namespace, and has /sys show it.
func (n *Namespace) mountSys() error {
	if err := netns.Set(n.fd); err != nil {
		return err
	}
	// /sys/class/net shows the namespace of whoever mounted it. A machine without /sys has nothing to show.
	var flags uintptr
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys", &fs); err == nil && fs.Flags&unix.ST_RDONLY != 0 {
		flags = unix.MS_RDONLY
	}
	_ = unix.Unmount("/sys", unix.MNT_DETACH)
	if err := unix.Mount(n.Name(), "/sys", "sysfs", flags, ""); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if ValidNamespaceName(n.ref.Name) != nil {
		return nil // it has no name
	}
	return bindFiles(filepath.Join(netnsFiles, n.ref.Name), "/etc")
}

// netnsFiles is where ip-netns(8) looks for the files that are other ones in a namespace, in a folder with its name.
const netnsFiles = "/etc/netns"

// bindFiles has what is in a folder seen in another one, where each of it must be already.
func bindFiles(from, in string) error {
	all, err := os.ReadDir(from)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	for _, e := range all {
		file, at := filepath.Join(from, e.Name()), filepath.Join(in, e.Name())
		if err := unix.Mount(file, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s in place of %s, which must be there: %w", file, at, err)
		}
	}
	return err
}

// Exec replaces this process by a command inside the namespace.
func (n *Namespace) Exec(argv, env []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	if err := n.enter(); err != nil {
		return err
	}
	return fail(unix.Exec(path, argv, env), "run", strings.Join(argv, " "), n)
}

// AddCgroup makes a cgroup at a path that FreeCgroup chose.
func (m *Machine) AddCgroup(path string) error {
	return fail(proc.AddCgroup(path), "add cgroup", path, nil)
}

// DeleteCgroup kills every process in a cgroup and in those below it, waits for their end, and removes all of them. It
// is content when the cgroup is gone.
func (m *Machine) DeleteCgroup(path string) error {
	return fail(proc.DeleteCgroup(path), "delete cgroup", path, nil)
}

// CgroupIdle reports whether no process is left in a cgroup and those below it.
func (m *Machine) CgroupIdle(path string) (bool, error) {
	idle, err := proc.CgroupIdle(path)
	return idle, fail(err, "read cgroup", path, nil)
}
