package builtins

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

var throughputDecl = runtime.Query("throughput", "throughput",
	"Measures how much goes from one namespace to another, with sockets of its own in both, as iperf3(1) does with "+
		"two programs. What arrives of streams the kernel drops without a copy (MSG_TRUNC, tcp(7)). It fails when no "+
		"connection can be made, or nothing arrives.",
	&throughputArgs{Proto: "tcp", Streams: 1, Interval: waitArg(500 * time.Millisecond), Size: 1448})

type throughputArgs struct {
	Client   senderArg        `arg:"client" doc:"namespace that connects; or a link or an address value, which is connected from"`
	Server   endpointArg      `arg:"server" doc:"namespace that is connected to; or a link or an address value, which is connected to"`
	_        struct{}         `arg:"*"`
	Proto    throughputProto  `arg:"proto?" doc:"tcp, mptcp or udp"`
	Time     *waitArg         `arg:"time?" doc:"how long to send; 1s when left out, and as long as bytes= takes when that is given"`
	Bytes    *sizeIn[width64] `arg:"bytes?" doc:"send so much, all streams together, instead of for a time"`
	Streams  streamCount      `arg:"streams?" doc:"connections side by side, 1 to 128; of udp 1"`
	Rate     *rateIn[width64] `arg:"rate?" doc:"send no faster, all streams together, headers not counted; as fast as it goes when left out, and 1mbit of udp"`
	Reverse  bool             `arg:"reverse?" doc:"the server sends, and the client receives"`
	Interval waitArg          `arg:"interval?" doc:"length of the parts that it is told in"`
	Size     datagramSize     `arg:"size?" doc:"of udp: bytes in each datagram, 16 to 65507"`
	Port     socketPort       `arg:"port?" doc:"port of the server; a free one when left out"`
	Family   familyArg        `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out"`
	socketArgs
}

type (
	throughputProto string
	streamCount     int
	datagramSize    int
)

func (throughputProto) ArgType() string                      { return "string" }
func (a throughputProto) String() string                     { return string(a) }
func (throughputProto) Choices(*runtime.Vocabulary) []string { return []string{"mptcp", "tcp", "udp"} }
func (streamCount) ArgType() string                          { return "int" }
func (datagramSize) ArgType() string                         { return "int" }

func (a *throughputProto) Unpack(val starlark.Value) error {
	s, err := choice(val, a.Choices(nil))
	*a = throughputProto(s)
	return err
}

func (a *streamCount) Unpack(val starlark.Value) (err error) {
	*a, err = number[streamCount](val, 1, 128)
	return err
}

func (a *datagramSize) Unpack(val starlark.Value) (err error) {
	*a, err = number[datagramSize](val, 16, 65507)
	return err
}

func (a *throughputArgs) Query(v *runtime.View) (starlark.Value, error) {
	if a.Proto == "udp" && a.Streams > 1 {
		return nil, errors.New("throughput: streams= is of tcp and mptcp: want one of udp")
	}
	if a.Bytes != nil && *a.Bytes == 0 {
		return nil, errors.New("throughput: bytes=0 is nothing to measure")
	}
	p, err := newBetween(v, "measure throughput to", a.Client, a.Server, a.Family, a.VRF)
	if err != nil {
		return nil, err
	}
	t := probe.Throughput{Proto: string(a.Proto), Streams: int(a.Streams), Reverse: a.Reverse,
		Interval: time.Duration(a.Interval), Size: int(a.Size), Port: uint16(a.Port), Options: a.options()}
	if a.Bytes != nil {
		t.Bytes = int64(*a.Bytes)
	}
	if a.Rate != nil {
		t.Rate = int64(*a.Rate)
	} else if a.Proto == "udp" {
		const mbit = 1e6 / 8
		t.Rate = mbit
	}
	if a.Time != nil {
		t.Time = time.Duration(*a.Time)
	} else if a.Bytes == nil {
		t.Time = time.Second
	}
	var f probe.Flow
	ctx := v.Context()
	err = v.Aside(func() (err error) {
		f, err = t.Run(ctx, p.client.Do, p.server.Do, p.dst, p.source)
		return err
	})
	if err == nil && f.Received == 0 {
		err = &overdue{"nothing arrived"}
	}
	if err != nil {
		return nil, p.fail(v, err, t.Proto)
	}
	return &throughputValue{v, p.String(), t.Proto, f}, nil
}

// A between is two namespaces that something is measured between.
type between struct {
	op             string
	client, server *kernel.Namespace
	dst, source    netip.Addr
}

func newBetween(v *runtime.View, op string, client senderArg, server endpointArg, family familyArg,
	vrf *devIndex) (p between, err error) {
	p.op = op
	if server.ns == nil {
		return p, fmt.Errorf("%s %s: whose it is is not known: want a namespace, a link or an address value",
			op, server.String())
	}
	if p.client, err = (&nsValue{v, *client.ns}).open(); err != nil {
		return p, err
	}
	if p.server, err = (&nsValue{v, *server.ns}).open(); err != nil {
		return p, err
	}
	if err = v.Machine().Settle(); err != nil {
		return p, err
	}
	p.dst, p.source, err = target{op, client, server, nil, family, vrf}.ends(v, p.client)
	return p, err
}

func (p between) String() string { return p.client.Name() + " to " + p.server.Name() }

func (p between) fail(v *runtime.View, err error, proto string) error {
	return socketError(v, p.op, p.dst.String()+" of "+p.server.Name(), p.client.Ref(), err,
		unreachedHint(p.client, netip.AddrPortFrom(p.dst, 0), proto, err))
}

// throughputValue is what was measured, in a script.
type throughputValue struct {
	v          *runtime.View
	way, proto string
	f          probe.Flow
}

var _ starlark.HasAttrs = (*throughputValue)(nil)

func (t *throughputValue) Freeze()               {}
func (t *throughputValue) Truth() starlark.Bool  { return true }
func (t *throughputValue) Type() string          { return "throughput" }
func (t *throughputValue) Hash() (uint32, error) { return 0, errors.New("unhashable type: throughput") }
func (t *throughputValue) String() string {
	text := fmt.Sprintf("%s %s: %s in %s", t.proto, t.way, rateText(t.f.Rate()), t.f.Time.Round(time.Millisecond))
	if u := t.f.UDP; u != nil {
		return text + fmt.Sprintf(", %d of %d lost, %d reordered, jitter %s", u.Lost, u.Sent, u.Reordered,
			u.Jitter.Round(time.Microsecond))
	}
	return text + fmt.Sprintf(", %d segments sent again", t.f.Retrans)
}
func (t *throughputValue) Attr(name string) (starlark.Value, error) {
	return t.v.Attr("throughput", t, name)
}
func (t *throughputValue) AttrNames() []string { return t.v.AttrNames("throughput") }

// rateText is a rate for people.
func rateText(bits float64) string {
	for _, word := range []string{"gbit", "mbit", "kbit"} {
		if unit := float64(rateUnits[word]); bits >= unit {
			return fmt.Sprintf("%.2f%s", bits/unit, word)
		}
	}
	return rateUnits.format(big.NewInt(int64(bits)), "bit")
}

func flowAttr(name, typ, doc string, get func(f probe.Flow) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
			return get(r.(*throughputValue).f), nil
		}}
}

// datagramAttr is an attribute that is None but for udp.
func datagramAttr(name, typ, doc string, get func(u *probe.Datagrams) starlark.Value) runtime.Attr {
	return flowAttr(name, typ, doc+"; None but for udp", func(f probe.Flow) starlark.Value {
		if f.UDP == nil {
			return starlark.None
		}
		return get(f.UDP)
	})
}

var throughputType = &runtime.Type{Name: "throughput", Doc: "What throughput() has measured.",
	Attrs: []runtime.Attr{
		flowAttr("rate", "float", "bits a second that arrived, headers not counted", func(f probe.Flow) starlark.Value {
			return starlark.Float(f.Rate())
		}),
		flowAttr("seconds", "float", "how long it took", func(f probe.Flow) starlark.Value { return seconds(f.Time) }),
		flowAttr("sent", "int", "bytes that the kernel took", func(f probe.Flow) starlark.Value {
			return starlark.MakeInt64(f.Sent)
		}),
		flowAttr("received", "int", "bytes that arrived in that time", func(f probe.Flow) starlark.Value {
			return starlark.MakeInt64(f.Received)
		}),
		flowAttr("retrans", "int", "segments that were sent again", func(f probe.Flow) starlark.Value {
			return starlark.MakeInt(f.Retrans)
		}),
		flowAttr("intervals", "list of struct", "the parts: start and end in seconds, received in bytes, rate in bits "+
			"a second, retrans, rtt in seconds and cwnd in segments (tcp(7), TCP_INFO; of all streams together, rtt "+
			"their mean)", func(f probe.Flow) starlark.Value {
			var all []starlark.Value
			for _, i := range f.Intervals {
				all = append(all, newStruct("interval", starlark.StringDict{"start": seconds(i.From),
					"end": seconds(i.To), "received": starlark.MakeInt64(i.Received), "rate": starlark.Float(i.Rate()),
					"retrans": starlark.MakeInt(i.Retrans), "rtt": seconds(i.RTT), "cwnd": starlark.MakeInt(i.Cwnd)}))
			}
			return starlark.NewList(all)
		}),
		datagramAttr("packets", "int", "datagrams that were sent", func(u *probe.Datagrams) starlark.Value {
			return starlark.MakeInt(u.Sent)
		}),
		datagramAttr("lost", "int", "datagrams that did not arrive", func(u *probe.Datagrams) starlark.Value {
			return starlark.MakeInt(u.Lost)
		}),
		datagramAttr("loss", "float", "part of the datagrams that did not arrive, 0 to 1",
			func(u *probe.Datagrams) starlark.Value {
				return starlark.Float(float64(u.Lost) / float64(max(1, u.Sent)))
			}),
		datagramAttr("reordered", "int", "datagrams that came after one that was sent later",
			func(u *probe.Datagrams) starlark.Value { return starlark.MakeInt(u.Reordered) }),
		datagramAttr("duplicates", "int", "datagrams that came more than once",
			func(u *probe.Datagrams) starlark.Value { return starlark.MakeInt(u.Duplicates) }),
		datagramAttr("jitter", "float", "mean deviation of the time on the way, in seconds (RFC 3550, 6.4.1)",
			func(u *probe.Datagrams) starlark.Value { return seconds(u.Jitter) }),
	}}
