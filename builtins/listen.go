package builtins

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
	"github.com/nsscript/nsscript/runtime/script"
)

var listenDecl = runtime.Query("listen", "listener",
	"Listens for connections at a port of a namespace (listen(2)): the script takes them with accept(), or serve= or "+
		"answer= says what each is answered."+socketsEnd+turnsDoc, &listenArgs{Proto: "tcp"})

type listenArgs struct {
	NS    nsArg        `arg:"ns" doc:"the namespace"`
	Port  socketPort   `arg:"port" doc:"the port, 0 to 65535; 0: a free one, which listener.port tells"`
	_     struct{}     `arg:"*"`
	Proto streamProto  `arg:"proto?" doc:"tcp or mptcp (RFC 8684)"`
	Addr  *endpointArg `arg:"addr?" doc:"the only address that it listens at, or a link that has it; all of both families when left out"`
	serveArgs
	socketArgs
}

// streamProto is a protocol that makes connections.
type streamProto string

func (streamProto) ArgType() string                      { return "string" }
func (a streamProto) String() string                     { return string(a) }
func (streamProto) Choices(*runtime.Vocabulary) []string { return []string{"tcp", "mptcp"} }

func (a *streamProto) Unpack(val starlark.Value) error {
	s, err := choice(val, []string{"tcp", "mptcp"})
	*a = streamProto(s)
	return err
}

// serveArgs say what a server does by itself.
type serveArgs struct {
	Serve  *serveArg `arg:"serve?" doc:"\"echo\": send back what comes; \"discard\": read it; or a function, which is called with each connection, or of udp() with each datagram, and the string that it returns is sent back. A function is called as those of at() are, and what fails in it fails the run"`
	Answer *dataArg  `arg:"answer?" doc:"a text that each is answered, at once"`
}

// serveArg is a word, or a function.
type serveArg struct {
	word string
	fn   starlark.Callable
}

func (serveArg) ArgType() string                      { return "string or function" }
func (serveArg) Choices(*runtime.Vocabulary) []string { return []string{"discard", "echo"} }

func (a *serveArg) Unpack(val starlark.Value) (err error) {
	if fn, ok := val.(starlark.Callable); ok {
		a.fn = fn
		return nil
	}
	if _, ok := val.(starlark.String); !ok {
		return want(`"echo", "discard" or function`, val)
	}
	a.word, err = choice(val, []string{"discard", "echo"})
	return err
}

func (a *serveArgs) valid() error {
	if a.Serve != nil && a.Answer != nil {
		return errors.New("serve= and answer= are both what is answered: want one of them")
	}
	return nil
}

func (a *listenArgs) Query(v *runtime.View) (starlark.Value, error) {
	if err := a.valid(); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l, err := listenAt(v, a.NS.NSRef, a.Port, string(a.Proto), a.Addr, &a.socketArgs)
	if err != nil {
		return nil, err
	}
	l.serve(&a.serveArgs)
	return l, nil
}

// listenAt makes a listener that the run owns.
func listenAt(v *runtime.View, ns kernel.NSRef, port socketPort, proto string, addr *endpointArg,
	with *socketArgs) (*listenerValue, error) {
	at, err := own(v, addr, port)
	if err != nil {
		return nil, err
	}
	object := fmt.Sprintf("at %s port %d", proto, port)
	if at.Addr().IsValid() {
		object = fmt.Sprintf("at %s %s", proto, at)
	}
	n, err := v.Machine().Namespace(ns)
	if err != nil {
		return nil, err
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	l, err := probe.Listen(n.Do, proto, at, with.options())
	if err != nil {
		return nil, socketError(v, "listen", object, ns, err, "")
	}
	val := &listenerValue{v: v, ns: ns, l: l}
	val.over = v.Own(val.end)
	return val, nil
}

// listenerValue is a socket that listens, in a script.
type listenerValue struct {
	v     *runtime.View
	ns    kernel.NSRef
	l     *probe.Listener
	tasks *runtime.Tasks // of a function that serves
	web   *http.Server   // that has it
	root  *os.Root       // whose files it serves
	ca    string         // the certificate that it has, for TLS
	over  func()
}

var _ starlark.HasAttrs = (*listenerValue)(nil)

func (l *listenerValue) Freeze()               {}
func (l *listenerValue) Truth() starlark.Bool  { return true }
func (l *listenerValue) Type() string          { return "listener" }
func (l *listenerValue) Hash() (uint32, error) { return 0, errors.New("unhashable type: listener") }
func (l *listenerValue) String() string {
	return fmt.Sprintf("%s listener at %s of %s", l.l.Proto, where(l.l.Local), l.ns)
}
func (l *listenerValue) Attr(name string) (starlark.Value, error) {
	return l.v.Attr("listener", l, name)
}
func (l *listenerValue) AttrNames() []string { return l.v.AttrNames("listener") }

// where is an address and port for people.
func where(at netip.AddrPort) string {
	if at.Addr().IsUnspecified() {
		return fmt.Sprintf("port %d", at.Port())
	}
	return at.String()
}

// serve has connections answered by themselves.
func (l *listenerValue) serve(a *serveArgs) {
	var each func(*probe.Stream)
	switch {
	case a.Answer != nil:
		each = func(s *probe.Stream) { finish(s, *a.Answer) }
	case a.Serve == nil:
		return
	case a.Serve.fn != nil:
		l.tasks = l.v.Tasks()
		each = func(s *probe.Stream) {
			l.tasks.Run("server", func(v *runtime.View) error {
				asker := &streamValue{v: v, ns: l.ns, s: s}
				val, err := v.Call(a.Serve.fn, starlark.Tuple{asker}, nil)
				var data dataArg
				if text, ok := val.(starlark.String); ok {
					data = dataArg(text)
				}
				if err != nil || asker.ended {
					return err
				}
				ctx := v.Context()
				return v.Aside(func() error {
					// Whoever has gone meanwhile gets no answer, which is no failure of the server's.
					_ = s.Send(ctx, data)
					return nil
				})
			})
			finish(s, nil)
		}
	case a.Serve.word == "echo":
		// A connection that its other end breaks off is at its end.
		each = func(s *probe.Stream) { _ = probe.Echo(s) }
	default:
		each = func(s *probe.Stream) { _ = probe.Discard(s) }
	}
	l.l.Serve(each)
}

// finish sends the last of a connection, and reads until the other end has closed it: a close with something unread
// would be a reset, which takes away from there what was sent.
func finish(s *probe.Stream, data []byte) {
	if _, err := s.Write(data); err == nil && s.Shutdown() == nil {
		_ = probe.Discard(s) // which ends in any case
	}
}

// end closes the socket and all connections that it serves.
func (l *listenerValue) end() {
	if l.tasks != nil {
		l.tasks.End()
	}
	_ = l.v.Aside(func() error {
		if l.web != nil {
			_ = l.web.Close()
		}
		if l.root != nil {
			_ = l.root.Close()
		}
		return l.l.Close()
	})
}

var listenerType = &runtime.Type{Name: "listener",
	Doc: "A socket that listens for connections, from listen() or http_serve().",
	Attrs: []runtime.Attr{
		listenerAttr("ns", "namespace", "the namespace that it is in", func(l *listenerValue) starlark.Value {
			return &nsValue{l.v, l.ns}
		}),
		listenerAttr("port", "int", "its port", func(l *listenerValue) starlark.Value {
			return starlark.MakeInt(int(l.l.Local.Port()))
		}),
		listenerAttr("local", "string", "the address that it listens at, and its port: \"10.0.0.1:80\"; \"[::]:80\" "+
			"for all addresses", func(l *listenerValue) starlark.Value {
			return starlark.String(l.l.Local.String())
		}),
		listenerAttr("ca", "string", "its certificate (PEM), of http_serve(tls = True); \"\" of others",
			func(l *listenerValue) starlark.Value { return starlark.String(l.ca) }),
		listenerAttr("proto", "string", "tcp or mptcp", func(l *listenerValue) starlark.Value {
			return starlark.String(l.l.Proto)
		}),
	}}

func listenerAttr(name, typ, doc string, get func(l *listenerValue) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) { return get(r.(*listenerValue)), nil }}
}

var listenerAcceptDecl = runtime.Query("listener.accept", "stream",
	"Waits for the next connection that somebody makes, and takes it (accept(2)).",
	&listenerAcceptArgs{Timeout: waitArg(5 * time.Second)})

type listenerAcceptArgs struct {
	Listener *listenerValue `arg:"listener" doc:"the listener"`
	_        struct{}       `arg:"*"`
	Timeout  waitArg        `arg:"timeout?" doc:"how long to wait"`
}

func (a *listenerAcceptArgs) Query(v *runtime.View) (starlark.Value, error) {
	l := a.Listener
	var s *probe.Stream
	err := awaited(v, a.Timeout, "no connection came", func(ctx context.Context) (err error) {
		s, err = l.l.Take(ctx)
		return err
	})
	if err != nil {
		return nil, socketError(v, "accept", "at "+where(l.l.Local), l.ns, closed(err),
			"connect() makes one: is its address right, is there a route, do rules let it through?")
	}
	return newStream(v, l.ns, s), nil
}

// closed words the error of a socket that the script itself has closed.
func closed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return errors.New("it is closed")
	}
	return err
}

var listenerCloseDecl = runtime.Query("listener.close", "None",
	"Ends the listening. What serves connections ends with it; those that accept() gave go on.", &listenerCloseArgs{})

type listenerCloseArgs struct {
	Listener *listenerValue `arg:"listener" doc:"the listener"`
}

func (a *listenerCloseArgs) Query(*runtime.View) (starlark.Value, error) {
	a.Listener.over()
	a.Listener.end()
	return nil, nil
}

// received is what came, for people.
func received(data []byte) string {
	const most = 60
	if len(data) == 0 {
		return "nothing came before"
	}
	text := script.Show(starlark.String(data[:min(len(data), most)]))
	return fmt.Sprintf("%s came before: %s", script.Count(len(data), "byte"), text)
}
