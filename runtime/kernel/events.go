package kernel

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Heard is what the kernel said of a change, of whoever's.
type Heard struct {
	NS   NSRef
	Time time.Time // when it was received
	// Kind is "link", "addr", "route", "rule", "neigh", "fdb" or "nexthop". Gone says that it was deleted.
	Kind string
	Gone bool
	Msg  []byte
}

// fdbEvent is what is said of a bridge's stations, in messages like those of neighbours.
const fdbEvent = "fdb"

// eventKinds are what is heard of, by the numbers of messages for new ones; the one for a deleted one is the next.
var eventKinds = map[uint16]string{unix.RTM_NEWLINK: "link", unix.RTM_NEWADDR: "addr", unix.RTM_NEWROUTE: "route",
	unix.RTM_NEWRULE: "rule", unix.RTM_NEWNEIGH: "neigh", unix.RTM_NEWNEXTHOP: "nexthop"}

// EventKinds lists what events can be of.
func EventKinds() []string {
	all := []string{fdbEvent}
	for _, kind := range eventKinds {
		all = append(all, kind)
	}
	slices.Sort(all)
	return all
}

var eventGroups = []uint{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	unix.RTNLGRP_NEIGH, unix.RTNLGRP_NEXTHOP}

// mostEvents is how many events are kept that nobody has taken.
const mostEvents = 1 << 16

// Events are those of some namespaces from one moment on (rtnetlink(7)). Those of a namespace end with this
// process's hold on it.
type Events struct {
	// Wake has something in it when something was heard since it was last looked at.
	Wake chan struct{}
	keep bool
	subs map[*hearing]*Namespace
	done sync.WaitGroup

	mu   sync.Mutex
	all  []Heard
	lost error
}

// hearing is a socket of one namespace.
type hearing struct {
	*nl.NetlinkSocket
	closed atomic.Bool
}

func (h *hearing) close() {
	h.closed.Store(true)
	h.Close()
}

// Listen begins to hear of changes in namespaces. keep says that they are to be taken; otherwise they only wake.
func (m *Machine) Listen(refs []NSRef, keep bool) (*Events, error) {
	e := &Events{Wake: make(chan struct{}, 1), keep: keep, subs: map[*hearing]*Namespace{}}
	for _, ref := range refs {
		n, err := m.Namespace(ref)
		if err == nil {
			err = n.Do(func() error {
				sub, err := nl.Subscribe(unix.NETLINK_ROUTE, eventGroups...)
				if err == nil {
					h := &hearing{NetlinkSocket: sub}
					e.subs[h] = n
					n.heard = append(n.heard, h)
					e.done.Add(1)
					go e.receive(h, ref)
				}
				return err
			})
		}
		if err != nil {
			e.Close()
			return nil, fail(err, "listen to namespace", ref.Name, nil)
		}
	}
	return e, nil
}

// receive takes what the kernel sends to one socket, until that is closed.
func (e *Events) receive(h *hearing, ref NSRef) {
	defer e.done.Done()
	for over := false; !over; {
		msgs, from, err := h.Receive()
		if h.closed.Load() {
			return
		}
		if from != nil && from.Pid != 0 {
			continue // another user's words
		}
		e.mu.Lock()
		if e.keep {
			for _, msg := range msgs {
				e.add(ref, msg)
			}
		}
		if err != nil {
			e.lost = err // ENOBUFS: more came than there was room for
			over = !errors.Is(err, unix.ENOBUFS)
		}
		if len(e.all) > mostEvents {
			e.all, e.lost = slices.Delete(e.all, 0, mostEvents/2), unix.ENOBUFS
		}
		e.mu.Unlock()
		select {
		case e.Wake <- struct{}{}:
		default:
		}
	}
}

func (e *Events) add(ref NSRef, msg syscall.NetlinkMessage) {
	typ := msg.Header.Type
	kind, isNew := eventKinds[typ]
	if !isNew {
		kind = eventKinds[typ-1]
	}
	if kind == "neigh" && len(msg.Data) >= unix.SizeofNdMsg && msg.Data[0] == unix.AF_BRIDGE {
		kind = fdbEvent
	}
	if kind != "" {
		e.all = append(e.all, Heard{NS: ref, Time: time.Now(), Kind: kind, Gone: !isNew, Msg: slices.Clone(msg.Data)})
	}
}

// Take returns what has come since the last time. The error says that some may be missing.
func (e *Events) Take() (all []Heard, lost error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all, lost = e.all, e.lost
	e.all, e.lost = nil, nil
	return all, lost
}

// Close ends the hearing.
func (e *Events) Close() {
	for h, n := range e.subs {
		h.close()
		n.heard = slices.DeleteFunc(n.heard, func(o *hearing) bool { return o == h })
	}
	e.done.Wait()
	e.subs = nil
}
