package builtins

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "mroute", Args: &mrouteArgs{}, Key: []string{"group", "source"},
	Doc: "Routes the multicast of a group: what comes in by one link goes out by others, of the same namespace " +
		"(ip-mroute(8)). The kernel forwards multicast as long as a process has asked for it, " +
		"as routing daemons do: where none has, a process of the lab does, which ends with it, or with the attempt() " +
		"or the task that began it, as what run() leaves running. Routes that others have added end then, too.",
	Value:  "A multicast route (ip-mroute(8)).",
	NSList: "mroutes", ListDoc: "its multicast routes, those of daemons as well", Needs: []string{"run"},
	Shell: mrouteCommand})

type mrouteArgs struct {
	NS     nsArg        `arg:"ns" doc:"the namespace"`
	Group  addrAttr     `arg:"group" nla:"1" ip:"-" doc:"the group: a multicast address of IPv4 or IPv6"`
	_      struct{}     `arg:"*"`
	Source *addrAttr    `arg:"source?" nla:"2" doc:"address of who sends; anybody when left out"`
	IIF    devIndex     `arg:"iif" nla:"3" doc:"link that it comes in by"`
	OIFs   *mrouteLinks `arg:"oifs" nla:"9" ip:"oif" doc:"links that it goes out by, one or a list, with iif= where anybody sends"`
}

// mrouteCommand is what smcroute(8) is told, with if2 for the link whose index is 2.
func mrouteCommand(verb string, e kernel.Entry) string {
	words := []string{"smcroutectl", map[string]string{"add": "add", "del": "remove"}[verb]}
	for _, name := range []string{"iif", "source", "group", "oifs"} {
		for i := range entryKinds["mroute"].words {
			w := &entryKinds["mroute"].words[i]
			if a := w.in(e); w.name == name && a != nil && a.value() != starlark.None {
				words = append(words, strings.Fields(inWords(e, a, ""))...)
			}
		}
	}
	return execIn(e.NS, strings.Join(words, " "))
}

// mrouteLinks are links of a namespace, by their indexes.
type mrouteLinks []kernel.LinkRef

func (mrouteLinks) ArgType() string            { return "link, or a list of them" }
func (a mrouteLinks) Beside() []kernel.LinkRef { return a }
func (a mrouteLinks) encode() []byte           { return kernel.MrouteLinks(a.indexes()) }
func (a mrouteLinks) value() starlark.Value    { return starlark.NewList(nil) } // see valueIn

func (a mrouteLinks) indexes() (all []int) {
	for _, l := range a {
		all = append(all, l.Index)
	}
	return all
}

func (a *mrouteLinks) decode(data []byte) {
	*a = nil
	for _, index := range kernel.ReadMrouteLinks(data) {
		*a = append(*a, kernel.LinkRef{Index: index})
	}
}

func (a mrouteLinks) ip(word string) string {
	var all []string
	for _, l := range a {
		all = append(all, devIndex{l}.ip(word))
	}
	return strings.Join(all, " ")
}

func (a mrouteLinks) valueIn(v *runtime.View, ns kernel.NSRef) (starlark.Value, error) {
	var all []starlark.Value
	for _, l := range a {
		val, err := devIndex{l}.valueIn(v, ns)
		if err != nil {
			return nil, err
		}
		all = append(all, val)
	}
	return starlark.NewList(all), nil
}

func (a *mrouteLinks) UnpackIn(v *runtime.View, val starlark.Value) error {
	all := []starlark.Value{val}
	if list, ok := val.(starlark.Sequence); ok {
		all = slices.Collect(starlark.Elements(list))
	}
	for _, val := range all {
		var l linkArg
		if err := l.UnpackIn(v, val); err != nil {
			return err
		}
		*a = append(*a, l.LinkRef)
	}
	return nil
}

func (a *mrouteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	n, err := (&nsValue{tx.View, a.NS.NSRef}).open()
	if err != nil {
		return nil, err
	}
	family, proto := byte(128), "ipv4" // RTNL_FAMILY_IPMR
	if a.Group.Is6() {
		family, proto = 129, "ipv6"
	}
	links := *a.OIFs
	if a.Source == nil { // the kernel wants the link among the others, and leaves it out
		links = append(slices.Clone(links), a.IIF.LinkRef)
		anybody := addrAttr{ipArg{netip.IPv4Unspecified()}}
		if a.Group.Is6() {
			anybody.Addr = netip.IPv6Unspecified()
		}
		a.Source = &anybody
	}
	var once mrouteLinks
	for _, l := range links {
		if !slices.Contains(once.indexes(), l.Index) {
			once = append(once, l)
		}
	}
	a.OIFs = &once
	switch {
	case !a.Group.IsMulticast():
		return nil, fmt.Errorf("mroute: %s is no multicast address", a.Group.Addr)
	case a.Source.Is6() != a.Group.Is6():
		return nil, fmt.Errorf("mroute: source=%s and group %s are of two families", a.Source.Addr, a.Group.Addr)
	}
	for _, l := range append([]kernel.LinkRef{a.IIF.LinkRef}, *a.OIFs...) {
		if err := routedOver(tx, l, netlinkFamily(a.Group.Addr)); err != nil {
			return nil, err
		}
	}
	on, err := n.ForwardsMulticast(proto)
	if err == nil && !on {
		in, e := txProcs(tx)
		if err = e; err == nil {
			err = n.ForwardMulticast(tx.Context(), proto, in)
		}
	}
	if err != nil {
		return nil, err
	}
	return addNew(tx, kernel.Entry{NS: a.NS.NSRef}, a, func(msg []byte) []byte {
		msg[0] = family
		return msg
	})
}

// routedOver lets multicast be routed over a link, where it is not yet.
func routedOver(tx *runtime.Tx, l kernel.LinkRef, family byte) error {
	n, err := tx.Machine().Namespace(l.NS)
	if err != nil {
		return err
	}
	if has, err := n.HasVIF(l.Name, family); err != nil || has {
		return err
	}
	_, err = (&mrouteVIFArgs{Link: linkArg{l}, Family: mrouteFamily(family)}).Change(tx)
	return err
}
