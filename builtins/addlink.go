package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// nameTries bounds how often a name is chosen that another process is then faster to take.
const nameTries = 100

// addNamed adds links, some of whose names were given. A name that was chosen, and that another process has taken
// since, is among the taken ones the next time. The kernel says the same of an index that something else has, so
// that is looked at first.
func addNamed(m *kernel.Machine, add func(taken []string) error, given ...linkNameArg) error {
	for taken := []string(nil); ; {
		err, k := add(taken), new(kernel.Error)
		if (errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY)) && m.NotAlone() {
			continue
		}
		if !errors.Is(err, kernel.ErrNameTaken) || !errors.As(err, &k) ||
			slices.Contains(given, linkNameArg(k.Object)) || len(taken) == nameTries {
			return err
		}
		taken = append(taken, k.Object)
	}
}

// newLink chooses what identifies a link that is to be: its index, and its name when it was not given, the next free
// one with the prefix that is not among the taken ones.
func newLink(tx *runtime.Tx, ns kernel.NSRef, name linkNameArg, prefix string, taken []string) (kernel.LinkRef, error) {
	ref := kernel.LinkRef{NS: ns, Name: string(name)}
	n, err := tx.Machine().Namespace(ns)
	if err != nil {
		return ref, err
	}
	if ref.Name == "" {
		if ref.Name, err = n.FreeName(prefix, taken...); err != nil {
			return ref, err
		}
	}
	ref.Index, err = n.FreeIndex()
	return ref, err
}

// addLink makes a link of any kind, or a pair.
type addLink struct {
	kernel.LinkSpec
	Words []string `json:"words,omitempty"` // what ip-link(8) is told of its kind

	freed freed
}

var (
	_ change.Checkable  = (*addLink)(nil)
	_ change.Maker      = (*addLink)(nil)
	_ change.Supersedes = (*addLink)(nil)
)

func (o *addLink) Kind() string { return "link add" }

// Valid wants the kind to be a word: it is part of a command.
func (o *addLink) Valid() error {
	if !plainWord(o.LinkSpec.Kind) {
		return fmt.Errorf("%q is no kind of link", o.LinkSpec.Kind)
	}
	return o.LinkSpec.Valid()
}

func (o *addLink) Command() string {
	if o.Device() {
		return o.tuntap()
	}
	cmd := in(o.NS) + "link add "
	if o.OnLink() {
		cmd = in(o.Lower.NS) + "link add link " + o.Lower.Name + " "
	}
	if o.Socket != nil {
		cmd = in(*o.Socket) + "link add "
	}
	cmd += o.Name + " " + linkOptions(o.LinkSpec)
	if o.Lower != nil && o.Lower.NS.Cookie != o.NS.Cookie || o.Socket != nil && o.Socket.Cookie != o.NS.Cookie {
		cmd += "netns " + netnsWord(o.NS) + " "
	}
	cmd += "type " + o.LinkSpec.Kind + " " + strings.Join(o.Words, " ")
	if o.Peer != nil {
		cmd = trim(cmd) + " peer name " + o.Peer.Name + " " + linkOptions(*o.Peer)
		if o.NS.Cookie != o.Peer.NS.Cookie {
			cmd += "netns " + netnsWord(o.Peer.NS)
		}
	}
	return trim(cmd)
}

// tuntap is the command that makes a link which is not made over netlink.
func (o *addLink) tuntap() string {
	cmd := trim(in(o.NS) + "tuntap add name " + o.Name + " mode " + o.LinkSpec.Kind + " " + strings.Join(o.Words, " "))
	if opts := linkOptions(o.LinkSpec); opts != "" {
		cmd += "; " + trim(in(o.NS)+"link set dev "+o.Name+" "+opts)
	}
	return cmd
}

// ends are the links that it makes.
func (o *addLink) ends() []kernel.LinkRef {
	if o.Peer == nil {
		return []kernel.LinkRef{o.LinkRef}
	}
	return []kernel.LinkRef{o.LinkRef, o.Peer.LinkRef}
}

func (o *addLink) Touches() (all []kernel.Object) {
	for _, end := range o.ends() {
		all = append(all, end.NS.Object())
	}
	if o.Lower != nil {
		all = append(all, o.Lower.Object())
	}
	return all
}

func (o *addLink) Makes() (all []kernel.Object) {
	for _, end := range o.ends() {
		all = append(all, end.Object())
	}
	return all
}

func (o *addLink) Claims() []change.Claim { return nil }

func (o *addLink) Check(m *kernel.Machine, fresh bool) error {
	if fresh {
		return nil
	}
	errs := []error{m.FirstOf(o.LinkSpec.Kind, o.NS)}
	for _, end := range o.ends() {
		errs = append(errs, m.CheckName(end))
	}
	return errors.Join(errs...)
}

func (o *addLink) Do(m *kernel.Machine) error { return m.AddLink(o.LinkSpec) }

// Undo deletes a pair by whichever end is there: one may have gone with its namespace, and then the other goes with it,
// but later.
func (o *addLink) Undo(m *kernel.Machine) error {
	gone := true
	for _, end := range o.ends() {
		err := m.DelMade(end)
		if err != nil && !errors.Is(err, kernel.ErrGone) {
			return err
		}
		gone = gone && err != nil
	}
	if !gone {
		return nil
	}
	var errs []error
	for _, end := range o.ends() {
		errs = append(errs, o.freed.replaced(m, end))
	}
	return errors.Join(errs...)
}

func (o *addLink) Over(older change.Op) { o.freed.note(older) }

// freed are the names that older changes of a run took from links: undoing these gives them back.
type freed map[kernel.LinkRef]bool

func (f *freed) note(older change.Op) {
	if *f == nil {
		*f = freed{}
	}
	name := func(ns kernel.NSRef, name string) {
		(*f)[kernel.LinkRef{NS: kernel.NSRef{Cookie: ns.Cookie}, Name: name}] = true
	}
	switch op := older.(type) {
	case *delLink:
		for _, img := range []*kernel.Image{op.Image, op.Peer} {
			if img != nil {
				name(img.Link.NS, img.Link.Name)
			}
		}
	case *moveLink:
		name(op.From.NS, op.From.Name)
	case *setLink:
		if op.Attr == "name" {
			name(op.Link.NS, op.Old)
		}
	}
}

// replaced is an error when a link that the run made is gone and somebody else's has its name.
func (f freed) replaced(m *kernel.Machine, l kernel.LinkRef) error {
	if f[kernel.LinkRef{NS: kernel.NSRef{Cookie: l.NS.Cookie}, Name: l.Name}] {
		return nil
	}
	return m.Replaced(l)
}

// linkOptions are the options of `ip link add` that a link is made with.
func linkOptions(l kernel.LinkSpec) (opts string) {
	if l.MTU > 0 {
		opts += "mtu " + itoa(l.MTU) + " "
	}
	if l.MAC != "" {
		opts += "address " + l.MAC + " "
	}
	if l.Up {
		opts += "up "
	}
	return opts
}
