package builtins

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var sysctlDecl = runtime.Change("sysctl", "string",
	"Reads a sysctl of a namespace, or sets it when a value is given (sysctl(8)). Only keys below net belong to a namespace.", &sysctlArgs{})

type sysctlArgs struct {
	NS    nsArg          `arg:"ns" doc:"the namespace"`
	Key   sysctlKeyArg   `arg:"key" doc:"key such as net.ipv4.ip_forward; with slashes when a name in it has a dot"`
	Value sysctlValueArg `arg:"value?" doc:"string or int to set"`
}

// sysctlKeyArg is the key of a sysctl that belongs to a namespace.
type sysctlKeyArg string

func (sysctlKeyArg) ArgType() string { return "string" }

func (a *sysctlKeyArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	*a = sysctlKeyArg(s)
	_, err := kernel.SysctlPath(s)
	return err
}

// sysctlValueArg is what a sysctl is set to, if it is.
type sysctlValueArg struct {
	text  string
	given bool
}

func (sysctlValueArg) ArgType() string { return "string or int" }

func (a *sysctlValueArg) Unpack(val starlark.Value) error {
	switch val := val.(type) {
	case starlark.String:
		a.text = string(val)
	case starlark.Int:
		a.text = val.String()
	default:
		return want("string or int", val)
	}
	a.given = true
	return nil
}

func (a *sysctlArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.Value.given {
		if err := tx.Apply(&setSysctl{NS: a.NS.NSRef, Key: string(a.Key), Value: a.Value.text}); err != nil {
			return nil, err
		}
	}
	n, err := tx.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	value, err := n.Sysctl(string(a.Key))
	return starlark.String(value), err
}

// setSysctl writes a sysctl.
type setSysctl struct {
	NS     kernel.NSRef      `json:"ns"`
	Key    string            `json:"key"`
	Value  string            `json:"value"`
	Old    string            `json:"old"`
	Shadow map[string]string `json:"shadow,omitempty"` // what writing the key changes besides
	Links  map[string]int    `json:"links,omitempty"`  // the links that have settings among these: a name can become another's
	Images []*kernel.Image   `json:"images,omitempty"` // of the links that lose addresses by it
}

func (o *setSysctl) Kind() string             { return "sysctl" }
func (o *setSysctl) Touches() []kernel.Object { return []kernel.Object{o.NS.Object()} }

func (o *setSysctl) Claims() []runtime.Claim {
	name, single := kernel.SysctlLink(o.Key)
	switch {
	case single && o.Links[name] > 0:
		return claims(kernel.LinkRef{NS: o.NS, Index: o.Links[name], Name: name})
	case o.Shadow != nil || o.Images != nil:
		return []runtime.Claim{runtime.ClaimAll(o.NS)}
	}
	return []runtime.Claim{runtime.ClaimKey(o.NS, strings.ReplaceAll(o.Key, "/", "."))}
}

// Valid takes the keys that a script may write, and no others. Undoing reads and writes them by way of the same rule.
func (o *setSysctl) Valid() error {
	for _, key := range o.keys() {
		if _, err := kernel.SysctlPath(key); err != nil {
			return err
		}
	}
	return nil
}

func (o *setSysctl) keys() []string { return append(slices.Collect(maps.Keys(o.Shadow)), o.Key) }

// linksOf are the indexes of the links that have settings among the given ones.
func linksOf(n *kernel.Namespace, keys []string) (map[string]int, error) {
	links := map[string]int{}
	for _, key := range keys {
		if name, ok := kernel.SysctlLink(key); ok {
			links[name] = 0
		}
	}
	if len(links) == 0 {
		return nil, nil
	}
	all, err := n.Links()
	for _, l := range all {
		if _, ok := links[l.Name]; ok {
			links[l.Name] = l.Index
		}
	}
	return links, err
}

// restore gives a key its old value back, under the name that its link has now. A link that has gone since took its
// settings with it, also when another has its name.
func (o *setSysctl) restore(m *kernel.Machine, n *kernel.Namespace, key, old string) error {
	if name, ok := kernel.SysctlLink(key); ok && o.Links[name] > 0 {
		l, err := m.Read(kernel.LinkRef{NS: o.NS, Index: o.Links[name]})
		if errors.Is(err, kernel.ErrGone) || err == nil && l.NS.Cookie != o.NS.Cookie {
			return nil
		} else if err != nil {
			return err
		}
		if key, err = kernel.SysctlOf(key, l.Name); err != nil {
			return err
		}
	}
	now, err := n.Sysctl(key)
	if err == nil && now != old {
		err = n.SetSysctl(key, old)
	}
	return err
}

func (o *setSysctl) Command() string {
	cmd := "sysctl -w " + quoted(o.Key+"="+o.Value)
	switch where := netnsWord(o.NS); {
	case o.NS.Name == "":
		return cmd
	case where == o.NS.Name:
		return "ip netns exec " + where + " " + cmd
	default:
		return "nsenter --net=" + where + " " + cmd
	}
}

func (o *setSysctl) Check(m *kernel.Machine, fresh bool) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	if o.Old, err = n.Sysctl(o.Key); err != nil || fresh {
		return err
	}
	if o.Shadow, err = n.SysctlShadow(o.Key); err != nil {
		return err
	}
	if o.Links, err = linksOf(n, o.keys()); err != nil {
		return err
	}
	links, err := n.SysctlStrips(o.Key)
	for _, l := range links {
		img, err := m.Image(l)
		if err != nil {
			return err
		}
		o.Images = append(o.Images, img)
	}
	return err
}

func (o *setSysctl) Do(m *kernel.Machine) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	return n.SetSysctl(o.Key, o.Value)
}

func (o *setSysctl) Undo(m *kernel.Machine) error {
	n, err := m.Namespace(o.NS)
	if errors.Is(err, kernel.ErrGone) {
		return nil
	} else if err != nil {
		return err
	}
	errs := []error{o.restore(m, n, o.Key, o.Old)}
	// A key of all can be written with the value that it has, and change those of the links.
	for _, k := range shadowOrder(o.Shadow) {
		// The family of a link can be off by now.
		if err := o.restore(m, n, k, o.Shadow[k]); !errors.Is(err, unix.ENOENT) {
			errs = append(errs, err)
		}
	}
	for _, img := range o.Images {
		if err := m.Restore(img); !errors.Is(err, kernel.ErrGone) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// shadowOrder puts all before default before the links: each rewrites those after it.
func shadowOrder(shadow map[string]string) []string {
	rank := func(key string) int {
		for i, word := range []string{"/all/", "/default/"} {
			if strings.Contains(key, word) {
				return i
			}
		}
		return 2
	}
	return slices.SortedFunc(maps.Keys(shadow), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}
