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

// groupSources are the addresses that a multicast group's filter mode is about (RFC 3376).
type groupSources []netip.Addr

func (groupSources) ArgType() string         { return "address or list of them" }
func (a groupSources) encode() []byte        { return kernel.GroupSources(a) }
func (a *groupSources) decode(data []byte)   { *a = kernel.ReadGroupSources(data) }
func (a groupSources) ip(word string) string { return word + " " + strings.Join(a.texts(), ",") }
func (a groupSources) value() starlark.Value { return stringList(a.texts()) }

func (a groupSources) texts() (all []string) {
	for _, ip := range a {
		all = append(all, ip.String())
	}
	return all
}

func (a *groupSources) Unpack(val starlark.Value) error {
	all := []starlark.Value{val}
	if list, ok := val.(starlark.Sequence); ok {
		all = slices.Collect(starlark.Elements(list))
	}
	for _, val := range all {
		var ip ipArg
		if err := ip.Unpack(val); err != nil {
			return err
		}
		if slices.Contains(*a, ip.Addr) {
			return fmt.Errorf("%s stands there twice", ip.Addr)
		}
		*a = append(*a, ip.Addr)
	}
	if len(*a) == 0 {
		return fmt.Errorf("want an address or more")
	}
	return nil
}

// groupMode is MCAST_INCLUDE and so on (linux/in.h).
type groupMode = oneOf[groupModes, width8]

type groupModes struct{}

func (groupModes) words() map[string]int { return map[string]int{"exclude": 0, "include": 1} }

// protocolAttr is who added something, as ip-route(8) calls them.
type protocolAttr struct{ protocolArg }

func (a protocolAttr) encode() []byte        { return []byte{byte(a.protocolArg)} }
func (a *protocolAttr) decode(data []byte)   { a.protocolArg = protocolArg(decodeNumber[width8](data)) }
func (a protocolAttr) ip(word string) string { return word + " " + a.text() }
func (a protocolAttr) value() starlark.Value { return starlark.String(a.text()) }
func (a protocolAttr) text() string {
	return kernel.WordOf(kernel.RouteProtocols(), byte(a.protocolArg))
}

// filters is an error when the bridge does not filter by sources: it would not show them either.
func (a *mdbArgs) filters(tx *runtime.Tx) error {
	l, err := tx.Machine().Read(a.Bridge.LinkRef)
	if err != nil {
		return err
	}
	word, want := "mcast_igmp_version", 3
	if a.Group.addr.Is6() {
		word, want = "mcast_mld_version", 2
	}
	for _, ip := range *a.Sources {
		if ip.Is4() != a.Group.addr.Is4() || !a.Group.addr.IsValid() {
			return fmt.Errorf("mdb: source %s is of another family than group %s", ip, a.Group)
		}
	}
	v := linkKinds["bridge"].word(word).read(l.Info)
	if v == nil || v.value() != starlark.Value(starlark.MakeInt(want)) {
		return &kernel.Error{Op: "add group", Object: a.Group.String(), NS: l.NS.String(),
			Err: fmt.Errorf("bridge %s has another %s than %d, and looks at no sources: %w", l.Name, word, want,
				unix.EINVAL),
			Hint: fmt.Sprintf("%s.set(%s = %d)", l.Name, word, want)}
	}
	return nil
}

// tookEntry is an error when the kernel did not take all that an entry was to have: an older one passes over what it
// does not know.
func tookEntry(tx *runtime.Tx, e kernel.Entry) error {
	found, err := tx.Machine().FindEntry(e)
	if err != nil || found == nil {
		return err
	}
	if lacks := entryKinds[e.Table].lacks(e, *found); lacks != "" {
		return &kernel.Error{Op: "add " + e.Table, Object: e.String(), NS: e.NS.String(), Err: unix.EOPNOTSUPP,
			Machine: true, Hint: "this kernel's have no " + lacks}
	}
	return nil
}

// lacks is the first word of an entry that another one does not have.
func (k *entryKind) lacks(e, found kernel.Entry) string {
	for i := range k.words {
		if k.words[i].in(e) != nil && k.words[i].in(found) == nil {
			return k.words[i].name
		}
	}
	return ""
}
