package builtins

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// offloadWords are ethtool(8)'s words for several of the kernel's, by the patterns of these.
var offloadWords = map[string]string{"rx": "rx-checksum", "tx": "tx-checksum-*", "sg": "tx-scatter-gather*",
	"tso": "tx-tcp*-segmentation", "gso": "tx-generic-segmentation", "gro": "rx-gro", "lro": "rx-lro",
	"rxvlan": "rx-vlan-hw-parse", "txvlan": "tx-vlan-hw-insert", "ntuple": "rx-ntuple-filter", "rxhash": "rx-hashing"}

// offloadsArg is which offloads are to be on or off.
type offloadsArg []offloadGiven

type offloadGiven struct {
	word string
	on   bool
}

func (offloadsArg) ArgType() string { return "dict of bool" }

func (a *offloadsArg) Unpack(val starlark.Value) error {
	d, ok := val.(*starlark.Dict)
	if !ok {
		return want(`dict such as {"tso": False}`, val)
	}
	for _, item := range d.Items() {
		word, named := starlark.AsString(item[0])
		on, is := item[1].(starlark.Bool)
		if !named || !is {
			return fmt.Errorf("%s: %s, want a name and a bool", item[0], item[1])
		}
		*a = append(*a, offloadGiven{word, bool(on)})
	}
	return nil
}

// set is the change that a link's offloads are given.
func (a offloadsArg) set(m *kernel.Machine, link kernel.LinkRef) (*setOffloads, error) {
	all, err := m.Offloads(link)
	if err != nil {
		return nil, err
	}
	op := &setOffloads{Link: link, Set: map[string]bool{}}
	for _, g := range a {
		found := 0
		for _, o := range all {
			is, _ := path.Match(offloadWords[g.word], o.Name)
			if o.Available && (is || o.Name == g.word) {
				op.Set[o.Name], found = g.on, found+1
			}
		}
		if found == 0 {
			words := slices.Sorted(maps.Keys(offloadWords))
			return nil, &kernel.Error{Op: "set offloads of link", Object: link.Name, NS: link.NS.String(),
				Err:  fmt.Errorf("%w: it has no %q to change", unix.EOPNOTSUPP, g.word),
				Hint: "the words are " + strings.Join(words, ", ") + ", and the names in link.offloads"}
		}
		op.Words = append(op.Words, g.word+map[bool]string{true: " on", false: " off"}[g.on])
	}
	return op, nil
}

// offloadsAttr has the offloads of a link that the kernel has names for.
var offloadsAttr = func() runtime.Attr {
	a := linkAttr("offloads", "dict of bool", "what it leaves to its device, by the kernel's names, and whether that "+
		"is on (ethtool(8), -k)", func(v *runtime.View, l *kernel.Link) (starlark.Value, error) {
		all, err := v.Machine().Offloads(l.LinkRef)
		d := starlark.NewDict(len(all))
		for _, o := range all {
			if o.Name != "" {
				err = errors.Join(err, d.SetKey(starlark.String(o.Name), starlark.Bool(o.Active)))
			}
		}
		return d, err
	})
	a.Aside = true
	return a
}()

// setOffloads sets what a link leaves to its device.
type setOffloads struct {
	Link  kernel.LinkRef  `json:"link"`
	Words []string        `json:"words"` // what ethtool(8) is told
	Set   map[string]bool `json:"set"`   // by the kernel's names
	Old   map[string]bool `json:"old,omitempty"`
}

var _ change.Checkable = (*setOffloads)(nil)

func (o *setOffloads) Kind() string             { return "link set offloads" }
func (o *setOffloads) Touches() []kernel.Object { return []kernel.Object{o.Link.Object()} }
func (o *setOffloads) Claims() []change.Claim   { return claims(o.Link) }
func (o *setOffloads) Command() string {
	return execIn(o.Link.NS, "ethtool -K "+o.Link.Name+" "+strings.Join(o.Words, " "))
}

// Valid wants to take back nothing but what is set.
func (o *setOffloads) Valid() error {
	for name := range o.Old {
		if _, ok := o.Set[name]; !ok {
			return fmt.Errorf("offload %q was not set", name)
		}
	}
	for _, word := range o.Words {
		if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789- ") != "" {
			return fmt.Errorf("%q is no word of ethtool", word)
		}
	}
	return o.Link.Valid()
}

// Check saves what was asked for of the link. What is on follows from that, and from what depends on what.
func (o *setOffloads) Check(m *kernel.Machine, _ bool) error {
	all, err := m.Offloads(o.Link)
	if err != nil {
		return err
	}
	o.Old = map[string]bool{}
	for _, now := range all {
		if _, ok := o.Set[now.Name]; ok {
			o.Old[now.Name] = now.Requested
		}
	}
	return nil
}

func (o *setOffloads) Do(m *kernel.Machine) error { return m.SetOffloads(o.Link, o.Set) }

// Undo asks again for what was asked for. There is no third thing that somebody else could have set.
func (o *setOffloads) Undo(m *kernel.Machine) error {
	if len(o.Old) == 0 {
		return nil
	}
	err := m.SetOffloads(o.Link, o.Old)
	if errors.Is(err, kernel.ErrGone) {
		return nil
	}
	return err
}
