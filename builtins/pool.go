package builtins

import (
	"fmt"
	"math/big"
	"net/netip"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

// subnetArg is a subnet: a prefix without bits behind its length.
type subnetArg struct{ netip.Prefix }

func (subnetArg) ArgType() string { return "prefix" }

func (a *subnetArg) Unpack(val starlark.Value) error {
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

// poolLength is the prefix length of a subnet.
type poolLength int

func (poolLength) ArgType() string { return "int" }

func (a *poolLength) Unpack(val starlark.Value) (err error) {
	*a, err = number[poolLength](val, 0, 128)
	return err
}

// check is an error when a subnet of the length does not fit in another one.
func (a poolLength) check(in netip.Prefix) error {
	if low, high := in.Bits(), in.Addr().BitLen(); int(a) < low || int(a) > high {
		return fmt.Errorf("no subnet of %s has the prefix length %d: want one from %d to %d", in, int(a), low, high)
	}
	return nil
}

var subnetsDecl = runtime.Query("subnets", "pool",
	"Makes a pool of the subnets of one length that a prefix has, of either family: subnets(\"10.0.0.0/8\", "+
		"24) gives out 10.0.0.0/24, 10.0.1.0/24 ...", &subnetsArgs{})

type subnetsArgs struct {
	Prefix subnetArg  `arg:"prefix" doc:"prefix to divide, such as 10.0.0.0/8 or fd00::/48"`
	Length poolLength `arg:"length" doc:"prefix length of the subnets"`
}

func (a *subnetsArgs) Query(v *runtime.View) (starlark.Value, error) {
	if err := a.Length.check(a.Prefix.Prefix); err != nil {
		return nil, fmt.Errorf("subnets: %w", err)
	}
	return &poolValue{v: v, prefix: a.Prefix.Prefix, length: int(a.Length), next: new(big.Int)}, nil
}

var hostsDecl = runtime.Query("hosts", "pool",
	"Makes a pool of the addresses that hosts of a subnet can have, with their prefix length: "+
		"hosts(\"10.0.0.0/24\") gives out 10.0.0.1/24 to 10.0.0.254/24. A /31 and a /127 have two (RFC 3021, "+
		"RFC 6164).", &hostsArgs{})

type hostsArgs struct {
	Subnet subnetArg `arg:"subnet" doc:"the subnet, such as 10.0.0.0/24 or fd00::/64"`
}

func (a *hostsArgs) Query(v *runtime.View) (starlark.Value, error) {
	p := &poolValue{v: v, prefix: a.Subnet.Prefix, length: a.Subnet.Addr().BitLen(), hosts: true, next: new(big.Int)}
	if p.spare() {
		p.next.SetInt64(1) // the subnet's own address; in IPv6 any router's (RFC 4291, 2.6.1)
	}
	return p, nil
}

var networkDecl = runtime.Query("network", "string",
	"Says which subnet an address with its prefix length is in: network(\"10.0.0.7/24\") is \"10.0.0.0/24\".",
	&networkArgs{})

type networkArgs struct {
	Address prefixArg `arg:"address" doc:"address with its prefix length"`
}

func (a *networkArgs) Query(*runtime.View) (starlark.Value, error) {
	return starlark.String(a.Address.Masked().String()), nil
}

var poolNextDecl = runtime.Query("pool.next", "string",
	"Takes the next subnet or address of the pool. It fails when there are no more.", &poolNextArgs{})

type poolNextArgs struct {
	Pool   *poolValue  `arg:"pool" doc:"the pool"`
	Length *poolLength `arg:"length?" doc:"prefix length of the subnet, when it is to be another one than the pool's: the next subnet of this length that overlaps none before"`
}

func (a *poolNextArgs) Query(*runtime.View) (starlark.Value, error) {
	length := a.Pool.length
	if a.Length != nil {
		if a.Pool.hosts {
			return nil, fmt.Errorf("pool.next: length= is for subnets, and this is %s", a.Pool)
		}
		if err := a.Length.check(a.Pool.prefix); err != nil {
			return nil, fmt.Errorf("pool.next: %w", err)
		}
		length = int(*a.Length)
	}
	s, err := a.Pool.take(length)
	return starlark.String(s), err
}

var poolTakeDecl = runtime.Query("pool.take", "list of string",
	"Takes the next n subnets or addresses of the pool. It fails, and takes none, when there are fewer.",
	&poolTakeArgs{})

type poolTakeArgs struct {
	Pool  *poolValue `arg:"pool" doc:"the pool"`
	Count poolCount  `arg:"n" doc:"how many, 0 to 65536"`
}

type poolCount int

func (poolCount) ArgType() string { return "int" }

func (a *poolCount) Unpack(val starlark.Value) (err error) {
	*a, err = number[poolCount](val, 0, 65536)
	return err
}

func (a *poolTakeArgs) Query(*runtime.View) (starlark.Value, error) {
	all, before := []string{}, new(big.Int).Set(a.Pool.next)
	for range int(a.Count) {
		s, err := a.Pool.take(a.Pool.length)
		if err != nil {
			a.Pool.next = before
			return nil, err
		}
		all = append(all, s)
	}
	return stringList(all), nil
}

// poolValue is a pool of subnets or addresses in a script. What was taken is not given back when changes are undone.
type poolValue struct {
	v      *runtime.View
	prefix netip.Prefix
	length int  // of the subnets; a host is one of all bits
	hosts  bool // it gives out addresses, with the length of the prefix
	next   *big.Int
	frozen bool
}

var _ starlark.HasAttrs = (*poolValue)(nil)

func (p *poolValue) Freeze()              { p.frozen = true }
func (p *poolValue) Truth() starlark.Bool { return true }
func (p *poolValue) Type() string         { return "pool" }
func (p *poolValue) Hash() (uint32, error) {
	return 0, fmt.Errorf("unhashable type: pool")
}
func (p *poolValue) Attr(name string) (starlark.Value, error) { return p.v.Attr("pool", p, name) }
func (p *poolValue) AttrNames() []string                      { return p.v.AttrNames("pool") }
func (p *poolValue) String() string {
	if p.hosts {
		return fmt.Sprintf("hosts(%q)", p.prefix)
	}
	return fmt.Sprintf("subnets(%q, %d)", p.prefix, p.length)
}

// spare reports whether the first address of the subnet is no host's.
func (p *poolValue) spare() bool { return p.prefix.Addr().BitLen()-p.prefix.Bits() > 1 }

// take gives out the next subnet of a length.
func (p *poolValue) take(length int) (string, error) {
	if p.frozen {
		return "", fmt.Errorf("%s is frozen: nothing can be taken from it any more", p)
	}
	bits := p.prefix.Addr().BitLen()
	size, end := power(bits-length), power(bits-p.prefix.Bits())
	if p.hosts && p.spare() && bits == 32 {
		end.Sub(end, big.NewInt(1)) // the broadcast address
	}
	// Up to the next multiple of the size.
	at := new(big.Int).Add(p.next, size)
	at.Sub(at, big.NewInt(1)).AndNot(at, new(big.Int).Sub(size, big.NewInt(1)))
	after := new(big.Int).Add(at, size)
	switch {
	case after.Cmp(end) <= 0:
	case p.hosts:
		return "", fmt.Errorf("%s has no more addresses", p)
	default:
		return "", fmt.Errorf("%s has no more subnets of length %d: want a prefix shorter than /%d to take them from",
			p, length, p.prefix.Bits())
	}
	p.next = after
	base := new(big.Int).SetBytes(p.prefix.Addr().AsSlice())
	ip, _ := netip.AddrFromSlice(base.Add(base, at).FillBytes(make([]byte, bits/8))) // 4 or 16 bytes
	if p.hosts {
		length = p.given()
	}
	return netip.PrefixFrom(ip, length).String(), nil
}

// given is the prefix length of what it gives out.
func (p *poolValue) given() int {
	if p.hosts {
		return p.prefix.Bits()
	}
	return p.length
}

func power(n int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(n)) }

var poolType = &runtime.Type{Name: "pool",
	Doc: "Subnets of a prefix, or addresses of a subnet, that are given out one after the other, each once.",
	Attrs: []runtime.Attr{
		{Name: "prefix", Type: "string", Doc: "the prefix that they are from",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.String(r.(*poolValue).prefix.String()), nil
			}},
		{Name: "length", Type: "int", Doc: "the prefix length of what it gives out",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.MakeInt(r.(*poolValue).given()), nil
			}},
	}}
