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

var traceDecl = runtime.Query("trace", "trace",
	"Asks the routers on the way to an address, as traceroute(8), and fails when the address does not answer. The "+
		"first packet goes as far as the first router, the next one to the second. One that has said much in the "+
		"last second says nothing (net.ipv4.icmp_ratelimit).",
	&traceArgs{Proto: "udp", Hops: 30, Timeout: waitArg(time.Second), Check: true}).Needing("icmp")

type traceArgs struct {
	NS      senderArg    `arg:"ns" doc:"namespace to send from; or a link or an address value, which are sent from"`
	Dst     endpointArg  `arg:"dst" doc:"address to reach; or a link or a namespace, as ping() takes them"`
	_       struct{}     `arg:"*"`
	Proto   traceProto   `arg:"proto?" doc:"what is sent: \"udp\", \"icmp\" echo requests, or the first packet of \"tcp\""`
	Port    *portArg     `arg:"port?" doc:"port that it goes to, 1 to 65535; of udp the first of as many as there are hops, 33434 when left out, of tcp 80"`
	Hops    traceHops    `arg:"hops?" doc:"routers to ask at most, 1 to 255"`
	Timeout waitArg      `arg:"timeout?" doc:"how long to wait for each answer"`
	Source  *endpointArg `arg:"source?" doc:"address to send from, or a link or namespace that has one"`
	VRF     *devIndex    `arg:"vrf?" doc:"vrf, or another link of the namespace, that it leaves by; what its rules say when left out"`
	Family  familyArg    `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out"`
	Check   bool         `arg:"check?" doc:"fail when the address did not answer; False returns the result instead"`
}

type (
	traceProto string
	traceHops  int
)

func (traceProto) ArgType() string                      { return "string" }
func (traceProto) Choices(*runtime.Vocabulary) []string { return []string{"icmp", "tcp", "udp"} }
func (a *traceProto) Unpack(val starlark.Value) error   { return oneWord(a, val, a.Choices(nil)) }
func (traceHops) ArgType() string                       { return "int" }
func (a *traceHops) Unpack(val starlark.Value) (err error) {
	*a, err = number[traceHops](val, 1, 255)
	return err
}

// probe is what an echo request to the target is sent with, in the namespace that comes with it.
func (a target) probe(v *runtime.View, timeout waitArg) (n *kernel.Namespace, p probe.Ping, err error) {
	if n, err = (&nsValue{v, *a.NS.ns}).open(); err != nil {
		return n, p, err
	}
	if err = v.Machine().Settle(); err != nil {
		return n, p, err
	}
	p = probe.Ping{Timeout: time.Duration(timeout), Aside: v.Aside}
	p.Dst, p.Source, err = a.ends(v, n)
	if a.VRF != nil {
		p.Dev = a.VRF.Name
	}
	return n, p, err
}

func (a *traceArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, p, err := target{"trace", a.NS, a.Dst, a.Source, a.Family, a.VRF}.probe(v, a.Timeout)
	if err != nil {
		return nil, err
	}
	t := probe.Trace{Dst: p.Dst, Source: p.Source, Dev: p.Dev, Proto: string(a.Proto), Hops: int(a.Hops),
		Timeout: p.Timeout, Aside: p.Aside}
	if a.Port != nil {
		t.Port = int(*a.Port)
	}
	hops, err := t.Run(v.Context(), n.Do)
	if err != nil {
		return nil, &kernel.Error{Op: "trace", Object: p.Dst.String(), NS: n.Name(), Err: err}
	}
	res := &traceValue{v, p.Dst.String(), hops}
	if a.Check && !bool(res.Truth()) {
		last := hops[len(hops)-1]
		f := probe.Failure{Name: last.Name, From: last.From, MTU: last.MTU, Err: last.Err}
		return nil, &kernel.Error{Op: "trace", Object: p.Dst.String(), NS: n.Name(), Hint: traceHint(n, p, hops, f),
			Err: fmt.Errorf("no answer after %d hops (%s): %w", len(hops), res.path(), f)}
	}
	return res, nil
}

// traceHint says what to look at: where nobody answers any more, that is behind the last one who did.
func traceHint(n *kernel.Namespace, p probe.Ping, hops []probe.Hop, last probe.Failure) string {
	for i := len(hops) - 1; i >= 0 && last.Name == "timeout"; i-- {
		if hops[i].From.IsValid() {
			return fmt.Sprintf("%s is the last that answers: look at the routes and nft rules there, and at those of "+
				"whoever is behind it, also at the way back", hops[i].From)
		}
	}
	switch last.Name {
	case "timeout":
		return "not even a first router answers: is the link up, with a route? " + n.Name() + ".routes shows the routes"
	case "time exceeded":
		return "want more hops=, unless the same routers come again: these send it in a circle"
	}
	return probeHint(n, p.Dst, []probe.Failure{last})
}

// traceValue is the result of a trace in a script.
type traceValue struct {
	v    *runtime.View
	dst  string
	hops []probe.Hop
}

var _ starlark.HasAttrs = (*traceValue)(nil)

func (t *traceValue) Freeze()                                  {}
func (t *traceValue) Truth() starlark.Bool                     { return starlark.Bool(t.hops[len(t.hops)-1].Reached) }
func (t *traceValue) Type() string                             { return "trace" }
func (t *traceValue) Hash() (uint32, error)                    { return 0, fmt.Errorf("unhashable type: trace") }
func (t *traceValue) String() string                           { return "trace " + t.dst + ": " + t.path() }
func (t *traceValue) Attr(name string) (starlark.Value, error) { return t.v.Attr("trace", t, name) }
func (t *traceValue) AttrNames() []string                      { return t.v.AttrNames("trace") }

// path is who answered, * for nobody.
func (t *traceValue) path() string {
	var all []string
	for _, h := range t.hops {
		if h.From.IsValid() {
			all = append(all, h.From.String())
		} else {
			all = append(all, "*")
		}
	}
	return strings.Join(all, " ")
}

var traceType = &runtime.Type{Name: "trace", Doc: "The result of a trace; true when the address answered.",
	Attrs: []runtime.Attr{
		{Name: "dst", Type: "string", Doc: "the address that was to be reached",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.String(r.(*traceValue).dst), nil
			}},
		{Name: "hops", Type: "list of struct", Doc: "each hop, nearest first: ttl, source (who answered, or " +
			"None), rtt in seconds, name, mtu and reached, whether it is the address itself. The name is one of a " +
			"ping's errors; or of the address itself \"reply\", or of TCP \"open\" or \"refused\"",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				var all []starlark.Value
				for _, h := range r.(*traceValue).hops {
					fields := map[string]starlark.Value{"ttl": starlark.MakeInt(h.TTL), "source": starlark.None,
						"rtt": starlark.None, "name": starlark.String(h.Name), "mtu": starlark.MakeInt(h.MTU),
						"reached": starlark.Bool(h.Reached)}
					if h.From.IsValid() {
						fields["source"], fields["rtt"] = starlark.String(h.From.String()), seconds(h.RTT)
					}
					all = append(all, newStruct("hop", fields))
				}
				return starlark.NewList(all), nil
			}},
	}}
