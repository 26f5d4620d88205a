package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Loss is something that does not come back once it has gone. It is the error of a check whose change would take it
// away, and of an undoing that found it missing: all else was brought back then, and trying again is of no use.
type Loss struct {
	What string `json:"what"`           // in words: "link ifb0 in host"
	Why  string `json:"why"`            // it does not come back
	Hint string `json:"hint,omitempty"` // how to do without losing it
}

func (l *Loss) Error() string { return l.What + " is lost: " + l.Why }

// Losses takes an error apart: the losses in it, each once, and whether there is anything else in it that trying again
// could change. What somebody else has changed stays as it is.
func Losses(err error) (lost []*Loss, more bool) {
	seen := map[string]bool{}
	var walk func(err error)
	walk = func(err error) {
		switch err {
		case ErrDiverged:
			return
		case ErrInTheWay:
			more = true
			return
		}
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

// Recreatable is the Losses of what could not be made again after the link has been deleted.
func (img *Image) Recreatable() error {
	if lost := img.unmakeable(); lost != nil {
		return lost
	}
	lost := img.lostInfo()
	if kindOf(img.Kind).Ports != nil && img.Attrs["mac"] == noMAC {
		lost = append(lost, img.macLoss())
	}
	return errors.Join(lost...)
}

// unmakeable is the Loss of a link that cannot be made again at all.
func (img *Image) unmakeable() error {
	switch {
	case !kindOf(img.Kind).Made:
		return img.gone("a link of kind " + img.Kind + " cannot be made again exactly")
	case kindOf(img.Kind).Lower.here && img.leavesElsewhere():
		return img.gone("its packets leave from another namespace, which a new one's do not")
	case kindOf(img.Kind).Device != 0 && !bytes.Equal(rtnl.Attr(img.Info, 0, iflaTunPersist), []byte{1}):
		return img.gone("it lasts only as long as a process has it open")
	case img.Astray:
		return img.gone("what it stands on is in a namespace that has neither a name nor a process")
	}
	return nil
}

// leavesElsewhere reports whether what the link stands on is in another namespace.
func (img *Image) leavesElsewhere() bool {
	return img.Astray || img.Lower != nil && img.Lower.NS.Cookie != img.Link.NS.Cookie
}

// lostInfo is the Losses of what a link that is made again does not get of its kind's settings.
func (img *Image) lostInfo() (lost []error) {
	k := kindOf(img.Kind)
	for _, typ := range slices.Sorted(maps.Keys(k.Lost)) {
		if loss := img.lostAttr(typ); loss != nil {
			lost = append(lost, loss)
		}
	}
	return lost
}

// lostAttr is the Loss of one of them, nil when it is not set, or made again.
func (img *Image) lostAttr(typ int) error {
	word := kindOf(img.Kind).Lost[typ]
	if word == "" || len(bytes.Trim(rtnl.Attr(img.Info, 0, typ), "\x00")) == 0 {
		return nil
	}
	return &Loss{What: word + " of link " + img.String(), Why: "it is not made again"}
}

// macLoss is the Loss of what noMAC stands for.
func (img *Image) macLoss() *Loss {
	return &Loss{What: "the empty mac of link " + img.String(), Why: "only a bridge whose last port left has none"}
}

// gone is the Loss of the whole link.
func (img *Image) gone(why string) *Loss {
	what := "link " + img.String()
	for _, t := range tables {
		switch n := len(img.Parts[t.Name]); {
		case n == 1:
			what += ", its " + t.One
		case n > 1:
			what += fmt.Sprintf(", its %d %s", n, t.Many)
		}
	}
	return &Loss{What: what, Why: why}
}

// String is the link and where it is.
func (img *Image) String() string { return img.Link.Name + " in " + img.Link.NS.String() }

// NoPeer is the Loss of a pair of which this machine has only one end open.
func (img *Image) NoPeer() *Loss {
	return img.gone("its other end is in a namespace that has neither a name nor a process, and goes with it")
}

// CheckName is EEXIST when the namespace of a link that is to be made has one of its name: after a crash nobody could
// tell whose it is.
func (m *Machine) CheckName(ref LinkRef) error {
	n, err := m.Namespace(ref.NS)
	if err != nil {
		return fail(err, "add link", ref.Name, nil)
	}
	if _, err = n.Link(ref.Name); err == nil {
		return hinted(fail(ErrNameTaken, "add link", ref.Name, n), "%s has a link %s already", n.Name(), ref.Name)
	}
	return unlessGone(err)
}

// Replaced is ErrDiverged when a link that is gone has its name on another one.
func (m *Machine) Replaced(ref LinkRef) error {
	n, err := m.Namespace(ref.NS)
	if err != nil {
		return unlessGone(err)
	}
	l, err := n.Link(ref.Name)
	if err != nil || l.Index == ref.Index { // it is on its way out
		return unlessGone(err)
	}
	return fail(fmt.Errorf("it is another one: %w", ErrDiverged), "delete link", ref.Name, n)
}

// CheckMoved is ErrDiverged when a link that was moved is neither where it was moved to nor where it had been.
func (m *Machine) CheckMoved(from, to LinkRef) error {
	if m.where(to.Object()) != to.Object() || m.own[to.Object()] {
		return nil // the run itself has moved it on, and that ends with where it went; or had made it
	}
	if _, err := m.Namespace(to.NS); err != nil || m.At(to) || m.At(from) || m.lost[to.Object()] {
		return unlessGone(err)
	}
	return fail(fmt.Errorf("it is neither there nor in %s: %w", from.NS, ErrDiverged), "move link",
		to.Name+" back from "+to.NS.String(), nil)
}
