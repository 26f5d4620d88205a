package builtins

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

var connectDecl = runtime.Query("connect", "stream",
	"Makes a connection from a namespace to a port (connect(2)). It fails with who refused it: a reset, an ICMP error "+
		"and its sender, or nobody. In an attempt(), .error.code is the errno's name, such as \"ECONNREFUSED\"."+
		socketsEnd, &connectArgs{Proto: "tcp", Timeout: waitArg(5 * time.Second)})

type connectArgs struct {
	NS      senderArg    `arg:"ns" doc:"namespace to connect from; or a link or an address value, which is connected from"`
	Dst     endpointArg  `arg:"dst" doc:"address to reach, or a link or a namespace: as ping() chooses one of its addresses"`
	Port    socketPort   `arg:"port" doc:"the port"`
	_       struct{}     `arg:"*"`
	Proto   streamProto  `arg:"proto?" doc:"tcp or mptcp (RFC 8684)"`
	Timeout waitArg      `arg:"timeout?" doc:"how long to wait for the answer"`
	Source  *endpointArg `arg:"source?" doc:"address to come from, or a link or namespace that has one"`
	SPort   socketPort   `arg:"sport?" doc:"port to come from; a free one when left out"`
	Family  familyArg    `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out"`
	socketArgs
}

func (a *connectArgs) Query(v *runtime.View) (starlark.Value, error) {
	s, err := a.connect(v)
	if err != nil {
		return nil, err
	}
	return newStream(v, *a.NS.ns, s), nil
}

// connect makes the connection, which nobody owns yet.
func (a *connectArgs) connect(v *runtime.View) (*probe.Stream, error) {
	n, err := (&nsValue{v, *a.NS.ns}).open()
	if err != nil {
		return nil, err
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	to := target{"connect to", a.NS, a.Dst, a.Source, a.Family, a.VRF}
	ip, source, err := to.ends(v, n)
	if err != nil {
		return nil, err
	}
	dst := netip.AddrPortFrom(ip, uint16(a.Port))
	var s *probe.Stream
	err = awaited(v, a.Timeout, "no answer came", func(ctx context.Context) (err error) {
		s, err = probe.Connect(ctx, n.Do, string(a.Proto), dst, netip.AddrPortFrom(source, uint16(a.SPort)),
			a.options())
		return err
	})
	if err != nil {
		object := dst.String()
		if a.Dst.several() {
			object += " of " + a.Dst.String()
		}
		return nil, socketError(v, "connect to", object, n.Ref(), err, unreachedHint(n, dst, string(a.Proto), err))
	}
	return s, nil
}

// unreachedHint is what to look at when what was sent to an address was refused, or had no answer.
func unreachedHint(n *kernel.Namespace, dst netip.AddrPort, proto string, err error) string {
	var f probe.Failure
	if errors.As(err, &f) && f.From.IsValid() {
		switch {
		case f.Name == "reset" || f.From == dst.Addr() && f.Name == "port unreachable":
			return fmt.Sprintf("nothing listens at %s port %d there, or a rule rejects it: sockets() of its namespace "+
				"lists what listens", proto, dst.Port())
		case f.Name == "host unreachable" || f.Name == "address unreachable":
			return fmt.Sprintf("%s found nobody who has the next address: neighs of the namespace that has %s",
				f.From, f.From)
		case f.Name == "net unreachable" || f.Name == "no route":
			return fmt.Sprintf("%s has no route there: routes of the namespace that has %s", f.From, f.From)
		case f.Name == "time exceeded":
			return fmt.Sprintf("the TTL was over at %s: a higher ttl=, or a loop of routes", f.From)
		}
		return fmt.Sprintf("%s refuses it: rules and routes of the namespace that has %s", f.From, f.From)
	}
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		return "it has no route there: " + n.Name() + ".routes shows those that it has"
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ETIMEDOUT):
		if who := unanswering(n, dst.Addr()); who != "" {
			return who
		}
		return fmt.Sprintf("its packets leave, and nothing comes back: a rule may drop them (counters(%s)), or the "+
			"other end has no route back", n.Name())
	case errors.Is(err, unix.EPERM):
		return "a rule of its own namespace drops it: rules(" + n.Name() + ")"
	case errors.Is(err, unix.EACCES):
		return "a route of its own namespace prohibits it, or the address is a broadcast: " + n.Name() + ".routes"
	}
	return ""
}

// unanswering says which neighbour on the way does not answer the kernel's question for its link-layer address.
func unanswering(n *kernel.Namespace, dst netip.Addr) string {
	next := dst.WithZone("")
	if r, err := n.RouteGet(kernel.RouteQuery{Dst: dst}); err != nil {
		return "it has no route there: " + n.Name() + ".routes shows those that it has"
	} else if via, ok := netip.AddrFromSlice(r.Attr(unix.RTA_GATEWAY)); ok {
		next = via
	}
	all, err := n.Entries("neigh", nil)
	if err != nil {
		return "" // the error is another one
	}
	for _, e := range all {
		const stateAt = 8 // in struct ndmsg
		state := binary.NativeEndian.Uint16(e.Msg[stateAt:])
		if ip, ok := netip.AddrFromSlice(e.Attr(unix.NDA_DST)); !ok || ip != next || e.Link == nil {
			continue
		}
		if state&(unix.NUD_INCOMPLETE|unix.NUD_FAILED|unix.NUD_PROBE) != 0 {
			return fmt.Sprintf("nobody answers at link %s for %s: has its owner the address, and is its end up? "+
				"%s.neighs shows what is known", e.Link.Name, next, n.Name())
		}
	}
	return ""
}
