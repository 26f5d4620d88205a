package builtins

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

var udpDecl = runtime.Query("udp", "udp",
	"Opens a socket of UDP in a namespace, to send and to receive datagrams (udp(7)), or to answer them by itself."+
		socketsEnd, &udpArgs{})

type udpArgs struct {
	NS   nsArg        `arg:"ns" doc:"the namespace"`
	Port socketPort   `arg:"port?" doc:"its port, 0 to 65535; 0: a free one, which udp.port tells"`
	_    struct{}     `arg:"*"`
	Addr *endpointArg `arg:"addr?" doc:"its only address, or a link that has it; all of both families when left out"`
	serveArgs
	socketArgs
}

func (a *udpArgs) Query(v *runtime.View) (starlark.Value, error) {
	if err := a.valid(); err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	at, err := own(v, a.Addr, a.Port)
	if err != nil {
		return nil, err
	}
	n, err := v.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	object := fmt.Sprintf("udp port %d", a.Port)
	if at.Addr().IsValid() {
		object = "udp " + at.String()
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	u, err := probe.OpenUDP(n.Do, at, a.options())
	if err != nil {
		return nil, socketError(v, "open", object, a.NS.NSRef, err, "")
	}
	val := &udpValue{v: v, ns: a.NS.NSRef, u: u}
	val.serve(&a.serveArgs)
	val.over = v.Own(val.end)
	return val, nil
}

// udpValue is a socket of UDP in a script.
type udpValue struct {
	v      *runtime.View
	ns     kernel.NSRef
	u      *probe.UDP
	tasks  *runtime.Tasks // of a function that serves
	served chan struct{}  // closed when nothing is served any more; nil when nothing is
	over   func()
}

var _ starlark.HasAttrs = (*udpValue)(nil)

func (u *udpValue) Freeze()               {}
func (u *udpValue) Truth() starlark.Bool  { return true }
func (u *udpValue) Type() string          { return "udp" }
func (u *udpValue) Hash() (uint32, error) { return 0, errors.New("unhashable type: udp") }
func (u *udpValue) String() string {
	return fmt.Sprintf("udp %s of %s", where(u.u.Local), u.ns)
}
func (u *udpValue) Attr(name string) (starlark.Value, error) { return u.v.Attr("udp", u, name) }
func (u *udpValue) AttrNames() []string                      { return u.v.AttrNames("udp") }

// Located is where links must be that its methods name.
func (u *udpValue) Located() kernel.NSRef { return u.ns }

// serve has datagrams answered by themselves.
func (u *udpValue) serve(a *serveArgs) {
	var answer func(probe.Datagram) ([]byte, bool)
	switch {
	case a.Answer != nil:
		answer = func(probe.Datagram) ([]byte, bool) { return *a.Answer, true }
	case a.Serve == nil:
		return
	case a.Serve.fn != nil:
		u.tasks = u.v.Tasks()
		answer = func(d probe.Datagram) (data []byte, ok bool) {
			u.tasks.Run("server", func(v *runtime.View) error {
				asked, err := u.datagram(v, d)
				if err != nil {
					return err
				}
				val, err := v.Call(a.Serve.fn, starlark.Tuple{asked}, nil)
				if err != nil || val == starlark.None {
					return err
				}
				ok = true
				return (*dataArg)(&data).Unpack(val)
			})
			return data, ok
		}
	case a.Serve.word == "echo":
		answer = func(d probe.Datagram) ([]byte, bool) { return d.Data, true }
	default:
		answer = func(probe.Datagram) ([]byte, bool) { return nil, false }
	}
	u.served = make(chan struct{})
	go func() {
		defer close(u.served)
		u.u.Serve(answer)
	}()
}

// end closes the socket, and waits for the end of what it serves.
func (u *udpValue) end() {
	if u.tasks != nil {
		u.tasks.End()
	}
	_ = u.v.Aside(func() error {
		err := u.u.Close()
		if u.served != nil {
			<-u.served
		}
		return err
	})
}

var udpType = &runtime.Type{Name: "udp", Doc: "A socket of UDP.",
	Attrs: []runtime.Attr{
		udpAttr("ns", "namespace", "the namespace that it is in", func(u *udpValue) starlark.Value {
			return &nsValue{u.v, u.ns}
		}),
		udpAttr("port", "int", "its port", func(u *udpValue) starlark.Value {
			return starlark.MakeInt(int(u.u.Local.Port()))
		}),
		udpAttr("local", "string", "its address and port; \"[::]:53\" for all addresses",
			func(u *udpValue) starlark.Value { return starlark.String(u.u.Local.String()) }),
	}}

func udpAttr(name, typ, doc string, get func(u *udpValue) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) { return get(r.(*udpValue)), nil }}
}

var udpSendDecl = runtime.Query("udp.send", "int",
	"Sends a datagram, or a burst of them, and returns how many were sent. That one was sent does not say that it "+
		"arrives: an ICMP error that comes back is what recv() fails with.",
	&udpSendArgs{Count: 1, Timeout: waitArg(5 * time.Second)})

type udpSendArgs struct {
	UDP      *udpValue   `arg:"udp" doc:"the socket"`
	Data     dataArg     `arg:"data" doc:"what is in it"`
	Dst      endpointArg `arg:"dst" doc:"address to reach, also a group or a broadcast; or a link or a namespace: as ping() chooses one of its addresses"`
	Port     socketPort  `arg:"port" doc:"port to reach"`
	_        struct{}    `arg:"*"`
	Count    limitArg    `arg:"count?" doc:"how many, each the same"`
	Interval durationArg `arg:"interval?" doc:"time from one to the next; 0s: as fast as they go"`
	Dev      *devIndex   `arg:"dev?" doc:"link that it leaves by, such as the one that has the group; what the routes say when left out"`
	Family   familyArg   `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out"`
	Timeout  waitArg     `arg:"timeout?" doc:"how long to wait for room in the socket's send buffer, each time"`
}

func (a *udpSendArgs) Query(v *runtime.View) (starlark.Value, error) {
	u := a.UDP
	n, err := v.Machine().Namespace(u.ns)
	if err != nil {
		return nil, err
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	ip, _, err := target{"send to", senderArg{endpointArg{ns: &u.ns}}, a.Dst, nil, a.Family, nil}.ends(v, n)
	if err != nil {
		return nil, err
	}
	dst, link := netip.AddrPortFrom(ip, uint16(a.Port)), 0
	if a.Dev != nil {
		link = a.Dev.Index
	}
	sent := 0
	most := a.Timeout + waitArg(int(a.Count)*int(a.Interval))
	err = awaited(v, most, "there was no room for it", func(ctx context.Context) (err error) {
		sent, err = u.u.Burst(ctx, a.Data, dst, link, int(a.Count), time.Duration(a.Interval))
		return err
	})
	return starlark.MakeInt(sent), socketError(v, "send to", dst.String(), u.ns, closed(err),
		unreachedHint(n, dst, "udp", err))
}

const datagramDoc = "data, source and port (who sent it), dst and dst_port (whom it was for), ttl, tos and link (" +
	"that it came in by)"

var udpRecvDecl = runtime.Query("udp.recv", "struct",
	"Waits for the next datagram, and returns it: "+datagramDoc+". It fails with the ICMP error that came for one "+
		"that was sent, and who sent that.", &udpRecvArgs{Timeout: waitArg(5 * time.Second)})

type udpRecvArgs struct {
	UDP     *udpValue `arg:"udp" doc:"the socket"`
	_       struct{}  `arg:"*"`
	Timeout waitArg   `arg:"timeout?" doc:"how long to wait"`
}

func (a *udpRecvArgs) Query(v *runtime.View) (starlark.Value, error) {
	u := a.UDP
	var d probe.Datagram
	err := awaited(v, a.Timeout, "no datagram came", func(ctx context.Context) (err error) {
		d, err = u.u.Recv(ctx)
		return err
	})
	if undelivered := new(probe.Undelivered); errors.As(err, &undelivered) {
		n, nerr := v.Machine().Namespace(u.ns)
		if nerr != nil {
			return nil, nerr
		}
		return nil, socketError(v, "send to", undelivered.Dst.String(), u.ns, undelivered.Failure,
			unreachedHint(n, undelivered.Dst, "udp", err))
	} else if err != nil {
		return nil, socketError(v, "receive at", "udp "+where(u.u.Local), u.ns, closed(err),
			"was it sent to this port, is there a route, do rules let it through? counters("+u.ns.String()+
				").Udp tells what came and was dropped")
	}
	return u.datagram(v, d)
}

func (u *udpValue) datagram(v *runtime.View, d probe.Datagram) (starlark.Value, error) {
	fields := starlark.StringDict{"data": starlark.String(d.Data), "link": starlark.None,
		"source": starlark.String(d.From.Addr().String()), "port": starlark.MakeInt(int(d.From.Port())),
		"dst": starlark.String(d.To.Addr().String()), "dst_port": starlark.MakeInt(int(d.To.Port())),
		"ttl": starlark.MakeInt(d.TTL), "tos": starlark.MakeInt(d.TOS)}
	l, err := v.Machine().Beside(&kernel.Link{LinkRef: kernel.LinkRef{NS: u.ns}}, d.Link)
	if err == nil {
		fields["link"] = &linkValue{v, l.LinkRef}
	} else if !isGone(err) {
		return nil, err
	}
	return newStruct("datagram", fields), nil
}

var udpJoinDecl = runtime.Query("udp.join", "None",
	"Has the socket receive what is sent to a multicast group, and its host say so on the link (IGMP, RFC 3376; MLD, "+
		"RFC 3810).", &udpJoinArgs{})

type udpJoinArgs struct {
	UDP    *udpValue `arg:"udp" doc:"the socket"`
	Group  ipArg     `arg:"group" doc:"the group, such as 239.1.1.1 or ff15::1"`
	Link   devIndex  `arg:"link" doc:"link to receive it by"`
	_      struct{}  `arg:"*"`
	Source *ipArg    `arg:"source?" doc:"only what this address sends; anybody when left out"`
}

func (a *udpJoinArgs) Query(v *runtime.View) (starlark.Value, error) {
	return a.member(v, "join", a.UDP.u.Join)
}

func (a *udpJoinArgs) member(v *runtime.View, op string,
	do func(group, source netip.Addr, link int) error) (starlark.Value, error) {
	if !a.Group.IsMulticast() {
		return nil, fmt.Errorf("%s: %s is no multicast group: 224.0.0.0/4 or ff00::/8", op, a.Group)
	}
	var source netip.Addr
	if a.Source != nil {
		source = a.Source.Addr
	}
	err := do(a.Group.Addr, source, a.Link.Index)
	return nil, socketError(v, op, a.Group.String(), a.UDP.ns, closed(err), "")
}

var udpLeaveDecl = runtime.Query("udp.leave", "None", "Ends what join() began, with the same arguments.",
	&udpLeaveArgs{})

type udpLeaveArgs struct{ udpJoinArgs }

func (a *udpLeaveArgs) Query(v *runtime.View) (starlark.Value, error) {
	return a.member(v, "leave", a.UDP.u.Leave)
}

var udpCloseDecl = runtime.Query("udp.close", "None", "Closes the socket.", &udpCloseArgs{})

type udpCloseArgs struct {
	UDP *udpValue `arg:"udp" doc:"the socket"`
}

func (a *udpCloseArgs) Query(*runtime.View) (starlark.Value, error) {
	a.UDP.over()
	a.UDP.end()
	return nil, nil
}
