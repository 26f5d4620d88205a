package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// shape is the word for what most people want of traffic control: a link as slow and as bad as another one. It is a
// qdisc at the root of the link, which has a number that says so.

const (
	shapeAlone tcMajor = 0xfe01 // of one end of a pair
	shapeBoth  tcMajor = 0xfe02 // of both ends
	shapeByIFB tcMajor = 0xfe03 // of a link, and of the ifb link that gets what comes in by it
)

var shapeDecl = runtime.Change("shape", "shape", "Makes what leaves a link slow, late or lossy: by netem "+
	"(tc-netem(8)), or by tbf (tc-tbf(8)) when a rate is all. It takes the place of what shape() has made of the link "+
	"before. With the link alone it only tells.", &shapeArgs{})

type shapeArgs struct {
	Link      linkArg                         `arg:"link" doc:"the link"`
	_         struct{}                        `arg:"*"`
	Rate      *rateIn[width64]                `arg:"rate?" doc:"the most that gets through: \"10mbit\""`
	Delay     *tcTime[inNanoseconds, width64] `arg:"delay?" doc:"time that a packet takes: \"10ms\""`
	Jitter    *tcTime[inNanoseconds, width64] `arg:"jitter?" doc:"how much more or less that can be: \"2ms\", with delay="`
	Loss      *percent                        `arg:"loss?" doc:"packets that are lost: \"1%\""`
	Duplicate *percent                        `arg:"duplicate?" doc:"packets that come twice: \"1%\""`
	Reorder   *percent                        `arg:"reorder?" doc:"packets that overtake those before them: \"5%\", with delay="`
	Corrupt   *percent                        `arg:"corrupt?" doc:"packets in which a bit is changed: \"0.1%\""`
	Queue     *whole[widthSome]               `arg:"queue?" doc:"packets that can wait; 1000 when left out, and with a rate alone as many as leave in 50 ms"`
	Both      bool                            `arg:"both?" doc:"whether what comes back is so, too, and a ping waits twice: the other end of the pair is shaped alike, or, where that cannot be reached, a new ifb link that gets what comes in"`
	runtime.Irreversible
}

// words are what is given of a shape, in netem's words.
func (a *shapeArgs) words() map[string]kindAttr {
	given := map[string]kindAttr{}
	add := func(name string, there bool, attr kindAttr) {
		if there {
			given[name] = attr
		}
	}
	add("rate", a.Rate != nil, a.Rate)
	add("delay", a.Delay != nil, a.Delay)
	add("jitter", a.Jitter != nil, a.Jitter)
	add("loss", a.Loss != nil, a.Loss)
	add("duplicate", a.Duplicate != nil, a.Duplicate)
	add("reorder", a.Reorder != nil, a.Reorder)
	add("corrupt", a.Corrupt != nil, a.Corrupt)
	return given
}

func (a *shapeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	given := a.words()
	s := &shapeValue{tx.View, a.Link.LinkRef}
	switch {
	case len(given) == 0 && a.Queue == nil && !a.Both:
		return s, nil
	case len(given) == 0:
		return nil, errors.New("shape: want rate=, delay=, loss=, duplicate=, reorder= or corrupt=; clear() ends it")
	case given["jitter"] != nil && given["delay"] == nil:
		return nil, errors.New("shape: jitter= is of delay=, which it can be more or less than")
	case given["jitter"] != nil && a.Jitter.lasting > a.Delay.lasting:
		return nil, fmt.Errorf("shape: jitter= %s is more than delay= %s", a.Jitter, a.Delay)
	}
	ends := []kernel.LinkRef{a.Link.LinkRef}
	major := shapeAlone
	var peer kernel.LinkRef
	if a.Both {
		var err error
		if peer, major, err = otherWay(tx.View, a.Link.LinkRef); err != nil {
			return nil, err
		}
	}
	if err := s.otherEnd(tx, major); err != nil {
		return nil, err
	}
	if major == shapeByIFB {
		var err error
		if peer, err = redirected(tx, a.Link.LinkRef); err != nil {
			return nil, err
		}
	}
	if a.Both {
		ends = append(ends, peer)
	}
	for _, end := range ends {
		if err := a.apply(tx, end, major, given); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// apply gives one end its qdisc: by changing the one that it has, where that is of the same kind.
func (a *shapeArgs) apply(tx *runtime.Tx, link kernel.LinkRef, major tcMajor, given map[string]kindAttr) error {
	k, words := netemQdisc, map[string]kindAttr{}
	for name, attr := range given {
		words[name] = attr
	}
	if len(given) == 1 && given["rate"] != nil {
		k = tbfQdisc
	}
	if a.Queue != nil {
		words["limit"] = a.Queue
		if k == tbfQdisc {
			l, err := tx.Machine().Read(link)
			if err != nil {
				return err
			}
			size := sizeIn[width32](int(*a.Queue) * (l.MTU + sizeofEthernet))
			words["limit"] = &size
		}
	}
	root, err := rootQdisc(tx.View, link)
	if err != nil {
		return err
	}
	switch {
	case root == nil:
	case !isShape(*root):
		return taken(link, root)
	case tcKindOf(*root) == k && majorOf(*root) == major:
		return changeTC(tx, k, *root, nil, words)
	default:
		if err := tx.Apply(&delEntry{Entry: *root}); err != nil {
			return err
		}
	}
	args := &qdiscArgs{Kind: tcName[ofQdiscs](k.Name), Parent: new(tcParent), Handle: &major}
	*args.Parent = tcRoot
	e, err := k.qdisc(kernel.Entry{NS: link.NS, Link: &link}, args, words)
	if err != nil {
		return err
	}
	return k.lacking(tx.Apply(&addEntry{Entry: e}))
}

// sizeofEthernet is the length of Ethernet's header, which counts where bytes are counted.
const sizeofEthernet = 14

// rootQdisc is the qdisc at the root of a link, nil when it was given none.
func rootQdisc(v *runtime.View, link kernel.LinkRef) (*kernel.Entry, error) {
	return qdiscIn(v, link, tcRoot)
}

// qdiscIn is the qdisc in a place of a link, nil when it was given none.
func qdiscIn(v *runtime.View, link kernel.LinkRef, place int) (*kernel.Entry, error) {
	n, err := v.Machine().Namespace(link.NS)
	if err != nil {
		return nil, err
	}
	all, err := n.Entries("qdisc", &link)
	for _, e := range all {
		if decodeNumber[width32](e.Msg[12:16]) == place {
			return &e, err
		}
	}
	return nil, err
}

func majorOf(e kernel.Entry) (major tcMajor) {
	major.decode(e.Msg[8:12])
	return major
}

// taken says that a link has a qdisc that is none of shape's.
func taken(link kernel.LinkRef, root *kernel.Entry) error {
	return fmt.Errorf("shape: link %s has %s already, which shape() did not make: qdisc.delete() takes it away",
		link.Name, root)
}

func isShape(e kernel.Entry) bool { return majorOf(e) >= shapeAlone && majorOf(e) <= shapeByIFB }

// shapeValue is what shape() has made of a link.
type shapeValue struct {
	v    *runtime.View
	link kernel.LinkRef
}

var (
	_ starlark.HasAttrs   = (*shapeValue)(nil)
	_ starlark.Comparable = (*shapeValue)(nil)
)

func (s *shapeValue) Freeze()                                  {}
func (s *shapeValue) Type() string                             { return "shape" }
func (s *shapeValue) Hash() (uint32, error)                    { return starlark.String(s.link.Name).Hash() }
func (s *shapeValue) Attr(name string) (starlark.Value, error) { return s.v.Attr("shape", s, name) }
func (s *shapeValue) AttrNames() []string                      { return s.v.AttrNames("shape") }

// Truth is whether there is one.
func (s *shapeValue) Truth() starlark.Bool {
	root, err := s.root()
	return starlark.Bool(err == nil && root != nil)
}

func (s *shapeValue) String() string {
	if root, err := s.root(); err == nil && root != nil {
		return fmt.Sprintf("shape of %s: %s", s.current().Name, root)
	}
	return "no shape of " + s.current().Name
}

// CompareSameType makes two values of one link equal.
func (s *shapeValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "shape", s.current().Object() == other.(*shapeValue).current().Object())
}

func (s *shapeValue) current() kernel.LinkRef { return s.v.Machine().Current(s.link) }

// root is the qdisc that makes the shape, nil when there is none.
func (s *shapeValue) root() (*kernel.Entry, error) {
	root, err := rootQdisc(s.v, s.current())
	if root != nil && !isShape(*root) {
		root = nil
	}
	return root, err
}

// otherEnd takes the shape of the other end away, which goes with that of this one, unless it gets another one now.
func (s *shapeValue) otherEnd(tx *runtime.Tx, becomes tcMajor) error {
	root, err := s.root()
	switch {
	case err != nil || root == nil || majorOf(*root) == shapeAlone || majorOf(*root) == becomes:
		return err
	case majorOf(*root) == shapeByIFB:
		return unredirect(tx, s.current())
	}
	l, err := tx.Machine().Read(s.current())
	if err != nil {
		return err
	}
	peer, err := tx.Machine().Peer(l)
	if err != nil {
		return err
	}
	return (&shapeValue{tx.View, peer}).take(tx)
}

func (s *shapeValue) take(tx *runtime.Tx) error {
	root, err := s.root()
	if err != nil || root == nil {
		return err
	}
	return tx.Apply(&delEntry{Entry: *root})
}

// shapeAttr is a word of a shape; None when there is none.
func shapeAttr(name, typ, doc string) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ + " or None", Doc: doc,
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
			root, err := r.(*shapeValue).root()
			if err != nil || root == nil {
				return starlark.None, err
			}
			if a := tcKindOf(*root).all(root.Options())[name]; a != nil {
				return a.value(), nil
			}
			return starlark.None, nil
		}}
}

var shapeType = &runtime.Type{Name: "shape", Doc: "What shape() has made of a link, read from the kernel when it is " +
	"asked for. It is true when there is something.", Attrs: []runtime.Attr{
	{Name: "link", Type: "link", Doc: "the link",
		Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
			return &linkValue{v, r.(*shapeValue).link}, nil
		}},
	{Name: "both", Type: "bool", Doc: "whether what comes back is shaped with it",
		Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
			root, err := r.(*shapeValue).root()
			return starlark.Bool(root != nil && majorOf(*root) != shapeAlone), err
		}},
	shapeAttr("rate", "string", "the most that gets through"),
	shapeAttr("delay", "string", "time that a packet takes"),
	shapeAttr("jitter", "string", "how much more or less that can be"),
	shapeAttr("loss", "string", "packets that are lost"),
	shapeAttr("duplicate", "string", "packets that come twice"),
	shapeAttr("reorder", "string", "packets that overtake those before them"),
	shapeAttr("corrupt", "string", "packets in which a bit is changed"),
}}

var shapeClearDecl = runtime.Change("shape.clear", "None", "Ends it: the link is as it is without one, and so is the "+
	"other end where both were shaped; an ifb link that was made for it goes.", &shapeClearArgs{})

type shapeClearArgs struct {
	Shape *shapeValue `arg:"self" doc:"the shape"`
	_     struct{}    `arg:"*"`
	runtime.Irreversible
}

func (a *shapeClearArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if err := a.Shape.otherEnd(tx, shapeAlone); err != nil {
		return nil, err
	}
	return nil, a.Shape.take(tx)
}
