package builtins

import (
	"errors"
	"slices"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var vethDecl = runtime.Change("veth", "(link, link)",
	"Makes a veth(4) pair, each end in place in its namespace: a cable between two of them.", &vethArgs{Up: true}).Needing("veth")

type vethArgs struct {
	A     nsArg       `arg:"a" doc:"namespace of the first end"`
	B     *nsArg      `arg:"b?" doc:"namespace of the second end; that of the first when left out"`
	_     struct{}    `arg:"*"`
	Name  linkNameArg `arg:"name?" doc:"name of the first end; the next free one of eth0, eth1 ... when left out"`
	Peer  linkNameArg `arg:"peer?" doc:"name of the second end"`
	Addrs endAddrsArg `arg:"addrs?" doc:"addresses of the first end and of the second, each one or a list: (\"10.0.0.1/24\", [\"10.0.0.2/24\", \"fd00::2/64\"])"`
	Up    bool        `arg:"up?" doc:"whether to set both ends up"`
	MTU   mtuArg      `arg:"mtu?" doc:"MTU of both ends in bytes; 1500 when left out"`
	MAC   macArg      `arg:"mac?" doc:"link-layer address of the first end; a random one when left out"`
	MAC2  macArg      `arg:"peer_mac?" doc:"link-layer address of the second end"`
}

func (a *vethArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.B == nil {
		a.B = &a.A
	}
	var first, second kernel.LinkRef
	err := addNamed(func(taken []string) (err error) {
		if first, err = newLink(tx, a.A.NSRef, a.Name, "eth", taken); err != nil {
			return err
		}
		if a.A.Cookie == a.B.Cookie { // it is not there yet but has its name
			taken = append(taken[:len(taken):len(taken)], first.Name)
		}
		if second, err = newLink(tx, a.B.NSRef, a.Peer, "eth", taken); err != nil {
			return err
		}
		return tx.Apply(&addVeth{A: kernel.LinkSpec{LinkRef: first, MAC: string(a.MAC), MTU: int(a.MTU), Up: a.Up},
			B: kernel.LinkSpec{LinkRef: second, MAC: string(a.MAC2), MTU: int(a.MTU)}})
	}, a.Name, a.Peer)
	if err != nil {
		return nil, err
	}
	if a.Up {
		// The kernel makes the second end first and cannot open it before it has its peer (ENOTCONN).
		if err := tx.Apply(&setLink{Link: second, Attr: "up", Value: "on"}); err != nil {
			return nil, err
		}
	}
	for i, end := range []kernel.LinkRef{first, second} {
		if err := a.Addrs[i].add(tx, end); err != nil {
			return nil, err
		}
	}
	return starlark.Tuple{&linkValue{tx.View, first}, &linkValue{tx.View, second}}, nil
}

// nameTries bounds how often a name is chosen that another process is then faster to take.
const nameTries = 100

// addNamed adds links, some of whose names were given. A name that was chosen, and that another process has taken since, is
// among the taken ones the next time.
func addNamed(add func(taken []string) error, given ...linkNameArg) error {
	for taken := []string(nil); ; {
		err, k := add(taken), new(kernel.Error)
		if !errors.Is(err, unix.EEXIST) || !errors.As(err, &k) || slices.Contains(given, linkNameArg(k.Object)) || len(taken) == nameTries {
			return err
		}
		taken = append(taken, k.Object)
	}
}

// newLink chooses what identifies a link that is to be: its index, and its name when it was not given, the next free one with
// the prefix that is not among the taken ones.
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

// addVeth makes a veth pair.
type addVeth struct {
	A kernel.LinkSpec `json:"a"`
	B kernel.LinkSpec `json:"b"`

	freed freed
}

func (o *addVeth) Kind() string { return "link add veth" }

func (o *addVeth) Command() string {
	cmd := in(o.A.NS) + "link add " + o.A.Name + " " + linkOptions(o.A) + "type veth peer name " + o.B.Name + " " + linkOptions(o.B)
	if o.A.NS.Cookie != o.B.NS.Cookie {
		cmd += "netns " + netnsWord(o.B.NS)
	}
	return trim(cmd)
}

func (o *addVeth) Touches() []kernel.Object {
	return []kernel.Object{o.A.NS.Object(), o.B.NS.Object()}
}
func (o *addVeth) Claims() []change.Claim { return nil }
func (o *addVeth) Makes() []kernel.Object { return []kernel.Object{o.A.Object(), o.B.Object()} }
func (o *addVeth) Check(m *kernel.Machine, fresh bool) error {
	if fresh {
		return nil
	}
	return errors.Join(m.CheckName(o.A.LinkRef), m.CheckName(o.B.LinkRef))
}
func (o *addVeth) Do(m *kernel.Machine) error { return m.AddVeth(o.A, o.B) }

// Undo deletes the pair by whichever end is there: one may have gone with its namespace, and then the other goes with
// it, but later.
func (o *addVeth) Undo(m *kernel.Machine) error {
	gone := true
	for _, end := range []kernel.LinkSpec{o.A, o.B} {
		err := m.DelMade(end.LinkRef)
		if err != nil && !errors.Is(err, kernel.ErrGone) {
			return err
		}
		gone = gone && err != nil
	}
	if !gone {
		return nil
	}
	return errors.Join(o.freed.replaced(m, o.A.LinkRef), o.freed.replaced(m, o.B.LinkRef))
}

func (o *addVeth) Over(older change.Op) { o.freed.note(older) }

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

var bridgeDecl = runtime.Change("bridge", "link", "Makes a bridge: an Ethernet switch between the links that are its ports.", &bridgeArgs{Up: true}).Needing("bridge")

type bridgeArgs struct {
	NS    nsArg       `arg:"ns" doc:"namespace that it is in"`
	_     struct{}    `arg:"*"`
	Name  linkNameArg `arg:"name?" doc:"name; the next free one of br0, br1 ... when left out"`
	Ports []linkArg   `arg:"ports?" doc:"links of the namespace that become its ports"`
	Addrs addrsArg    `arg:"addrs?" doc:"addresses of the bridge itself, one or a list"`
	Up    bool        `arg:"up?" doc:"whether to set it up"`
	MTU   mtuArg      `arg:"mtu?" doc:"MTU in bytes; that of its ports when left out"`
	MAC   macArg      `arg:"mac?" doc:"link-layer address; it follows the ports when left out"`
	runtime.Irreversible
}

func (a *bridgeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	for _, p := range a.Ports {
		if err := sameNamespace(p.LinkRef, p.NS, a.NS.NSRef, string(a.Name)); err != nil {
			return nil, err
		}
	}
	var ref kernel.LinkRef
	err := addNamed(func(taken []string) (err error) {
		if ref, err = newLink(tx, a.NS.NSRef, a.Name, "br", taken); err != nil {
			return err
		}
		return tx.Apply(&addBridge{LinkSpec: kernel.LinkSpec{LinkRef: ref, MAC: string(a.MAC), MTU: int(a.MTU), Up: a.Up}})
	}, a.Name)
	if err != nil {
		return nil, err
	}
	for _, p := range a.Ports {
		if err := tx.Apply(&setLink{Link: p.LinkRef, Attr: "master", Value: itoa(ref.Index), Master: ref.Name}); err != nil {
			return nil, err
		}
	}
	if err := a.Addrs.add(tx, ref); err != nil {
		return nil, err
	}
	return &linkValue{tx.View, ref}, nil
}

// addBridge makes a bridge.
type addBridge struct {
	kernel.LinkSpec

	freed freed
}

func (o *addBridge) Kind() string { return "link add bridge" }
func (o *addBridge) Command() string {
	return in(o.NS) + "link add " + o.Name + " " + linkOptions(o.LinkSpec) + "type bridge"
}
func (o *addBridge) Touches() []kernel.Object { return []kernel.Object{o.NS.Object()} }
func (o *addBridge) Claims() []change.Claim   { return nil }
func (o *addBridge) Makes() []kernel.Object   { return []kernel.Object{o.Object()} }
func (o *addBridge) Check(m *kernel.Machine, fresh bool) error {
	if fresh {
		return nil
	}
	return m.CheckName(o.LinkRef)
}
func (o *addBridge) Do(m *kernel.Machine) error { return m.AddBridge(o.LinkSpec) }

func (o *addBridge) Undo(m *kernel.Machine) error {
	err := m.DelMade(o.LinkRef)
	if errors.Is(err, kernel.ErrGone) {
		return o.freed.replaced(m, o.LinkRef)
	}
	return err
}

func (o *addBridge) Over(older change.Op) { o.freed.note(older) }
