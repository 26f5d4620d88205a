package probe

import (
	"math"
	"net/netip"
	"time"
)

// Result is what became of the requests of one Ping. Each request that was
// sent, or tried, is in exactly one of Replies and Failures, so that in a
// Result that came without an error Sent is the sum of their lengths.
type Result struct {
	Dst      netip.Addr // as given in Ping
	Sent     int        // requests sent, with those that the kernel refused to send
	Received int        // requests answered in time; a duplicate reply is not counted
	Replies  []Reply    // in order of arrival
	Failures []Failure  // in the order they became known
}

// Reply is an answered request.
type Reply struct {
	Seq  int           // of the request, from 1
	From netip.Addr    // who answered: not always the destination
	RTT  time.Duration // from the send call until the kernel received the reply
	TTL  int           // of the reply as it arrived, 0 if unknown
	Size int           // payload bytes of the reply
}

// Loss is the part of the requests that were not answered, 0 to 1; 0 when
// none was sent.
func (r Result) Loss() float64 {
	if r.Sent == 0 {
		return 0
	}
	return float64(r.Sent-r.Received) / float64(r.Sent)
}

// Min is the shortest round trip, 0 without replies.
func (r Result) Min() time.Duration {
	var least time.Duration
	for i, p := range r.Replies {
		if i == 0 || p.RTT < least {
			least = p.RTT
		}
	}
	return least
}

// Avg is the mean round trip, 0 without replies.
func (r Result) Avg() time.Duration {
	if len(r.Replies) == 0 {
		return 0
	}
	var sum time.Duration
	for _, p := range r.Replies {
		sum += p.RTT
	}
	return sum / time.Duration(len(r.Replies))
}

// Max is the longest round trip, 0 without replies.
func (r Result) Max() time.Duration {
	var most time.Duration
	for _, p := range r.Replies {
		most = max(most, p.RTT)
	}
	return most
}

// Stddev is the standard deviation of the round trips (iputils' mdev), 0
// without replies.
func (r Result) Stddev() time.Duration {
	if len(r.Replies) == 0 {
		return 0
	}
	avg := float64(r.Avg())
	var sum float64
	for _, p := range r.Replies {
		d := float64(p.RTT) - avg
		sum += d * d
	}
	return time.Duration(math.Sqrt(sum / float64(len(r.Replies))))
}
