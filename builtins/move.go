package builtins

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// moveLink moves a link to another namespace, and may give it another name there.
type moveLink struct {
	From  kernel.LinkRef  `json:"from"`
	To    kernel.LinkRef  `json:"to"`
	Image *kernel.Image   `json:"image,omitempty"`
	Above []*kernel.Image `json:"above,omitempty"` // the links that stand on it
	Gone  []*kernel.Image `json:"gone,omitempty"`  // those that the kernel deletes when it is moved
	// the bridge that it is a port of, and what changes with its other end
	Others []*kernel.Image `json:"others,omitempty"`

	whole bool
}

var _ change.Mover = (*moveLink)(nil)

func (o *moveLink) Kind() string { return "link set netns" }
func (o *moveLink) Command() string {
	cmd := in(o.From.NS) + "link set " + o.From.Name + " netns " + netnsWord(o.To.NS)
	if o.renames() {
		cmd += " name " + o.To.Name
	}
	return cmd
}
func (o *moveLink) Claims() []change.Claim {
	return append(claims(o.From, slices.Concat(o.Above, o.Gone, o.Others)...), change.ClaimLink(o.To))
}
func (o *moveLink) renames() bool                    { return o.To.Name != "" && o.To.Name != o.From.Name }
func (o *moveLink) Moves() (from, to kernel.LinkRef) { return o.From, o.To }
func (o *moveLink) SetWhole(whole bool)              { o.whole = whole }

// Touches has the namespace that the link goes to: it does not end there with the one that it was made in.
func (o *moveLink) Touches() []kernel.Object {
	return []kernel.Object{o.From.Object(), o.To.NS.Object()}
}

func (o *moveLink) Check(m *kernel.Machine, fresh bool) error {
	l, err := m.Read(o.From)
	if err != nil {
		return err
	}
	dst, err := m.Namespace(o.To.NS)
	if err != nil {
		return err
	}
	o.To.Index = o.From.Index
	if o.renames() {
		if err := m.CheckName(o.To); err != nil {
			if k := new(kernel.Error); errors.As(err, &k) {
				k.Op, k.Object, k.NS = "move link", o.From.Name+" to "+o.To.NS.String()+" as "+o.To.Name,
					o.From.NS.String()
			}
			return err
		}
	} else {
		o.To.Name = o.From.Name
	}
	if o.From.NS.Cookie != o.To.NS.Cookie {
		if o.To.Index, err = dst.KeepIndex(o.To.Index); err != nil {
			return err
		}
	}
	if fresh {
		return nil
	}
	if o.Image, err = m.Image(o.From); err != nil {
		return err
	}
	above := m.LookAbove()
	defer above.Close()
	carried, err := otherEnd(m, l, above)
	if err != nil {
		return err
	}
	if o.Others, err = bridgesOf(m, l, "", above); err != nil {
		return err
	}
	o.Others = append(o.Others, carried...)
	if o.Gone, o.Above, err = above.Images(l, kernel.Moved); err != nil {
		return err
	}
	return errors.Join(o.Image.Whole(), followers(o.Above), kernel.AllAbove(o.Gone, kernel.Moved), above.Lost(),
		m.Unheld(o.Image, kernel.Moving))
}

func (o *moveLink) Do(m *kernel.Machine) error {
	name := ""
	if o.renames() {
		name = o.To.Name
	}
	return m.MoveLink(o.From, o.To.NS, o.To.Index, name)
}

// oldName is the name that the link is given back; empty when that was not changed, or somebody else has changed it
// since.
func (o *moveLink) oldName(m *kernel.Machine) (name string, foreign error) {
	l, err := m.Read(o.To)
	switch {
	case !o.renames():
		return "", nil
	case err == nil && l.Name != o.From.Name && l.Name != o.To.Name:
		return "", &kernel.Error{Op: "restore name of link", Object: l.Name, NS: l.NS.String(),
			Err: fmt.Errorf("it was %s, was set to %s: %w", o.From.Name, o.To.Name, kernel.ErrDiverged)}
	}
	return o.From.Name, nil
}

func (o *moveLink) Undo(m *kernel.Machine) error {
	if o.Image == nil {
		return nil
	}
	if err := m.CheckMoved(o.From, o.To); err != nil {
		return err
	}
	name, foreign := o.oldName(m)
	switch {
	case m.At(o.To):
		if err := m.MoveLink(o.To, o.From.NS, o.From.Index, name); err != nil {
			return err
		}
		fallthrough
	case m.At(o.From): // an answer that was lost may have left it back already
		m.MarkRestored(o.To.Object(), o.From.Object())
	case m.MovedOn(o.To):
		return &kernel.Error{Op: "move link", Object: o.From.Name + " back from " + o.To.NS.String(),
			Err: errors.New("it was moved on, and has not come back")}
	}
	img := o.Image.Clone()
	if name == "" && !o.whole || foreign != nil {
		delete(img.Attrs, "name")
	}
	if !o.whole {
		img.Only("up", "master", "name") // the rest of it is nobody's doing, or somebody else's
	}
	err := m.Restore(img)
	if err == nil {
		err = m.Reopen(o.From, o.Above)
	}
	if errors.Is(err, kernel.ErrGone) {
		err = nil
	}
	return errors.Join(foreign, err, m.Missing(o.Gone, kernel.Moved), restoreAll(m, append(o.Above, o.Others...)))
}
