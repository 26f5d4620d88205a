package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// cgroupPrefix is what the name of every cgroup begins with that nsscript makes for a lab.
const cgroupPrefix = "nsscript-"

// killPatience is how long the kernel is given to end processes that were killed.
const killPatience = 5 * time.Second

// openCgroup opens the folder of a cgroup, and nothing else: no symbolic link leads there, and it is of version 2.
func openCgroup(path string) (int, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return -1, err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		unix.Close(fd)
		return -1, errors.Join(err, errors.New("not a cgroup of version 2"))
	}
	return fd, nil
}

// ValidCgroup says what is wrong with the path of a lab's cgroup: it must be one that FreeCgroup can have chosen.
func ValidCgroup(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || !strings.HasPrefix(filepath.Base(path), cgroupPrefix) {
		return fmt.Errorf("not the path of a lab's cgroup: %q", path)
	}
	return nil
}

// openOurs opens a cgroup whose path was read from a journal: only one that nsscript can have made.
func openOurs(path string) (int, error) {
	if err := ValidCgroup(path); err != nil {
		return -1, err
	}
	return openCgroup(path)
}

// AddCgroup makes a cgroup at a path that FreeCgroup chose.
func AddCgroup(path string) error {
	fd, err := openCgroup(filepath.Dir(path))
	if err == nil {
		err = failpoint.Call(func() error { return unix.Mkdirat(fd, filepath.Base(path), 0o755) })
		failpoint.Hit("cgroup: made")
		unix.Close(fd)
	}
	return err
}

// DeleteCgroup kills every process in a cgroup and in those below it, waits for their end, and removes all of them. It
// is content when the cgroup is gone.
func DeleteCgroup(path string) error {
	fd, err := openOurs(path)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil
	} else if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, dir := range ownCgroups() {
		if dir == path || strings.HasPrefix(dir, path+"/") {
			return errors.New("this process is in it and would kill itself: run this outside the lab")
		}
	}
	failpoint.Hit("cgroup: before its processes are killed")
	if err := killCgroup(fd); err != nil {
		return err
	}
	failpoint.Hit("cgroup: its processes were killed")
	deadline := time.Now().Add(killPatience)
	if err := awaitEmpty(fd, deadline); err != nil {
		return err
	}
	return removeCgroup(path, deadline)
}

// CgroupIdle reports whether no process is left in a cgroup and those below it.
func CgroupIdle(path string) (bool, error) {
	fd, err := openOurs(path)
	if errors.Is(err, unix.ENOENT) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	events, err := readAt(fd, "cgroup.events")
	return err == nil && idle(events), err
}

func idle(events string) bool { return slices.Contains(strings.Split(events, "\n"), "populated 0") }

// killCgroup kills every process in a cgroup and below it, also those that are being forked (Linux 5.14).
func killCgroup(fd int) error {
	f, err := unix.Openat(fd, "cgroup.kill", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(f)
	return failpoint.Call(func() error {
		_, err := unix.Write(f, []byte("1"))
		return err
	})
}

// awaitEmpty waits until no process is left in a cgroup and below it: the kernel wakes whoever polls cgroup.events.
func awaitEmpty(fd int, deadline time.Time) error {
	f, err := unix.Openat(fd, "cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(f)
	buf := make([]byte, 256)
	for {
		// Reading it is what arms the poll.
		n, err := unix.Pread(f, buf, 0)
		if err != nil {
			return err
		}
		if idle(string(buf[:n])) {
			return nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("processes %s do not end", strings.Join(members(fd), ", "))
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(f), Events: unix.POLLPRI}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// members names the processes in a cgroup and below it.
func members(fd int) (pids []string) {
	root := fmt.Sprintf("/proc/self/fd/%d/", fd)
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			procs, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			pids = append(pids, strings.Fields(string(procs))...)
		}
		return nil // what went away meanwhile has no members
	})
	return pids
}

// removeCgroup removes a cgroup and those below it, which are empty, deepest first.
func removeCgroup(path string, deadline time.Time) error {
	var dirs []string
	err := filepath.WalkDir(path, func(dir string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, dir)
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		for {
			err := failpoint.Call(func() error { return unix.Rmdir(dir) })
			if err == nil || errors.Is(err, unix.ENOENT) {
				failpoint.Hit("cgroup: removed")
				break
			}
			if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
				return err
			}
			// A process that has left it can hold it for another moment, of whose end there is no event.
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// readAt reads a small file below an open folder.
func readAt(dir int, name string) (string, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	return strings.TrimSpace(string(buf[:max(n, 0)])), err
}
