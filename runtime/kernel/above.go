package kernel

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// An Above tells what stands on links, as one look at the namespaces of the machine finds it. Close releases it.
type Above struct {
	m    *Machine
	near map[*Namespace]*standers // of the namespaces that were looked into
	all  bool                     // all of them were
	kept []*Namespace             // that this process has open for this alone
	lost []error
}

// standers are the links of a namespace that stand on others.
type standers struct {
	links []upperLink
	ids   map[*Namespace]int // by which it knows other namespaces
}

// LookAbove prepares a look. It is made when it is first needed.
func (m *Machine) LookAbove() *Above { return &Above{m: m, near: map[*Namespace]*standers{}} }

// Close is to be called at the end of the check that needed it.
func (a *Above) Close() {
	for _, n := range a.kept {
		if a.m.open[n.ref.Cookie] != n {
			n.release()
		}
	}
}

// Images saves the links that stand on a link, directly or not: those that the kernel deletes when that happens to it,
// and those that change with it, with their bridges.
func (a *Above) Images(l *Link, e Event) (gone, changed []*Image, err error) {
	n, err := a.m.Namespace(l.NS)
	if err != nil {
		return nil, nil, fail(err, "save link", l.Name, nil)
	}
	save := func(n *Namespace, index int, attrs ...string) (*Image, error) {
		a.m.open[n.ref.Cookie] = n
		img, err := a.m.Image(n.at(index))
		if errors.Is(err, ErrGone) {
			return nil, nil // since it was found
		} else if err != nil {
			return nil, err
		}
		return img.Only(attrs...), nil
	}
	type lower struct {
		LinkRef
		Event
	}
	seen := map[Object]bool{l.Object(): true}
	for below := []lower{{l.LinkRef, e}}; len(below) > 0; below = below[1:] {
		at := below[0]
		err := a.find(at.LinkRef, func(n *Namespace, u upperLink) error {
			o := n.at(u.index).Object()
			if seen[o] {
				return nil
			}
			seen[o] = true
			img, err := save(n, u.index, "up", "mtu")
			switch {
			case err != nil || img == nil:
				return err
			case goes(u.kind, at.Event):
				gone, below = append(gone, img), append(below, lower{img.Link, Deleted})
			default:
				changed, below = append(changed, img), append(below, lower{img.Link, Changed})
			}
			o = n.at(u.master).Object()
			if u.master == 0 || seen[o] {
				return nil
			}
			seen[o] = true
			if img, err = save(n, u.master, "mtu", "mac"); img != nil {
				changed, below = append(changed, img), append(below, lower{img.Link, Changed})
			}
			return err
		})
		if err != nil {
			return nil, nil, fail(err, "find what stands on link", l.Name, n)
		}
	}
	return gone, changed, nil
}

// find calls fn with all links that stand on one.
func (a *Above) find(below LinkRef, fn func(*Namespace, upperLink) error) error {
	under, err := a.m.Namespace(below.NS)
	if err != nil {
		return err
	}
	if err := a.look(under, below); err != nil {
		return err
	}
	older := func(n, m *Namespace) int { return cmp.Compare(n.ref.Cookie, m.ref.Cookie) }
	for _, n := range slices.SortedFunc(maps.Keys(a.near), older) {
		s := a.near[n]
		for _, u := range s.links {
			if !slices.Contains(u.lower, below.Index) {
				continue
			}
			if on, err := s.lowerIn(n, u, under); err != nil {
				return err
			} else if !on {
				continue
			}
			if err := fn(n, u); err != nil {
				return err
			}
		}
	}
	return nil
}

// lowerIn reports whether the links that one stands on are in a namespace.
func (s *standers) lowerIn(n *Namespace, u upperLink, below *Namespace) (bool, error) {
	if u.nsid < 0 {
		return n == below, nil
	}
	id, ok := s.ids[below]
	if !ok {
		var err error
		if id, err = n.idOf(below.fd); err != nil {
			return false, err
		}
		s.ids[below] = id
	}
	return id == u.nsid, nil
}

// look looks into all namespaces, or, when nobody else can have made a link that stands on this one, into its own.
func (a *Above) look(under *Namespace, below LinkRef) error {
	into := func(n *Namespace) (keep bool, err error) {
		if a.near[n] != nil {
			return true, nil
		}
		links, err := n.upperLinks(-1)
		if err != nil || len(links) == 0 && n != under {
			return false, err
		}
		a.near[n] = &standers{links, map[*Namespace]int{}}
		if a.m.open[n.ref.Cookie] == n {
			return true, nil
		}
		if n.ref.Cookie, err = socketCookie(n.conn.FD()); err == nil {
			a.kept = append(a.kept, n)
		}
		return err == nil, err
	}
	if under.alone && !a.m.ran && !a.m.movedTo(below.Object()) {
		_, err := into(under)
		return err
	}
	if !a.all {
		if err := a.m.every(into); err != nil {
			return err
		}
		a.all = true
	}
	return a.unopened(under, below)
}

// unopened finds the links that stand on one in namespaces which the kernel knows by an id, and this process cannot
// open.
func (a *Above) unopened(under *Namespace, below LinkRef) error {
	ids, err := under.ids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		links, err := under.upperLinks(id)
		if errors.Is(err, unix.EINVAL) {
			continue // it has gone
		} else if err != nil {
			return err
		}
		for _, u := range links {
			if !slices.Contains(u.lower, below.Index) {
				continue
			}
			// The ids in this answer are those of the namespace that asks.
			if self, err := under.idOf(under.fd); err != nil {
				return err
			} else if self != u.nsid {
				continue
			}
			if known, err := a.knows(under, id); err != nil {
				return err
			} else if !known {
				a.lost = append(a.lost,
					&Loss{What: fmt.Sprintf("link %s, which stands on link %s in %s", u.name, below.Name, below.NS),
						Why: "its namespace has neither a name nor a process, and cannot be opened"})
			}
		}
	}
	return nil
}

// knows reports whether a namespace was looked into that another one knows by an id.
func (a *Above) knows(n *Namespace, id int) (bool, error) {
	for other := range a.near {
		if known, err := n.idOf(other.fd); err != nil || known == id {
			return err == nil, err
		}
	}
	return false, nil
}

// Lost is the Losses of what stands on the links that were asked for and cannot be saved.
func (a *Above) Lost() error { return errors.Join(a.lost...) }

// Above is the Loss of a link that is deleted when that happens to the one that it stands on.
func (img *Image) Above(e Event) *Loss {
	if e == Moved {
		return img.gone("it stood on a link that was moved")
	}
	return img.gone("it stood on a link that was deleted")
}

// AllAbove is the Losses of links that are deleted when that happens to the one that they stand on.
func AllAbove(images []*Image, e Event) error {
	var errs []error
	for _, img := range images {
		errs = append(errs, img.Above(e))
	}
	return errors.Join(errs...)
}

// Missing is the Losses of links that stood on another one and are not there.
func (m *Machine) Missing(above []*Image, e Event) error {
	var errs []error
	for _, img := range above {
		if _, err := m.Read(img.Link); errors.Is(err, ErrGone) {
			errs = append(errs, img.Above(e))
		} else {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Reopen prepares links for being restored that stand on one which was moved and is back: the kernel has forgotten what
// packets the link is to let through for them (dev_uc_flush), and is told of that again when they go up.
func (m *Machine) Reopen(below LinkRef, above []*Image) error {
	if len(above) == 0 {
		return nil
	}
	l, err := m.Read(below)
	if err != nil {
		return err
	}
	n, index, err := m.find(below)
	if err != nil {
		return fail(err, "restore link", below.Name, n)
	}
	filter, err := n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{Family: unix.AF_BRIDGE})
	if err != nil {
		return fail(err, "restore link", below.Name, n)
	}
	var errs []error
	for _, img := range above {
		up, err := m.Read(img.Link)
		if img.Attrs["up"] == "" || errors.Is(err, ErrGone) || err == nil && (!up.Up || bytes.Equal(up.MAC, l.MAC)) {
			continue
		}
		lets := func(raw []byte) bool {
			return neighLink(raw) == index && bytes.Equal(rtnl.Attr(raw, unix.SizeofNdMsg, unix.NDA_LLADDR), up.MAC)
		}
		if err == nil && !slices.ContainsFunc(filter, lets) {
			err = m.SetLink(img.Link, "up", "off")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
