package kernel

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/lock"
)

// netnsDir is where ip-netns(8) keeps the names of namespaces: a file a name, with the namespace mounted on it.
const netnsDir = "/run/netns"

// ValidNamespaceName says which rule a namespace's name breaks: 1 to 64 bytes of letters, digits, '.', '_' and '-',
// the first a letter or digit; "host" is the word for the namespace that nsscript started in.
func ValidNamespaceName(name string) error {
	if name == "host" {
		return fmt.Errorf("namespace name %q is reserved: it is the namespace nsscript started in", name)
	}
	return validName("namespace", name, 64)
}

// GiveName gives a namespace its name in /run/netns, so that it outlives the process and `ip netns` sees it.
//
// The file appears whole, with the process's token as its content, before the namespace is mounted on it: whoever finds
// the file without the mount, after a SIGKILL between the two, can tell whose it is.
func (m *Machine) GiveName(n *Namespace) error { return m.giveName(n, n.ref) }

func (m *Machine) giveName(n *Namespace, ref NSRef) error {
	if err := ref.Named(); err != nil {
		return fail(err, "add namespace", ref.Name, nil)
	}
	if err := m.netnsFolder(); err != nil {
		return fail(err, "add namespace", ref.Name, nil)
	}
	if err := m.linkToken(ref); errors.Is(err, unix.EEXIST) {
		return taken(ref)
	} else if err != nil {
		return fail(err, "add namespace", ref.Name, nil)
	}
	failpoint.Hit("namespace: file made")
	if err := bindNS(n, ref.Path); err != nil {
		return fail(errors.Join(err, os.Remove(ref.Path)), "add namespace", ref.Name, nil)
	}
	return nil
}

func taken(ref NSRef) error {
	return &Error{Op: "add namespace", Object: ref.Name, Err: unix.EEXIST, Machine: true,
		Hint: fmt.Sprintf("%s is there already; netns_at(name=%q) reaches it", ref.Path, ref.Name)}
}

// NameFree is EEXIST when something has the name that a namespace is to get. After a crash nobody could tell whether
// the run had come far enough to be refused it.
func (m *Machine) NameFree(name string) error {
	if err := ValidNamespaceName(name); err != nil {
		return err
	}
	ref := NSRef{Name: name, Path: netnsDir + "/" + name}
	if _, err := os.Lstat(ref.Path); err == nil {
		return taken(ref)
	} else if !errors.Is(err, os.ErrNotExist) {
		return fail(err, "add namespace", ref.Name, nil)
	}
	return nil
}

// bindNS mounts a namespace on a file, which keeps it alive.
func bindNS(n *Namespace, path string) error {
	return failpoint.Call(func() error {
		return unix.Mount("/proc/self/fd/"+strconv.Itoa(int(n.fd)), path, "none", unix.MS_BIND, "")
	})
}

// unmounters is how many names lose their mounts at once.
const unmounters = 16

// Unmount takes the namespaces off their names, which TakeName is then to remove. The kernel sleeps in every unmount
// until no processor can be looking at the mount any more; these sleep together. What it does not do is left to
// TakeName.
func (m *Machine) Unmount(refs []NSRef) {
	mounts := make(chan int, len(refs))
	for _, ref := range refs {
		fd, err := unix.Open(ref.Path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if ours, mounted, err := m.whose(fd, ref); err == nil && ours && mounted {
			mounts <- fd
		} else {
			unix.Close(fd)
		}
	}
	close(mounts)
	var all sync.WaitGroup
	for range min(unmounters, len(mounts)) {
		all.Go(func() {
			for fd := range mounts {
				_ = unmount(fd) // TakeName tries again, and says why not
				unix.Close(fd)
			}
		})
	}
	all.Wait()
}

// unmount takes away the mount that was opened, whatever stands on its path by now. EINVAL: somebody else was faster.
func unmount(fd int) error {
	failpoint.Hit("namespace: before a mount is taken away")
	return failpoint.Call(func() error { return unix.Unmount("/proc/self/fd/"+strconv.Itoa(fd), unix.MNT_DETACH) })
}

// TakeName takes a namespace's name away again: all its mounts there, and the file. What stands under the name and
// is another namespace, or somebody else's file, is left and reported as ErrDiverged; a name that is not there is no
// error.
func (m *Machine) TakeName(ref NSRef) error {
	if err := ref.Named(); err != nil {
		return fail(err, "delete namespace", ref.Name, nil)
	}
	var last error
	for below := false; ; below = true {
		again, err := m.takeTop(ref, below)
		// When somebody else was faster, another look tells what is there now.
		if !again || err != nil && (last != nil || !errors.Is(err, unix.EINVAL)) {
			return fail(err, "delete namespace", ref.Name, nil)
		}
		last = err
	}
}

// takeTop takes away what stands uppermost under a namespace's name; below says that a mount of its own was above it.
// again says that it was one more of these.
func (m *Machine) takeTop(ref NSRef, below bool) (again bool, err error) {
	fd, err := unix.Open(ref.Path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENOENT) {
		return false, m.hidden(ref)
	} else if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	ours, mounted, err := m.whose(fd, ref)
	switch {
	case err != nil:
		return false, err
	case !ours && (mounted || !below): // the file below our own mount is part of the name, whoever made it
		return false, covered(ref.Path, mounted)
	case !mounted:
		failpoint.Hit("namespace: before the file is removed")
		// Removing the file also detaches the copies of the mount in other mount namespaces.
		return false, failpoint.Call(func() error { return unix.Unlink(ref.Path) })
	}
	return true, unmount(fd)
}

// whose tells whether an open file is a namespace's name: the namespace itself, or the file below it.
func (m *Machine) whose(fd int, ref NSRef) (ours, mounted bool, err error) {
	if isNetNS(fd) {
		if n := m.open[ref.Cookie]; n != nil { // as long as it is open, nothing else has its inode
			ours, err := sameNS(fd, int(n.fd))
			return ours, true, err
		}
		cookie, err := m.cookie(netns.NsHandle(fd))
		return cookie == ref.Cookie, true, err
	}
	buf := make([]byte, 64)
	n, err := unix.Pread(fd, buf, 0)
	return ref.Token != "" && string(buf[:max(n, 0)]) == content(ref.Token), false, err
}

// sameNS reports whether two descriptors are of one namespace.
func sameNS(a, b int) (bool, error) {
	var x, y unix.Stat_t
	err := errors.Join(unix.Fstat(a, &x), unix.Fstat(b, &y))
	return x.Dev == y.Dev && x.Ino == y.Ino, err
}

func content(token string) string { return "nsscript " + token + "\n" }

// linkToken makes the file that a namespace is mounted on. All those of one process are links to one file with the
// process's token, which costs a third of making a file for each.
func (m *Machine) linkToken(ref NSRef) (err error) {
	if ref.Token != m.token { // another process made the namespace, and it gets its name back
		fd, err := tokenFile(ref.Token)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return linkFile(fd, ref.Path)
	}
	if m.tokenFile >= 0 {
		err = linkFile(m.tokenFile, ref.Path)
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EMLINK) {
			return err
		}
		// Its last name was removed, and it cannot get another; or it has as many as it can have.
		unix.Close(m.tokenFile)
	}
	if m.tokenFile, err = tokenFile(m.token); err != nil {
		return err
	}
	return linkFile(m.tokenFile, ref.Path)
}

// tokenFile makes a file without a name. A namespace that no nsscript made has no token, and its file is empty.
func tokenFile(token string) (fd int, err error) {
	fd, err = unix.Open(netnsDir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o444)
	if err != nil || token == "" {
		return fd, err
	}
	if _, err := unix.Write(fd, []byte(content(token))); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// linkFile gives an open file a name. It fails when the name is taken.
func linkFile(fd int, path string) error {
	return failpoint.Call(func() error {
		return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), unix.AT_FDCWD, path,
			unix.AT_SYMLINK_FOLLOW)
	})
}

// netnsFolder makes /run/netns what ip-netns(8) makes of it: a mount point that shares its mounts with other mount
// namespaces. It stays when the lab goes, as it does with `ip netns`.
func (m *Machine) netnsFolder() error {
	if m.shared {
		return nil
	}
	if err := failpoint.Call(func() error { return os.Mkdir(netnsDir, 0o755) }); err != nil &&
		!errors.Is(err, os.ErrExist) {
		return err
	}
	share := func() error { return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "") }
	err := failpoint.Call(share)
	if errors.Is(err, unix.EINVAL) { // not a mount point yet
		err = onlyOne(func() error {
			failpoint.Hit("namespace: before /run/netns is shared")
			err := failpoint.Call(share)
			if errors.Is(err, unix.EINVAL) {
				err = failpoint.Call(func() error {
					return unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, "")
				})
				if err == nil {
					failpoint.Hit("namespace: /run/netns made a mount point")
					err = failpoint.Call(share)
				}
			}
			return err
		})
	}
	m.shared = err == nil
	return err
}

// ownDir is a folder that nobody else can open, and so nobody else can lock.
const ownDir = "/run/nsscript"

// ipPatience is how long an ip(8) that is at the same is waited for.
const ipPatience = time.Second

// onlyOne calls fn while no other process does: two that find /run/netns new must not both mount it on itself.
// ip-netns(8) locks that folder itself, which any user can do and never let go: it is asked for, and done without.
func onlyOne(fn func() error) error {
	unlock, err := lock.Folder(ownDir, true)
	if err != nil {
		return err
	}
	defer unlock()
	defer os.Remove(ownDir) // when no run is in it
	dir, err := os.OpenFile(netnsDir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := lock.File(dir, unix.LOCK_EX, ipPatience); err != nil && !errors.As(err, new(*lock.HeldError)) {
		return err
	}
	return fn()
}
