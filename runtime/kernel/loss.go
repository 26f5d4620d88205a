package kernel

import (
	"errors"
	"fmt"
)

// A Loss is something that does not come back once it has gone. It is the error of a check whose change would take it
// away, and of an undoing that found it missing: all else was brought back then, and trying again is of no use.
type Loss struct {
	What string `json:"what"`           // in words: "link ifb0 in host"
	Why  string `json:"why"`            // it does not come back
	Hint string `json:"hint,omitempty"` // how to do without losing it
}

func (l *Loss) Error() string { return l.What + " is lost: " + l.Why }

// Losses takes an error apart: the losses in it, each once, and whether there is anything else in it.
func Losses(err error) (lost []*Loss, more bool) {
	seen := map[string]bool{}
	var walk func(err error)
	walk = func(err error) {
		switch e := err.(type) {
		case nil:
		case *Loss:
			if !seen[e.What] {
				seen[e.What] = true
				lost = append(lost, e)
			}
		case interface{ Unwrap() []error }:
			for _, part := range e.Unwrap() {
				walk(part)
			}
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				more = true
			}
			walk(e.Unwrap())
		default:
			more = true
		}
	}
	walk(err)
	return lost, more
}

// Recreatable is the Loss of what could not be made again after the link has been deleted.
func (img *Image) Recreatable() error {
	switch {
	case img.Kind == "veth":
		return nil
	case img.Kind == "bridge" && img.Attrs["mac"] != noMAC:
		return nil
	case img.Kind == "bridge":
		return img.macLoss()
	}
	return img.gone("a link of kind " + img.Kind + " cannot be made again exactly")
}

// macLoss is the Loss of what noMAC stands for.
func (img *Image) macLoss() *Loss {
	return &Loss{What: "the empty mac of link " + img.String(), Why: "only a bridge whose last port left has none"}
}

// gone is the Loss of the whole link.
func (img *Image) gone(why string) *Loss {
	what := "link " + img.String()
	for _, part := range []struct {
		n          int
		one, other string
	}{{len(img.Addrs), "address", "addresses"}, {len(img.Routes), "route", "routes"}, {len(img.Neighs), "neighbour", "neighbours"}} {
		switch {
		case part.n == 1:
			what += ", its " + part.one
		case part.n > 1:
			what += fmt.Sprintf(", its %d %s", part.n, part.other)
		}
	}
	return &Loss{What: what, Why: why}
}

// String is the link and where it is.
func (img *Image) String() string { return img.Link.Name + " in " + img.Link.NS.String() }

// NoPeer is the Loss of a pair of which this machine has only one end open.
func (img *Image) NoPeer() *Loss {
	loss := img.gone("its other end is in a namespace that this run does not know, and goes with it")
	loss.Hint = "netns_at() makes the namespace known"
	return loss
}

// linksAbove are the links that stand on a link, such as a macvlan, and those that stand on these. The kernel deletes
// them with it, and has them share its state and its mtu.
func (n *Namespace) linksAbove(l *Link) (above []LinkRef, err error) {
	links, err := n.Links()
	if err != nil {
		return nil, err
	}
	below := []int{l.Index}
	for len(below) > 0 {
		at := below[0]
		below = below[1:]
		for _, l := range links {
			if l.peer == at && l.peerNS < 0 && l.Kind != "veth" {
				above, below = append(above, l.LinkRef), append(below, l.Index)
			}
		}
	}
	return above, nil
}

// ImagesAbove saves the links that stand on a link.
func (m *Machine) ImagesAbove(l *Link) (images []*Image, err error) {
	n, err := m.Namespace(l.NS)
	if err != nil {
		return nil, fail(err, "save link", l.Name, nil)
	}
	above, err := n.linksAbove(l)
	for _, ref := range above {
		img, err := m.Image(ref)
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return images, err
}

// Above is the Loss of a link that is deleted with the one that it stands on.
func (img *Image) Above() *Loss { return img.gone("it stood on a link that was deleted") }

// Missing is the Losses of links that stood on another one and are not there.
func (m *Machine) Missing(above []*Image) error {
	var errs []error
	for _, img := range above {
		if _, err := m.Read(img.Link); errors.Is(err, ErrGone) {
			errs = append(errs, img.Above())
		} else {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
