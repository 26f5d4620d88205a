package probe

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Ping describes one run of ICMP echo requests. Only Dst is needed; the zero
// value of every other field is its default. A Ping is a value: it can be run
// many times and by many goroutines at once.
type Ping struct {
	// Dst is the destination, IPv4 or IPv6. A link-local one (and only such)
	// has a zone: the name or index of the interface in the namespace.
	Dst netip.Addr

	// Source is the address to send from. The zero Addr lets the kernel choose.
	Source netip.Addr

	// Dev is the interface that requests leave by, or the VRF whose routes they
	// take, by its name. Default (""): what the namespace's rules say.
	Dev string

	// Count is how many requests are sent, 1 to 65535. Default 3.
	Count int

	// Interval is the time from one request to the next, answered or not. With
	// 0 the next request goes out as soon as the one before is answered, or
	// after 200ms without an answer.
	Interval time.Duration

	// Timeout is how long each request waits for its reply. A reply that the
	// kernel received later counts as lost. Default 1s.
	Timeout time.Duration

	// Size is the number of payload bytes after the ICMP header, 0 to 65507
	// (IPv6: 65527). Default (nil) 56; new(0) sends none.
	Size *int

	// TTL is the IPv4 time to live or IPv6 hop limit, 1 to 255. Default (0):
	// the namespace's.
	TTL int

	// DF forbids fragmentation on the way and here: a request over the known
	// path MTU is not sent but fails with EMSGSIZE. Without it an IPv4 request
	// has the don't fragment bit clear, so the outcome does not depend on
	// what an earlier probe taught the kernel; in IPv6 the kernel fragments
	// to the path MTU that it knows.
	DF bool

	// Discover is how path MTUs are taken care of (IP_MTU_DISCOVER), in ping(8)'s words: "do", "dont", "want" or
	// "probe", which forbids fragmentation and heeds no path MTU that is known. Default (""): as DF says.
	Discover string

	// Mark is the packets' mark, for rules and filters. Default 0.
	Mark uint32

	// TOS is the type of service, or traffic class. Default 0.
	TOS int

	// OIF is the index of the link that requests leave by, also those to a group. Replies can come by another one.
	// Default (0): what routes say.
	OIF int

	// Broadcast says that Dst is a broadcast address. As with one of a group each request is answered by many.
	Broadcast bool

	// Replies is how many hosts have to answer a request to many for it to end. Default (0): it waits for others until
	// its time is over.
	Replies int

	// Flood has no request wait longer than 10ms for the answer to the one before. It is for Interval 0.
	Flood bool

	// Aside, when not nil, is given what sends and waits, once the socket is
	// open, and calls it: meanwhile the caller can let others work.
	Aside func(probe func() error) error
}

// Run sends the requests and returns when each of them has ended: in a reply,
// in an ICMP error, in a local error, or in a timeout. Lost requests are no error of
// Run; they are in the Result.
//
// It calls in once, to open the socket: in must run the function that it is
// given on a thread inside the namespace, and return its error.
//
// Run's error says why there was no ping at all, or not to the end: a field
// out of range, the socket refused (EPERM, EAFNOSUPPORT), a Source that is not the
// namespace's (EADDRNOTAVAIL), a zone that names no interface (ENODEV), in's own
// error, or, within milliseconds of its end, ctx's. The Result then holds
// what was known until then. The error names neither Dst nor the namespace,
// as the caller knows both.
func (p Ping) Run(ctx context.Context, in func(func() error) error) (Result, error) {
	return p.run(ctx, in, newIdent())
}

func (p Ping) run(ctx context.Context, in func(func() error) error, id ident) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{Dst: p.Dst}, err
	}
	r, err := p.prepare(in, id)
	if err != nil {
		return Result{Dst: p.Dst}, err
	}
	defer r.sock.close()
	defer context.AfterFunc(ctx, r.sock.interrupt)()

	probe := func() error { return r.loop(ctx) }
	if p.Aside != nil {
		err = p.Aside(probe)
	} else {
		err = probe()
	}
	return r.res, err
}

// prepare makes a run that has its socket.
func (p Ping) prepare(in func(func() error) error, id ident) (*pingRun, error) {
	given := p.Dst
	p, err := p.complete()
	if err != nil {
		return nil, err
	}
	s, err := openSocket(in, p)
	if err != nil {
		return nil, err
	}
	return p.newRun(id, s, Result{Dst: given}), nil
}

// complete fills in the defaults and refuses what cannot be meant.
func (p Ping) complete() (Ping, error) {
	if !p.Dst.IsValid() {
		return p, fmt.Errorf("no destination")
	}
	p.Dst, p.Source = p.Dst.Unmap(), p.Source.Unmap()
	p.Count = orDefault(p.Count, 3)
	p.Timeout = orDefault(p.Timeout, time.Second)
	if p.Size == nil {
		p.Size = new(56)
	}
	maxSize := 65535 - 20 - icmpHeader
	if p.Dst.Is6() {
		maxSize = 65535 - icmpHeader
	}
	switch {
	case p.Source.IsValid() && p.Source.Is6() != p.Dst.Is6():
		return p, fmt.Errorf("source %s is of another family than the destination: %w", p.Source, unix.EAFNOSUPPORT)
	case linkScoped(p.Dst) && p.Dst.Zone() == "":
		return p, fmt.Errorf("link-local destination needs an interface, as in %s%%eth0: %w", p.Dst, unix.EINVAL)
	case !linkScoped(p.Dst) && p.Dst.Zone() != "":
		return p, fmt.Errorf("destination is not link-local and cannot have interface %q: %w",
			p.Dst.Zone(), unix.EINVAL)
	case p.Count < 1 || p.Count > 65535:
		return p, fmt.Errorf("count is %d, want 1 to 65535", p.Count)
	case p.Interval < 0:
		return p, fmt.Errorf("interval is %s, want 0 or more", p.Interval)
	case p.Timeout < 0:
		return p, fmt.Errorf("timeout is %s, want more than 0", p.Timeout)
	case *p.Size < 0 || *p.Size > maxSize:
		return p, fmt.Errorf("size is %d, want 0 to %d", *p.Size, maxSize)
	case discovery(p.Discover, false) < 0 || p.Discover != "" && p.DF:
		return p, fmt.Errorf("discover is %q, want do, dont, want or probe, and no DF", p.Discover)
	case p.TTL < 0 || p.TTL > 255:
		return p, fmt.Errorf("ttl is %d, want 1 to 255", p.TTL)
	}
	return p, nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// linkScoped reports whether an address means nothing without an interface.
func linkScoped(a netip.Addr) bool {
	return a.Is6() && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}
