package probe

import (
	"context"
	"net/netip"
)

// A PathMTU is the largest packet that reaches an address without being fragmented, as it is found by sending some
// (RFC 1191, RFC 8201): what is known of the path is not heeded.
type PathMTU struct {
	MTU   int    // bytes with the IP header; 0 when nothing was answered
	Told  []Told // who said that less fits, in order
	Hole  bool   // larger ones are lost, and nobody says so
	Tries int    // packets sent
	// Failed is why nothing reaches the address, nil when something does.
	Failed *Failure
}

// Told is a router, or the namespace itself, that says what fits.
type Told struct {
	From netip.Addr // invalid when it is the namespace
	MTU  int
	Name string // as a Failure's
}

// Discover finds the path MTU to p.Dst. Of p it heeds Dst, Source, Dev, Timeout and Aside.
func Discover(ctx context.Context, in func(func() error) error, p Ping) (res PathMTU, err error) {
	p.Discover, p.Count = "probe", 1
	head, least, most := 20+icmpHeader, 68, 65535
	if p.Dst.Unmap().Is6() {
		head, least, most = 40+icmpHeader, 1280, 65535+40
	}
	fits := func(mtu int) (Result, error) {
		p.Size = new(mtu - head)
		res.Tries++
		return p.Run(ctx, in)
	}
	for mtu := most; ; {
		got, err := fits(mtu)
		if err != nil {
			return res, err
		}
		if got.Received > 0 {
			res.MTU = mtu
			return res, nil
		}
		f := got.Failures[0]
		if f.MTU < least || f.MTU >= mtu {
			return res, res.search(fits, f, least, mtu)
		}
		res.Told = append(res.Told, Told{f.From, f.MTU, f.Name})
		mtu = f.MTU
	}
}

// search finds what fits where nobody says it: most does not.
func (res *PathMTU) search(fits func(int) (Result, error), why Failure, least, most int) error {
	for first := true; most-least > 1; first = false {
		mtu := least
		if !first {
			mtu = (least + most) / 2
		}
		got, err := fits(mtu)
		switch {
		case err != nil:
			return err
		case got.Received > 0:
			least, res.MTU = mtu, mtu
		case first:
			res.Failed = &why
			return nil
		default:
			most = mtu
		}
		res.Hole = true
	}
	return nil
}
