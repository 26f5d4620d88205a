package builtins

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// kindWords are the parameters of link.set that are attributes of one kind of link or another.
type kindWords []givenWord

type givenWord struct {
	name string
	val  starlark.Value
}

var _ runtime.More = (*kindWords)(nil)

// Params are the attributes that the kernel lets change, each once.
func (*kindWords) Params() (all []runtime.Param) {
	for _, k := range setKinds() {
		for _, p := range k.params {
			w := k.word(p.Name)
			if w == nil || !w.set {
				continue
			}
			at := slices.IndexFunc(all, func(o runtime.Param) bool { return o.Name == p.Name })
			if at < 0 {
				at = len(all)
				all = append(all, p)
				all[at].Doc = ""
			}
			all[at].Doc = ofKind(all[at].Doc, k.title(), p.Doc)
		}
	}
	return all
}

// ofKind adds what a parameter is of a kind of links to what it is of others, which can be the same.
func ofKind(docs, kind, doc string) string {
	if before, after, same := strings.Cut(docs+"; ", ": "+doc+"; "); same {
		return before + ", " + kind + ": " + strings.TrimSuffix(doc+"; "+after, "; ")
	}
	return strings.TrimPrefix(docs+"; "+kind+": "+doc, "; ")
}

// Give takes what one of the kinds would take.
func (a *kindWords) Give(v *runtime.View, name string, val starlark.Value) (err error) {
	for _, k := range setKinds() {
		if w := k.word(name); w != nil && w.set {
			var e error
			if _, e = w.given(v, val); e == nil {
				*a = append(*a, givenWord{name, val})
				return nil
			}
			if err == nil {
				err = e
			}
		}
	}
	return err
}

// sets are the changes that give a link its words, in the order of their declaration: of its own kind, and of what it
// is as the port of a master of a kind.
func (a kindWords) sets(v *runtime.View, link kernel.LinkRef, master string) (own, port []*setWord, err error) {
	if len(a) == 0 {
		return nil, nil, nil
	}
	l, err := v.Machine().Read(link)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range a {
		k := linkKinds[l.Kind]
		w := k.word(g.name)
		if of := portKinds[master].word(g.name); of != nil && (of.set || w == nil) {
			k, w = portKinds[master], of
		}
		if w == nil {
			return nil, nil, notOf(l, g.name)
		}
		if !w.set {
			return nil, nil, fmt.Errorf("%s= of a %s link is what it is made with, and stays so", g.name, l.Kind)
		}
		attr, err := w.given(v, g.val)
		if err == nil {
			err = w.fits(v, link.NS, attr)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("parameter %q: %w", g.name, err)
		}
		op := k.setting(link, w, attr)
		if kernel.Shares(k.Name, w.four) {
			lower, err := v.Machine().Lower(l)
			if err != nil {
				return nil, nil, err
			}
			op.Lower = &lower
		}
		if k.master == "" {
			own = append(own, op)
		} else {
			port = append(port, op)
		}
	}
	for _, ops := range [][]*setWord{own, port} {
		slices.SortStableFunc(ops, func(a, b *setWord) int { return a.place() - b.place() })
	}
	return own, port, nil
}

// setting is the change that gives a link an attribute.
func (k *linkKind) setting(link kernel.LinkRef, w *kindWord, a kindAttr) *setWord {
	op := &setWord{Link: link, LinkKind: k.Name, Attr: w.name, Words: a.ip(w.ip), Value: w.message(a.encode())}
	if s, ok := a.(secretAttr); ok {
		op.whole, op.Value = op.Value, kernel.AppendAttr(nil, w.secret, s.public())
	}
	return op
}

// notOf is the error of a word that is of other links than this one.
func notOf(l *kernel.Link, name string) error {
	var kinds []string
	for _, other := range setKinds() {
		if w := other.word(name); w != nil && (other.master == "" || w.set) {
			kinds = append(kinds, other.String()+"s")
		}
	}
	return fmt.Errorf("link %s is a %s link, and %s= is of %s", l.Name, l.Kind, name, strings.Join(kinds, ", "))
}

// A secretAttr is an attribute that is not to be shown, of which only something that tells it from others is.
type secretAttr interface{ public() []byte }

// setWord sets one attribute of a link's kind.
type setWord struct {
	Link     kernel.LinkRef `json:"link"`
	LinkKind string         `json:"kind"`
	Attr     string         `json:"attr"`
	Words    string         `json:"words"` // what ip-link(8) is told
	Value    []byte         `json:"value"` // an attribute of IFLA_INFO_DATA, or of IFLA_INFO_SLAVE_DATA
	Old      []byte         `json:"old"`
	// The link that it stands on, when it is set for all that stand on that.
	Lower *kernel.LinkRef `json:"lower,omitempty"`
	With  []byte          `json:"with,omitempty"` // what the kernel changes with it, as that was

	whole []byte   // Value with its secret, until it is done: Value is what is shown of that
	under [][]byte // what older changes of the run found it to be
}

var _ change.Op = (*setWord)(nil)

func (o *setWord) Kind() string { return "link set type" }
func (o *setWord) Touches() []kernel.Object {
	all := []kernel.Object{o.Link.Object()}
	if o.Lower != nil {
		all = append(all, o.Lower.Object())
	}
	return all
}
func (o *setWord) Claims() []change.Claim {
	if o.Lower != nil {
		return append(claims(o.Link), change.ClaimLink(*o.Lower))
	}
	return claims(o.Link)
}

// word is the kind and the attribute, nil when there is none to set.
func (o *setWord) word() (k *linkKind, w *kindWord) {
	k = kindNamed(o.LinkKind)
	return k, k.word(o.Attr)
}

// place is that of the attribute among those of its kind.
func (o *setWord) place() int {
	k, w := o.word()
	return slices.IndexFunc(k.words, func(other kindWord) bool { return other.name == w.name })
}

func (o *setWord) Command() string {
	if k := linkKinds[o.LinkKind]; k != nil && k.Tool != "" {
		return execIn(o.Link.NS, k.Tool+" set "+o.Link.Name+" "+o.Words)
	}
	return in(o.Link.NS) + "link set " + o.Link.Name + " type " + o.LinkKind + " " + o.Words
}

// Valid wants an attribute of the kind, which what is sent is an attribute of.
func (o *setWord) Valid() error {
	_, w := o.word()
	if w == nil || !w.set {
		return fmt.Errorf("a %s link has no %s to set", o.LinkKind, o.Attr)
	}
	if err := kernel.ValidInfo(o.With, w.with...); err != nil {
		return fmt.Errorf("what changes with the %s of a %s link: %w", o.Attr, o.LinkKind, err)
	}
	for _, msg := range [][]byte{o.Value, o.Old} {
		if err := kernel.ValidInfo(msg, w.four, w.six, w.secret); err != nil {
			return fmt.Errorf("the %s of a %s link: %w", o.Attr, o.LinkKind, err)
		}
	}
	return nil
}

// Check saves what the attribute is. One that is not there is zero: an address of zeros, or bits none of which is set.
func (o *setWord) Check(m *kernel.Machine, fresh bool) error {
	l, err := m.Read(o.Link)
	if err != nil {
		return err
	}
	k, w := o.word()
	if !k.is(l) {
		return &kernel.Error{Op: "set " + o.Attr + " of link", Object: l.Name, NS: l.NS.String(),
			Err: fmt.Errorf("it is no %s", k)}
	}
	if w.secret != 0 {
		if was := kernel.InfoAttr(l.Info, w.secret); was != nil && !fresh {
			return &kernel.Loss{What: fmt.Sprintf("%s of link %s in %s", o.Attr, l.Name, l.NS),
				Why: "no secret is written to a journal"}
		} else if was == nil {
			o.Old = kernel.AppendAttr(nil, w.four, make([]byte, len(o.Value)-4))
		}
		return nil
	}
	if now := w.read(k.data(l)); now != nil {
		o.Old = w.message(now.encode())
	} else if zero := w.attr().encode(); zero != nil {
		o.Old = w.message(zero)
	} else {
		data := bytes.Clone(o.Value)
		clear(data[4:])
		o.Old = data
	}
	if err := k.multiple(w, w.shown(o.Value), k.data(l)); err != nil {
		return &kernel.Error{Op: "set " + o.Attr + " of link", Object: l.Name, NS: l.NS.String(), Err: err}
	}
	for _, number := range w.with {
		if value := kernel.InfoAttr(k.data(l), number); value != nil {
			o.With = kernel.AppendAttr(o.With, number, value)
		}
	}
	if cleared := kernel.InfoAttr(k.data(l), w.clears); len(bytes.Trim(cleared, "\x00")) > 0 && !fresh {
		return &kernel.Loss{What: fmt.Sprintf("%s of link %s in %s",
			k.named(w.clears), l.Name, l.NS),
			Why: "the kernel takes it away when " + o.Attr + " is set"}
	}
	if err := w.dropped(m, o); err != nil && !fresh {
		return err
	}
	if fresh || !w.states {
		return nil
	}
	img, err := m.Image(o.Link)
	if err != nil {
		return err
	}
	if slices.Equal(o.Value[4:], make([]byte, len(o.Value)-4)) {
		return m.Unheld(img, kernel.Closing)
	}
	return errors.Join(m.Unheld(img, kernel.Closing), img.Delayed())
}

func (o *setWord) Do(m *kernel.Machine) error {
	value := o.Value
	if o.whole != nil {
		value, o.whole = o.whole, nil
	}
	return kindNamed(o.LinkKind).send(m, o.Link, value)
}

func (o *setWord) Over(older change.Op) {
	if older, ok := older.(*setWord); ok && older.Attr == o.Attr &&
		older.LinkKind == o.LinkKind && older.Link.Object() == o.Link.Object() {
		o.under = append(o.under, older.Old)
	}
}

func (o *setWord) Undo(m *kernel.Machine) error {
	l, err := m.Read(o.Link)
	if errors.Is(err, kernel.ErrGone) || o.Old == nil {
		return nil
	} else if err != nil {
		return err
	}
	k, w := o.word()
	if w.secret != 0 {
		return o.forget(m, l, w)
	}
	old, set := w.shown(o.Old), w.shown(o.Value)
	now := w.read(k.data(l))
	if now == nil || reflect.DeepEqual(now, old) {
		none := reflect.DeepEqual(w.attr(), old) || slices.Equal(o.Old[4:], make([]byte, len(o.Old)-4))
		if now != nil || none {
			return nil
		}
		now = old
	}
	known := func(was kindAttr) bool { return reflect.DeepEqual(now, was) || near(now, was) }
	under := slices.ContainsFunc(o.under, func(was []byte) bool { return known(w.shown(was)) })
	if !k.is(l) || !known(old) && !known(set) && !under && !w.after { // a port that is chosen changes by itself

		return &kernel.Error{Op: "restore " + o.Attr + " of link", Object: l.Name, NS: l.NS.String(),
			Err: fmt.Errorf("it is %s, was %s, was set to %s: %w",
				now.value(), old.value(), set.value(), kernel.ErrDiverged)}
	}
	data := o.Old
	for _, number := range w.with {
		if was := kernel.InfoAttr(o.With, number); !bytes.Equal(was, kernel.InfoAttr(k.data(l), number)) {
			data = kernel.AppendAttr(slices.Clip(data), number, was)
		}
	}
	if err := k.send(m, o.Link, data); err != nil || !w.states {
		return err
	}
	return m.Forward(o.Link)
}

// forget takes a secret from a link that had none, when it is still the one that was set.
func (o *setWord) forget(m *kernel.Machine, l *kernel.Link, w *kindWord) error {
	switch now := kernel.InfoAttr(l.Info, w.secret); {
	case now == nil:
		return nil
	case !bytes.Equal(now, kernel.InfoAttr(o.Value, w.secret)):
		return &kernel.Error{Op: "restore " + o.Attr + " of link", Object: l.Name, NS: l.NS.String(),
			Err: kernel.ErrDiverged}
	}
	return m.SetInfo(o.Link, o.LinkKind, o.Old)
}

// A timed attribute is a time, which the kernel counts in ticks of its own.
type timed interface {
	kindAttr
	ticks() int
}

// near reports whether two times differ by as much as the kernel rounds them.
func near(a, b kindAttr) bool {
	x, ok := a.(timed)
	y, too := b.(timed)
	return ok && too && max(x.ticks()-y.ticks(), y.ticks()-x.ticks()) <= 1
}
