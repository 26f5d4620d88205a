package builtins

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// endpointArg is where packets go to or come from: an address, or a link or a namespace, which have some.
type endpointArg struct {
	ip   netip.Addr      // the address, when it is one
	addr *kernel.Addr    // which one that is of a link's, unless it was written
	link *kernel.LinkRef // that has it
	ns   *kernel.NSRef   // that it is in; nil for a written address
}

func (endpointArg) ArgType() string { return "address, link, namespace or its name" }

func (a *endpointArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	switch val := val.(type) {
	case *addrValue:
		addr := val.addr
		addr.Link = v.Machine().Current(addr.Link)
		*a = endpointArg{addr.Prefix.Addr(), &addr, &addr.Link, &addr.Link.NS}
		return v.Reachable(addr.Link.NS)
	case *linkValue:
		ref := val.current()
		*a = endpointArg{link: &ref, ns: &ref.NS}
		return v.Reachable(ref.NS)
	case starlark.String:
		var ip ipArg
		err := ip.Unpack(val)
		if err == nil || strings.ContainsAny(string(val), ":/%") || strings.Trim(string(val), "0123456789.") == "" {
			a.ip = ip.Addr
			return err
		}
		var n nsArg
		if err := n.UnpackIn(v, val); err != nil {
			return fmt.Errorf("%q is no address, and %w", string(val), err)
		}
		a.ns = &n.NSRef
		return nil
	case *nsValue:
		a.ns = &val.ref
		return v.Reachable(val.ref)
	}
	return want(`address such as "10.0.0.1", link or namespace`, val)
}

func (a *endpointArg) String() string {
	switch {
	case a.ip.IsValid():
		return a.ip.String()
	case a.link != nil:
		return "link " + a.link.Name + " of " + a.ns.String()
	}
	return a.ns.String()
}

// several reports whether it has addresses to choose from.
func (a *endpointArg) several() bool { return !a.ip.IsValid() }

// addrs are its addresses, those of a namespace without the ones of its loopback; where packets are to go now, without
// those of links that carry none, as long as there are others.
func (a *endpointArg) addrs(v *runtime.View, now bool) (all []kernel.Addr, err error) {
	switch {
	case a.addr != nil:
		return []kernel.Addr{*a.addr}, nil
	case a.ip.IsValid():
		return []kernel.Addr{{Prefix: netip.PrefixFrom(a.ip.WithZone(""), a.ip.BitLen())}}, nil
	case a.link != nil:
		return v.Machine().Addrs(*a.link)
	}
	n, err := v.Machine().Namespace(*a.ns)
	if err != nil {
		return nil, err
	}
	carried, others, err := n.Addrs()
	loopback := func(a kernel.Addr) bool { return a.Prefix.Addr().IsLoopback() }
	carried, others = slices.DeleteFunc(carried, loopback), slices.DeleteFunc(others, loopback)
	if now && len(carried) > 0 {
		return carried, err
	}
	return append(carried, others...), err
}

// own chooses the address of the family that packets are sent from.
func (a *endpointArg) own(v *runtime.View, family int) (netip.Addr, error) {
	if !a.several() {
		return a.ip, nil
	}
	all, err := a.addrs(v, false)
	for _, addr := range all {
		if ip := addr.Prefix.Addr(); ofFamily(ip, family) && !linkScoped(ip) && !ip.IsLoopback() {
			return ip, nil
		}
	}
	if err == nil {
		err = a.without("find source address", "", family)
	}
	return netip.Addr{}, err
}

// gateway chooses the address that a route of a namespace goes via: one in a subnet that the namespace is in, on the
// link when that is given.
func (a *endpointArg) gateway(v *runtime.View, ns kernel.NSRef, dev *kernel.LinkRef, family int) (netip.Addr, error) {
	if !a.several() {
		return a.ip, nil
	}
	if err := v.Machine().SettleLinks(); err != nil {
		return a.ip, err // a link-local address comes with the carrier
	}
	from := endpointArg{link: dev, ns: &ns}
	own, err := from.addrs(v, false)
	if err != nil {
		return a.ip, err
	}
	to, err := a.addrs(v, false)
	if err != nil {
		return a.ip, err
	}
	for _, w := range ways(own, to, family, dev != nil) {
		if w.shared {
			return w.to.WithZone(""), nil
		}
	}
	return a.ip, a.apart("find gateway", family, to, &from, own)
}

// without is the error of an act on an endpoint that has no address of the family.
func (a *endpointArg) without(op, ns string, family int) error {
	return &kernel.Error{Op: op, Object: a.String(), NS: ns,
		Err:  fmt.Errorf("it has no%s address: %w", familyWord(family), unix.EADDRNOTAVAIL),
		Hint: "addr(link, ...) gives it one"}
}

// apart is the error of an act on an endpoint none of whose addresses is reached from those of another.
func (a *endpointArg) apart(op string, family int, to []kernel.Addr, from *endpointArg, own []kernel.Addr) error {
	other := func(addr kernel.Addr) bool { return !ofFamily(addr.Prefix.Addr(), family) }
	to, own = slices.DeleteFunc(to, other), slices.DeleteFunc(own, other)
	if len(to) == 0 {
		return a.without(op, from.ns.String(), family)
	}
	return &kernel.Error{Op: op, Object: a.String(), NS: from.ns.String(),
		Err: fmt.Errorf("none of its%s addresses (%s) is reached from %s (%s): %w",
			familyWord(family), listed(to), from, listed(own), unix.ENETUNREACH),
		Hint: "addr() gives both of them addresses of one subnet"}
}

// A way is an address to reach, and the one of the sender's that packets to it come from, if there is one.
type way struct {
	to, from netip.Addr
	shared   bool // both are in one subnet
}

// ways orders the addresses of an endpoint as a sender best reaches them, IPv4 first each time: those in a subnet of
// the sender's, then the others, and those of a link last, which mean something only to a sender on one link.
func ways(own, to []kernel.Addr, family int, oneLink bool) []way {
	var ranked [6][]way
	for _, t := range to {
		ip := t.Prefix.Addr()
		local := linkScoped(ip)
		if !ofFamily(ip, family) || local && !oneLink {
			continue
		}
		w, rank := way{to: ip}, 2
		mine := slices.ContainsFunc(own, func(o kernel.Addr) bool { return o.Prefix.Addr() == ip })
		for _, o := range own {
			from := o.Prefix.Addr()
			if from.Is4() != ip.Is4() || linkScoped(from) != local {
				continue
			}
			shared := !mine && o.Subnet().Contains(ip)
			if !w.from.IsValid() || shared && !w.shared {
				w.from, w.shared = from, shared
			}
			if local {
				w.to, w.from = ip.WithZone(o.Link.Name), from.WithZone(o.Link.Name)
			}
		}
		switch {
		case local:
			rank = 4
		case w.shared:
			rank = 0
		}
		if ip.Is6() {
			rank++
		}
		ranked[rank] = append(ranked[rank], w)
	}
	return slices.Concat(ranked[:]...)
}

// linkScoped reports whether an address means something on a link only.
func linkScoped(ip netip.Addr) bool { return ip.Is6() && ip.IsLinkLocalUnicast() }

// familyArg is an address family; 0 is any.
type familyArg int

func (familyArg) ArgType() string { return "int" }

func (a *familyArg) Unpack(val starlark.Value) error {
	n, err := number[familyArg](val, 4, 6)
	if err == nil && n == 5 {
		err = fmt.Errorf("%d is neither 4 nor 6", n)
	}
	*a = n
	return err
}

func ofFamily(ip netip.Addr, family int) bool { return family == 0 || ip.Is4() == (family == 4) }

func familyOf(ip netip.Addr) int {
	if ip.Is4() {
		return 4
	}
	return 6
}

func familyWord(family int) string {
	if family == 0 {
		return ""
	}
	return fmt.Sprintf(" IPv%d", family)
}

// listed are addresses for people.
func listed(all []kernel.Addr) string {
	var words []string
	for _, a := range all {
		words = append(words, a.Prefix.String())
	}
	if words == nil {
		return "none"
	}
	return strings.Join(words, ", ")
}
