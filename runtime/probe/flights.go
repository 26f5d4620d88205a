package probe

import (
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// flights are the echo requests of one socket, by sequence number, from 1. One goroutine owns them.
type flights struct {
	ident
	v6      bool
	size    int           // payload bytes
	timeout time.Duration // that each waits
	several bool          // many can answer a request
	enough  int           // how many end it, where several can; 0: it ends when its time is over
	all     []flight
	oldest  int // index of the first that may be open
	open    int // without an outcome
	mtu     int // from the last local EMSGSIZE, 0: unknown
}

// A flight is one request that was sent.
type flight struct {
	dst  netip.Addr
	sent time.Time
	open bool
	from []netip.Addr // who has answered, where several can
}

// send sends the next request, which is then open or has failed. An ICMP error that is pending on the socket does not
// fail it: a raw socket reports such only when it is read (measured; unlike in UDP, ip_append_data never asks).
func (f *flights) send(dst netip.Addr, send func(packet []byte) (time.Time, error)) (seq int, err error) {
	seq = len(f.all) + 1
	at, err := send(f.request(f.v6, uint16(seq), f.size))
	f.all = append(f.all, flight{dst: dst, sent: at, open: err == nil})
	if err == nil {
		f.open++
	}
	return seq, err
}

// take gives a message to the request it belongs to, if any: it is a reply to it, or why there is none.
func (f *flights) take(m message) (reply *Reply, failure *Failure) {
	if m.err == nil {
		seq, size, ok := f.reply(f.v6, f.size, m.data)
		if !ok || !f.isOpen(seq) {
			return nil, nil
		}
		one := &f.all[seq-1]
		rtt := roundTrip(one.sent, m.at, time.Now())
		if rtt > f.timeout || f.several && slices.Contains(one.from, m.from) {
			return nil, nil
		}
		if f.several {
			one.from = append(one.from, m.from)
		}
		if !f.several || len(one.from) == f.enough {
			f.end(seq)
		}
		return &Reply{Seq: seq, From: m.from, RTT: rtt, TTL: m.ttl, Size: size}, nil
	}
	if m.err.origin == unix.SO_EE_ORIGIN_LOCAL && m.err.errno == unix.EMSGSIZE {
		f.mtu = int(m.err.info)
		return nil, nil
	}
	if !m.err.icmp(f.v6) {
		return nil, nil
	}
	seq, ok := f.quoted(f.v6, f.size, m.data)
	if !ok || !f.isOpen(seq) || !sameHost(m.from, f.all[seq-1].dst) {
		return nil, nil
	}
	if f.end(seq); len(f.all[seq-1].from) > 0 {
		return nil, nil // others have answered
	}
	failed := icmpFailure(seq, f.v6, *m.err)
	failed.RTT = roundTrip(f.all[seq-1].sent, m.at, time.Now())
	return nil, &failed
}

func (f *flights) isOpen(seq int) bool { return seq >= 1 && seq <= len(f.all) && f.all[seq-1].open }

func (f *flights) end(seq int) {
	f.all[seq-1].open = false
	f.open--
}

// expire ends the requests whose time was over at now, and tells of those that nobody has answered. All wait equally
// long, so they expire in the order of sending.
func (f *flights) expire(now time.Time) (lost []Failure) {
	for ; f.oldest < len(f.all); f.oldest++ {
		one := &f.all[f.oldest]
		if !one.open {
			continue
		}
		if now.Before(one.sent.Add(f.timeout)) {
			return lost
		}
		seq := f.oldest + 1
		if f.end(seq); len(one.from) == 0 {
			lost = append(lost, Failure{Seq: seq, Name: "timeout", Err: syscall.ETIMEDOUT})
		}
	}
	return lost
}

// due is when the next request's time is over, if one is open.
func (f *flights) due() (time.Time, bool) {
	if f.open == 0 {
		return time.Time{}, false
	}
	return f.all[f.oldest].sent.Add(f.timeout), true
}

// answered is how many requests got a reply, where several hosts can answer each.
func (f *flights) answered() (n int) {
	for _, one := range f.all {
		if len(one.from) > 0 {
			n++
		}
	}
	return n
}

// roundTrip is the time from sent until the kernel stamped the reply, at,
// which was read at now. The stamp is of the wall clock, which can be set meanwhile; only
// the time since the stamp is taken from it, and never more than has passed.
func roundTrip(sent, at, now time.Time) time.Duration {
	total := now.Sub(sent)
	if at.IsZero() {
		return total
	}
	waited := now.Round(0).Sub(at)
	if waited < 0 || waited > total {
		return total
	}
	return total - waited
}

func sameHost(a, b netip.Addr) bool {
	return a.WithZone("") == b.WithZone("")
}
