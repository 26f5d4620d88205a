package kernel

import (
	"errors"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// LearnedNeighbours are what namespaces learn about their neighbours while something is done in them. It has sockets of
// its own: a Machine can be used meanwhile. One goroutine uses it.
type LearnedNeighbours struct {
	places []learnedIn
	buf    []byte
}

type learnedIn struct {
	conn *rtnl.Conn
	had  map[string]bool
	name string
}

// LearnNeighbours begins with what is known in namespaces now. Whoever calls it closes it.
func LearnNeighbours(all []*Namespace) (*LearnedNeighbours, error) {
	l := &LearnedNeighbours{buf: make([]byte, rtnl.MaxReply)}
	for _, n := range all {
		p := learnedIn{had: map[string]bool{}, name: n.Name()}
		err := n.Do(func() (err error) {
			p.conn, err = rtnl.Dial()
			return err
		})
		if err == nil {
			l.places = append(l.places, p)
			err = l.each(p, func(raw []byte) error { p.had[learnedKey(raw)] = true; return nil })
		}
		if err != nil {
			l.Close()
			return nil, fail(err, "list neighbours", "", n)
		}
	}
	return l, nil
}

// Close releases its sockets.
func (l *LearnedNeighbours) Close() {
	for _, p := range l.places {
		p.conn.Close()
	}
}

func learnedKey(raw []byte) string { return string(raw[:8]) + neighKey(raw) }

// each calls fn for the neighbours of a namespace that the kernel keeps by itself.
func (l *LearnedNeighbours) each(p learnedIn, fn func(raw []byte) error) error {
	all, err := p.conn.Dump(l.buf, unix.RTM_GETNEIGH, ndMsg(unix.AF_UNSPEC, 0))
	for _, raw := range all {
		if len(raw) < unix.SizeofNdMsg || raw[0] == unix.AF_BRIDGE || raw[10]&netlink.NTF_PROXY != 0 || given(raw) {
			continue
		}
		err = errors.Join(err, fn(raw))
	}
	return err
}

// Forget has one of the namespaces, by its number, forget what it has learned. While it waits for answers, those who
// are asked for stay.
func (l *LearnedNeighbours) Forget(i int, waits bool) error {
	var goes []rtnl.Raw
	p := l.places[i]
	err := l.each(p, func(raw []byte) error {
		if !p.had[learnedKey(raw)] && (!waits || neighState(raw)&unix.NUD_INCOMPLETE == 0) {
			goes = append(goes, AppendAttr(append(rtnl.Raw{}, raw[:unix.SizeofNdMsg]...), unix.NDA_DST,
				rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_DST)))
		}
		return nil
	})
	for _, msg := range goes {
		if e := p.conn.Do(l.buf, unix.RTM_DELNEIGH, 0, msg); !errors.Is(e, unix.ENOENT) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return &Error{Op: "forget neighbours", NS: p.name, Err: err}
	}
	return nil
}

// Room is how many more neighbours of a family the machine can have, and how often it could not have one more.
func (l *LearnedNeighbours) Room(v6 bool) (left, refused int, err error) {
	if len(l.places) == 0 {
		return 0, 0, nil
	}
	all, err := l.places[0].conn.Dump(l.buf, unix.RTM_GETNEIGHTBL, rtnl.Raw(make([]byte, sizeofNdtMsg)))
	for _, t := range neighbourTables(all) {
		if (t.Family == "ipv6") == v6 {
			return t.Limit - t.Entries, t.Refused, err
		}
	}
	return 0, 0, err
}
