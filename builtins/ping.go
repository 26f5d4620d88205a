package builtins

import (
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

var pingDecl = runtime.Query("ping", "ping",
	"Sends ICMP echo requests from a namespace (RFC 792, RFC 4443) and fails when no reply came back.",
	&pingArgs{Count: 3, Timeout: waitArg(time.Second), Size: 56, Check: true}).Needing("icmp")

type pingArgs struct {
	NS       senderArg    `arg:"ns" doc:"namespace to send from; or a link or an address value, which are sent from"`
	Dst      endpointArg  `arg:"dst" doc:"address to reach, a link-local one with its link, such as fe80::1%eth0; or a link or a namespace: the first address of it in a subnet that both are in, else the first that there is a route to, IPv4 before IPv6"`
	_        struct{}     `arg:"*"`
	Count    pingCount    `arg:"count?" doc:"requests to send, 1 to 65535"`
	Interval durationArg  `arg:"interval?" doc:"time from one request to the next; 0s: the next one goes when the one before is answered, or after 200ms"`
	Timeout  waitArg      `arg:"timeout?" doc:"how long to wait for each reply"`
	Size     pingSize     `arg:"size?" doc:"payload in bytes, 0 to 65507"`
	TTL      ttlArg       `arg:"ttl?" doc:"time to live or hop limit, 1 to 255; the namespace's own when left out"`
	DF       bool         `arg:"df?" doc:"forbid fragmentation"`
	Source   *endpointArg `arg:"source?" doc:"address to send from, or a link or namespace that has one"`
	VRF      *devIndex    `arg:"vrf?" doc:"vrf, or another link of the namespace, that its requests leave by; what its rules say when left out"`
	OIF      *devIndex    `arg:"oif?" doc:"link that its requests leave by, also those to a group, whichever the replies come by; what routes say when left out"`
	Mark     markNumber   `arg:"mark?" doc:"mark of its requests, 0 to 4294967295, for rules and filters"`
	TOS      tosArg       `arg:"tos?" doc:"type of service, or traffic class, of its requests, 0 to 255"`
	PMTUDisc pmtuDiscArg  `arg:"pmtudisc?" doc:"how it takes care of path MTUs, in ping(8)'s words: \"do\" is df=True, \"dont\" allows fragmentation, \"want\" fragments here alone, \"probe\" heeds no path MTU that is known; \"dont\" of IPv4 and \"want\" of IPv6 when left out"`
	Replies  *pingCount   `arg:"replies?" doc:"how many hosts have to answer each request to a group or a broadcast address, 1 to 65535; it waits timeout= for all of them when left out"`
	Flood    bool         `arg:"flood?" doc:"send the next request when the one before is answered or after 10ms, as ping -f; with interval 0s"`
	Family   familyArg    `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out"`
	Check    bool         `arg:"check?" doc:"fail when no reply came back; False returns the result instead"`
}

type (
	pingCount   int
	pingSize    int
	ttlArg      int
	tosArg      int
	markNumber  int
	pmtuDiscArg string
)

func (pingCount) ArgType() string   { return "int" }
func (pingSize) ArgType() string    { return "int" }
func (ttlArg) ArgType() string      { return "int" }
func (tosArg) ArgType() string      { return "int" }
func (markNumber) ArgType() string  { return "int" }
func (pmtuDiscArg) ArgType() string { return "string" }
func (pmtuDiscArg) Choices(*runtime.Vocabulary) []string {
	return []string{"do", "dont", "probe", "want"}
}
func (a *pmtuDiscArg) Unpack(val starlark.Value) error { return oneWord(a, val, a.Choices(nil)) }

func (a *tosArg) Unpack(val starlark.Value) (err error) {
	*a, err = number[tosArg](val, 0, 255)
	return err
}

func (a *markNumber) Unpack(val starlark.Value) (err error) {
	*a, err = number[markNumber](val, 0, 1<<32-1)
	return err
}

func (a *pingCount) Unpack(val starlark.Value) (err error) {
	*a, err = number[pingCount](val, 1, 65535)
	return err
}

func (a *pingSize) Unpack(val starlark.Value) (err error) {
	*a, err = number[pingSize](val, 0, 65507)
	return err
}

func (a *ttlArg) Unpack(val starlark.Value) (err error) {
	*a, err = number[ttlArg](val, 1, 255)
	return err
}

func (a *pingArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, err := (&nsValue{v, *a.NS.ns}).open()
	if err != nil {
		return nil, err
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	dst, source, err := target{"ping", a.NS, a.Dst, a.Source, a.Family, a.VRF}.ends(v, n)
	if err != nil {
		return nil, err
	}
	size := int(a.Size)
	p := probe.Ping{Dst: dst, Source: source, Count: int(a.Count), Interval: time.Duration(a.Interval),
		Timeout: time.Duration(a.Timeout), Size: &size, TTL: int(a.TTL), DF: a.DF, Aside: v.Aside,
		Mark: uint32(a.Mark), TOS: int(a.TOS), Discover: string(a.PMTUDisc), Flood: a.Flood}
	by := 0
	if a.VRF != nil {
		p.Dev, by = a.VRF.Name, a.VRF.Index
	}
	if a.OIF != nil {
		p.OIF, by = a.OIF.Index, a.OIF.Index
	}
	if a.Replies != nil {
		p.Replies = int(*a.Replies)
	}
	if p.Broadcast, err = n.Broadcasts(dst, by); err != nil {
		return nil, err
	}
	object := dst.String()
	if a.Dst.several() {
		object += " of " + a.Dst.String()
	}
	res, err := p.Run(v.Context(), n.Do)
	if err != nil {
		return nil, &kernel.Error{Op: "ping", Object: object, NS: n.Name(), Err: err}
	}
	if a.Check && res.Received == 0 {
		return nil, &kernel.Error{Op: "ping", Object: object, NS: n.Name(), Err: unanswered(res),
			Hint: probeHint(n, dst, res.Failures)}
	}
	return &pingValue{v, res}, nil
}

// unanswered says why no reply came: the errors that were sent back, each once.
func unanswered(res probe.Result) error {
	var why []string
	for _, f := range res.Failures {
		if text := f.Error(); !strings.Contains(strings.Join(why, "; "), text) {
			why = append(why, text)
		}
	}
	return fmt.Errorf("no reply to %d requests: %s", res.Sent, strings.Join(why, "; "))
}

// pingValue is the result of a ping in a script.
type pingValue struct {
	v   *runtime.View
	res probe.Result
}

var _ starlark.HasAttrs = (*pingValue)(nil)

func (p *pingValue) Freeze()              {}
func (p *pingValue) Truth() starlark.Bool { return p.res.Received > 0 }
func (p *pingValue) Type() string         { return "ping" }
func (p *pingValue) Hash() (uint32, error) {
	return 0, fmt.Errorf("unhashable type: ping")
}
func (p *pingValue) String() string {
	return fmt.Sprintf("ping %s: %d sent, %d received, rtt min/avg/max %v/%v/%v", p.res.Dst, p.res.Sent, p.res.Received,
		p.res.Min().Round(time.Microsecond), p.res.Avg().Round(time.Microsecond), p.res.Max().Round(time.Microsecond))
}
func (p *pingValue) Attr(name string) (starlark.Value, error) { return p.v.Attr("ping", p, name) }
func (p *pingValue) AttrNames() []string                      { return p.v.AttrNames("ping") }

func pingAttr(name, typ, doc string, get func(r probe.Result) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
			return get(r.(*pingValue).res), nil
		}}
}

// pingErrors is the doc of a ping's errors, with the names that they can have.
func pingErrors() string {
	return `each request that failed: seq, name, source (who said so, or None), mtu. The name is "timeout"; ` +
		`or the ICMP error's, which is "` +
		strings.Join(probe.Names(false), `", "`) + `" in IPv4 and "` + strings.Join(probe.Names(true), `", "`) +
		`" in IPv6; or that of the errno when the kernel refused to send, such as "ENETUNREACH", "EMSGSIZE" or "EPERM"`
}

var pingType = &runtime.Type{Name: "ping", Doc: "The result of a ping; true when a reply came.",
	Attrs: []runtime.Attr{
		pingAttr("dst", "string", "the address that was to be reached", func(r probe.Result) starlark.Value {
			return starlark.String(r.Dst.String())
		}),
		pingAttr("sent", "int", "requests sent", func(r probe.Result) starlark.Value {
			return starlark.MakeInt(r.Sent)
		}),
		pingAttr("received", "int", "requests that were answered", func(r probe.Result) starlark.Value {
			return starlark.MakeInt(r.Received)
		}),
		pingAttr("loss", "float", "part of the requests that was not, 0 to 1", func(r probe.Result) starlark.Value {
			return starlark.Float(r.Loss())
		}),
		pingAttr("min", "float", "shortest round trip in seconds", func(r probe.Result) starlark.Value {
			return seconds(r.Min())
		}),
		pingAttr("avg", "float", "mean round trip in seconds", func(r probe.Result) starlark.Value {
			return seconds(r.Avg())
		}),
		pingAttr("max", "float", "longest round trip in seconds", func(r probe.Result) starlark.Value {
			return seconds(r.Max())
		}),
		pingAttr("stddev", "float", "standard deviation of the round trips in seconds",
			func(r probe.Result) starlark.Value { return seconds(r.Stddev()) }),
		pingAttr("replies", "list of struct", "each reply: seq, rtt in seconds, ttl, size in bytes, source",
			func(r probe.Result) starlark.Value {
				var all []starlark.Value
				for _, p := range r.Replies {
					all = append(all, newStruct("reply",
						map[string]starlark.Value{"seq": starlark.MakeInt(p.Seq), "rtt": seconds(p.RTT),
							"ttl": starlark.MakeInt(p.TTL), "size": starlark.MakeInt(p.Size),
							"source": starlark.String(p.From.String())}))
				}
				return starlark.NewList(all)
			}),
		pingAttr("errors", "list of struct", pingErrors(), func(r probe.Result) starlark.Value {
			var all []starlark.Value
			for _, f := range r.Failures {
				from := starlark.Value(starlark.None)
				if f.From.IsValid() {
					from = starlark.String(f.From.String())
				}
				all = append(all, newStruct("error",
					map[string]starlark.Value{"seq": starlark.MakeInt(f.Seq), "name": starlark.String(f.Name),
						"source": from, "mtu": starlark.MakeInt(f.MTU)}))
			}
			return starlark.NewList(all)
		}),
	}}
