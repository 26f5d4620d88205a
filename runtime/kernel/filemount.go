package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mountFiles has the calling thread, which has a mount namespace of its own, see the files of its network namespace at
// their paths. They go with the last program of that mount namespace: there is nothing to undo.
func mountFiles(files []File) error {
	// A folder may be mounted over the place where they are kept, so all of them are opened before.
	trees := make([]int, len(files))
	for i := range trees {
		trees[i] = -1
	}
	defer func() {
		for _, fd := range trees {
			if fd >= 0 {
				unix.Close(fd)
			}
		}
	}()
	for i, f := range files {
		fd, err := unix.OpenTree(unix.AT_FDCWD, filepath.Join(f.Kept, f.At),
			unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			return fmt.Errorf("open what is seen at %s: %w", f.Path, err)
		}
		trees[i] = fd
		// Programs in it can be run, whatever /run forbids; where that cannot be had, whoever runs one is told.
		_ = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_NOEXEC})
	}
	stands := mountPoints{}
	for i, f := range files {
		at, err := stands.at(f.Path, f.Dir)
		if err == nil {
			err = unix.MoveMount(trees[i], "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
		}
		if err != nil {
			return fmt.Errorf("mount on %s: %w", f.Path, err)
		}
	}
	return nil
}

// split finds how much of a path is there, without symbolic links, and what is missing of it. A link that leads nowhere
// is missing.
func split(path string) (there, missing string, err error) {
	for dir := path; ; dir = filepath.Dir(dir) {
		there, err = filepath.EvalSymlinks(dir)
		if err == nil || !errors.Is(err, unix.ENOENT) {
			return there, strings.TrimPrefix(strings.TrimPrefix(path, dir), "/"), err
		}
	}
}

// resolved is a path without the symbolic links that are in it.
func resolved(path string) string {
	there, missing, err := split(path)
	if err != nil {
		return path
	}
	return filepath.Join(there, missing)
}

// placeable tells why nothing can be mounted on a path.
func placeable(path string, dir bool) error {
	there, missing, err := split(path)
	if err != nil {
		return err
	}
	st, err := os.Stat(there)
	switch {
	case err != nil:
		return err
	case missing != "" && there == "/":
		return fmt.Errorf("the machine has no /%s, and a folder of / cannot be added: %w",
			strings.Split(missing, "/")[0], unix.EROFS)
	case missing != "" && !st.IsDir():
		return fmt.Errorf("%s: %w", there, unix.ENOTDIR)
	case missing == "" && dir && !st.IsDir():
		return fmt.Errorf("the machine has a file there: %w", unix.ENOTDIR)
	case missing == "" && !dir && st.IsDir():
		return fmt.Errorf("the machine has a folder there: %w", unix.EISDIR)
	}
	return nil
}

// mountPoints are the folders of the calling thread's mount namespace into which what is missing of a path can be put.
type mountPoints map[string]bool

// at is a path without symbolic links that something can be mounted on. What the machine does not have of it is made in
// a folder in place of the machine's, which has all that is in that.
func (p mountPoints) at(path string, dir bool) (string, error) {
	there, missing, err := split(path)
	if err != nil || missing == "" {
		return there, err
	}
	name, _, _ := strings.Cut(missing, "/")
	if !p[there] {
		if err := standIn(there, name); err != nil {
			return "", err
		}
		p[there] = true
	}
	path = filepath.Join(there, missing)
	above := filepath.Dir(path)
	for made := above; made != there; made = filepath.Dir(made) {
		p[made] = true
	}
	if err := os.MkdirAll(above, 0o755); err != nil {
		return "", err
	}
	if dir {
		return path, os.Mkdir(path, 0o755)
	}
	return path, os.WriteFile(path, nil, 0o600)
}

// standIn mounts a new folder in place of one, with all that is in that but what has a name.
func standIn(dir, but string) error {
	old, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV,
		fmt.Sprintf("mode=%o", st.Mode&0o1777)); err != nil {
		return err
	}
	_ = os.Chown(dir, int(st.Uid), int(st.Gid)) // in a sandbox, where nobody of that number is, it is root's
	for _, e := range entries {
		if e.Name() == but {
			continue
		}
		// The descriptor leads to what the new folder covers.
		from, to := fmt.Sprintf("/proc/self/fd/%d/%s", old.Fd(), e.Name()), filepath.Join(dir, e.Name())
		if e.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(from)
			if err == nil {
				err = os.Symlink(target, to)
			}
			if err != nil {
				return err
			}
			continue
		}
		if e.IsDir() {
			err = os.Mkdir(to, 0o755)
		} else {
			err = os.WriteFile(to, nil, 0o600)
		}
		if err == nil {
			err = unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, "")
		}
		if errors.Is(err, unix.ENOENT) {
			err = os.Remove(to) // it has gone
		}
		if err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	return nil
}
