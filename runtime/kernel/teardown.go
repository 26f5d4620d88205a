package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Teardown is the end of namespaces, which is waited for: it comes some time after the last reference to
// them is gone, and not at all while a process, a socket or a mount elsewhere holds one. From then on nobody can reach
// them; what is in them the kernel destroys in the tens of milliseconds after it.
type Teardown struct {
	m    *Machine
	sub  *nl.NetlinkSocket
	wait map[int]doomed // by the id that the host knows the namespace by
}

type doomed struct {
	cookie   uint64
	nameless bool // it had lost its name before
}

// namelessPatience is how long a namespace is waited for that had lost its name before: who took it away has waited,
// too.
const namelessPatience = time.Second

// Watch is to be called before the names are taken away of namespaces that a run has made; this process's hold on them
// is the caller's to let go. The kernel sends RTM_DELNSID to a namespace that has an id for another one when that one
// is torn down.
func (m *Machine) Watch(refs []NSRef) (*Teardown, error) {
	t := &Teardown{m: m, wait: map[int]doomed{}}
	for _, ref := range refs {
		id, there := ref.id(), true
		n, err := m.Namespace(ref)
		if err == nil {
			id, err = m.host.identify(n)
		} else {
			there, err = m.Exists(ref)
		}
		if err != nil {
			return nil, fail(err, "watch namespace", ref.Name, m.host)
		}
		if there {
			t.wait[id] = doomed{ref.Cookie, n == nil}
		}
	}
	var err error
	if t.sub, err = nl.SubscribeAt(netns.None(), netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_NSID); err != nil {
		return nil, fail(err, "watch namespaces", "", m.host)
	}
	return t, nil
}

// Wait returns when all watched namespaces are gone but those that stay. Of those that are not by the deadline it says
// who holds them. All are known by their cookies.
func (t *Teardown) Wait(ctx context.Context, patience time.Duration, stay map[uint64]bool) (held map[uint64]string) {
	begin := time.Now()
	going := func() bool {
		for _, d := range t.wait {
			if !stay[d.cookie] && !(d.nameless && time.Since(begin) > namelessPatience) {
				return true
			}
		}
		return false
	}
	for going() {
		now := time.Until(begin.Add(patience))
		if now <= 0 || ctx.Err() != nil {
			break
		}
		tv := unix.NsecToTimeval(min(now, 100*time.Millisecond).Nanoseconds())
		if err := t.sub.SetReceiveTimeout(&tv); err != nil {
			break
		}
		msgs, _, err := t.sub.Receive()
		if err != nil { // a timeout, or an overrun: the ids themselves tell
			t.recheck()
		}
		for _, msg := range msgs {
			if msg.Header.Type == unix.RTM_DELNSID {
				t.forget(msg)
			}
		}
	}
	held = map[uint64]string{}
	for id, d := range t.wait {
		if !stay[d.cookie] {
			held[d.cookie] = t.m.holders(id)
		}
	}
	return held
}

// Close ends the watching.
func (t *Teardown) Close() { t.sub.Close() }

// rtgen is an empty struct rtgenmsg.
var rtgen = rtnl.Raw{0, 0, 0, 0}

// id is what the host knows a namespace by that a run has made. The kernel gives the lowest free ids when it chooses,
// and so none of these: it leads to that namespace, with or without a name, or to none.
func (r NSRef) id() int { return 1<<30 | int(r.Cookie&(1<<30-1)) }

// Exists reports whether a namespace is there that a run has made, with or without a name.
func (m *Machine) Exists(ref NSRef) (bool, error) { return m.host.knows(ref.id()) }

// knows reports whether there is a namespace with an id.
func (n *Namespace) knows(id int) (bool, error) {
	_, err := n.get(unix.RTM_GETNSID, rtgen, nl.NewRtAttr(unix.NETNSA_NSID, nl.Uint32Attr(uint32(id))))
	return err == nil, unlessGone(err)
}

// identify gives another namespace its id, and tells what that is: it may have had another one.
func (n *Namespace) identify(other *Namespace) (id int, err error) {
	id = other.ref.id()
	err = n.do(unix.RTM_NEWNSID, 0, rtgen, nl.NewRtAttr(unix.NETNSA_FD, nl.Uint32Attr(uint32(other.fd))),
		nl.NewRtAttr(unix.NETNSA_NSID, nl.Uint32Attr(uint32(id))))
	if errors.Is(err, unix.EEXIST) {
		id, err = n.idOf(other.fd)
	}
	return id, err
}

// idOf is the id that a namespace knows another by, -1 when it has none.
func (n *Namespace) idOf(other netns.NsHandle) (int, error) {
	raw, err := n.get(unix.RTM_GETNSID, rtgen, nl.NewRtAttr(unix.NETNSA_FD, nl.Uint32Attr(uint32(other))))
	if err != nil {
		return 0, err
	}
	return nsid(raw), nil
}

// ids are those by which a namespace knows others.
func (n *Namespace) ids() ([]int, error) {
	all, err := n.dump(unix.RTM_GETNSID, rtgen)
	var ids []int
	for _, raw := range all {
		ids = append(ids, nsid(raw))
	}
	return ids, err
}

func nsid(raw []byte) int { return int(int32(rtnl.Uint32(raw, len(rtgen), unix.NETNSA_NSID))) }

func (t *Teardown) forget(msg syscall.NetlinkMessage) {
	if id := rtnl.Attr(msg.Data, 4, unix.NETNSA_NSID); len(id) >= 4 {
		delete(t.wait, int(int32(binary.NativeEndian.Uint32(id))))
	}
}

// recheck asks for every id that is waited for: an event can be lost.
func (t *Teardown) recheck() {
	for id := range t.wait {
		if there, err := t.m.host.knows(id); err == nil && !there {
			delete(t.wait, id)
		}
	}
}

// holders names the processes that are in the namespace that the host knows by an id, or have it open.
func (m *Machine) holders(id int) string {
	var who []string
	is := map[string]bool{} // what links of /proc lead to, and whether that is it
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		links := append([]string{p + "/ns/net"}, glob(p+"/fd/*")...)
		for _, l := range links {
			to, err := os.Readlink(l)
			if err != nil || !strings.HasPrefix(to, "net:[") {
				continue
			}
			if _, seen := is[to]; !seen {
				is[to] = m.leadsTo(l, id)
			}
			if is[to] {
				comm, _ := os.ReadFile(p + "/comm")
				who = append(who, fmt.Sprintf("process %s (%s)", filepath.Base(p), strings.TrimSpace(string(comm))))
				break
			}
		}
	}
	if who == nil {
		return "a mount or a socket that /proc does not show"
	}
	return strings.Join(who, ", ")
}

// leadsTo reports whether a path leads to the namespace that the host knows by an id.
func (m *Machine) leadsTo(path string, id int) bool {
	fd, err := openNS(path)
	if err != nil {
		return false
	}
	defer fd.Close()
	known, err := m.host.idOf(fd)
	return err == nil && known == id
}

func glob(pattern string) []string {
	all, _ := filepath.Glob(pattern)
	return all
}
