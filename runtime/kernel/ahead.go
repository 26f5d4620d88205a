package kernel

import (
	"runtime"
	"time"

	"github.com/vishvananda/netns"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// aheadFrom is the namespace from which on the next ones are made ahead: who makes so many makes more.
const aheadFrom = 3

// aheadFor is how old a namespace that was made ahead may be when it is asked for: what new ones inherit from the machine
// can change at any time. An older one is not given away.
var aheadFor = 20 * time.Millisecond

// An ahead makes namespaces before they are asked for, on a thread of its own: to make one takes the kernel as long as all
// else that a script does with it. They have no name, no journal knows them, and the two at most that are never asked for end
// with the process.
type ahead struct {
	made  chan *Namespace // closed when there are no more
	leave chan struct{}
}

// newAhead starts to make namespaces that are set up as these are.
func (m *Machine) newAhead() *ahead {
	a := &ahead{make(chan *Namespace, 1), make(chan struct{})}
	host, deviating := m.host.fd, *m.deviating
	go func() {
		// It is never unlocked: the thread, which is in the last of them, ends with the goroutine.
		runtime.LockOSThread()
		defer close(a.made)
		buf := make([]byte, rtnl.MaxReply)
		for {
			// In one namespace it would be that one which the next inherits from, as some machines have it.
			if netns.Set(host) != nil {
				return
			}
			n := &Namespace{m: m, next: 2, alone: true, fd: -1, born: time.Now()}
			if n.setUp(buf, func() ([][2]string, error) { return deviating, nil }, true) != nil {
				n.release() // whoever asks makes one for itself, and sees what is wrong
				return
			}
			select {
			case a.made <- n:
			case <-a.leave:
				n.release()
				return
			}
		}
	}()
	return a
}

// end ends it and drops what it has made.
func (a *ahead) end() {
	close(a.leave)
	for n := range a.made {
		n.release()
	}
}

// ready is a namespace that was made ahead and is not too old, nil when there is none.
func (m *Machine) ready() *Namespace {
	for m.ahead != nil {
		select {
		case n, more := <-m.ahead.made:
			if !more {
				m.ahead = nil
			} else if time.Since(n.born) < aheadFor {
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

// take is a new namespace, with its loopback link up or not: one that was made ahead, or one that is made now.
func (m *Machine) take(lo bool) (*Namespace, error) {
	if m.makes++; m.makes >= aheadFrom && m.ahead == nil && m.deviating != nil {
		m.ahead = m.newAhead()
	}
	if lo {
		if n := m.ready(); n != nil {
			return n, nil
		}
	}
	n := &Namespace{m: m, next: 2, alone: true, fd: -1}
	err := m.within(m.host.fd, func() error { return n.setUp(m.buf, m.deviate, lo) })
	if err == nil {
		return n, nil
	}
	n.release()
	if lo && m.ahead != nil {
		// The one that is being made ahead may have taken what this one lacked, such as the last that the user may have.
		if n, more := <-m.ahead.made; more {
			return n, nil
		}
	}
	return nil, err
}

// renew is called before what new namespaces inherit may change: those that were made ahead have not got that.
func (m *Machine) renew() {
	m.deviating = nil
	if m.ahead != nil {
		m.ahead.end()
		m.ahead = nil
	}
}
