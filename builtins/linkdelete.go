package builtins

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var linkDeleteDecl = runtime.Change("link.delete", "None",
	"Deletes the link; of a veth pair both ends. Undoing it makes it anew with all that it had.", &linkDeleteArgs{})

type linkDeleteArgs struct {
	Link linkArg  `arg:"link" doc:"the link"`
	_    struct{} `arg:"*"`
	runtime.Irreversible
}

func (a *linkDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if err := releasePorts(tx, a.Link.LinkRef); err != nil {
		return nil, err
	}
	return nil, tx.Apply(&delLink{Link: a.Link.LinkRef})
}

// delLink deletes a link.
type delLink struct {
	Link  kernel.LinkRef  `json:"link"`
	Image *kernel.Image   `json:"image,omitempty"`
	Peer  *kernel.Image   `json:"peer,omitempty"`
	Above []*kernel.Image `json:"above,omitempty"` // what stands on them, and goes with them
	// the bridges that they are ports of, and what stands on them and stays
	Others []*kernel.Image `json:"others,omitempty"`
}

var _ change.Checkable = (*delLink)(nil)

func (o *delLink) Kind() string             { return "link del" }
func (o *delLink) Command() string          { return in(o.Link.NS) + "link del " + o.Link.Name }
func (o *delLink) Touches() []kernel.Object { return []kernel.Object{o.Link.Object()} }
func (o *delLink) Claims() []change.Claim {
	return claims(o.Link, append(append([]*kernel.Image{o.Peer}, o.Above...), o.Others...)...)
}

// Valid wants the images whole that the links are made from when they are made again.
func (o *delLink) Valid() error {
	for _, img := range []*kernel.Image{o.Image, o.Peer} {
		if img != nil {
			if err := img.Complete(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *delLink) Check(m *kernel.Machine, fresh bool) error {
	l, err := m.Read(o.Link)
	if err != nil || fresh {
		return err
	}
	above := m.LookAbove()
	defer above.Close()
	if o.Image, err = o.end(m, l, above); err != nil {
		return err
	}
	ends, lost := []*kernel.Image{o.Image}, []error{o.Image.Recreatable()}
	if l.Paired() {
		ref, err := m.Peer(l)
		switch {
		case err == nil:
			if l, err = m.Read(ref); err == nil {
				o.Peer, err = o.end(m, l, above)
			}
			if err != nil {
				return err
			}
			ends = append(ends, o.Peer)
		case errors.Is(err, kernel.ErrGone):
			lost = append(lost, o.Image.NoPeer())
		default:
			return err
		}
	}
	for _, img := range ends {
		lost = append(lost, img.Whole(), m.Unheld(img, kernel.Deleting))
	}
	return errors.Join(append(lost, followers(o.Others), kernel.AllAbove(o.Above, kernel.Deleted), above.Lost())...)
}

// end saves one end of a pair, or a link that has only one, and what changes with it.
func (o *delLink) end(m *kernel.Machine, l *kernel.Link, above *kernel.Above) (*kernel.Image, error) {
	bridges, err := bridgesOf(m, l, "", above)
	if err != nil {
		return nil, err
	}
	gone, changed, err := above.Images(l, kernel.Deleted)
	if err != nil {
		return nil, err
	}
	o.Others, o.Above = append(append(o.Others, bridges...), changed...), append(o.Above, gone...)
	img, err := m.Image(l.LinkRef)
	if err != nil {
		return nil, err
	}
	for _, p := range img.Reopened() {
		if err := o.savePort(m, p, above); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// savePort saves a port that goes down and up again, and what stands on it.
func (o *delLink) savePort(m *kernel.Machine, p kernel.Port, above *kernel.Above) error {
	l, err := m.Read(p.LinkRef)
	if err != nil {
		return err
	}
	img, err := m.Image(p.LinkRef)
	if err != nil {
		return err
	}
	_, changed, err := above.Images(l, kernel.Changed)
	o.Others = append(append(o.Others, img.Only("up")), changed...)
	return err
}

func (o *delLink) Do(m *kernel.Machine) error { return m.DelLink(o.Link) }

func (o *delLink) Undo(m *kernel.Machine) error {
	return errors.Join(m.Recreate(o.Image, o.Peer), m.Missing(o.Above, kernel.Deleted), restoreAll(m, o.Others))
}

// restoreAll restores links that changed with another one. One that is gone is not missed.
func restoreAll(m *kernel.Machine, images []*kernel.Image) error {
	var errs []error
	for _, img := range images {
		if err := m.Restore(img); !errors.Is(err, kernel.ErrGone) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
