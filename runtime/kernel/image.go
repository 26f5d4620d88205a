package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// An Image is all of a link that the kernel drops when the link goes down, shrinks, moves or is deleted: its
// attributes, its sysctls, and its part of each table (addresses in order, routes over it, neighbours that it was given
// ...). Messages are kept as the kernel sent them, so that nothing is lost by understanding it.
type Image struct {
	Link  LinkRef           `json:"link"`
	Kind  string            `json:"kind"`
	Attrs map[string]string `json:"attrs"`
	// By the names of the tables.
	Parts   map[string][][]byte `json:"parts,omitempty"`
	MTU     int                 `json:"mtu"`
	IPv6    bool                `json:"ipv6,omitempty"`    // whether it has IPv6
	Sysctls map[string]string   `json:"sysctls,omitempty"` // by "net/ipv4/conf//KEY", the link's name left out
	Ports   []Port              `json:"ports,omitempty"`   // of a bridge
	Port    *Port               `json:"port,omitempty"`    // what it is itself as a bridge's port
	Info    []byte              `json:"info,omitempty"`    // IFLA_INFO_DATA
	Lower   *LinkRef            `json:"lower,omitempty"`   // the link that it stands on
	Astray  bool                `json:"astray,omitempty"`  // what it stands on is in a namespace that cannot be found

	OneQueue bool `json:"one_queue,omitempty"` // see LinkSpec

	Altnames []string `json:"altnames,omitempty"`
	Unheld   []Unheld `json:"unheld,omitempty"`   // see Machine.Unheld
	Learned  Learned  `json:"learned,omitzero"`   // default routes over it that are routers' own
	Token    string   `json:"token,omitempty"`    // of IPv6 autoconfiguration
	Autoconf bool     `json:"autoconf,omitempty"` // the change takes what was configured out of advertisements
	Saved    int64    `json:"saved,omitempty"`    // when it was saved, by clock

	downByOthers bool // the link is down, by somebody else's doing or an older change's undoing
	reopened     bool // it was up, and was down in between
}

// errNoImage is the end of an undoing that needs one. Where it would not, as in a namespace of the run's own, none is
// saved.
var errNoImage = errors.New("restore link: the journal has no image of it")

// Only leaves in an image only those attributes that a change can have changed, and none of a bridge's ports, nor of
// what only goes with the link itself. The others are not restored: it may be somebody else who has changed them.
func (img *Image) Only(attrs ...string) *Image {
	maps.DeleteFunc(img.Attrs, func(a, _ string) bool { return !slices.Contains(attrs, a) })
	img.Ports, img.Altnames = nil, nil
	maps.DeleteFunc(img.Parts, func(name string, _ [][]byte) bool { return tableNamed(name).Goes == 0 })
	if len(img.Parts) == 0 {
		img.Parts = nil // as its record says
	}
	return img
}

// Clone is an image of which less can be made.
func (img *Image) Clone() *Image {
	other := *img
	other.Attrs, other.Sysctls, other.Parts = maps.Clone(img.Attrs), maps.Clone(img.Sysctls), maps.Clone(img.Parts)
	return &other
}

// Complete says what an image lacks that is to make a link anew.
func (img *Image) Complete() error {
	for _, a := range append([]string{"up"}, attrOrder...) {
		if _, ok := img.Attrs[a]; !ok {
			return fmt.Errorf("the image of link %s lacks its %s", img.Link.Name, a)
		}
	}
	return nil
}

// Valid says what is wrong with an image: everything in it must be of its link, since it is sent to the kernel as it
// is.
func (img *Image) Valid() error {
	for _, a := range append([]string{"up"}, attrOrder...) {
		value, ok := img.Attrs[a]
		if !ok {
			continue // see Only
		}
		if err := ValidAttr(a, value); err != nil {
			return fmt.Errorf("the image of link %s: %w", img.Link.Name, err)
		}
	}
	if err := validParts(img.Parts, onLink, img.Link.Index); err != nil {
		return fmt.Errorf("the image of link %s has %w", img.Link.Name, err)
	}
	for k := range img.Sysctls {
		dir, key, ok := strings.Cut(k, "//")
		if !ok || !slices.Contains(linkDirs, dir) || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Errorf("the image of link %s has the sysctl %q", img.Link.Name, k)
		}
	}
	for _, name := range img.Altnames {
		if name == "" || name == "." || name == ".." || len(name) > maxAltname ||
			strings.ContainsAny(name, "/: \t\n\v\f\r\x00") {
			return fmt.Errorf("the image of link %s has the altname %q", img.Link.Name, name)
		}
	}
	for _, u := range img.Unheld {
		if err := u.Link.Valid(); err != nil {
			return err
		}
	}
	return rtnl.ValidAttrs(img.Info)
}

// OnlySysctls leaves in an image only those settings that a change can have changed.
func (img *Image) OnlySysctls(keys ...string) *Image {
	maps.DeleteFunc(img.Sysctls, func(k, _ string) bool { return !slices.Contains(keys, k) })
	if len(img.Sysctls) == 0 {
		img.Sysctls = nil // as its record says
	}
	return img
}

// without6 is the image without what is IPv6's.
func (img *Image) without6() *Image {
	img = img.Clone()
	for name, all := range img.Parts {
		img.Parts[name] = slices.DeleteFunc(slices.Clone(all), func(raw []byte) bool {
			return len(raw) > 0 && raw[0] == unix.AF_INET6
		})
	}
	return img
}

// MinIPv6 is the smallest mtu with which a link has IPv6 (RFC 8200).
const MinIPv6 = 1280

// MTU6 is the mtu of IPv6 among an image's settings: the kernel makes it the link's when that is changed or set up.
const MTU6 = "net/ipv6/conf//mtu"

// NoIPv6 is the setting that takes a link's IPv6 away.
const NoIPv6 = "net/ipv6/conf//disable_ipv6"

// secret is the setting that stable link-local addresses are made of (RFC 7217). It cannot be read before it is set,
// and sets addr_gen_mode, which cannot be set to its use before.
const secret = "net/ipv6/conf//stable_secret"

// attrOrder is the order in which attributes are put back. The link goes up last, after its addresses.
var attrOrder = []string{"name", "mtu", "mac", "txqlen", "group", "alias", "flags", "master"}

// Image saves a link.
func (m *Machine) Image(ref LinkRef) (*Image, error) {
	l, err := m.Read(ref)
	if err != nil {
		return nil, err
	}
	n, index, err := m.find(ref)
	if err != nil {
		return nil, err
	}
	m.used[l.Object()] = true
	img := &Image{Link: l.LinkRef, Kind: l.Kind, MTU: l.MTU, Attrs: map[string]string{"up": l.Attr("up")},
		Token: l.token, Saved: clock()}
	for _, a := range attrOrder {
		img.Attrs[a] = l.Attr(a)
	}
	if err := n.Do(func() error { img.Sysctls = sysctlsBelow(l.Name); return nil }); err != nil {
		return nil, fail(err, "save link", l.Name, n)
	}
	_, img.IPv6 = img.Sysctls[MTU6]
	if err = n.parts(l, onLink, img); err == nil && kindOf(l.Kind).Ports != nil {
		err = n.bridgeImage(img, index)
	}
	raw, e := n.linkMessage(index)
	if err = errors.Join(err, e); err == nil && kindOf(slaveKind(raw)).Ports != nil {
		img.Port, err = n.portImage(l)
	}
	if err == nil && kindOf(l.Kind).Made {
		err = m.kindImage(img, l, raw)
	}
	img.Altnames, img.OneQueue = l.Altnames, oneQueue(raw)
	return img, fail(err, "save link", l.Name, n)
}

// Restore makes a link what its image says, touching only what differs: attributes, sysctls, addresses in their
// order, state, neighbours, routes. The link must be in the namespace and under the index of the image; when it was
// brought back from there, nothing is done.
func (m *Machine) Restore(img *Image) error {
	if img == nil {
		return errNoImage
	}
	img = img.aged()
	if m.restored[img.Link.Object()] {
		return nil
	}
	n, index, err := m.find(img.Link)
	if err != nil {
		return fail(err, "restore link", img.Link.Name, n)
	}
	cur, err := m.Read(img.Link)
	if err != nil {
		return err
	}
	if cur.Kind != img.Kind {
		return fail(fmt.Errorf("it is a %s, was a %s: %w", cur.Kind, img.Kind, ErrDiverged),
			"restore link", cur.Name, n)
	}
	var errs []error
	if master, err := strconv.Atoi(img.Attrs["master"]); err == nil && master > 0 && n.IndexFree(master) {
		img = img.Clone()
		if img.Port = nil; m.own[n.at(master).Object()] {
			img.Attrs["master"] = "0"
		} else {
			errs = append(errs, fmt.Errorf("the bridge that it was a port of has gone: %w", ErrDiverged))
			delete(img.Attrs, "master")
		}
	}
	if cur, err = m.restoreOpened(img, cur); err != nil {
		errs = append(errs, err)
	}
	for _, a := range attrOrder {
		// What a link takes from its ports unless it is given it, it gets after them.
		if want, ok := img.Attrs[a]; ok && cur.Attr(a) != want && !slices.Contains(kindOf(img.Kind).gives(), a) {
			errs = append(errs, m.SetLink(img.Link, a, img.Attrs[a]))
		}
	}
	if master, ok := img.Attrs["master"]; ok && img.Port != nil {
		errs = append(errs, m.restorePort(*img.Port, master))
	}
	if kindOf(img.Kind).Ports != nil {
		errs = append(errs, m.restoreBridge(img, index))
	}
	name := cmp.Or(img.Attrs["name"], cur.Name)
	errs = append(errs, n.restoreSysctls(img, name))
	up, ok := img.Attrs["up"]
	if ok && up != cur.Attr("up") {
		errs = append(errs, m.SetLink(img.Link, "up", up))
		// A carrier that became known later would have the kernel write some of the settings below once more.
		_, err := m.settleLinks([]LinkRef{img.Link})
		errs = append(errs, err)
	}
	if _, ok := img.Attrs["mtu"]; !ok && cur.MTU < MinIPv6 {
		img = img.without6() // with its mtu it has lost that
	}
	img.downByOthers, img.reopened = !ok && !cur.Up, cur.Up && up == "off"
	errs = append(errs, n.restoreParts(cur, onLink, img), m.restoreBehindPorts(img, index))
	// What came back with the link (an IPv6 folder that a small mtu had removed) has its defaults until here.
	errs = append(errs, n.restoreSysctls(img, name), m.missingUnheld(img.Unheld), m.missingAutoconf(img))
	return fail(errors.Join(errs...), "restore link", name, n)
}

// restoreOpened gives a link the master that it had, or none, before all else when one of the two changes its state,
// mac and mtu with that, and reads it again.
func (m *Machine) restoreOpened(img *Image, cur *Link) (*Link, error) {
	master, ok := img.Attrs["master"]
	if !ok || master == cur.Attr("master") {
		return cur, nil
	}
	if opens, err := m.opener(cur, master); err != nil || !opens && !Opens(cur.MasterKind) {
		return cur, err
	}
	err := m.setMaster(cur, master)
	if now, e := m.Read(img.Link); e == nil {
		cur = now
	} else {
		err = errors.Join(err, e)
	}
	return cur, err
}

// restoreSysctls writes the settings that differ. One that was the link's mtu or set against it means nothing with
// another.
func (n *Namespace) restoreSysctls(img *Image, name string) error {
	if len(img.Sysctls) == 0 {
		return nil
	}
	l, err := n.linkByIndex(img.Link.Index)
	if err != nil {
		return err
	}
	return n.Do(func() error {
		var errs []error
		write := func(k string) error {
			return writeSysctl(strings.Replace(k, "//", "/"+name+"/", 1), img.Sysctls[k])
		}
		have := sysctlsBelow(name)
		if have[NoIPv6] != "" && img.Sysctls[secret] != "" && img.Sysctls[secret] != have[secret] {
			errs = append(errs, write(secret))
			have = sysctlsBelow(name)
		}
		for _, k := range slices.Sorted(maps.Keys(img.Sysctls)) {
			if v, ok := have[k]; ok && v != img.Sysctls[k] && (k != MTU6 || l.MTU == img.MTU) {
				errs = append(errs, write(k))
			}
		}
		return errors.Join(errs...)
	})
}
