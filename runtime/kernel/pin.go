package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// pinDir is where a deleted namespace is held as long as its deletion can be undone.
const pinDir = "/run/nsscript/.pins"

func pinPath(ref NSRef) string { return filepath.Join(pinDir, strconv.FormatUint(ref.Cookie, 10)) }

// Pin holds a namespace under a name that only nsscript knows.
func (m *Machine) Pin(ref NSRef) error {
	n, err := m.Namespace(ref)
	if err != nil {
		return fail(err, "pin namespace", ref.Name, nil)
	}
	if err := failpoint.Call(func() error { return os.MkdirAll(pinDir, 0o700) }); err != nil {
		return fail(err, "pin namespace", ref.Name, nil)
	}
	failpoint.Hit("pin: folder made")
	err = failpoint.Call(func() error {
		f, err := os.OpenFile(pinPath(ref), os.O_CREATE|os.O_WRONLY, 0o400)
		if err == nil {
			err = f.Close()
		}
		return err
	})
	failpoint.Hit("pin: file made")
	if err == nil {
		err = bindNS(n, pinPath(ref))
	}
	if err != nil {
		err = fail(err, "pin namespace", ref.Name, nil)
		if e := removePin(ref); e != nil {
			err = Partly(errors.Join(err, e))
		}
	}
	return err
}

// Unpin opens a pinned namespace under its old reference, and lets the pin go. ErrGone: it is not pinned.
func (m *Machine) Unpin(ref NSRef) (*Namespace, error) {
	n := m.pinned(ref)
	err := failpoint.Call(func() error { return unix.Unmount(pinPath(ref), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) })
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return n, fail(err, "unpin namespace", ref.Name, nil)
	}
	failpoint.Hit("pin: mount taken away")
	if err := removePin(ref); err != nil {
		return n, err
	}
	if n == nil {
		return nil, fail(fmt.Errorf("no pin: %w", ErrGone), "unpin namespace", ref.Name, nil)
	}
	return n, nil
}

// pinned finds a namespace that is open or pinned; nil when it is neither.
func (m *Machine) pinned(ref NSRef) *Namespace {
	if n := m.open[ref.Cookie]; n != nil {
		return n
	}
	fd, err := openNS(pinPath(ref))
	if err != nil {
		return nil
	}
	if cookie, err := m.cookie(fd); err != nil || cookie != ref.Cookie {
		fd.Close()
		return nil
	}
	n := &Namespace{m: m, fd: fd, ref: ref}
	m.open[ref.Cookie] = n
	return n
}

// Pinned reports whether a namespace is held by a pin.
func (m *Machine) Pinned(ref NSRef) bool {
	cookie, err := m.cookieAt(pinPath(ref))
	return err == nil && cookie == ref.Cookie
}

// removePin removes what a pin was mounted on, or was to be.
func removePin(ref NSRef) error {
	if err := failpoint.Call(func() error { return os.Remove(pinPath(ref)) }); err != nil &&
		!errors.Is(err, unix.ENOENT) {
		return fail(err, "unpin namespace", ref.Name, nil)
	}
	failpoint.Hit("pin: file removed")
	if os.Remove(pinDir) == nil { // only the last one finds it empty
		_ = os.Remove(filepath.Dir(pinDir))
	}
	return nil
}

// IndexFree reports whether no link of the namespace has the index.
func (n *Namespace) IndexFree(index int) bool {
	_, err := n.linkByIndex(index)
	return errors.Is(err, ErrGone)
}

// At reports whether the link is where the reference says, without following its moves.
func (m *Machine) At(ref LinkRef) bool {
	n, err := m.Namespace(ref.NS)
	return err == nil && !n.IndexFree(ref.Index)
}

// RestoreName gives a pinned namespace its name back; one that was never pinned has its name still. The pin goes with
// that, unless an older deletion of another of its names holds the namespace by it.
func (m *Machine) RestoreName(ref NSRef, held bool) error {
	if err := ref.Named(); err != nil {
		return fail(err, "restore namespace", ref.Name, nil)
	}
	n := m.pinned(ref)
	if n == nil && held {
		return nil
	} else if n == nil {
		return removePin(ref)
	}
	if cookie, err := m.cookieAt(ref.Path); err == nil {
		if cookie != ref.Cookie {
			return fail(ErrInTheWay, "restore namespace", ref.Name, nil)
		}
	} else if err := m.giveName(n, ref); errors.Is(err, unix.EEXIST) {
		// The deletion got as far as unmounting: the file below is there still.
		if _, e := os.Lstat(ref.Path); errors.Is(e, os.ErrNotExist) {
			return err // what was in the way has gone, or never was
		}
		if !bare(ref) {
			return fail(ErrDiverged, "restore namespace", ref.Name, nil)
		}
		if err := bindNS(n, ref.Path); err != nil {
			return fail(err, "restore namespace", ref.Name, nil)
		}
	} else if err != nil {
		return err
	}
	failpoint.Hit("pin: name given back")
	if held {
		return nil
	}
	_, err := m.Unpin(ref)
	return err
}

// Leads reports whether a namespace's name leads to it.
func (m *Machine) Leads(ref NSRef) bool {
	cookie, err := m.cookieAt(ref.Path)
	return err == nil && cookie == ref.Cookie
}

// cookieAt is the cookie of the namespace that is mounted on a path.
func (m *Machine) cookieAt(path string) (uint64, error) {
	fd, err := openNS(path)
	if err != nil {
		return 0, err
	}
	defer fd.Close()
	return m.cookie(fd)
}

// bare reports whether a name's file is one that a namespace was mounted on: empty, or with its token.
func bare(ref NSRef) bool {
	fd, err := unix.Open(ref.Path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	buf := make([]byte, 64)
	n, err := unix.Pread(fd, buf, 0)
	text := string(buf[:max(n, 0)])
	return err == nil && (text == "" || ref.Token != "" && text == content(ref.Token))
}

// Forget releases what this process holds of a namespace.
func (m *Machine) Forget(ref NSRef) {
	if n := m.open[ref.Cookie]; n != nil {
		n.Forget()
	}
}
