package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Failure is a request that was not answered, and why. As an error it reads
// like "fragmentation needed (mtu 1400) from 10.0.0.254" and unwraps to Err.
type Failure struct {
	// Seq is the request's number, from 1.
	Seq int

	// Name is the ICMP error in words ("time exceeded", "host unreachable"),
	// the errno's name when the kernel refused to send ("ENETUNREACH",
	// "EMSGSIZE", EPERM from a packet filter, ENOBUFS from a full send buffer or queue),
	// or "timeout".
	Name string

	// From is who sent the ICMP error: a router, the destination, or an
	// address of the namespace's own when its kernel found nobody to hand the
	// packet to (no answer to ARP). It is invalid without an ICMP error.
	From netip.Addr

	// MTU is what would have fitted, IP header included, in bytes, when the
	// failure told it; otherwise 0.
	MTU int

	// RTT is from the send call until the kernel received the ICMP error; 0 without one.
	RTT time.Duration

	// Err is the errno: the local one, the one the kernel translates the ICMP
	// error to (ip(7)), or ETIMEDOUT.
	Err error
}

func (f Failure) Error() string {
	text := f.Name
	if f.Err != nil && !f.From.IsValid() && f.Name != "timeout" {
		text = fmt.Sprintf("%s (%s)", f.Err, f.Name)
	}
	if f.MTU > 0 {
		text += fmt.Sprintf(" (mtu %d)", f.MTU)
	}
	if f.From.IsValid() {
		text += " from " + f.From.String()
	}
	return text
}

// Unwrap returns Err.
func (f Failure) Unwrap() error { return f.Err }

func localFailure(seq int, err error) Failure {
	f := Failure{Seq: seq, Name: "unknown error", Err: err}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		f.Name = unix.ErrnoName(errno)
	}
	return f
}

func icmpFailure(seq int, v6 bool, e queuedError) Failure {
	f := Failure{Seq: seq, Name: icmpName(v6, e.typ, e.code), From: e.offender}
	if e.errno != 0 {
		f.Err = e.errno
	}
	if !v6 && e.typ == 3 && e.code == 4 || v6 && e.typ == 2 {
		f.MTU = int(e.info)
	}
	return f
}

// icmpNames is how RFC 792, 1122 and 1812, or RFC 4443 name ICMP errors, by their codes; a single one is that of all
// codes.
var icmpNames = []struct {
	v6    bool
	typ   uint8
	names []string
}{
	{false, 3, []string{"net unreachable", "host unreachable", "protocol unreachable", "port unreachable",
		"fragmentation needed", "source route failed", "net unknown", "host unknown", "source host isolated",
		"net prohibited", "host prohibited", "net unreachable for tos", "host unreachable for tos",
		"administratively prohibited", "host precedence violation", "precedence cutoff"}},
	{false, 11, []string{"time exceeded", "fragment reassembly time exceeded"}},
	{false, 12, []string{"parameter problem"}},
	{true, 1, []string{"no route", "administratively prohibited", "beyond scope of source", "address unreachable",
		"port unreachable", "source address failed policy", "reject route"}},
	{true, 2, []string{"packet too big"}},
	{true, 3, []string{"time exceeded", "fragment reassembly time exceeded"}},
	{true, 4, []string{"parameter problem"}},
}

// Names lists the names of a family's ICMP errors that a Failure can have.
func Names(v6 bool) (all []string) {
	for _, row := range icmpNames {
		if row.v6 == v6 {
			all = append(all, row.names...)
		}
	}
	return all
}

func icmpName(v6 bool, typ, code uint8) string {
	for _, row := range icmpNames {
		switch {
		case row.v6 != v6 || row.typ != typ:
		case len(row.names) == 1:
			return row.names[0]
		case int(code) < len(row.names):
			return row.names[code]
		}
	}
	return fmt.Sprintf("icmp type %d code %d", typ, code)
}
