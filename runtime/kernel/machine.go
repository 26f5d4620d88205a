package kernel

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Machine is one process's view of the kernel's network namespaces: those it has opened, by cookie, and where links
// went that it moved. It owns their file descriptors and netlink sockets; Close releases them.
type Machine struct {
	*proc.Runner
	host     *Namespace
	open     map[uint64]*Namespace
	closed   map[uint64]NSRef   // namespaces that were forgotten, to be found again by links that went there
	moved    map[Object]Object  // where a link is now that an older reference puts elsewhere
	first    map[Object]Object  // what a link was before it was moved anywhere
	restored map[Object]bool    // what links were until they were brought back
	own      map[Object]bool    // what the changes made that are being undone
	used     map[Object]bool    // what no other link is to be, for a reference would mean both
	renamed  map[Object]bool    // links whose name is another than their references say
	lost     map[Object]bool    // links that were deleted and cannot be made again
	samples  map[string]*sample // new links, by their kinds
	// What the next Settle looks at: links that may have got a carrier, namespaces whose links may have given
	// themselves IPv6 addresses, and those that were added.
	awaitingCarrier  []LinkRef
	awaitingAutoconf []NSRef
	awaitingUse      []awaited
	families         map[string]int // of generic netlink: the numbers that the kernel has given them
	buf              []byte         // where netlink messages are received
	token            string         // what the files below this process's namespaces say
	tokenFile        int            // that file, -1 before there is one
	differing        *[][2]string   // what of new namespaces is other than the defaults; nil before it is known
	makes            int            // how many namespaces were made
	spares           *spares        // the next ones, nil when nobody makes them
	files            int            // for how many files there is room
	inhabited        bool           // whether something else makes links in namespaces that are new
	ran              bool           // whether a command was started, which may have made links anywhere
	shared           bool           // whether the netns folder is known to be a shared mount point
}

// An Object is the identity of a namespace (Index 0) or of a link in it. Gen is that of LinkRef.
type Object struct {
	Cookie uint64
	Index  int
	Gen    int
}

// Hash is the same for the same object.
func (o Object) Hash() uint32 {
	return uint32(o.Cookie)*31 + uint32(o.Index)*7 + uint32(o.Gen)
}

// Open opens the namespace that the calling process is in as the host.
func Open() (*Machine, error) {
	// A thread that is in the wrong namespace must not pass it on: the host is the process's own, read from its
	// first thread, which no namespace call ever runs on (see main).
	fd, err := netns.GetFromPath("/proc/self/ns/net")
	if err != nil {
		return nil, fail(err, "open namespace", "host", nil)
	}
	m := &Machine{open: map[uint64]*Namespace{}, closed: map[uint64]NSRef{}, moved: map[Object]Object{},
		first: map[Object]Object{}, restored: map[Object]bool{}, own: map[Object]bool{}, used: map[Object]bool{},
		renamed: map[Object]bool{}, lost: map[Object]bool{}, samples: map[string]*sample{}, families: map[string]int{},
		Runner: proc.NewRunner(), buf: make([]byte, rtnl.MaxReply),
		token: strconv.FormatUint(rand.Uint64(), 36), tokenFile: -1}
	m.host = &Namespace{m: m, fd: fd, base: true}
	if m.host.ref.Cookie, err = m.cookie(fd); err != nil {
		fd.Close()
		return nil, fail(err, "read cookie of namespace", "host", nil)
	}
	m.open[m.host.ref.Cookie] = m.host
	return m, nil
}

// Host is the namespace that the process was started in.
func (m *Machine) Host() *Namespace { return m.host }

// Close releases every descriptor; the namespaces live on if something else holds them. What commands left running in
// PID namespaces ends.
func (m *Machine) Close() {
	m.renew()
	m.Runner.Close()
	for _, n := range m.open {
		n.release()
	}
	clear(m.open)
	if m.tokenFile >= 0 {
		unix.Close(m.tokenFile)
		m.tokenFile = -1
	}
}

// BootID names the boot: what a journal says of the kernel is true during one boot only (random(4)).
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// within runs fn on a thread that is in the namespace fd, and brings the thread back. A thread that cannot come back
// stays locked, so that it dies with its goroutine and no other goroutine ever runs on it.
func (m *Machine) within(fd netns.NsHandle, fn func() error) error {
	runtime.LockOSThread()
	if err := netns.Set(fd); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	// A panic in fn must not leave the thread in the namespace either.
	defer func() {
		if err := netns.Set(m.host.fd); err == nil {
			runtime.UnlockOSThread()
		}
	}()
	return fn()
}

// where follows a link's moves to the place it is in now.
func (m *Machine) where(o Object) Object {
	for {
		to, ok := m.moved[o]
		if !ok {
			return o
		}
		o = to
	}
}

// Moved notes that a link went from one place to another, so that older references to it still find it.
func (m *Machine) Moved(from, to Object) {
	if from == to {
		return
	}
	if n := m.open[from.Cookie]; n != nil {
		n.alone = false // what stands on its links may be elsewhere now
	}
	m.used[from], m.used[to] = true, true
	m.first[to] = m.Identity(from)
	m.moved[from] = to
	if !m.restored[to] {
		delete(m.moved, to)
	}
}

// movedTo reports whether a link was moved to where this one is.
func (m *Machine) movedTo(o Object) bool {
	for _, to := range m.moved {
		if to == o {
			return true
		}
	}
	return false
}

// at refers to the link that has an index in the namespace now: it is none of those that were moved away from there,
// whose references lead on.
func (n *Namespace) at(index int) LinkRef {
	ref := LinkRef{NS: n.ref, Index: index}
	for {
		if _, left := n.m.moved[ref.Object()]; !left {
			return ref
		}
		ref.Gen++
	}
}

// Identity is the same for all references to a link, wherever it was moved.
func (m *Machine) Identity(o Object) Object {
	if first, ok := m.first[o]; ok {
		return first
	}
	return o
}

// MarkRestored notes that a link that had been moved is back. What it was where it had been is undone with that:
// Restore makes it that no more.
func (m *Machine) MarkRestored(from, to Object) {
	m.Moved(from, to)
	m.restored[from] = from != to
}

// MovedOn reports whether a link was moved on from where the reference puts it, and not brought back from there.
func (m *Machine) MovedOn(ref LinkRef) bool {
	n, index, err := m.find(ref)
	return err == nil && m.where(ref.Object()) != ref.Object() && !m.restored[ref.Object()] && !n.IndexFree(index)
}

// Own notes that a change made something which is being undone: nobody misses it who had to do with it.
func (m *Machine) Own(o Object) { m.own[o] = true }

// Restored reports whether a link was brought back that had been this.
func (m *Machine) Restored(o Object) bool { return m.restored[o] }

// Namespace finds the namespace that a reference means: by its path, or by the pin that holds a deleted one. The error
// is ErrGone when there is none with that cookie.
func (m *Machine) Namespace(ref NSRef) (*Namespace, error) {
	if n := m.open[ref.Cookie]; n != nil {
		return n, nil
	}
	if ref.Path == "" {
		return nil, ErrGone
	}
	n, err := m.OpenPath(ref.Path)
	if err == nil && n.ref.Cookie == ref.Cookie {
		return n, nil
	}
	if n := m.pinned(ref); n != nil {
		return n, nil
	}
	if err != nil {
		return nil, ErrGone
	}
	return nil, fmt.Errorf("namespace %s is another one now: %w", ref, ErrGone)
}
