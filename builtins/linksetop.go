package builtins

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// setLink sets one attribute of a link.
type setLink struct {
	Link  kernel.LinkRef `json:"link"`
	Attr  string         `json:"attr"`
	Value string         `json:"value"`
	// The name of the bridge whose index is the value of master: for people.
	Master string        `json:"master,omitempty"`
	Old    string        `json:"old"`
	Alone  bool          `json:"alone,omitempty"` // nothing else changes with it
	Image  *kernel.Image `json:"image,omitempty"` // of the link as it was
	// What changes with it; see saveOthers.
	Others []*kernel.Image `json:"others,omitempty"`

	reopens bool     // it goes down and up again
	under   []string // what older changes of the run found it to be
}

var (
	_ change.Checkable      = (*setLink)(nil)
	_ change.RestoresOthers = (*setLink)(nil)
	_ change.Supersedes     = (*setLink)(nil)
)

func (o *setLink) Kind() string { return "link set" }
func (o *setLink) Valid() error { return kernel.ValidAttr(o.Attr, o.Value) }

// Touches has the bridge that the link joins: it takes its mac and carrier from its ports, and does not get its own
// back when they are deleted.
func (o *setLink) Touches() []kernel.Object {
	all := []kernel.Object{o.Link.Object()}
	if index := atoi(o.Value); o.Attr == "master" && index > 0 {
		all = append(all, kernel.LinkRef{NS: o.Link.NS, Index: index}.Object())
	}
	return all
}

func (o *setLink) Claims() []change.Claim { return claims(o.Link, o.Others...) }

func (o *setLink) Command() string {
	ip := in(o.Link.NS) + "link set " + o.Link.Name + " "
	switch o.Attr {
	case "up":
		return ip + map[string]string{"on": "up", "off": "down"}[o.Value]
	case "mac":
		return ip + "address " + o.Value
	case "master":
		if o.Value == "0" {
			return ip + "nomaster"
		}
		return ip + "master " + o.Master
	}
	return ip + o.Attr + " " + quoted(o.Value)
}

func (o *setLink) Check(m *kernel.Machine, fresh bool) error {
	if fresh {
		return nil
	}
	l, err := m.Read(o.Link)
	if err != nil {
		return err
	}
	o.Old = l.Attr(o.Attr)
	switch o.Attr {
	case "alias", "group", "txqlen":
		o.Alone = true
		return nil
	}
	if o.Attr == "master" {
		if o.reopens, err = m.Reopens(l, atoi(o.Value)); err != nil {
			return err
		}
	}
	above := m.LookAbove()
	defer above.Close()
	if o.Image, err = m.Image(o.Link); err == nil {
		err = o.saveOthers(m, l, above)
	}
	if err != nil {
		return err
	}
	if opens, err := o.opened(m, l); err != nil {
		return err
	} else if opens {
		o.Image.Only("master", "up", "mac", "mtu")
	} else {
		o.Image.Only(o.Attr)
	}
	switch {
	case o.Attr == "name", o.Attr == "mac":
		o.Image.OnlySysctls()
	case o.Attr == "up", o.reopens, o.Attr == "mtu" && min(atoi(o.Old), atoi(o.Value)) >= kernel.MinIPv6:
		o.Image.OnlySysctls(kernel.MTU6) // the link keeps its IPv6, and the other settings with it
	}
	switch {
	case o.Attr == "up" && o.Value == "off", o.reopens:
		return errors.Join(o.Image.Whole(), followers(o.Others), above.Lost(), m.Unheld(o.Image, kernel.Closing))
	case o.Attr == "up" && o.Old == "off":
		return errors.Join(above.Lost(), o.Image.Raised())
	case o.Attr == "mtu" && atoi(o.Value) < kernel.MinIPv6:
		lost := []error{o.Image.Whole()}
		for _, img := range o.Others {
			lost = append(lost, img.Whole())
		}
		return errors.Join(append(lost, above.Lost())...)
	case o.Attr == "mtu", o.Attr == "master":
		lost := []error{above.Lost()}
		if o.Attr == "mtu" {
			lost = append(lost, o.Image.Resized())
		} else if l.Master != 0 && l.Up && kernel.Opens(l.MasterKind) {
			lost = append(lost, o.Image.Whole(), m.Unheld(o.Image, kernel.Leaving|kernel.Closing))
		} else if l.Master != 0 {
			lost = append(lost, m.Unheld(o.Image, kernel.Leaving))
		}
		for _, img := range o.Others {
			lost = append(lost, img.Resized())
		}
		return errors.Join(lost...)
	}
	return above.Lost()
}

// opened reports whether a bond sets the link up with this, or down, and changes its mac and mtu.
func (o *setLink) opened(m *kernel.Machine, l *kernel.Link) (bool, error) {
	if o.Attr != "master" || o.Value == "0" || kernel.Opens(l.MasterKind) {
		return o.Attr == "master" && kernel.Opens(l.MasterKind), nil
	}
	master, err := m.Beside(l, atoi(o.Value))
	return err == nil && kernel.Opens(master.Kind), err
}

// saveOthers saves the links that change with this one: the bridges that it is or will be a port of; the other end,
// that gets and loses its carrier with it, and its bridge; and the links above it.
func (o *setLink) saveOthers(m *kernel.Machine, l *kernel.Link, above *kernel.Above) error {
	if o.Attr == "name" {
		return nil
	}
	master := ""
	if o.Attr == "master" {
		master = o.Value
	}
	var err error
	if o.Others, err = bridgesOf(m, l, master, above); err != nil ||
		o.Attr != "up" && o.Attr != "mtu" && !o.reopens {
		return err
	}
	_, changed, err := above.Images(l, kernel.Changed)
	if o.Others = append(o.Others, changed...); err != nil || o.Attr != "up" && !o.reopens {
		return err
	}
	for _, img := range o.Others {
		img.OnlySysctls(kernel.MTU6)
	}
	carried, err := otherEnd(m, l, above)
	o.Others = append(o.Others, carried...)
	return err
}

// followers are the Losses of links that may go down with the one that they stand on.
func followers(above []*kernel.Image) error {
	var lost []error
	for _, img := range above {
		if _, ok := img.Attrs["up"]; ok {
			lost = append(lost, img.Whole())
		}
	}
	return errors.Join(lost...)
}

// otherEnd saves the other end of a pair, which gets and loses its carrier with this one, what stands on it, and its
// bridge.
func otherEnd(m *kernel.Machine, l *kernel.Link, above *kernel.Above) (images []*kernel.Image, err error) {
	ref, err := m.Peer(l)
	if err != nil {
		return nil, nil // it has none, or in a namespace that this run knows nothing of
	}
	peer, err := m.Read(ref)
	if err != nil {
		return nil, err
	}
	img, err := m.Image(ref)
	if err != nil {
		return nil, err
	}
	_, changed, err := above.Images(peer, kernel.Changed)
	if err != nil {
		return nil, err
	}
	images = append(images, img.Only())
	for _, img := range changed {
		images = append(images, img.Only())
	}
	bridges, err := bridgesOf(m, peer, "", above)
	images = append(images, bridges...)
	for _, img := range images {
		img.OnlySysctls(kernel.MTU6)
	}
	return images, err
}

// saved lists the images of links that an op took before it changed them.
func saved(op change.Op) (images []*kernel.Image) {
	switch op := op.(type) {
	case *setLink:
		images = append([]*kernel.Image{op.Image}, op.Others...)
	case *moveLink:
		images = append(append([]*kernel.Image{op.Image}, op.Above...), op.Others...)
	case *delLink:
		images = append(append([]*kernel.Image{op.Image, op.Peer}, op.Above...), op.Others...)
	case *addAddr:
		images = []*kernel.Image{op.Image}
	case *delAddr:
		images = []*kernel.Image{op.Image}
	case *setSysctl:
		images = op.Images
	}
	return slices.DeleteFunc(slices.Clone(images), func(img *kernel.Image) bool { return img == nil })
}

// claims are a link and others that it takes along.
func claims(l kernel.LinkRef, others ...*kernel.Image) []change.Claim {
	all := []change.Claim{change.ClaimLink(l)}
	for _, img := range others {
		if img != nil {
			all = append(all, change.ClaimLink(img.Link))
		}
	}
	return all
}

// bridgesOf saves the bridge that a link is a port of, and the one that it joins, with what stands on them: a bridge
// takes its own mac, mtu and carrier from its ports, loses its IPv6 with an mtu that is too small for that, and gets an
// address with its first carrier.
func bridgesOf(m *kernel.Machine, l *kernel.Link, joins string,
	above *kernel.Above) (images []*kernel.Image, err error) {
	for _, index := range slices.Compact([]int{l.Master, atoi(joins)}) {
		if index == 0 {
			continue
		}
		br, err := m.Beside(l, index)
		if err != nil {
			return nil, err
		}
		img, err := m.Image(br.LinkRef)
		if err != nil {
			return nil, err
		}
		_, changed, err := above.Images(br, kernel.Changed)
		if err != nil {
			return nil, err
		}
		images = append(append(images, img.Only("mtu", "mac")), changed...)
	}
	return images, nil
}

func (o *setLink) Do(m *kernel.Machine) error { return m.SetLink(o.Link, o.Attr, o.Value) }

func (o *setLink) Over(older change.Op) {
	for _, img := range saved(older) {
		if was, ok := img.Attrs[o.Attr]; ok && img.Link.Object() == o.Link.Object() {
			o.under = append(o.under, was)
		}
	}
	switch older := older.(type) {
	case *setLink:
		if older.Attr == o.Attr && older.Link.Object() == o.Link.Object() {
			o.under = append(o.under, older.Old)
		}
	case *delLink: // of the bridge whose port it was
		if o.Attr == "master" && older.Image != nil &&
			slices.ContainsFunc(older.Image.Ports, func(p kernel.Port) bool { return p.Object() == o.Link.Object() }) {
			o.under = append(o.under, itoa(older.Link.Index))
		}
	}
}

func (o *setLink) Undo(m *kernel.Machine) error {
	l, err := m.Read(o.Link)
	if errors.Is(err, kernel.ErrGone) || o.Image == nil && !o.Alone {
		return nil
	} else if err != nil {
		return err
	}
	if o.Attr == "mac" && o.Old == "" && l.Attr(o.Attr) != o.Value {
		return nil // a bridge that had no port, and so none; what it has now is of a port that it has again
	}
	now := l.Attr(o.Attr)
	if o.Attr == "master" && now == "0" && !m.At(kernel.LinkRef{NS: o.Link.NS, Index: atoi(o.Value)}) {
		now = o.Value // its bridge was deleted, and that took it out
	}
	if now != o.Value && now != o.Old && !slices.Contains(o.under, now) {
		return &kernel.Error{Op: "restore " + o.Attr + " of link", Object: l.Name, NS: l.NS.String(),
			Err: fmt.Errorf("it is %s, was %s, was set to %s: %w", now, o.Old, o.Value, kernel.ErrDiverged)}
	}
	if o.Alone {
		if l.Attr(o.Attr) == o.Old {
			return nil
		}
		return m.SetLink(o.Link, o.Attr, o.Old)
	}
	return errors.Join(m.Restore(o.Image), o.UndoOthers(m))
}

func (o *setLink) UndoOthers(m *kernel.Machine) error { return restoreAll(m, o.Others) }
