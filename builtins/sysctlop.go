package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// setSysctl writes a sysctl.
type setSysctl struct {
	NS    kernel.NSRef `json:"ns"`
	Key   string       `json:"key"`
	Value string       `json:"value"`
	Old   string       `json:"old"`
	// the key that the old value is of, when that says it more exactly
	Finer  string            `json:"finer,omitempty"`
	Shadow map[string]string `json:"shadow,omitempty"` // what writing the key changes besides
	// the links that have settings among these: a name can become another's
	Links  map[string]int  `json:"links,omitempty"`
	Images []*kernel.Image `json:"images,omitempty"` // of the links that lose addresses by it
	Loss   *kernel.Loss    `json:"loss,omitempty"`   // its value, when that cannot be read, or not be set again
	Routes kernel.Learned  `json:"routes,omitzero"`  // what a host loses that becomes a router

	under []string // what older changes of the run found, here or where they write the same
}

var (
	_ change.Checkable  = (*setSysctl)(nil)
	_ change.Supersedes = (*setSysctl)(nil)
)

func (o *setSysctl) Kind() string             { return "sysctl" }
func (o *setSysctl) Touches() []kernel.Object { return []kernel.Object{o.NS.Object()} }

func (o *setSysctl) Claims() []change.Claim {
	name, single := kernel.SysctlLink(o.Key)
	switch {
	case single && o.Links[name] > 0:
		return claims(kernel.LinkRef{NS: o.NS, Index: o.Links[name], Name: name})
	case o.Shadow != nil || o.Images != nil:
		return []change.Claim{change.ClaimAll(o.NS)}
	}
	return []change.Claim{change.ClaimKey(o.NS, strings.ReplaceAll(o.exact(), "/", "."))}
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

func (o *setSysctl) keys() []string {
	return append(slices.Collect(maps.Keys(o.Shadow)), o.Key, o.exact())
}

// exact is the key that the old value is of.
func (o *setSysctl) exact() string { return cmp.Or(o.Finer, o.Key) }

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

// keyNow is a key under the name that its link has now. ErrGone: the link has gone since and took its settings with it,
// also when another has its name.
func (o *setSysctl) keyNow(m *kernel.Machine, key string) (string, error) {
	name, ok := kernel.SysctlLink(key)
	if !ok || o.Links[name] == 0 {
		return key, nil
	}
	l, err := m.Read(kernel.LinkRef{NS: o.NS, Index: o.Links[name]})
	if err == nil && l.NS.Cookie != o.NS.Cookie {
		err = kernel.ErrGone
	}
	if err != nil {
		return "", err
	}
	return kernel.SysctlOf(key, l.Name)
}

func (o *setSysctl) Command() string {
	return execIn(o.NS, "sysctl -w "+quoted(o.Key+"="+o.Value))
}

func (o *setSysctl) lost() string { return "the value of sysctl " + o.Key + " in " + o.NS.String() }

func (o *setSysctl) Check(m *kernel.Machine, fresh bool) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	if finer, err := kernel.SysctlFiner(o.Key); err != nil {
		return err
	} else if finer != o.Key {
		o.Finer = finer
	}
	o.Old, err = n.Sysctl(o.exact())
	switch why := kernel.SysctlOneWay(o.Key, o.Old, o.Value); {
	case kernel.Unreadable(err):
		o.Loss = &kernel.Loss{What: o.lost(), Why: "it cannot be read: " + kernel.Cause(err)}
	case err != nil:
		return err
	case why != "":
		o.Loss = &kernel.Loss{What: o.lost(), Why: why}
	}
	if fresh {
		return nil
	}
	if o.Shadow, err = n.SysctlShadow(o.exact()); err != nil {
		return err
	}
	if o.Links, err = linksOf(n, o.keys()); err != nil {
		return err
	}
	links, err := n.SysctlStrips(o.Key)
	if err != nil {
		return err
	}
	if o.Routes, err = n.Purged(o.Key, append(slices.Collect(maps.Values(o.Shadow)), o.Old, o.Value)); err != nil {
		return err
	}
	var lost []error
	if o.Loss != nil {
		lost = append(lost, o.Loss)
	}
	lost = append(lost, o.Routes.Losses(o.NS))
	for _, l := range links {
		img, err := m.Image(l)
		if err != nil {
			return err
		}
		img.Only().OnlySysctls(kernel.MTU6, kernel.NoIPv6, "net/ipv6/conf//addr_gen_mode",
			"net/ipv6/conf//stable_secret")
		if o.Images = append(o.Images, img); o.strips(img) {
			lost = append(lost, img.Whole())
		}
	}
	return errors.Join(lost...)
}

// strips reports whether writing the key, or its old value again, takes a link's IPv6 away.
func (o *setSysctl) strips(img *kernel.Image) bool {
	return leaf(o.Key) == "disable_ipv6" && img.Sysctls[kernel.NoIPv6] == "0" &&
		(o.Old != "0" || strings.TrimSpace(o.Value) != "0")
}

func (o *setSysctl) Do(m *kernel.Machine) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	return n.SetSysctl(o.Key, o.Value)
}

func (o *setSysctl) Over(older change.Op) {
	for _, img := range saved(older) {
		for key, was := range img.Sysctls {
			if o.of(img.Link) && path.Base(key) == leaf(o.exact()) {
				o.under = append(o.under, was)
			}
		}
	}
	if s, ok := older.(*setSysctl); ok && s.NS.Cookie == o.NS.Cookie && leaf(s.exact()) == leaf(o.exact()) {
		o.under = append(append(o.under, s.Old), slices.Collect(maps.Values(s.Shadow))...)
	}
}

// of reports whether a link has settings among those that the op changes.
func (o *setSysctl) of(l kernel.LinkRef) bool {
	return l.NS.Cookie == o.NS.Cookie && slices.Contains(slices.Collect(maps.Values(o.Links)), l.Index)
}

// leaf is what a key sets, wherever it sets it.
func leaf(key string) string {
	name, _ := kernel.SysctlPath(key) // it was read before
	if name = path.Base(name); name == "ip_forward" {
		return "forwarding"
	}
	return name
}

func (o *setSysctl) Undo(m *kernel.Machine) error {
	n, err := m.Namespace(o.NS)
	if errors.Is(err, kernel.ErrGone) {
		return nil
	} else if err != nil {
		return err
	}
	at, err := o.keyNow(m, o.exact())
	if err != nil {
		return unlessGone(err)
	}
	now, err := n.Sysctl(at)
	var errs []error
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil // it went with its link
	case o.Loss != nil && (err == nil && (now != o.Old || o.Old == "") || errors.Is(err, unix.EACCES)):
		errs = append(errs, o.Loss)
	case o.Loss != nil && kernel.Unreadable(err):
		// It was never set, then as now.
	case err != nil:
		return err
	default:
		errs = append(errs, o.putBack(m, n, o.exact(), at, now, o.Old))
	}
	// A key of all can be written with the value that it has, and change those of the links.
	for _, k := range shadowOrder(o.Shadow) {
		// A link that has gone since took its settings with it, and the family of one can be off by now.
		at, err := o.keyNow(m, k)
		if err != nil {
			errs = append(errs, unlessGone(err))
			continue
		}
		if now, err := n.Sysctl(at); err == nil {
			errs = append(errs, o.putBack(m, n, k, at, now, o.Shadow[k]))
		}
	}
	return errors.Join(append(errs, restoreAll(m, o.Images), m.MissingLearned(o.NS, o.Routes))...)
}

// putBack gives a key the value that it had, unless it has one that neither the op gave it nor its undoing, which has
// the kernel write the old value, too, to more than one key.
func (o *setSysctl) putBack(m *kernel.Machine, n *kernel.Namespace, key, at, now, old string) error {
	if now == old {
		return nil
	}
	// which becomes the opposite of the forwarding
	ours := slices.Contains(o.under, now) || o.Finer == "" && same(now, o.Value) ||
		strings.HasSuffix(key, "/all/accept_redirects")
	for k, v := range o.Shadow {
		ours = ours || key != o.exact() && now == v && shadowRank(k) < 2
	}
	if !ours && (key == o.exact() || now != o.Old) {
		if became, err := m.SysctlBecomes(o.Key, o.Value, o.exact()); err != nil || !same(now, became) {
			return &kernel.Error{Op: "restore sysctl", Object: key, NS: n.Name(),
				Err: fmt.Errorf("it is %s, was %s, was set to %s: %w", now, old, o.Value, kernel.ErrDiverged)}
		}
	}
	return n.SetSysctl(at, old)
}

// same compares two values but for the white space between the numbers in them.
func same(a, b string) bool { return slices.Equal(strings.Fields(a), strings.Fields(b)) }

// shadowOrder puts all before default before the links: each rewrites those after it.
func shadowOrder(shadow map[string]string) []string {
	return slices.SortedFunc(maps.Keys(shadow), func(a, b string) int {
		return cmp.Or(cmp.Compare(shadowRank(a), shadowRank(b)), cmp.Compare(a, b))
	})
}

func shadowRank(key string) int {
	for i, word := range []string{"/all/", "/default/"} {
		if strings.Contains(key, word) {
			return i
		}
	}
	return 2
}
