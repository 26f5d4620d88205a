package builtins

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

var pmtuDecl = runtime.Query("pmtu", "pmtu",
	"Finds the largest packet that reaches an address without being fragmented (RFC 1191, RFC 8201), by sending some. "+
		"What the kernel knows of the path is not heeded. Where larger ones are lost and nobody says so, it halves "+
		"what is left, with a timeout= for each that is lost.",
	&pmtuArgs{Timeout: waitArg(time.Second)}).Needing("icmp")

type pmtuArgs struct {
	NS      senderArg    `arg:"ns" doc:"namespace to send from; or a link or an address value, which are sent from"`
	Dst     endpointArg  `arg:"dst" doc:"address to reach; or a link or a namespace, as ping() takes them"`
	_       struct{}     `arg:"*"`
	Timeout waitArg      `arg:"timeout?" doc:"how long to wait for each answer"`
	Source  *endpointArg `arg:"source?" doc:"address to send from, or a link or namespace that has one"`
	VRF     *devIndex    `arg:"vrf?" doc:"vrf, or another link of the namespace, that it leaves by; what its rules say when left out"`
	Family  familyArg    `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out"`
}

func (a *pmtuArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, p, err := target{"find path mtu to", a.NS, a.Dst, a.Source, a.Family, a.VRF}.probe(v, a.Timeout)
	if err != nil {
		return nil, err
	}
	res, err := probe.Discover(v.Context(), n.Do, p)
	switch {
	case err != nil:
		return nil, &kernel.Error{Op: "find path mtu to", Object: p.Dst.String(), NS: n.Name(), Err: err}
	case res.Failed != nil:
		return nil, &kernel.Error{Op: "find path mtu to", Object: p.Dst.String(), NS: n.Name(),
			Err:  fmt.Errorf("no reply, not even to the smallest packet: %w", res.Failed),
			Hint: probeHint(n, p.Dst, []probe.Failure{*res.Failed})}
	}
	return &pmtuValue{v, p.Dst.String(), res}, nil
}

// pmtuValue is the result of pmtu in a script.
type pmtuValue struct {
	v   *runtime.View
	dst string
	res probe.PathMTU
}

var _ starlark.HasAttrs = (*pmtuValue)(nil)

func (p *pmtuValue) Freeze()                                  {}
func (p *pmtuValue) Truth() starlark.Bool                     { return true }
func (p *pmtuValue) Type() string                             { return "pmtu" }
func (p *pmtuValue) Hash() (uint32, error)                    { return 0, fmt.Errorf("unhashable type: pmtu") }
func (p *pmtuValue) Attr(name string) (starlark.Value, error) { return p.v.Attr("pmtu", p, name) }
func (p *pmtuValue) AttrNames() []string                      { return p.v.AttrNames("pmtu") }

func (p *pmtuValue) String() string {
	text := fmt.Sprintf("pmtu %s: %d", p.dst, p.res.MTU)
	for _, t := range p.res.Told {
		if t.From.IsValid() {
			text += fmt.Sprintf(", %d says %s", t.MTU, t.From)
		}
	}
	if p.res.Hole {
		text += ", larger ones are lost and nobody says so"
	}
	return text
}

func pmtuAttr(name, typ, doc string, get func(r probe.PathMTU) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
			return get(r.(*pmtuValue).res), nil
		}}
}

var pmtuType = &runtime.Type{Name: "pmtu", Doc: "What pmtu() found.", Attrs: []runtime.Attr{
	pmtuAttr("mtu", "int", "the largest packet that arrives, in bytes with the IP header",
		func(r probe.PathMTU) starlark.Value { return starlark.MakeInt(r.MTU) }),
	pmtuAttr("told", "list of struct", "who said that less fits, in order: source (None is the namespace itself, for "+
		"its link), mtu and name, as a ping's errors have it", func(r probe.PathMTU) starlark.Value {
		var all []starlark.Value
		for _, t := range r.Told {
			from := starlark.Value(starlark.None)
			if t.From.IsValid() {
				from = starlark.String(t.From.String())
			}
			all = append(all, newStruct("told", map[string]starlark.Value{"source": from,
				"mtu": starlark.MakeInt(t.MTU), "name": starlark.String(t.Name)}))
		}
		return starlark.NewList(all)
	}),
	pmtuAttr("black_hole", "bool", "whether larger packets are lost and nobody says so",
		func(r probe.PathMTU) starlark.Value { return starlark.Bool(r.Hole) }),
	pmtuAttr("tries", "int", "packets that were sent", func(r probe.PathMTU) starlark.Value {
		return starlark.MakeInt(r.Tries)
	}),
}}
