package builtins

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

func want(what string, v starlark.Value) error {
	return fmt.Errorf("got %s, want %s", v.Type(), what)
}

// equal answers a comparison of two values that have an identity and no order.
func equal(op syntax.Token, typ string, same bool) (bool, error) {
	switch op {
	case syntax.EQL:
		return same, nil
	case syntax.NEQ:
		return !same, nil
	}
	return false, fmt.Errorf("%s %s %s not implemented", typ, op, typ)
}

// nsArg is a namespace, given as itself or by its name.
type nsArg struct{ kernel.NSRef }

func (nsArg) ArgType() string          { return "namespace or its name" }
func (a *nsArg) Located() kernel.NSRef { return a.NSRef }

func (a *nsArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	switch val := val.(type) {
	case *nsValue:
		a.NSRef = val.ref
		return v.Reachable(val.ref)
	case starlark.String:
		if v.Dry() {
			return kernel.ValidNamespaceName(string(val))
		}
		if val == "host" {
			a.NSRef = v.Machine().Host().Ref()
			return nil
		}
		ref, err := v.Named(string(val))
		a.NSRef = ref
		return err
	}
	return want("namespace or its name", val)
}

// linkArg is a link.
type linkArg struct{ kernel.LinkRef }

func (linkArg) ArgType() string          { return "link" }
func (a *linkArg) Located() kernel.NSRef { return a.NS }

func (a *linkArg) UnpackIn(v *runtime.View, val starlark.Value) error {
	l, ok := val.(*linkValue)
	if !ok {
		return want("link", val)
	}
	a.LinkRef = l.current()
	return v.Reachable(a.NS)
}

// prefixArg is an address with its prefix length.
type prefixArg struct{ netip.Prefix }

func (prefixArg) ArgType() string { return "address/length" }

func (a *prefixArg) Unpack(val starlark.Value) (err error) {
	if addr, ok := val.(*addrValue); ok {
		a.Prefix = addr.addr.Prefix
		return nil
	}
	s, ok := starlark.AsString(val)
	if !ok {
		if _, list := val.(starlark.Sequence); list {
			return want(`one address (f(*list) gives f all of a list)`, val)
		}
		return want(`string such as "10.0.0.1/24"`, val)
	}
	a.Prefix, err = netip.ParsePrefix(s)
	if err != nil {
		if strings.Contains(s, "%") {
			return fmt.Errorf("%q: an address takes no zone, the link says where it is", s)
		}
		if ip, e := netip.ParseAddr(s); e == nil {
			return fmt.Errorf("%q has no prefix length: %s/%d?", s, s, map[bool]int{true: 24, false: 64}[ip.Is4()])
		}
		if host, bits, ok := strings.Cut(s, "/"); ok {
			if ip, e := netip.ParseAddr(host); e == nil {
				return fmt.Errorf("%q: prefix length %s must be from 0 to %d", s, bits, ip.BitLen())
			}
		}
		return fmt.Errorf("%q is no address with a prefix length", s)
	}
	return plain(s, a.Addr())
}

// plain refuses an address whose family is another than it looks.
func plain(s string, ip netip.Addr) error {
	if ip.Is4In6() {
		return fmt.Errorf("%q is an IPv4 address in an IPv6 one: write it as IPv4", s)
	}
	return nil
}

// dstArg is the destination of a route: a prefix, an address, or "default".
type dstArg struct{ netip.Prefix }

func (dstArg) ArgType() string { return `prefix, address or "default"` }

func (a *dstArg) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok {
		if s == "default" {
			return nil
		}
		if ip, err := netip.ParseAddr(s); err == nil {
			if ip.Zone() != "" {
				return fmt.Errorf("%q has a link in it: name that with dev=", s)
			}
			a.Prefix = netip.PrefixFrom(ip, ip.BitLen())
			return plain(s, ip)
		}
	}
	var p prefixArg
	if err := p.Unpack(val); err != nil {
		return err
	}
	if p.Prefix != p.Masked() {
		return fmt.Errorf("%s has bits set behind its prefix length: %s?", p, p.Masked())
	}
	a.Prefix = p.Prefix
	return nil
}

// ipArg is an address without a prefix length.
type ipArg struct{ netip.Addr }

func (ipArg) ArgType() string { return "address" }

func (a *ipArg) Unpack(val starlark.Value) (err error) {
	s, ok := starlark.AsString(val)
	if !ok {
		return want(`string such as "10.0.0.1"`, val)
	}
	if a.Addr, err = netip.ParseAddr(s); err != nil {
		if p, e := netip.ParsePrefix(s); e == nil {
			return fmt.Errorf("%q has a prefix length, want the address alone: %s?", s, p.Addr())
		}
		return fmt.Errorf("%q is no address", s)
	}
	if zone := a.Zone(); zone != "" {
		if err := (kernel.LinkRef{Index: 1, Name: zone}).Valid(); err != nil {
			return fmt.Errorf("%q: %w", s, err)
		}
	}
	return plain(s, a.Addr)
}

// macArg is a link-layer address.
type macArg string

func (macArg) ArgType() string { return "MAC address" }

func (a *macArg) Unpack(val starlark.Value) error {
	s, _ := starlark.AsString(val)
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 {
		return fmt.Errorf("%s is no MAC address such as 02:00:00:00:00:01", script.Show(val))
	}
	*a = macArg(mac.String())
	return nil
}

// durationArg is a time with its unit.
type durationArg time.Duration

func (durationArg) ArgType() string  { return "duration" }
func (a durationArg) String() string { return time.Duration(a).String() }

func (a *durationArg) Unpack(val starlark.Value) error {
	if n, ok := val.(starlark.Int); ok && n.Sign() == 0 {
		*a = 0 // in any unit
		return nil
	}
	s, ok := starlark.AsString(val)
	if !ok {
		return fmt.Errorf(`got %s %s, want a duration with its unit, such as "10ms" or "2s"`, val.Type(),
			script.Show(val))
	}
	// tc(8) also writes "sec", "msec" and "usec".
	d, err := time.ParseDuration(strings.NewReplacer("msecs", "ms", "msec", "ms", "usecs", "us", "usec", "us", "secs",
		"s", "sec", "s").Replace(s))
	if err != nil || d < 0 {
		return fmt.Errorf(`%q is no duration such as "10ms" or "2s"`, s)
	}
	*a = durationArg(d)
	return nil
}

// waitArg is a time to wait for something that cannot be there at once.
type waitArg time.Duration

func (waitArg) ArgType() string  { return "duration" }
func (a waitArg) String() string { return time.Duration(a).String() }

func (a *waitArg) Unpack(val starlark.Value) error {
	if err := (*durationArg)(a).Unpack(val); err != nil {
		return err
	}
	if *a == 0 {
		return errors.New("0 is no time to wait: want more")
	}
	return nil
}

// linkNameArg is the name of a link that is to be.
type linkNameArg string

func (linkNameArg) ArgType() string  { return "string" }
func (a linkNameArg) String() string { return string(a) }

func (a *linkNameArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	*a = linkNameArg(s)
	return kernel.ValidLinkName(s)
}

// mtuArg is an MTU in bytes.
type mtuArg int

func (mtuArg) ArgType() string { return "int" }

func (a *mtuArg) Unpack(val starlark.Value) error {
	n, err := starlark.AsInt32(val)
	if err != nil || n < 68 || n > 65535 {
		return fmt.Errorf("%s is no MTU: want a number of bytes from 68 to 65535", script.Show(val))
	}
	*a = mtuArg(n)
	return nil
}

func itoa(i int) string { return strconv.Itoa(i) }

func seconds(d time.Duration) starlark.Value { return starlark.Float(d.Seconds()) }

// choice is what a parameter says that is one of a few words.
func choice(val starlark.Value, words []string) (string, error) {
	s, ok := starlark.AsString(val)
	if !ok {
		return "", want("string", val)
	}
	if slices.Contains(words, s) {
		return s, nil
	}
	if near := script.Nearest(s, words); near != "" {
		return "", fmt.Errorf("%q is none of %s, did you mean %q?", s, strings.Join(words, ", "), near)
	}
	return "", fmt.Errorf("%q is none of %s", s, strings.Join(words, ", "))
}

// number is a whole number within limits.
func number[T ~int](val starlark.Value, low, high int) (T, error) {
	n, ok := val.(starlark.Int)
	if !ok {
		return 0, want("int", val)
	}
	i, fits := n.Int64()
	if !fits || i < int64(low) || i > int64(high) {
		return 0, fmt.Errorf("%s is not from %d to %d", n, low, high)
	}
	return T(i), nil
}

// stringsOf is a string, or each one of a list of them.
func stringsOf(val starlark.Value) (all []string, err error) {
	it, ok := val.(starlark.Sequence)
	if !ok {
		it = starlark.Tuple{val}
	}
	for e := range starlark.Elements(it) {
		s, ok := starlark.AsString(e)
		if !ok {
			return nil, want("string or list of string", e)
		}
		all = append(all, s)
	}
	return all, nil
}
