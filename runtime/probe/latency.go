package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"time"
)

// Latency describes a measurement of how long a message and its echo take.
type Latency struct {
	Proto    string // tcp, mptcp, udp
	Count    int
	Size     int // bytes of a message, at least 8
	Interval time.Duration
	Timeout  time.Duration // of each; what has not come back then is lost
	Load     int           // streams that send meanwhile, as fast as they go
	Options
}

// Times is what a measurement has found.
type Times struct {
	All  []time.Duration // sorted
	Lost int
}

// Percentile is the time that so many of a hundred took at most (nearest rank).
func (t Times) Percentile(p float64) time.Duration {
	if len(t.All) == 0 {
		return 0
	}
	rank := int(float64(len(t.All))*p/100+0.999999) - 1
	return t.All[min(max(rank, 0), len(t.All)-1)]
}

// Run sends messages one after the other, each when the one before is back, from a client's namespace to a server's.
func (l Latency) Run(ctx context.Context, client, server func(func() error) error, dst, source netip.Addr) (t Times,
	err error) {
	if l.Load > 0 {
		loaded, stop := context.WithCancelCause(ctx)
		over := errors.New("the measurement is over")
		ended, begun := make(chan error, 1), make(chan struct{}, 1)
		go func() {
			_, err := Throughput{Proto: "tcp", Streams: l.Load, Interval: 10 * time.Millisecond, Options: l.Options,
				Told: func(Interval) {
					select {
					case begun <- struct{}{}:
					default:
					}
				}}.Run(loaded, client, server, dst, source)
			ended <- err
		}()
		defer func() {
			stop(over)
			if e := <-ended; err == nil && e != over {
				err = e
			}
		}()
		select { // the load is there before anything is measured
		case <-begun:
		case e := <-ended:
			ended <- e
			return t, e
		}
	}
	trip, end, err := l.open(ctx, client, server, dst, source)
	if err != nil {
		return t, err
	}
	defer end()
	next := time.Now()
	for range l.Count {
		if wait := time.Until(next); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
		next = next.Add(l.Interval)
		one, cancel := context.WithTimeoutCause(ctx, l.Timeout, errLate)
		begin := time.Now()
		err := trip(one)
		took := time.Since(begin)
		cancel()
		switch {
		case ctx.Err() != nil:
			return t, context.Cause(ctx)
		case err == nil:
			t.All = append(t.All, took)
		case err == errLate && l.Proto == "udp":
			t.Lost++
		default:
			return t, err
		}
	}
	slices.Sort(t.All)
	return t, nil
}

var errLate = errors.New("an echo did not come back in time")

// open makes both ends. trip sends a message and waits for its echo.
func (l Latency) open(ctx context.Context, client, server func(func() error) error, dst, source netip.Addr) (
	trip func(context.Context) error, end func(), err error) {
	at, data := netip.AddrPortFrom(dst.WithZone(""), 0), make([]byte, l.Size)
	if l.Proto == "udp" {
		to, err := OpenUDP(server, at, Options{})
		if err != nil {
			return nil, nil, err
		}
		from, err := OpenUDP(client, netip.AddrPortFrom(source, 0), l.Options)
		if err != nil {
			to.Close()
			return nil, nil, err
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			to.Serve(func(d Datagram) ([]byte, bool) { return d.Data, true })
		}()
		seq, there := uint64(0), netip.AddrPortFrom(dst, to.Local.Port())
		return func(ctx context.Context) error {
				seq++
				binary.BigEndian.PutUint64(data, seq)
				if err := from.Send(ctx, data, there, netip.Addr{}, 0); err != nil {
					return err
				}
				for {
					d, err := from.Recv(ctx)
					if err != nil || len(d.Data) == l.Size && binary.BigEndian.Uint64(d.Data) == seq {
						return err // others are echoes that came too late
					}
				}
			}, func() {
				from.Close()
				to.Close()
				<-served
			}, nil
	}
	listener, err := Listen(server, l.Proto, at, Options{})
	if err != nil {
		return nil, nil, err
	}
	s, err := Connect(ctx, client, l.Proto, netip.AddrPortFrom(dst, listener.Local.Port()),
		netip.AddrPortFrom(source, 0), l.Options)
	if err != nil {
		listener.Close()
		return nil, nil, err
	}
	listener.Serve(func(s *Stream) { _ = Echo(s) })
	return func(ctx context.Context) error {
			if err := s.Send(ctx, data); err != nil {
				return err
			}
			for got := 0; got < l.Size; {
				n, err := s.Recv(ctx, data[got:])
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				if got += n; err != nil {
					return err
				}
			}
			return nil
		}, func() {
			s.Abort()
			listener.Close()
		}, nil
}
