package builtins

import (
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

// reachability is the result of ping_all in a script.
type reachability struct {
	v     *runtime.View
	hosts []kernel.NSRef
	pairs []reachPair
}

var (
	_ starlark.HasAttrs = (*reachability)(nil)
	_ runtime.Outputter = (*reachability)(nil)
)

func (r *reachability) Freeze()               {}
func (r *reachability) Truth() starlark.Bool  { return len(r.lost()) == 0 }
func (r *reachability) Type() string          { return "reachability" }
func (r *reachability) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: reachability") }
func (r *reachability) Attr(name string) (starlark.Value, error) {
	return r.v.Attr("reachability", r, name)
}
func (r *reachability) AttrNames() []string { return r.v.AttrNames("reachability") }

func (r *reachability) String() string {
	res := r.result()
	return fmt.Sprintf("ping_all: %d namespaces, %d pairs, %d lost, rtt min/avg/max %v/%v/%v", len(r.hosts),
		len(r.pairs), len(r.lost()), res.Min().Round(time.Microsecond), res.Avg().Round(time.Microsecond),
		res.Max().Round(time.Microsecond))
}

// result is that of one ping with all replies.
func (r *reachability) result() (res probe.Result) {
	for _, p := range r.pairs {
		if p.Reply != nil {
			res.Replies = append(res.Replies, *p.Reply)
		}
	}
	return res
}

// lost are the pairs without a reply.
func (r *reachability) lost() (lost []int) {
	for i, p := range r.pairs {
		if p.Reply == nil {
			lost = append(lost, i)
		}
	}
	return lost
}

func (p *reachPair) why() error {
	if p.Failed != nil {
		return p.Failed
	}
	return p.err
}

// missing says which pairs are lost, and why.
func (r *reachability) missing(lost []int) error {
	const most = 5
	var all []string
	for _, i := range lost[:min(len(lost), most)] {
		p := r.pairs[i]
		to := r.hosts[p.to].String()
		if p.dst.IsValid() {
			to += " (" + p.dst.String() + ")"
		}
		all = append(all, fmt.Sprintf("%s to %s: %v", r.hosts[p.from], to, p.why()))
	}
	if more := len(lost) - most; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return &lostPairs{fmt.Sprintf("%d of %d pairs are lost: %s", len(lost), len(r.pairs), strings.Join(all, "; ")),
		r.pairs[lost[0]].why()}
}

// lostPairs is an error that has the errno of the first of them.
type lostPairs struct {
	text  string
	first error
}

func (e *lostPairs) Error() string { return e.text }
func (e *lostPairs) Unwrap() error { return e.first }

// Output is a matrix, below the line that a terminal shows: a row for each that asks, a column for each that is asked.
func (r *reachability) Output() (text, attr string) {
	var b strings.Builder
	at := map[[2]int]string{}
	for _, p := range r.pairs {
		at[[2]int{p.from, p.to}] = map[bool]string{true: ".", false: "X"}[p.Reply != nil]
	}
	digits, names := len(itoa(len(r.hosts)-1))+1, 0
	for _, h := range r.hosts {
		names = max(names, len(h.String()))
	}
	fmt.Fprintf(&b, "%*s", digits+names, "")
	for i := range r.hosts {
		fmt.Fprintf(&b, "%*d", digits, i)
	}
	for i, h := range r.hosts {
		fmt.Fprintf(&b, "\n%*d %-*s", digits-1, i, names, h)
		for j := range r.hosts {
			fmt.Fprintf(&b, "%*s", digits, at[[2]int{i, j}])
		}
	}
	return b.String() + "\n", "matrix"
}

func reachAttr(name, typ, doc string, get func(r *reachability) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
			return get(r.(*reachability)), nil
		}}
}

// pairStruct is a pair in a script.
func (r *reachability) pairStruct(p *reachPair) starlark.Value {
	fields := map[string]starlark.Value{"src": &nsValue{r.v, r.hosts[p.from]}, "dst": &nsValue{r.v, r.hosts[p.to]},
		"address": starlark.None, "rtt": starlark.None, "name": starlark.None, "source": starlark.None,
		"reason": starlark.None}
	if p.dst.IsValid() {
		fields["address"] = starlark.String(p.dst.String())
	}
	switch {
	case p.Reply != nil:
		fields["rtt"] = seconds(p.Reply.RTT)
	case p.Failed != nil:
		fields["name"] = starlark.String(p.Failed.Name)
		if p.Failed.From.IsValid() {
			fields["source"] = starlark.String(p.Failed.From.String())
		}
	default:
		fields["name"] = starlark.String(unix.ErrnoName(unix.EADDRNOTAVAIL))
	}
	if err := p.why(); err != nil {
		fields["reason"] = starlark.String(err.Error())
	}
	return newStruct("pair", fields)
}

const pairFields = "src and dst, the namespaces, address, rtt in seconds, and where it is lost name, as a ping's " +
	"errors have it, source (who said so, or None) and reason"

var reachType = &runtime.Type{Name: "reachability",
	Doc: "Which namespaces reach which others; true when all do. A terminal shows it as a matrix.",
	Attrs: []runtime.Attr{
		reachAttr("lost", "list of struct", "the pairs without a reply: "+pairFields,
			func(r *reachability) starlark.Value {
				var all []starlark.Value
				for _, i := range r.lost() {
					all = append(all, r.pairStruct(&r.pairs[i]))
				}
				return starlark.NewList(all)
			}),
		reachAttr("pairs", "list of struct", "all pairs: "+pairFields,
			func(r *reachability) starlark.Value {
				var all []starlark.Value
				for i := range r.pairs {
					all = append(all, r.pairStruct(&r.pairs[i]))
				}
				return starlark.NewList(all)
			}),
		reachAttr("loss", "float", "part of the pairs that is lost, 0 to 1", func(r *reachability) starlark.Value {
			return starlark.Float(float64(len(r.lost())) / float64(len(r.pairs)))
		}),
		reachAttr("min", "float", "shortest round trip in seconds", func(r *reachability) starlark.Value {
			return seconds(r.result().Min())
		}),
		reachAttr("avg", "float", "mean round trip in seconds", func(r *reachability) starlark.Value {
			return seconds(r.result().Avg())
		}),
		reachAttr("max", "float", "longest round trip in seconds", func(r *reachability) starlark.Value {
			return seconds(r.result().Max())
		}),
		reachAttr("matrix", "string", "a row for each namespace that asks, a column for each that is asked: . for a "+
			"reply, X for none", func(r *reachability) starlark.Value {
			text, _ := r.Output()
			return starlark.String(text)
		}),
	}}
