package builtins

import (
	"encoding/binary"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// besideAttr is a link of the same namespace, or none: its index to the kernel. What ip-link(8) is told of none follows
// the word after a "|".
type besideAttr struct{ masterArg }

func (a besideAttr) encode() []byte { return encodeNumber[width32](a.Index) }

func (a *besideAttr) decode(data []byte) {
	if len(data) >= 4 {
		a.Index = int(binary.NativeEndian.Uint32(data))
	}
}

func (a besideAttr) ip(word string) string {
	word, none, _ := strings.Cut(word, "|")
	if a.Index == 0 {
		return none
	}
	return word + " " + a.Name
}

func (a besideAttr) value() starlark.Value { return starlark.MakeInt(a.Index) }

func (a *besideAttr) valueOn(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
	if a.Index == 0 {
		return starlark.None, nil
	}
	other, err := v.Machine().Beside(l, a.Index)
	if err != nil {
		return nil, err
	}
	return &linkValue{v, other.LinkRef}, nil
}

// fits wants the link to be in the namespace, since the kernel knows it by its index there.
func (a *besideAttr) fits(ns kernel.NSRef) error {
	if a.Index != 0 && a.NS.Cookie != ns.Cookie {
		return fmt.Errorf("link %s is in another namespace, %s", a.Name, a.NS)
	}
	return nil
}
