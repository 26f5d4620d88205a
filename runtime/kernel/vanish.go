package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Vanishing waits for the end of namespaces, which comes some time after the last reference to them is gone, and not at
// all while a process, a socket or a mount elsewhere holds one. From then on nobody can reach them; what is in them the
// kernel destroys in the tens of milliseconds after it.
type Vanishing struct {
	m    *Machine
	sub  *nl.NetlinkSocket
	wait map[int]doomed // by the id that the host knows the namespace by
}

type doomed struct{ cookie, inode uint64 }

// Watch is to be called before the namespaces' names are taken away; this process's hold on them is the caller's to let
// go. The kernel sends RTM_DELNSID to a namespace that has an id for another one when that one is torn down.
func (m *Machine) Watch(refs []NSRef) (*Vanishing, error) {
	v := &Vanishing{m: m, wait: map[int]doomed{}}
	for _, ref := range refs {
		n, err := m.Namespace(ref)
		if err != nil || n.base {
			continue
		}
		var st unix.Stat_t
		id, err := m.host.identify(n)
		if err == nil {
			err = unix.Fstat(int(n.fd), &st)
		}
		if err != nil {
			return nil, fail(err, "watch namespace", n.Name(), m.host)
		}
		v.wait[id] = doomed{n.ref.Cookie, st.Ino}
	}
	var err error
	if v.sub, err = nl.SubscribeAt(netns.None(), netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_NSID); err != nil {
		return nil, fail(err, "watch namespaces", "", m.host)
	}
	return v, nil
}

// Wait returns when all watched namespaces are gone but those that stay. Of those that are not by the deadline it says who
// holds them. All are known by their cookies.
func (v *Vanishing) Wait(ctx context.Context, patience time.Duration, stay map[uint64]bool) (held map[uint64]string) {
	going := func() (n int) {
		for _, d := range v.wait {
			if !stay[d.cookie] {
				n++
			}
		}
		return n
	}
	for deadline := time.Now().Add(patience); going() > 0; {
		now := time.Until(deadline)
		if now <= 0 || ctx.Err() != nil {
			break
		}
		tv := unix.NsecToTimeval(min(now, 100*time.Millisecond).Nanoseconds())
		if err := v.sub.SetReceiveTimeout(&tv); err != nil {
			break
		}
		msgs, _, err := v.sub.Receive()
		if err != nil { // a timeout, or an overrun: the ids themselves tell
			v.recheck()
		}
		for _, msg := range msgs {
			if msg.Header.Type == unix.RTM_DELNSID {
				v.forget(msg)
			}
		}
	}
	held = map[uint64]string{}
	for _, d := range v.wait {
		if !stay[d.cookie] {
			held[d.cookie] = holders(d.inode)
		}
	}
	return held
}

// Close ends the watching.
func (v *Vanishing) Close() { v.sub.Close() }

// rtgen is an empty struct rtgenmsg.
var rtgen = rawMessage{0, 0, 0, 0}

// identify is the id that a namespace knows another by, and gives it one when it has none.
func (n *Namespace) identify(other *Namespace) (id int, err error) {
	// -1 lets the kernel choose, and the echo tells what; it fails when there is one.
	err = change(func() error {
		bodies, err := n.request(unix.RTM_NEWNSID, unix.NLM_F_ACK|unix.NLM_F_ECHO, rtgen, nl.NewRtAttr(unix.NETNSA_FD, nl.Uint32Attr(uint32(other.fd))),
			nl.NewRtAttr(unix.NETNSA_NSID, nl.Uint32Attr(math.MaxUint32)))
		if err == nil && len(bodies) == 1 {
			id = nsid(bodies[0])
		} else if err == nil {
			id, err = n.idOf(other.fd)
		}
		return err
	})
	if errors.Is(err, unix.EEXIST) {
		id, err = n.idOf(other.fd)
	}
	if err == nil && id < 0 {
		err = ErrGone
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

func nsid(raw []byte) int { return int(int32(attrNumber(raw, len(rtgen), unix.NETNSA_NSID))) }

func (v *Vanishing) forget(msg syscall.NetlinkMessage) {
	if id := attr(msg.Data, 4, unix.NETNSA_NSID); len(id) >= 4 {
		delete(v.wait, int(int32(binary.NativeEndian.Uint32(id))))
	}
}

// recheck asks for every id that is waited for: an event can be lost.
func (v *Vanishing) recheck() {
	for id := range v.wait {
		if _, err := v.m.host.get(unix.RTM_GETNSID, rtgen, nl.NewRtAttr(unix.NETNSA_NSID, nl.Uint32Attr(uint32(id)))); gone(err) {
			delete(v.wait, id)
		}
	}
}

// holders names the processes that are in a namespace or have it open.
func holders(inode uint64) string {
	var who []string
	want := "net:[" + strconv.FormatUint(inode, 10) + "]"
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		links := append([]string{p + "/ns/net"}, glob(p+"/fd/*")...)
		for _, l := range links {
			if to, err := os.Readlink(l); err == nil && to == want {
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

func glob(pattern string) []string {
	all, _ := filepath.Glob(pattern)
	return all
}
