package builtins

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// protoArg is a transport protocol.
type protoArg string

func (protoArg) ArgType() string { return "string" }
func (protoArg) Choices(*runtime.Vocabulary) []string {
	return slices.Sorted(maps.Keys(kernel.Protocols))
}
func (a *protoArg) Unpack(val starlark.Value) error { return oneWord(a, val, a.Choices(nil)) }

// hookArg is where packets are looked at that go through filters.
type hookArg string

func (hookArg) ArgType() string                      { return "string" }
func (hookArg) Choices(*runtime.Vocabulary) []string { return []string{"input", "forward", "output"} }
func (a *hookArg) Unpack(val starlark.Value) error   { return oneWord(a, val, a.Choices(nil)) }

// rejectArg is what is said of a packet that is refused.
type rejectArg string

func (rejectArg) ArgType() string { return "string" }
func (rejectArg) Choices(*runtime.Vocabulary) []string {
	return []string{"port-unreachable", "host-unreachable", "no-route", "admin-prohibited", "tcp reset"}
}
func (a *rejectArg) Unpack(val starlark.Value) error { return oneWord(a, val, a.Choices(nil)) }

// markHookArg is where packets get a mark: the chain.
type markHookArg string

func (markHookArg) ArgType() string { return "string" }
func (a markHookArg) String() string {
	return map[markHookArg]string{"mangle": "prerouting", "mangle_out": "output"}[a]
}
func (markHookArg) Choices(*runtime.Vocabulary) []string { return []string{"prerouting", "output"} }
func (a *markHookArg) Unpack(val starlark.Value) error {
	word, err := choice(val, a.Choices(nil))
	*a = map[string]markHookArg{"prerouting": "mangle", "output": "mangle_out"}[word]
	return err
}

func oneWord[T ~string](a *T, val starlark.Value, words []string) error {
	word, err := choice(val, words)
	*a = T(word)
	return err
}

// portArg is a port of a transport protocol.
type portArg int

func (portArg) ArgType() string { return "int" }
func (a *portArg) Unpack(val starlark.Value) (err error) {
	*a, err = number[portArg](val, 1, 65535)
	return err
}

// nftMarkArg is a mark of packets.
type nftMarkArg int

func (nftMarkArg) ArgType() string { return "int" }
func (a *nftMarkArg) Unpack(val starlark.Value) (err error) {
	*a, err = number[nftMarkArg](val, 0, 1<<32-1)
	return err
}

// connStatesArg are states of connections.
type connStatesArg []string

func (connStatesArg) ArgType() string { return "string or list of string" }
func (connStatesArg) Choices(*runtime.Vocabulary) []string {
	return []string{"new", "established", "related", "invalid", "untracked"}
}
func (a *connStatesArg) Unpack(val starlark.Value) error {
	vals := []starlark.Value{val}
	if list, ok := val.(starlark.Iterable); ok {
		vals = slices.Collect(starlark.Elements(list))
	}
	for _, v := range vals {
		word, err := choice(v, a.Choices(nil))
		if err != nil {
			return err
		}
		*a = append(*a, word)
	}
	return nil
}

// endArg is an address, one with a port, or a port alone.
type endArg struct{ netip.AddrPort }

func (endArg) ArgType() string { return "address, address:port, or a port" }
func (a endArg) String() string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.AddrPort.String()
}

func (a *endArg) Unpack(val starlark.Value) error {
	if _, is := val.(starlark.Int); is {
		port, err := number[portArg](val, 1, 65535)
		a.AddrPort = netip.AddrPortFrom(netip.Addr{}, uint16(port))
		return err
	}
	s, ok := starlark.AsString(val)
	if addr, is := val.(*addrValue); is {
		s, ok = addr.addr.Prefix.Addr().String(), true
	}
	if !ok {
		return want(`string such as "10.0.0.1:80"`, val)
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		a.AddrPort = netip.AddrPortFrom(ip, 0)
		return plain(s, ip)
	}
	whole := s
	if len(s) > 1 && s[0] == ':' {
		whole = "0.0.0.0" + s
	}
	ap, err := netip.ParseAddrPort(whole)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" {
		return fmt.Errorf("%q is no address, address:port or :port; "+
			"an IPv6 address stands in brackets before a port", s)
	}
	if whole != s {
		ap = netip.AddrPortFrom(netip.Addr{}, ap.Port())
	}
	a.AddrPort = ap
	return plain(s, ap.Addr())
}
