package builtins

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

// What both say of themselves.
const asksLink = "and fails when nobody has it. The kernel's neighbours are neither asked nor told. Two hosts with " +
	"one address both answer: replies=2 waits for them."

var (
	arpingDecl = runtime.Query("arping", "solicited",
		"Asks the hosts of a link by ARP who has an IPv4 address (RFC 826, arping(8)), "+asksLink,
		&arpingArgs{Count: 1, Replies: 1, Timeout: waitArg(time.Second), Check: true}).Needing("icmp")
	ndpingDecl = runtime.Query("ndping", "solicited",
		"Asks the hosts of a link by a neighbour solicitation who has an IPv6 address (RFC 4861), "+asksLink,
		&ndpingArgs{Count: 1, Replies: 1, Timeout: waitArg(time.Second), Check: true}).Needing("icmp")
)

type arpingArgs struct {
	Link    linkArg   `arg:"link" doc:"link whose hosts are asked"`
	IP      ipArg     `arg:"ip" doc:"the address"`
	_       struct{}  `arg:"*"`
	Count   pingCount `arg:"count?" doc:"requests to send, 1 to 65535, each when the one before has its replies"`
	Replies pingCount `arg:"replies?" doc:"how many replies to wait for, 1 to 65535; all that come in timeout= are listed when there are fewer"`
	Timeout waitArg   `arg:"timeout?" doc:"how long to wait for these"`
	Check   bool      `arg:"check?" doc:"fail when nobody answers; False returns the result instead"`
}

type ndpingArgs arpingArgs

func (a *arpingArgs) Query(v *runtime.View) (starlark.Value, error) { return a.ask(v, "arping", 4) }
func (a *ndpingArgs) Query(v *runtime.View) (starlark.Value, error) {
	return (*arpingArgs)(a).ask(v, "ndping", 6)
}

func (a *arpingArgs) ask(v *runtime.View, op string, family int) (starlark.Value, error) {
	if !ofFamily(a.IP.Addr, family) {
		other := map[int]string{4: "ndping", 6: "arping"}[family]
		return nil, fmt.Errorf("%s: %s is no IPv%d address: %s asks for it", op, a.IP.Addr, family, other)
	}
	l, n, err := a.settled(v)
	if err != nil {
		return nil, err
	}
	failed := func(err error, hint string) error {
		return &kernel.Error{Op: op, Object: a.IP.String() + " on " + l.Name, NS: n.Name(), Err: err, Hint: hint}
	}
	if len(l.MAC) != 6 {
		return nil, failed(errors.New("the link has no link-layer addresses"), "ping(ns, ip) asks without them")
	}
	q := probe.Solicit{Link: l.Name, Index: l.Index, MAC: l.MAC, Dst: a.IP.WithZone(""), Count: int(a.Count),
		Replies: int(a.Replies), Timeout: time.Duration(a.Timeout), Aside: v.Aside}
	own, err := v.Machine().Addrs(l.LinkRef)
	if err != nil {
		return nil, err
	}
	for _, w := range ways(own, []kernel.Addr{{Prefix: netip.PrefixFrom(q.Dst, q.Dst.BitLen())}}, family, true) {
		q.Source = w.from.WithZone("")
	}
	all, sent, err := q.Run(v.Context(), n.Do)
	switch {
	case errors.Is(err, unix.ENETDOWN):
		return nil, failed(err, "up("+l.Name+") sets the link up")
	case err != nil:
		return nil, failed(err, "")
	case a.Check && len(all) == 0:
		return nil, failed(fmt.Errorf("no reply to %d requests: %w", sent, unix.ETIMEDOUT), "no host on this very "+
			"link has the address and is up; routers do not pass the question on")
	}
	return &solicited{v, a.IP.String(), sent, all}, nil
}

// settled is the link, when what was changed of it has come to an end.
func (a *arpingArgs) settled(v *runtime.View) (*kernel.Link, *kernel.Namespace, error) {
	if err := v.Machine().Settle(); err != nil {
		return nil, nil, err
	}
	n, err := v.Machine().Namespace(a.Link.NS)
	if err != nil {
		return nil, nil, err
	}
	l, err := v.Machine().Read(a.Link.LinkRef)
	return l, n, err
}

// solicited is who said that he has an address.
type solicited struct {
	v    *runtime.View
	ip   string
	sent int
	all  []probe.Solicited
}

var _ starlark.HasAttrs = (*solicited)(nil)

func (s *solicited) Freeze()                                  {}
func (s *solicited) Truth() starlark.Bool                     { return len(s.all) > 0 }
func (s *solicited) Type() string                             { return "solicited" }
func (s *solicited) Hash() (uint32, error)                    { return 0, fmt.Errorf("unhashable type: solicited") }
func (s *solicited) Attr(name string) (starlark.Value, error) { return s.v.Attr("solicited", s, name) }
func (s *solicited) AttrNames() []string                      { return s.v.AttrNames("solicited") }
func (s *solicited) String() string {
	text := fmt.Sprintf("%s: %d sent, %d received", s.ip, s.sent, len(s.all))
	for _, mac := range s.macs() {
		text += ", " + mac
	}
	return text
}

// macs are those who answered, each once.
func (s *solicited) macs() (all []string) {
	for _, r := range s.all {
		if mac := r.MAC.String(); !slices.Contains(all, mac) {
			all = append(all, mac)
		}
	}
	return all
}

func solicitedAttr(name, typ, doc string, get func(s *solicited) starlark.Value) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) { return get(r.(*solicited)), nil }}
}

var solicitedType = &runtime.Type{Name: "solicited",
	Doc: "Who said that he has an address; true when somebody did.",
	Attrs: []runtime.Attr{
		solicitedAttr("mac", "string or None", "the link-layer address of the first that answered",
			func(s *solicited) starlark.Value {
				if len(s.all) == 0 {
					return starlark.None
				}
				return starlark.String(s.all[0].MAC.String())
			}),
		solicitedAttr("macs", "list of string", "the link-layer addresses of all that answered, each once: several "+
			"are hosts with the same address", func(s *solicited) starlark.Value {
			var all []starlark.Value
			for _, mac := range s.macs() {
				all = append(all, starlark.String(mac))
			}
			return starlark.NewList(all)
		}),
		solicitedAttr("sent", "int", "requests sent", func(s *solicited) starlark.Value {
			return starlark.MakeInt(s.sent)
		}),
		solicitedAttr("replies", "list of struct", "each reply: seq, of the request, mac and rtt in seconds",
			func(s *solicited) starlark.Value {
				var all []starlark.Value
				for _, r := range s.all {
					all = append(all, newStruct("reply", map[string]starlark.Value{"seq": starlark.MakeInt(r.Seq),
						"mac": starlark.String(r.MAC.String()), "rtt": seconds(r.RTT)}))
				}
				return starlark.NewList(all)
			}),
	}}
