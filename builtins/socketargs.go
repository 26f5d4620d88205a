package builtins

import (
	"context"
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

// socketDecls are the builtins about sockets that a script has itself.
var socketDecls = []*runtime.Decl{listenDecl, listenerAcceptDecl, listenerCloseDecl, connectDecl, streamSendDecl,
	streamRecvDecl, streamShutdownDecl, streamCloseDecl, udpDecl, udpSendDecl, udpRecvDecl, udpJoinDecl, udpLeaveDecl,
	udpCloseDecl, throughputDecl, httpGetDecl, httpServeDecl, dnsDecl,
	latencyDecl}

// socketsEnd says how long a socket is there.
const socketsEnd = " It is closed when what made it is undone, such as an attempt that fails or an input at the " +
	"prompt, and when nsscript ends: a lab that is kept keeps none. What is to go on is a process: spawn()."

// socketArgs are the options that all sockets take (socket(7), ip(7), ipv6(7)).
type socketArgs struct {
	VRF         *devIndex  `arg:"vrf?" doc:"vrf, or another link of the namespace, that it is bound to; what the rules of the namespace say when left out"`
	TTL         ttlArg     `arg:"ttl?" doc:"time to live or hop limit of its packets, 1 to 255; the namespace's own when left out, and 1 for multicast"`
	TOS         tosArg     `arg:"tos?" doc:"TOS byte or traffic class of its packets, 0 to 255: DSCP and ECN (RFC 2474)"`
	Mark        markNumber `arg:"mark?" doc:"mark of its packets, 0 to 4294967295, which rule(fwmark=) and nft see"`
	Transparent bool       `arg:"transparent?" doc:"let it have addresses that are none of the namespace's, for proxies (IP_TRANSPARENT)"`
	ReusePort   bool       `arg:"reuseport?" doc:"let other sockets that say so have its port, too, and share what comes (SO_REUSEPORT)"`
}

type (
	socketPort int
	dataArg    []byte
)

func (socketPort) ArgType() string { return "int" }
func (dataArg) ArgType() string    { return "string or bytes" }

func (a *socketPort) Unpack(val starlark.Value) (err error) {
	*a, err = number[socketPort](val, 0, 65535)
	return err
}

func (a *dataArg) Unpack(val starlark.Value) error {
	switch val := val.(type) {
	case starlark.String:
		*a = dataArg(val)
	case starlark.Bytes:
		*a = dataArg(val)
	default:
		return want("string or bytes", val)
	}
	return nil
}

// options are those of a socket.
func (a *socketArgs) options() probe.Options {
	o := probe.Options{TTL: int(a.TTL), TOS: int(a.TOS), Mark: uint32(a.Mark), Transparent: a.Transparent,
		ReusePort: a.ReusePort}
	if a.VRF != nil {
		o.Dev = a.VRF.Name
	}
	return o
}

// own is the address that a socket is bound to; not valid for any.
func own(v *runtime.View, addr *endpointArg, port socketPort) (netip.AddrPort, error) {
	if addr == nil {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	ip, err := addr.own(v, 0)
	return netip.AddrPortFrom(ip, uint16(port)), err
}

// A socketError words the error of an act on a socket. What comes when the run is over is passed on as it is.
func socketError(v *runtime.View, op, object string, ns kernel.NSRef, err error, hint string) error {
	switch {
	case err == nil:
		return nil
	case v.Context().Err() != nil:
		return context.Cause(v.Context())
	case errors.Is(err, unix.EADDRINUSE) && hint == "":
		hint = "sockets(" + ns.String() + ") lists who has it; reuseport=True of both shares it"
	case errors.Is(err, unix.EADDRNOTAVAIL) && hint == "":
		hint = "it is no address of the namespace: transparent=True takes it all the same"
	case errors.Is(err, unix.EPROTONOSUPPORT) && hint == "":
		return &kernel.Error{Op: op, Object: object, NS: ns.String(), Err: err, Machine: true,
			Hint: "sysctl net.mptcp.enabled=1, a kernel with it (CONFIG_MPTCP), or --kernel debian"}
	}
	return &kernel.Error{Op: op, Object: object, NS: ns.String(), Err: err, Hint: hint}
}

// overdue is the end of a time that something was waited for.
type overdue struct{ text string }

func (e *overdue) Error() string { return e.text }
func (e *overdue) Unwrap() error { return unix.ETIMEDOUT }

// awaited has wait go on beside other tasks, for a time at most.
func awaited(v *runtime.View, timeout waitArg, what string, wait func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(v.Context(), time.Duration(timeout),
		&overdue{fmt.Sprintf("%s within %s", what, timeout)})
	defer cancel()
	return v.Aside(func() error { return wait(ctx) })
}
