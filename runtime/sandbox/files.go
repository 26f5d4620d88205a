package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

type ownFolder struct {
	path string
	mode uint32
}

// ownFolders are those that a sandbox of root's has for itself, empty. An ordinary user's has the first.
var ownFolders = []ownFolder{{"/run", 0o755}, {"/tmp", 0o1777}, {"/dev/shm", 0o1777}}

// A tree is a folder of the machine that is seen in a sandbox, whatever is mounted above it.
type tree struct {
	path string
	fd   int
}

// openTrees opens folders with all that is mounted in them, and changes the flags of those mounts. idmap is a user
// namespace whose root is to own there what is root's on the machine; -1 when owners stay.
func openTrees(folders []string, set uint64, idmap int) (trees []tree, err error) {
	defer func() {
		if err != nil {
			closeTrees(trees)
		}
	}()
	slices.Sort(folders) // outer ones before those in them
	for _, path := range folders {
		inside := func(t tree) bool { return t.path == path || strings.HasPrefix(path, t.path+"/") }
		if path == "/" || slices.ContainsFunc(trees, inside) {
			continue
		}
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return trees, fmt.Errorf("open %s: %w", path, err)
		}
		trees = append(trees, tree{path, fd})
		if set == 0 {
			continue
		}
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE,
			&unix.MountAttr{Attr_set: set}); err != nil {
			return trees, fmt.Errorf("mount %s: %w", path, err)
		}
		if idmap >= 0 {
			// A file system that cannot do this, such as overlayfs, shows what everybody may read.
			moved := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(idmap)}
			_ = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, moved)
		}
	}
	return trees, nil
}

// visible are folders and the current one, without symbolic links. One that is not there is for whoever looks for it to
// miss.
func visible(folders []string) (all []string) {
	cwd, err := os.Getwd()
	if err == nil && !slices.ContainsFunc(ownFolders, func(f ownFolder) bool { return f.path == cwd }) {
		folders = append(slices.Clone(folders), cwd)
	}
	for _, dir := range folders {
		dir, err := filepath.EvalSymlinks(dir)
		if err == nil {
			dir, err = filepath.Abs(dir)
		}
		kernels := slices.Contains([]string{"dev", "proc", "sys"}, strings.Split(dir+"/", "/")[1])
		if err == nil && !kernels {
			all = append(all, dir)
		}
	}
	return all
}

func closeTrees(trees []tree) {
	for _, t := range trees {
		unix.Close(t.fd)
	}
}

// attach mounts a tree at its path. Folders on the way that are not there any more are made, and one that others may
// not enter is replaced by an empty one.
func (t tree) attach() error {
	for dir := range ancestors(t.path) {
		st, err := os.Stat(dir)
		switch {
		case err == nil && st.Mode()&0o001 == 0:
			err = unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
		case errors.Is(err, os.ErrNotExist):
			err = os.Mkdir(dir, 0o755)
		}
		if err != nil {
			return fmt.Errorf("mount %s: %w", t.path, err)
		}
	}
	if err := os.Mkdir(t.path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := unix.MoveMount(t.fd, "", unix.AT_FDCWD, t.path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s: %w", t.path, err)
	}
	return nil
}

// ancestors are the folders above a path, from the root's down.
func ancestors(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := 1; i < len(path); i++ {
			if path[i] == '/' && !yield(path[:i]) {
				return
			}
		}
	}
}

// seclude gives the calling thread, which must be one of onThread's, the mounts of a sandbox that root starts: the
// machine's files are read-only, /run, /tmp and /dev/shm are the sandbox's own, and the given folders are seen, where
// root's files are its root's. No more can be done to them in the sandbox, since they are there before its user
// namespace is (mount_namespaces(7)).
func seclude(ids *unused, folders []string) error {
	// Without it, as where this process is traced, the folders show what everybody may read.
	idmap := -1
	if userns, err := unusedNamespace(); err == nil {
		idmap = int(userns.Fd())
	}
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return refusal("start it", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return refusal("make its mounts", err)
	}
	if err := readOnly(); err != nil {
		return refusal("make the machine's files read-only", err)
	}
	const set = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	trees, err := openTrees(folders, set, idmap)
	if err != nil {
		return err
	}
	defer closeTrees(trees)
	for _, own := range ownFolders {
		if st, err := os.Lstat(own.path); err != nil || !st.IsDir() {
			continue
		}
		options := fmt.Sprintf("mode=%o,uid=%d,gid=%d", own.mode, ids.uids.HostID, ids.gids.HostID)
		if err := unix.Mount("tmpfs", own.path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
			return refusal("mount "+own.path, err)
		}
	}
	for _, t := range trees {
		if err := t.attach(); err != nil {
			return err
		}
	}
	// The current folder is what is seen at its path now.
	if cwd, err := os.Getwd(); err == nil && unix.Chdir(cwd) == nil {
		return nil
	}
	return unix.Chdir("/")
}

// readOnly makes all mounts read-only but those that the sandbox will mount itself: the kernel lets it have no more of
// them than it sees.
func readOnly() error {
	set := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
	var open []string
	for _, dir := range []string{"/proc", "/sys"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Flags&unix.ST_RDONLY == 0 {
			open = append(open, dir)
		}
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, set); err != nil {
		return err
	}
	for _, dir := range open {
		err := unix.MountSetattr(unix.AT_FDCWD, dir, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
		if err != nil && !errors.Is(err, unix.EINVAL) { // it is no mount of its own
			return err
		}
	}
	return nil
}
