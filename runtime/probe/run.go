package probe

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pingRun is a Ping under way. One goroutine owns it.
type pingRun struct {
	Ping
	ident
	sock    *socket
	flights []flight // by sequence number, from 1
	oldest  int      // index of the first flight that may be open
	open    int      // flights without an outcome
	mtu     int      // from the last local EMSGSIZE, 0: unknown
	res     Result
}

// unanswered is how long a request may be without an answer before the next one goes out all the same.
const unanswered = 200 * time.Millisecond

// flight is one request that was sent.
type flight struct {
	sent time.Time
	open bool
}

func (r *pingRun) loop(ctx context.Context) error {
	var next time.Time
	for {
		// What the kernel holds at the time of expiry still counts, however
		// late this goroutine runs; so: clock, then drain, then expire.
		now := time.Now()
		if err := r.sock.poll(r.drain); err != nil {
			return err
		}
		r.expire(now)
		if err := ctx.Err(); err != nil {
			return err
		}
		more := r.res.Sent < r.Count
		if more && (!now.Before(next) || r.Interval == 0 && r.open == 0) {
			next = time.Now().Add(orDefault(r.Interval, unanswered))
			r.send()
			continue
		}
		if !more && r.open == 0 {
			return nil
		}
		wake := next
		if r.open > 0 {
			if due := r.flights[r.oldest].sent.Add(r.Timeout); !more || due.Before(next) {
				wake = due
			}
		}
		if err := r.sock.wait(ctx, wake, r.drain); err != nil {
			return err
		}
	}
}

// send sends the next request, which is then in flight or failed. An ICMP
// error that is pending on the socket does not fail it: a raw socket reports
// such only when it is read (measured; unlike in UDP, ip_append_data never asks).
func (r *pingRun) send() {
	r.res.Sent++
	seq := r.res.Sent
	at, err := r.sock.send(r.request(r.Dst.Is6(), uint16(seq), *r.Size))
	r.flights = append(r.flights, flight{sent: at, open: err == nil})
	if err == nil {
		r.open++
		return
	}
	f := localFailure(seq, err)
	if errors.Is(err, unix.EMSGSIZE) {
		r.mtu = 0
		r.sock.poll(r.drain) // the error queue has the MTU
		f.MTU = r.mtu
	}
	r.res.Failures = append(r.res.Failures, f)
}

// drain takes what the socket holds and reports whether that was anything.
func (r *pingRun) drain(fd int) bool {
	// More messages than a receive buffer holds, so that a flood of foreign
	// ones can neither hide ours nor keep the clock from being looked at.
	const most = 1024
	for n := range most {
		m, err := r.sock.receive(fd)
		switch err {
		case nil:
			r.take(m)
		case unix.EAGAIN:
			return n > 0
		}
		// Any other error was pending on the socket; its cause is in the
		// error queue, which is read first.
	}
	return true
}

// take gives a message to the request it belongs to, if any.
func (r *pingRun) take(m message) {
	v6 := r.Dst.Is6()
	if m.err == nil {
		seq, size, ok := r.reply(v6, *r.Size, m.data)
		if !ok || !r.isOpen(seq) {
			return
		}
		rtt := roundTrip(r.flights[seq-1].sent, m.at, time.Now())
		if rtt > r.Timeout {
			return
		}
		r.end(seq)
		r.res.Received++
		r.res.Replies = append(r.res.Replies, Reply{Seq: seq, From: m.from, RTT: rtt, TTL: m.ttl, Size: size})
		return
	}
	if m.err.origin == unix.SO_EE_ORIGIN_LOCAL && m.err.errno == unix.EMSGSIZE {
		r.mtu = int(m.err.info)
		return
	}
	if !m.err.icmp(v6) || !sameHost(m.from, r.Dst) {
		return
	}
	if seq, ok := r.quoted(v6, *r.Size, m.data); ok && r.isOpen(seq) {
		r.end(seq)
		r.res.Failures = append(r.res.Failures, icmpFailure(seq, v6, *m.err))
	}
}

func (r *pingRun) isOpen(seq int) bool {
	return seq >= 1 && seq <= len(r.flights) && r.flights[seq-1].open
}

func (r *pingRun) end(seq int) {
	r.flights[seq-1].open = false
	r.open--
}

// expire ends the requests whose time was over at now. All wait equally long, so
// they expire in the order of sending.
func (r *pingRun) expire(now time.Time) {
	for ; r.oldest < len(r.flights); r.oldest++ {
		f := r.flights[r.oldest]
		if !f.open {
			continue
		}
		if now.Before(f.sent.Add(r.Timeout)) {
			return
		}
		seq := r.oldest + 1
		r.end(seq)
		r.res.Failures = append(r.res.Failures, Failure{Seq: seq, Name: "timeout", Err: syscall.ETIMEDOUT})
	}
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
