package probe

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// A Trace asks the routers on the way to an address, as traceroute(8): each is told by a packet whose time to live ends
// there. The zero value of a field is its default.
type Trace struct {
	Dst, Source netip.Addr
	Dev         string        // as Ping's
	Proto       string        // "icmp", "udp" or "tcp"; default "udp"
	Port        int           // default 33434 and those after it of udp, 80 of tcp
	Hops        int           // at most; default 30
	Timeout     time.Duration // for each answer; default 1s
	Aside       func(probe func() error) error
}

// A Hop is what one packet met.
type Hop struct {
	TTL     int
	From    netip.Addr    // who answered; invalid when nobody did, or the namespace itself refused
	RTT     time.Duration // 0 without an answer
	Name    string        // what was said: a Failure's name, "reply", or of TCP "open" or "refused"
	MTU     int           // as a Failure's
	Err     error         // of a Failure
	Reached bool          // it is the destination that answered
}

const (
	traceOpen  = 6                      // packets that are not answered when the next one goes
	traceQuiet = 100 * time.Millisecond // without an answer, until the next one goes all the same
)

// Run asks one router after the other until the destination answers, or one says that it is not reached. A router that
// is slow, or says nothing, does not hold up the next ones for long.
func (t Trace) Run(ctx context.Context, in func(func() error) error) (hops []Hop, err error) {
	t.Proto, t.Hops, t.Timeout = orDefault(t.Proto, "udp"), orDefault(t.Hops, 30), orDefault(t.Timeout, time.Second)
	probes := make([]hopProbe, t.Hops)
	defer func() {
		for _, p := range probes {
			if p != nil {
				p.close()
			}
		}
	}()
	for i := range probes {
		if probes[i], err = t.open(in, i+1); err != nil {
			return nil, err
		}
	}
	err = t.Aside(func() error {
		hops, err = t.ask(ctx, probes)
		return err
	})
	return hops, err
}

// A hopProbe is a packet with one time to live.
type hopProbe interface {
	ask(ctx context.Context) (Hop, error)
	close()
}

func (t Trace) open(in func(func() error) error, ttl int) (hopProbe, error) {
	p := Ping{Dst: t.Dst, Source: t.Source, Dev: t.Dev, TTL: ttl, Count: 1, Timeout: t.Timeout}
	if t.Proto == "icmp" {
		run, err := p.prepare(in, newIdent())
		if err != nil {
			return nil, err
		}
		return echoHop{run}, nil
	}
	return openKnock(in, p, t.Proto, t.Port)
}

func (t Trace) ask(ctx context.Context, probes []hopProbe) ([]Hop, error) {
	type answer struct {
		Hop
		err error
	}
	// An end that all know when Run returns: no probe is asked on a closed socket.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer)
	var hops []Hop
	var failed error
	waiting, last := 0, len(probes) // last: the first that ends the way
	take := func(a answer) {
		waiting--
		if a.err != nil {
			failed = errors.Join(failed, a.err)
			cancel()
			return
		}
		hops = append(hops, a.Hop)
		if a.Reached || a.Name != "time exceeded" && a.Name != "timeout" {
			last = min(last, a.TTL)
		}
	}
	quiet := time.NewTimer(traceQuiet)
	defer quiet.Stop()
	for ttl := 1; ttl <= last && failed == nil; ttl++ {
		waiting++
		go func() {
			hop, err := probes[ttl-1].ask(ctx)
			hop.TTL = ttl
			answers <- answer{hop, err}
		}()
		quiet.Reset(traceQuiet)
		for patient := true; waiting > 0 && (patient || waiting >= traceOpen); {
			select {
			case a := <-answers:
				take(a)
				patient = patient && a.TTL != ttl
			case <-quiet.C:
				patient = false
			}
		}
	}
	for waiting > 0 {
		take(<-answers)
	}
	slices.SortFunc(hops, func(a, b Hop) int { return a.TTL - b.TTL })
	return hops[:min(last, len(hops))], failed
}

// echoHop is one by an echo request.
type echoHop struct{ run *pingRun }

func (h echoHop) close() { h.run.sock.close() }

func (h echoHop) ask(ctx context.Context) (Hop, error) {
	defer context.AfterFunc(ctx, h.run.sock.interrupt)()
	if err := h.run.loop(ctx); err != nil {
		return Hop{}, err
	}
	for _, r := range h.run.res.Replies {
		return Hop{From: r.From, RTT: r.RTT, Name: "reply", Reached: true}, nil
	}
	return hopOf(h.run.res.Failures[0], h.run.Dst), nil
}

// hopOf is what a failure tells of a hop.
func hopOf(f Failure, dst netip.Addr) Hop {
	return Hop{From: f.From, RTT: f.RTT, Name: f.Name, MTU: f.MTU, Err: f.Err,
		Reached: f.From.IsValid() && sameHost(f.From, dst) && f.Name != "time exceeded"}
}
