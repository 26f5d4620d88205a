package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// addrsArg is the addresses of a link: one, or several of either family.
type addrsArg []prefixArg

var _ runtime.Lister = addrsArg(nil)

func (addrsArg) ArgType() string { return "address/length or list of them" }
func (addrsArg) ElementsAlone()  {}

func (a *addrsArg) Unpack(val starlark.Value) error {
	if val == starlark.None {
		return nil
	}
	it, several := val.(starlark.Iterable)
	if !several {
		*a = make(addrsArg, 1)
		return (*a)[0].Unpack(val)
	}
	i := 0
	for e := range starlark.Elements(it) {
		var p prefixArg
		if _, list := e.(starlark.Sequence); list {
			return fmt.Errorf("element %d: got %s, want an address: it is one link, and a list of its addresses", i,
				e.Type())
		}
		if err := p.Unpack(e); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		*a = append(*a, p)
		i++
	}
	return nil
}

// add gives a link the addresses, in their order.
func (a addrsArg) add(tx *runtime.Tx, link kernel.LinkRef) error {
	for _, p := range a {
		if err := tx.Apply(&addAddr{Addr: kernel.Addr{Link: link, Prefix: p.Prefix}}); err != nil {
			return err
		}
	}
	return nil
}

// endAddrsArg is the addresses of each end of a pair.
type endAddrsArg [2]addrsArg

var _ runtime.Lister = endAddrsArg{}

func (endAddrsArg) ArgType() string { return "pair of address/length or list of them" }
func (endAddrsArg) ElementsAlone()  {}

func (a *endAddrsArg) Unpack(val starlark.Value) error {
	const example = `(["10.0.0.1/24", "fd00::1/64"], ["10.0.0.2/24", "fd00::2/64"])`
	pair, ok := val.(starlark.Indexable)
	if s, text := starlark.AsString(val); text {
		return fmt.Errorf("got string, want the addresses of both ends: (%q, %q)?", s, "10.0.0.2/24")
	} else if !ok {
		return want(`addresses of both ends, such as ("10.0.0.1/24", "10.0.0.2/24")`, val)
	}
	if n := pair.Len(); n != len(a) {
		return fmt.Errorf("%s of %d elements, want 2, the addresses of each end: %s? (None: none)",
			val.Type(), n, example)
	}
	for i, end := range []string{"first", "second"} {
		if err := a[i].Unpack(pair.Index(i)); err != nil {
			return fmt.Errorf("%s end: %w", end, err)
		}
	}
	return nil
}
