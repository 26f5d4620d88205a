package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// The ids of a sandbox that root starts are nobody's: no system gives out these (systemd's "Users, Groups, UIDs and
// GIDs on systemd Systems" has the list). So its root owns no file and no process of the machine.
const (
	firstUnused = 0x70000000
	countUnused = 1 << 16
)

// unused are the ids that are 0 and more in a sandbox that root starts.
type unused struct{ uids, gids syscall.SysProcIDMap }

// unusedIDs is nil for an ordinary user, and for the root of a user namespace with no other ids, who is one, too.
func unusedIDs() *unused {
	if os.Geteuid() != 0 {
		return nil
	}
	u := &unused{unusedOf(setting("/proc/self/uid_map")), unusedOf(setting("/proc/self/gid_map"))}
	if u.uids.HostID == 0 || u.gids.HostID == 0 {
		return nil
	}
	return u
}

// unusedOf looks into the ids that there are here (user_namespaces(7)): a container may have so few that only its last
// one is likely to be nobody's.
func unusedOf(idMap string) syscall.SysProcIDMap {
	last := 0
	for _, line := range strings.Split(idMap, "\n") {
		var from, to, count int
		if _, err := fmt.Sscan(line, &from, &to, &count); err != nil {
			continue
		}
		if from <= firstUnused && firstUnused+countUnused <= from+count {
			return syscall.SysProcIDMap{HostID: firstUnused, Size: countUnused}
		}
		last = max(last, from+count-1)
	}
	return syscall.SysProcIDMap{HostID: last, Size: 1}
}

// attributes are those of a process that is root of a user namespace with these ids.
func (u *unused) attributes(a *syscall.SysProcAttr) {
	a.UidMappings, a.GidMappings = []syscall.SysProcIDMap{u.uids}, []syscall.SysProcIDMap{u.gids}
	a.GidMappingsEnableSetgroups = true
	a.Credential = &syscall.Credential{}
}

// unusedNamespace is a user namespace with these ids. It is made once, by a process that is stopped before its first
// instruction.
var unusedNamespace = sync.OnceValues(func() (f *os.File, err error) {
	return f, onThread(func() error { // which traces the process
		a := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, Ptrace: true, Pdeathsig: syscall.SIGKILL}
		unusedIDs().attributes(a)
		p, err := os.StartProcess("/proc/self/exe", []string{"nsscript"}, &os.ProcAttr{Sys: a})
		if err != nil {
			return err
		}
		f, err = os.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid))
		if e := p.Kill(); e != nil {
			return errors.Join(err, e)
		}
		_, e := p.Wait()
		return errors.Join(err, e)
	})
})

// asRootOf calls fn with the effective user id that root has in its sandboxes: as whom they know who may reach them.
func asRootOf(u *unused, fn func() error) error {
	if u == nil {
		return fn()
	}
	return onThread(func() error {
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(u.uids.HostID), ^uintptr(0))
		if errno != 0 {
			return fmt.Errorf("become user %d: %w", u.uids.HostID, errno)
		}
		return fn()
	})
}

// onThread calls fn on a thread of its own, which ends then, whatever it became.
func onThread(fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- fn()
	}()
	return <-done
}
