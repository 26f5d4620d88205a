package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Namespace is an open network namespace: a descriptor that keeps it alive, and netlink sockets in it, opened when
// first used and once.
type Namespace struct {
	m     *Machine
	ref   NSRef
	fd    netns.NsHandle
	base  bool      // the host: every thread is in it already
	next  int       // in a namespace made by this process: the next interface index to give out
	alone bool      // so far nobody else can have made a link in it
	born  time.Time // when it was made as a spare
	conn  *rtnl.Conn
	conns map[int]*rtnl.Conn // of netlink's other protocols
	heard []*hearing         // that listen to it
}

// Name is the namespace's name, "host" for the one nsscript started in.
func (n *Namespace) Name() string { return n.ref.String() }

// Ref is what to remember of the namespace.
func (n *Namespace) Ref() NSRef { return n.ref }

// IsHost reports whether this is the namespace nsscript started in.
func (n *Namespace) IsHost() bool { return n.base }

// Make makes a namespace that nothing but this process holds, with its loopback link up or not. It dies with the
// process unless it is given its name. Its cookie is known before anybody can see it.
func (m *Machine) Make(name string, lo bool) (n *Namespace, err error) {
	err = failpoint.Call(func() error {
		n, err = m.take(lo)
		return err
	})
	if err != nil {
		return nil, fail(err, "add namespace", name, nil)
	}
	n.ref.Name, n.ref.Path, n.ref.Token = name, netnsDir+"/"+name, m.token
	if _, err := m.host.identify(n); err != nil {
		n.release()
		return nil, fail(err, "add namespace", name, nil)
	}
	m.open[n.ref.Cookie] = n
	return n, nil
}

// setUp makes the namespace, unshare(2) with CLONE_NEWNET, and leaves the calling thread in it.
func (n *Namespace) setUp(buf []byte, differing func() ([][2]string, error), lo bool) (err error) {
	if err := rtnl.Unshare(); err != nil {
		return err
	}
	if n.fd, err = netns.Get(); err != nil {
		return err
	}
	if n.conn, err = rtnl.Dial(); err != nil {
		return err
	}
	if n.ref.Cookie, err = socketCookie(n.conn.FD()); err != nil {
		return err
	}
	// Link-local addresses are usable at once, like those that scripts add. A kernel without IPv6 has no such key.
	if err := putSysctl("net/ipv6/conf/default/accept_dad", "0"); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	settings, err := differing()
	if err == nil {
		err = setDefaults(settings)
	}
	if err != nil || !lo {
		return err
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index, msg.Change, msg.Flags = loopback, unix.IFF_UP, unix.IFF_UP
	_, err = n.conn.Execute(buf, unix.RTM_NEWLINK, unix.NLM_F_ACK, msg)
	return err
}

// OpenPath opens the namespace at a path: /run/netns/NAME, /proc/PID/ns/net or any other nsfs file.
func (m *Machine) OpenPath(path string) (*Namespace, error) {
	path, err := filepath.Abs(path) // it is written down for processes that stand elsewhere
	if err != nil {
		return nil, fail(err, "open namespace", path, nil)
	}
	fd, err := openNS(path)
	if err != nil {
		return nil, fail(err, "open namespace", path, nil)
	}
	cookie, err := m.cookie(fd)
	if err != nil {
		fd.Close()
		return nil, fail(err, "open namespace", path, nil)
	}
	if n := m.open[cookie]; n != nil {
		fd.Close()
		return n, nil
	}
	n := &Namespace{m: m, fd: fd, ref: NSRef{Cookie: cookie, Name: nsName(path), Path: path}}
	m.open[cookie] = n
	return n, nil
}

// OpenName opens a namespace that `ip netns` knows.
func (m *Machine) OpenName(name string) (*Namespace, error) {
	if err := ValidNamespaceName(name); err != nil {
		return nil, err
	}
	n, err := m.OpenPath(netnsDir + "/" + name)
	if errors.Is(err, unix.ENOENT) {
		return nil, &Error{Op: "open namespace", Object: name, Err: unix.ENOENT,
			Hint: "`ip netns list` shows the namespaces that have a name"}
	}
	return n, err
}

// Named is the reference to a namespace by a name that `ip netns` knows it by. It may have others.
func (m *Machine) Named(name string) (NSRef, error) {
	n, err := m.OpenName(name)
	if err != nil {
		return NSRef{}, err
	}
	if path := netnsDir + "/" + name; n.ref.Path != path {
		return NSRef{Cookie: n.ref.Cookie, Name: name, Path: path}, nil
	}
	return n.ref, nil
}

// OtherName is a name in /run/netns that a namespace has beside the reference's, or "host"; empty when it has none.
func (m *Machine) OtherName(ref NSRef) (string, error) {
	n, err := m.Namespace(ref)
	if err != nil || n.base {
		return ref.String(), err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(n.fd), &st); err != nil {
		return "", fail(err, "find names of namespace", ref.Name, nil)
	}
	all, err := os.ReadDir(netnsDir)
	if err != nil {
		return "", fail(err, "find names of namespace", ref.Name, nil)
	}
	for _, file := range all {
		var other unix.Stat_t
		if unix.Stat(netnsDir+"/"+file.Name(), &other) == nil && file.Name() != ref.Name && other.Dev == st.Dev &&
			other.Ino == st.Ino {
			return file.Name(), nil
		}
	}
	return "", nil
}

// OpenPID opens the namespace that a process is in.
func (m *Machine) OpenPID(pid int) (*Namespace, error) {
	n, err := m.OpenPath("/proc/" + strconv.Itoa(pid) + "/ns/net")
	if errors.Is(err, unix.ENOENT) {
		return nil, &Error{Op: "open namespace", Object: fmt.Sprintf("of process %d", pid), Err: unix.ESRCH}
	}
	return n, err
}

// openNS opens a path only when it is a network namespace. It looks first without opening, which devices and the other
// ends of FIFOs would notice.
func openNS(path string) (netns.NsHandle, error) {
	look, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(look)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(look, &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		return -1, errors.Join(err, errors.New("not a network namespace"))
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(look), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if !isNetNS(fd) {
		unix.Close(fd)
		return -1, errors.New("not a network namespace")
	}
	return netns.NsHandle(fd), nil
}

func isNetNS(fd int) bool {
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.NSFS_MAGIC {
		return false
	}
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	return err == nil && kind == unix.CLONE_NEWNET
}

// cookie reads a namespace's identity (socket(7), SO_NETNS_COOKIE; Linux 5.14).
func (m *Machine) cookie(fd netns.NsHandle) (cookie uint64, err error) {
	if m.host == nil { // opening the host itself: the process is in it
		return ownCookie()
	}
	err = m.within(fd, func() error {
		cookie, err = ownCookie()
		return err
	})
	return cookie, err
}

// ownCookie is the cookie of the namespace that the calling thread is in.
func ownCookie() (uint64, error) {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(s)
	return socketCookie(s)
}

// socketCookie is the cookie of the namespace that a socket was opened in.
func socketCookie(s int) (uint64, error) {
	cookie, err := unix.GetsockoptUint64(s, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return 0, errors.New("this kernel has no SO_NETNS_COOKIE: Linux 5.14 or newer is needed")
	}
	return cookie, err
}

// Do runs fn on a thread that is inside the namespace. A socket or /proc/sys/net file opened there stays in the
// namespace, whichever thread uses it later; fn must not block for long or start goroutines that need the namespace.
func (n *Namespace) Do(fn func() error) error {
	if n.fd < 0 {
		return ErrGone
	}
	if n.base {
		return fn()
	}
	return n.m.within(n.fd, fn)
}

// Forget releases what this process holds of the namespace.
func (n *Namespace) Forget() {
	delete(n.m.open, n.ref.Cookie)
	n.m.closed[n.ref.Cookie] = n.ref
	n.release()
}

func (n *Namespace) release() {
	n.conn.Close()
	n.conn = nil
	for _, c := range n.conns {
		c.Close()
	}
	n.conns = nil
	for _, h := range n.heard {
		h.close() // or the namespace would stay
	}
	n.heard = nil
	if n.fd >= 0 {
		n.fd.Close()
	}
	n.fd = -1
	runtime.KeepAlive(n)
}
