package builtins

import (
	"errors"
	"slices"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// moveLink moves a link to another namespace.
type moveLink struct {
	From   kernel.LinkRef  `json:"from"`
	To     kernel.LinkRef  `json:"to"`
	Image  *kernel.Image   `json:"image,omitempty"`
	Above  []*kernel.Image `json:"above,omitempty"`  // the links that stand on it
	Gone   []*kernel.Image `json:"gone,omitempty"`   // those that the kernel deletes when it is moved
	Others []*kernel.Image `json:"others,omitempty"` // the bridge that it is a port of, and what changes with its other end

	whole bool
}

func (o *moveLink) Kind() string { return "link set netns" }
func (o *moveLink) Command() string {
	return in(o.From.NS) + "link set " + o.From.Name + " netns " + netnsWord(o.To.NS)
}
func (o *moveLink) Claims() []runtime.Claim {
	return append(claims(o.From, slices.Concat(o.Above, o.Gone, o.Others)...), runtime.ClaimLink(o.To))
}
func (o *moveLink) Moves() (from, to kernel.LinkRef) { return o.From, o.To }
func (o *moveLink) Wholly(whole bool)                { o.whole = whole }

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
	o.To.Name, o.To.Index = o.From.Name, o.From.Index
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
	return errors.Join(m.Carrier(append(o.Others, o.Image)...), o.Image.Whole(), kernel.AllAbove(o.Gone, kernel.Moved), above.Lost(),
		m.Unheld(o.Image, kernel.Moving))
}

func (o *moveLink) Do(m *kernel.Machine) error { return m.MoveLink(o.From, o.To.NS, o.To.Index) }

func (o *moveLink) Undo(m *kernel.Machine) error {
	if o.Image == nil {
		return nil
	}
	if err := m.Strayed(o.From, o.To); err != nil {
		return err
	}
	switch {
	case m.At(o.To):
		if err := m.MoveLink(o.To, o.From.NS, o.From.Index); err != nil {
			return err
		}
		fallthrough
	case m.At(o.From): // an answer that was lost may have left it back already
		m.Returned(o.To.Object(), o.From.Object())
	case m.Elsewhere(o.To):
		return &kernel.Error{Op: "move link", Object: o.From.Name + " back from " + o.To.NS.String(), Err: errors.New("it was moved on, and has not come back")}
	}
	img := o.Image
	if !o.whole {
		img = img.Clone().Stake("up", "master") // the rest of it is nobody's doing, or somebody else's
	}
	err := m.Restore(img)
	if err == nil {
		err = m.Reopen(o.From, o.Above)
	}
	if errors.Is(err, kernel.ErrGone) {
		err = nil
	}
	return errors.Join(err, m.Missing(o.Gone, kernel.Moved), restoreAll(m, append(o.Above, o.Others...)))
}
