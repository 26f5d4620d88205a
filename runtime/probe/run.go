package probe

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// pingRun is a Ping under way. One goroutine owns it.
type pingRun struct {
	Ping
	flights
	sock *socket
	res  Result
}

// How long a request may be without an answer before the next one goes out all the same: ping(8) floods a hundred a
// second.
const (
	unanswered = 200 * time.Millisecond
	flooding   = 10 * time.Millisecond
)

func (p Ping) newRun(id ident, s *socket, res Result) *pingRun {
	return &pingRun{Ping: p, sock: s, res: res, flights: flights{ident: id, v6: p.Dst.Is6(), size: *p.Size,
		timeout: p.Timeout, several: p.Broadcast || p.Dst.IsMulticast(),
		enough: p.Replies}}
}

func (r *pingRun) loop(ctx context.Context) error {
	patience := unanswered
	if r.Flood {
		patience = flooding
	}
	var next time.Time
	for {
		// What the kernel holds at the time of expiry still counts, however
		// late this goroutine runs; so: clock, then drain, then expire.
		now := time.Now()
		if err := r.sock.poll(r.drain); err != nil {
			return err
		}
		r.res.Failures = append(r.res.Failures, r.expire(now)...)
		if err := ctx.Err(); err != nil {
			return err
		}
		more := r.res.Sent < r.Count
		if more && (!now.Before(next) || r.Interval == 0 && r.open == 0) {
			next = time.Now().Add(orDefault(r.Interval, patience))
			r.request()
			continue
		}
		if !more && r.open == 0 {
			return nil
		}
		wake := next
		if due, ok := r.due(); ok && (!more || due.Before(next)) {
			wake = due
		}
		if err := r.sock.wait(ctx, wake, r.drain); err != nil {
			return err
		}
	}
}

// request sends the next one.
func (r *pingRun) request() {
	r.res.Sent++
	seq, err := r.send(r.Dst, r.sock.send)
	if err == nil {
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
	return r.sock.drain(fd, func(m message) {
		reply, failure := r.take(m)
		switch {
		case failure != nil:
			r.res.Failures = append(r.res.Failures, *failure)
		case reply != nil:
			r.res.Replies = append(r.res.Replies, *reply)
			if r.res.Received++; r.several {
				r.res.Received = r.answered()
			}
		}
	})
}
