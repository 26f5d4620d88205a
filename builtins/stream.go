package builtins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

// streamValue is a connection in a script.
type streamValue struct {
	v    *runtime.View
	ns   kernel.NSRef
	s    *probe.Stream
	rest []byte // was read, and not yet returned
	over func()
	// The script has closed it. What it sent may still be on its way.
	ended bool
}

var _ starlark.HasAttrs = (*streamValue)(nil)

// newStream makes a connection one that the run owns.
func newStream(v *runtime.View, ns kernel.NSRef, s *probe.Stream) *streamValue {
	val := &streamValue{v: v, ns: ns, s: s}
	// What ends with the run leaves nothing in the kernel that would keep the namespace.
	val.over = v.Own(func() { _ = s.Abort() })
	return val
}

func (s *streamValue) Freeze()               {}
func (s *streamValue) Truth() starlark.Bool  { return true }
func (s *streamValue) Type() string          { return "stream" }
func (s *streamValue) Hash() (uint32, error) { return 0, errors.New("unhashable type: stream") }
func (s *streamValue) String() string {
	return fmt.Sprintf("%s stream from %s to %s in %s", s.s.Proto, s.s.Local, s.s.Remote, s.ns)
}
func (s *streamValue) Attr(name string) (starlark.Value, error) { return s.v.Attr("stream", s, name) }
func (s *streamValue) AttrNames() []string                      { return s.v.AttrNames("stream") }

func (s *streamValue) fail(v *runtime.View, op string, err error, hint string) error {
	err = closed(err)
	if errors.Is(err, unix.ECONNRESET) {
		hint = fmt.Sprintf("%s has closed it before all was read, or a rule or a process there reset it", s.s.Remote)
	}
	return socketError(v, op, s.s.Remote.String(), s.ns, err, hint)
}

var streamType = &runtime.Type{Name: "stream",
	Doc: "A connection of TCP or MPTCP, from connect() or from accept() of a listener.",
	Attrs: []runtime.Attr{
		streamAttr("ns", "namespace", "the namespace that this end is in",
			func(s *streamValue) (starlark.Value, error) { return &nsValue{s.v, s.ns}, nil }),
		streamAttr("proto", "string", "tcp or mptcp",
			func(s *streamValue) (starlark.Value, error) { return starlark.String(s.s.Proto), nil }),
		streamAttr("local", "string", "address and port of this end: \"10.0.0.1:34567\", \"[fd00::1]:34567\"",
			func(s *streamValue) (starlark.Value, error) { return starlark.String(s.s.Local.String()), nil }),
		streamAttr("remote", "string", "address and port of the other end",
			func(s *streamValue) (starlark.Value, error) { return starlark.String(s.s.Remote.String()), nil }),
		streamAttr("info", "struct", streamInfoDoc, (*streamValue).info),
	}}

func streamAttr(name, typ, doc string, get func(s *streamValue) (starlark.Value, error)) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) { return get(r.(*streamValue)) }}
}

const streamInfoDoc = "what the kernel knows of it (tcp(7), TCP_INFO): rtt, rttvar, min_rtt and rto in seconds; " +
	"mss, pmtu, bytes_sent, bytes_acked, bytes_received and bytes_retrans in bytes; cwnd and ssthresh in segments; " +
	"retrans (segments that were sent again), lost, reordering; delivery_rate in bits a second; congestion (the " +
	"algorithm's name); subflows (of mptcp: how many it has; else None)"

func (s *streamValue) info() (starlark.Value, error) {
	t, congestion, subflows, err := s.s.Info()
	if err != nil {
		return nil, s.fail(s.v, "look at connection to", err, "")
	}
	return newStruct("tcp", tcpFields(t, congestion, subflows)), nil
}

func tcpFields(t *unix.TCPInfo, congestion string, subflows int) starlark.StringDict {
	micros := func(n uint32) starlark.Value { return seconds(time.Duration(n) * time.Microsecond) }
	count := func(n uint64) starlark.Value { return starlark.MakeUint64(n) }
	all := starlark.StringDict{"rtt": micros(t.Rtt), "rttvar": micros(t.Rttvar), "min_rtt": micros(t.Min_rtt),
		"rto": micros(t.Rto), "mss": count(uint64(t.Snd_mss)), "pmtu": count(uint64(t.Pmtu)),
		"cwnd": count(uint64(t.Snd_cwnd)), "ssthresh": count(uint64(t.Snd_ssthresh)),
		"retrans": count(uint64(t.Total_retrans)), "lost": count(uint64(t.Lost)),
		"reordering": count(uint64(t.Reordering)), "bytes_sent": count(t.Bytes_sent),
		"bytes_acked": count(t.Bytes_acked), "bytes_received": count(t.Bytes_received),
		"bytes_retrans": count(t.Bytes_retrans), "delivery_rate": count(8 * t.Delivery_rate),
		"congestion": starlark.String(congestion), "subflows": starlark.None}
	if subflows > 0 {
		all["subflows"] = starlark.MakeInt(subflows)
	}
	return all
}

var streamSendDecl = runtime.Query("stream.send", "None",
	"Sends all of a text, and returns when the kernel has taken it.",
	&streamSendArgs{Timeout: waitArg(5 * time.Second)})

type streamSendArgs struct {
	Stream  *streamValue `arg:"stream" doc:"the connection"`
	Data    dataArg      `arg:"data" doc:"what to send"`
	_       struct{}     `arg:"*"`
	Timeout waitArg      `arg:"timeout?" doc:"how long the other end may take to make room for it"`
}

func (a *streamSendArgs) Query(v *runtime.View) (starlark.Value, error) {
	s := a.Stream
	if s.ended {
		return nil, s.fail(v, "send to", os.ErrClosed, "")
	}
	err := awaited(v, a.Timeout, "it was not taken", func(ctx context.Context) error { return s.s.Send(ctx, a.Data) })
	return nil, s.fail(v, "send to", err, "the other end reads too slowly, or its packets do not come back")
}

var streamRecvDecl = runtime.Query("stream.recv", "string",
	"Receives what has come, and waits until there is something: \"\" says that the other end has sent all. With "+
		"size=, until= or all= it waits until that much has come, and fails when the connection ends before.",
	&streamRecvArgs{Timeout: waitArg(5 * time.Second)})

type streamRecvArgs struct {
	Stream  *streamValue `arg:"stream" doc:"the connection"`
	Size    *recvSize    `arg:"size?" doc:"exactly so many bytes, 1 to 16777216"`
	_       struct{}     `arg:"*"`
	Until   *dataArg     `arg:"until?" doc:"everything up to this text, and that: \"\\n\" for a line"`
	All     bool         `arg:"all?" doc:"everything until the other end has sent all, 16 MiB at most"`
	Timeout waitArg      `arg:"timeout?" doc:"how long to wait"`
}

type recvSize int

func (recvSize) ArgType() string { return "int" }

func (a *recvSize) Unpack(val starlark.Value) (err error) {
	*a, err = number[recvSize](val, 1, maxOutput)
	return err
}

// enough is how much of what has come is to be returned, 0 for not yet.
func (a *streamRecvArgs) enough(data []byte) int {
	switch {
	case a.Size != nil && len(data) >= int(*a.Size):
		return int(*a.Size)
	case a.Until != nil:
		if i := bytes.Index(data, *a.Until); i >= 0 {
			return i + len(*a.Until)
		}
	case a.Size == nil && !a.All:
		return len(data)
	}
	return 0
}

func (a *streamRecvArgs) Query(v *runtime.View) (starlark.Value, error) {
	s := a.Stream
	if s.ended {
		return nil, s.fail(v, "receive from", os.ErrClosed, "")
	}
	if kinds := btoi(a.Size != nil) + btoi(a.Until != nil) + btoi(a.All); kinds > 1 {
		return nil, errors.New("recv: size=, until= and all= each say how much: want one of them")
	}
	var ended bool
	err := awaited(v, a.Timeout, "nothing more came", func(ctx context.Context) error {
		buf := make([]byte, 64<<10)
		for !ended && a.enough(s.rest) == 0 {
			if len(s.rest) > maxOutput {
				return fmt.Errorf("more than %d MiB came", maxOutput>>20)
			}
			n, err := s.s.Recv(ctx, buf)
			s.rest = append(s.rest, buf[:n]...)
			if ended = err == io.EOF; err != nil && !ended {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, s.fail(v, "receive from", err, received(s.rest))
	}
	n := a.enough(s.rest)
	if n == 0 && (a.Size != nil || a.Until != nil) {
		return nil, s.fail(v, "receive from", errors.New("the other end has closed the connection"), received(s.rest))
	} else if n == 0 {
		n = len(s.rest)
	}
	text := starlark.String(s.rest[:n])
	s.rest = s.rest[n:]
	return text, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

var streamShutdownDecl = runtime.Query("stream.shutdown", "None",
	"Says to the other end that nothing more is sent (shutdown(2)): its recv(all=True) returns. This end can go on "+
		"receiving.", &streamShutdownArgs{})

type streamShutdownArgs struct {
	Stream *streamValue `arg:"stream" doc:"the connection"`
}

func (a *streamShutdownArgs) Query(v *runtime.View) (starlark.Value, error) {
	return nil, a.Stream.fail(v, "shut down connection to", a.Stream.s.Shutdown(), "")
}

var streamCloseDecl = runtime.Query("stream.close", "None",
	"Closes the connection: what was sent is still delivered. With reset=True the other end gets a reset instead.",
	&streamCloseArgs{})

type streamCloseArgs struct {
	Stream *streamValue `arg:"stream" doc:"the connection"`
	_      struct{}     `arg:"*"`
	Reset  bool         `arg:"reset?" doc:"break it off (RFC 9293, 3.10.5)"`
}

func (a *streamCloseArgs) Query(*runtime.View) (starlark.Value, error) {
	s := a.Stream
	s.ended = true
	if a.Reset || s.s.Finish() {
		_ = s.s.Abort() // which does nothing to one that is closed
		if s.over != nil {
			s.over()
		}
	}
	return nil, nil
}
