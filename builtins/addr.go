package builtins

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var addrDecl = runtime.Change("addr", "address or list of address",
	"Adds an address to a link, or several of either family, which are a list then. An IPv6 address can be used at "+
		"once: duplicate address detection (RFC 4862) is off unless asked for.", &addrArgs{}).Needing("ipv6")

type addrArgs struct {
	Link   linkArg     `arg:"link" doc:"the link"`
	Prefix prefixArg   `arg:"address" doc:"address with its prefix length, such as 10.0.0.1/24 or fd00::1/64"`
	More   []prefixArg `arg:"*more" doc:"further addresses"`
	_      struct{}    `arg:"*"`
	Peer   *prefixArg  `arg:"peer?" doc:"address of the other end of a point-to-point link"`
	DAD    bool        `arg:"dad?" doc:"detect duplicates first (IPv6), which takes one to two seconds: whoever uses the address next waits for it"`
	addrGiven
	runtime.Irreversible
}

func (a *addrArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.Peer != nil && a.More != nil {
		return nil, errors.New("addr: peer= is the other end of one address: call addr once for each")
	}
	var all []starlark.Value
	for _, p := range append([]prefixArg{a.Prefix}, a.More...) {
		addr := kernel.Addr{Link: a.Link.LinkRef, Prefix: p.Prefix, DAD: a.DAD}
		spec, words, err := a.addrGiven.spec(addr)
		if err != nil {
			return nil, err
		}
		if a.Peer != nil {
			addr.Peer = a.Peer.Prefix
		}
		if addr.DAD && addr.Prefix.Addr().Is6() {
			// A namespace of this lab detects nothing unless its link is told to.
			key := "net/ipv6/conf/" + addr.Link.Name + "/accept_dad"
			if err := tx.Apply(&setSysctl{NS: addr.Link.NS, Key: key, Value: "1"}); err != nil {
				return nil, err
			}
		}
		if err := tx.Apply(&addAddr{Addr: addr, AddrSpec: spec, Words: words}); err != nil {
			return nil, err
		}
		all = append(all, &addrValue{tx.View, addr})
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return starlark.NewList(all), nil
}

// addAddr adds an address. Removing it again is not all: with an IPv6 one the kernel may have added more, and with a
// link's last IPv4 address it removes its IPv4 routes, also those that were there when it had none.
type addAddr struct {
	kernel.Addr
	kernel.AddrSpec
	Words string        `json:"words,omitempty"` // of ip-address(8), for the latter
	Image *kernel.Image `json:"image,omitempty"`
}

var _ change.Checkable = (*addAddr)(nil)

func (o *addAddr) Kind() string             { return "addr add" }
func (o *addAddr) Touches() []kernel.Object { return []kernel.Object{o.Link.Object()} }
func (o *addAddr) Claims() []change.Claim   { return claims(o.Link) }
func (o *addAddr) Valid() error             { return errors.Join(o.Addr.Valid(), o.AddrSpec.Valid()) }
func (o *addAddr) Command() string {
	cmd := in(o.Link.NS) + "addr add " + o.Prefix.String()
	switch {
	case o.Peer.IsValid():
		cmd += " peer " + o.Peer.String()
	case o.Prefix.Addr().Is4() && o.Prefix.Bits() < 31 && !strings.Contains(o.Words, " broadcast "):
		cmd += " brd +"
	}
	cmd += " dev " + o.Link.Name
	if o.Prefix.Addr().Is6() && !o.DAD {
		cmd += " nodad"
	}
	return cmd + o.Words
}

// Check refuses an address that is there: after a crash nobody could tell whose it is.
func (o *addAddr) Check(m *kernel.Machine, fresh bool) error {
	if fresh {
		return nil
	}
	there, err := o.there(m)
	if err == nil && there {
		err = &kernel.Error{Op: "add address", Object: o.String(), NS: o.Link.NS.String(), Err: unix.EEXIST,
			Hint: "the link has this address already"}
	}
	if err != nil {
		return err
	}
	if o.Image, err = m.Image(o.Link); err != nil {
		return err
	}
	return o.Image.Only().OnlySysctls().WholeRoutes()
}

func (o *addAddr) there(m *kernel.Machine) (bool, error) {
	all, err := m.Addrs(o.Link)
	return slices.ContainsFunc(all, func(a kernel.Addr) bool {
		return a.Prefix.Addr() == o.Prefix.Addr() && (a.Prefix.Bits() == o.Prefix.Bits() || o.Peer.IsValid())
	}), err
}

func (o *addAddr) Do(m *kernel.Machine) error { return m.PutAddr(o.Addr, o.AddrSpec) }

func (o *addAddr) Undo(m *kernel.Machine) error {
	err := m.TakeBack(o.Addr, o.AddrSpec)
	if o.Image != nil && (err == nil || errors.Is(err, kernel.ErrGone)) {
		err = m.Restore(o.Image)
	}
	if errors.Is(err, kernel.ErrGone) {
		return nil
	}
	return err
}

// addrValue is an address in a script.
type addrValue struct {
	v    *runtime.View
	addr kernel.Addr
}

var (
	_ starlark.HasAttrs   = (*addrValue)(nil)
	_ starlark.Comparable = (*addrValue)(nil)
)

func (a *addrValue) Freeze()                                  {}
func (a *addrValue) Truth() starlark.Bool                     { return true }
func (a *addrValue) String() string                           { return a.addr.Prefix.String() }
func (a *addrValue) Type() string                             { return "address" }
func (a *addrValue) Hash() (uint32, error)                    { return starlark.String(a.String()).Hash() }
func (a *addrValue) Attr(name string) (starlark.Value, error) { return a.v.Attr("address", a, name) }
func (a *addrValue) AttrNames() []string                      { return a.v.AttrNames("address") }

// CompareSameType makes two values of one address of one link equal, wherever the link was moved.
func (a *addrValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	b := other.(*addrValue)
	identity := func(a *addrValue) kernel.Object { return a.v.Machine().Identity(a.addr.Link.Object()) }
	return equal(op, "address", a.addr.Prefix == b.addr.Prefix && a.addr.Peer == b.addr.Peer &&
		identity(a) == identity(b))
}

var addrType = &runtime.Type{Name: "address",
	Doc: "An address on a link. All values of one address of one link are equal.",
	Attrs: append([]runtime.Attr{
		{Name: "ip", Type: "string", Doc: "the address without its prefix length",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.String(r.(*addrValue).addr.Prefix.Addr().String()), nil
			}},
		{Name: "link", Type: "link", Doc: "the link that it is on",
			Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
				return &linkValue{v, r.(*addrValue).addr.Link}, nil
			}},
	}, addrReads()...)}

var addrDeleteDecl = runtime.Change("address.delete", "None", "Removes the address from its link.", &addrDeleteArgs{})

type addrDeleteArgs struct {
	Addr *addrValue `arg:"address" doc:"the address"`
	_    struct{}   `arg:"*"`
	runtime.Irreversible
}

func (a *addrDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	addr := a.Addr.addr
	addr.Link = tx.Machine().Current(addr.Link)
	return nil, tx.Apply(&delAddr{Addr: addr})
}

// delAddr removes an address. With the first address of a subnet the kernel removes the others of it, and routes.
type delAddr struct {
	kernel.Addr
	Image *kernel.Image `json:"image,omitempty"`
}

var (
	_ change.Checkable = (*delAddr)(nil)
	_ change.Unmaker   = (*delAddr)(nil)
)

func (o *delAddr) Kind() string             { return "addr del" }
func (o *delAddr) Touches() []kernel.Object { return []kernel.Object{o.Link.Object()} }
func (o *delAddr) Claims() []change.Claim   { return claims(o.Link) }
func (o *delAddr) Command() string {
	cmd := in(o.Link.NS) + "addr del " + o.Prefix.String()
	if o.Peer.IsValid() {
		cmd += " peer " + o.Peer.String()
	}
	return cmd + " dev " + o.Link.Name
}

// Unmakes also wants that nothing else went with the address which was not there before it.
func (o *delAddr) Unmakes(older change.Op) bool {
	add, ok := older.(*addAddr)
	return ok && add.Addr == o.Addr && o.Image.OnlyAdds(o.Addr, add.Image)
}

func (o *delAddr) Check(m *kernel.Machine, fresh bool) (err error) {
	if fresh {
		return nil
	}
	if o.Image, err = m.Image(o.Link); err != nil {
		return err
	}
	return errors.Join(o.Image.Only().OnlySysctls().WholeRoutes(), o.Image.Managed(o.Addr))
}

func (o *delAddr) Do(m *kernel.Machine) error { return m.DelAddr(o.Addr) }

func (o *delAddr) Undo(m *kernel.Machine) error {
	err := m.CheckAddr(o.Addr, o.Image)
	if err == nil {
		err = m.Restore(o.Image)
	}
	if errors.Is(err, kernel.ErrGone) {
		return nil
	}
	return err
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // only ever what itoa wrote
	return n
}

func trim(s string) string { return strings.TrimSpace(s) }
