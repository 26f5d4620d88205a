package kernel

import (
	"runtime"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// sparesFrom is the namespace from which on spares are made: who makes so many makes more.
const sparesFrom = 3

// spareFor is how old a spare may be when it is asked for: what new ones inherit from the machine can change
// at any time. An older one is not given away.
var spareFor = 20 * time.Millisecond

// spares are namespaces that are made before they are asked for, on a thread of its own: to make one takes the kernel
// as long as all else that a script does with it. They have no name, no journal knows them, and the two at most that
// are never asked for end with the process.
type spares struct {
	made  chan *Namespace // closed when there are no more
	leave chan struct{}
}

// newSpares starts to make namespaces that are set up as m makes them.
func (m *Machine) newSpares() *spares {
	s := &spares{make(chan *Namespace, 1), make(chan struct{})}
	host, differing, alone := m.host.fd, *m.differing, !m.inhabited
	go func() {
		// It is never unlocked: the thread, which is in the last of them, ends with the goroutine.
		runtime.LockOSThread()
		defer close(s.made)
		buf := make([]byte, rtnl.MaxReply)
		for {
			// In one namespace it would be that one which the next inherits from, as some machines have it.
			if netns.Set(host) != nil {
				return
			}
			n := &Namespace{m: m, next: 2, alone: alone, fd: -1, born: time.Now()}
			if n.setUp(buf, func() ([][2]string, error) { return differing, nil }, true) != nil {
				n.release() // whoever asks makes one for itself, and sees what is wrong
				return
			}
			select {
			case s.made <- n:
			case <-s.leave:
				n.release()
				return
			}
		}
	}()
	return s
}

// end ends the making of spares and drops those that are there.
func (s *spares) end() {
	close(s.leave)
	for n := range s.made {
		n.release()
	}
}

// spare is a spare that is not too old, nil when there is none.
func (m *Machine) spare() *Namespace {
	for m.spares != nil {
		select {
		case n, more := <-m.spares.made:
			if !more {
				m.spares = nil
			} else if time.Since(n.born) < spareFor {
				return n
			} else {
				n.release()
			}
		default:
			return nil
		}
	}
	return nil
}

// take is a new namespace, with its loopback link up or not: a spare, or one that is made now.
func (m *Machine) take(lo bool) (*Namespace, error) {
	if m.makes++; m.makes >= sparesFrom && m.spares == nil && m.differing != nil {
		m.spares = m.newSpares()
	}
	if lo {
		if n := m.spare(); n != nil {
			n.alone = !m.inhabited
			m.makeRoom(n)
			return n, nil
		}
	}
	n := &Namespace{m: m, next: 2, alone: !m.inhabited, fd: -1}
	err := m.within(m.host.fd, func() error { return n.setUp(m.buf, m.differences, lo) })
	if err == nil && m.makes == 1 {
		err = m.lookAround(n)
	}
	if err == nil {
		return n, nil
	}
	n.release()
	if lo && m.spares != nil {
		// The spare that is being made may have taken what this one lacked, such as the last that the user may have.
		if n, more := <-m.spares.made; more {
			n.alone = !m.inhabited
			return n, nil
		}
	}
	return nil, err
}

// filesFirst is for how many files there is room first: as many as 500 namespaces need.
const filesFirst = 1 << 10

// makeRoom has the kernel make the process's table of files larger before it is full. When it does that by itself, the
// call that needs the room waits for a grace period of RCU, of 10 ms and more (expand_fdtable in fs/file.c).
func (m *Machine) makeRoom(n *Namespace) {
	if int(n.fd) < m.files/2 {
		return
	}
	m.files = max(filesFirst, 4*m.files)
	go func(some, last int) {
		// What the limit does not allow needs no room.
		if fd, err := unix.FcntlInt(uintptr(some), unix.F_DUPFD_CLOEXEC, last); err == nil {
			unix.Close(fd)
		}
	}(int(m.host.fd), m.files-1)
}

// renew is called before what new namespaces inherit may change: the spares have not got that.
func (m *Machine) renew() {
	m.differing = nil
	if m.spares != nil {
		m.spares.end()
		m.spares = nil
	}
}

// lookAround looks for what the kernel puts into each new namespace beside the loopback link: the fallback links of
// tunnel modules (net.core.fb_tunnels_only_for_init_net).
func (m *Machine) lookAround(n *Namespace) error {
	links, err := n.Links()
	if err == nil && len(links) > 1 {
		m.NotAlone()
		n.alone = false
	}
	return err
}

// NotAlone has the indexes of links be looked for in all namespaces before they are chosen, since something else was
// found to make links there. It reports whether they were not so far.
func (m *Machine) NotAlone() (changed bool) {
	changed = !m.inhabited
	m.inhabited = true
	for _, n := range m.open {
		n.alone = false
	}
	return changed
}
