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
	if err := os.MkdirAll(pinDir, 0o700); err != nil {
		return fail(err, "pin namespace", ref.Name, nil)
	}
	failpoint.Hit("pin: folder made")
	f, err := os.OpenFile(pinPath(ref), os.O_CREATE|os.O_WRONLY, 0o400)
	failpoint.Hit("pin: file made")
	if err == nil {
		err = errors.Join(f.Close(), bindNS(n, pinPath(ref)))
	}
	if err != nil {
		return errors.Join(fail(err, "pin namespace", ref.Name, nil), removePin(ref))
	}
	return nil
}

// Unpin opens a pinned namespace under its old reference, and lets the pin go. ErrGone: it is not pinned.
func (m *Machine) Unpin(ref NSRef) (*Namespace, error) {
	n := m.open[ref.Cookie]
	if n == nil {
		fd, err := openNS(pinPath(ref))
		if err == nil {
			n = &Namespace{m: m, fd: fd, ref: ref}
			m.open[ref.Cookie] = n
		}
	}
	if err := unix.Unmount(pinPath(ref), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !gone(err) && !errors.Is(err, unix.EINVAL) {
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

// removePin removes what a pin was mounted on, or was to be.
func removePin(ref NSRef) error {
	if err := os.Remove(pinPath(ref)); err != nil && !gone(err) {
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

// Republish gives a pinned namespace its name back; one that was never pinned has its name still.
func (m *Machine) Republish(ref NSRef) error {
	n := m.open[ref.Cookie]
	if n == nil {
		fd, err := openNS(pinPath(ref))
		if err != nil {
			return removePin(ref)
		}
		n = &Namespace{m: m, fd: fd, ref: ref}
		m.open[ref.Cookie] = n
	}
	if fd, err := openNS(ref.Path); err == nil {
		cookie, err := m.cookie(fd)
		fd.Close()
		if err == nil && cookie != ref.Cookie {
			return fail(ErrInTheWay, "restore namespace", ref.Name, nil)
		}
	} else if err := m.Publish(n); errors.Is(err, unix.EEXIST) {
		// The deletion got as far as unmounting: the file below is there still.
		if err := bindNS(n, ref.Path); err != nil {
			return fail(err, "restore namespace", ref.Name, nil)
		}
	} else if err != nil {
		return err
	}
	failpoint.Hit("pin: name given back")
	_, err := m.Unpin(ref)
	return err
}

// Forget releases what this process holds of a namespace.
func (m *Machine) Forget(ref NSRef) {
	if n := m.open[ref.Cookie]; n != nil {
		n.Forget()
	}
}
