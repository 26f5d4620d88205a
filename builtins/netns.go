package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// nsValue is a namespace in a script.
type nsValue struct {
	v   *runtime.View
	ref kernel.NSRef
}

var (
	_ starlark.HasAttrs   = (*nsValue)(nil)
	_ starlark.Comparable = (*nsValue)(nil)
)

func (n *nsValue) Freeze()                                  {}
func (n *nsValue) Truth() starlark.Bool                     { return true }
func (n *nsValue) String() string                           { return n.ref.String() }
func (n *nsValue) Type() string                             { return "namespace" }
func (n *nsValue) Hash() (uint32, error)                    { return n.ref.Object().Hash(), nil }
func (n *nsValue) Attr(name string) (starlark.Value, error) { return n.v.Attr("namespace", n, name) }
func (n *nsValue) AttrNames() []string                      { return n.v.AttrNames("namespace") }

// CompareSameType makes two values of one namespace equal, whatever name it was reached by.
func (n *nsValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, "namespace", n.ref.Object() == other.(*nsValue).ref.Object())
}

func (n *nsValue) open() (*kernel.Namespace, error) {
	if err := n.v.Reachable(n.ref); err != nil {
		return nil, err
	}
	ns, err := n.v.Machine().Namespace(n.ref)
	if err != nil {
		return nil, &kernel.Error{Op: "use namespace", Object: n.ref.String(), Err: err, Hint: "it was deleted"}
	}
	return ns, nil
}

var nsType = &runtime.Type{Name: "namespace", Doc: "A network namespace: its own links, addresses, " +
	"routes and sysctls (network_namespaces(7)). All values of one namespace are equal; one that was deleted cannot " +
	"be used any more.",
	Attrs: []runtime.Attr{
		{Name: "name", Type: "string", Doc: "its name; \"host\" for the one nsscript started in",
			Get: func(_ *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.String(r.(*nsValue).ref.String()), nil
			}},
		{Name: "links", Type: "list of link", Doc: "its links, in the order of their indexes",
			Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
				n, err := r.(*nsValue).open()
				if err != nil {
					return nil, err
				}
				links, err := n.Links()
				var all []starlark.Value
				for _, l := range links {
					all = append(all, &linkValue{v, l.LinkRef})
				}
				return starlark.NewList(all), err
			}},
		{Name: "routes", Aside: true, Type: "list of route",
			Doc: "its routes of all families and tables, without those that the kernel has for addresses of its own",
			Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
				n, err := r.(*nsValue).open()
				if err != nil {
					return nil, err
				}
				return routes(v, n)
			}},
		{Name: "files", Type: "list of file or folder",
			Doc: "those that the lab has given it by file() and folder(), oldest first",
			Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
				return starlark.NewList(filesOf(v, r.(*nsValue).ref)), nil
			}},
	}}

func stringList(lines []string) *starlark.List {
	var all []starlark.Value
	for _, l := range lines {
		all = append(all, starlark.String(l))
	}
	return starlark.NewList(all)
}

// netnsName is the name of a namespace that is to be.
type netnsName string

func (netnsName) ArgType() string { return "string" }

func (a *netnsName) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	*a = netnsName(s)
	return kernel.ValidNamespaceName(s)
}

var netnsDecl = runtime.Change("netns", "namespace",
	"Makes a network namespace that `ip netns` sees under its name. Its loopback link is up.",
	&netnsArgs{Lo: true}).Needing("netns")

type netnsArgs struct {
	Name netnsName `arg:"name?" doc:"name, up to 64 letters, digits, '.', '_' and '-'; the next free one of ns1, ns2 ... when left out"`
	_    struct{}  `arg:"*"`
	Lo   bool      `arg:"lo?" doc:"whether to bring the loopback link up"`
}

func (a *netnsArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	add := &addNetns{Name: string(a.Name), Lo: a.Lo}
	var err error
	if a.Name == "" {
		err = addFree(tx, add)
	} else {
		err = tx.Apply(add)
	}
	if err != nil {
		for _, ref := range tx.Namespaces() {
			// The script's own fault, not the machine's.
			if k := new(kernel.Error); ref.Name == add.Name && errors.Is(err, unix.EEXIST) && errors.As(err, &k) {
				k.Machine, k.Hint = false, "this lab has made a namespace "+ref.Name+" already"
			}
		}
		return nil, err
	}
	return &nsValue{tx.View, add.NS}, nil
}

// addFree makes a namespace under the next free name. One that another process has taken since is passed over.
func addFree(tx *runtime.Tx, add *addNetns) (err error) {
	for i := 1; ; i++ {
		add.Name = fmt.Sprintf("ns%d", i)
		if err = tx.Machine().NameFree(add.Name); err == nil {
			err = tx.Apply(add)
		}
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
}

// addNetns makes a namespace and gives it its name.
type addNetns struct {
	Name string       `json:"name"`
	Lo   bool         `json:"lo,omitempty"` // its loopback link is up
	NS   kernel.NSRef `json:"ns"`
}

var (
	_ change.Checkable = (*addNetns)(nil)
	_ change.Maker     = (*addNetns)(nil)
	_ change.Namer     = (*addNetns)(nil)
)

func (o *addNetns) Kind() string             { return "netns add" }
func (o *addNetns) Touches() []kernel.Object { return nil }
func (o *addNetns) Claims() []change.Claim   { return nil }
func (o *addNetns) Makes() []kernel.Object   { return []kernel.Object{o.NS.Object()} }
func (o *addNetns) Names() kernel.NSRef      { return o.NS }

func (o *addNetns) Command() string {
	cmd := "ip netns add " + o.Name
	if o.Lo {
		cmd += "; ip -n " + o.Name + " link set lo up"
	}
	return cmd
}

func (o *addNetns) Valid() error {
	if o.NS.Name != o.Name {
		return fmt.Errorf("namespace %q is called %q", o.NS.Name, o.Name)
	}
	return errors.Join(kernel.ValidNamespaceName(o.Name), o.NS.Named())
}

// Check makes the namespace itself: it has no name and dies with this process until Do gives it one, and so its
// identity is in the journal before anybody can see it.
func (o *addNetns) Check(m *kernel.Machine, _ bool) error {
	if err := m.NameFree(o.Name); err != nil {
		return err
	}
	n, err := m.Make(o.Name, o.Lo)
	if err == nil {
		o.NS = n.Ref()
	}
	return err
}

func (o *addNetns) Do(m *kernel.Machine) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	if err := m.GiveName(n); err != nil {
		n.Forget()
		return err
	}
	return nil
}

func (o *addNetns) Undo(m *kernel.Machine) error {
	err := m.TakeName(o.NS)
	m.Forget(o.NS)
	return err
}

var netnsAtDecl = runtime.Query("netns_at", "namespace",
	"Reaches a namespace that exists already, by exactly one of its name, a process in it, or a path. "+
		"What is in it is changed and restored, never removed unless asked.",
	&netnsAtArgs{})

type netnsAtArgs struct {
	_    struct{} `arg:"*"`
	Name string   `arg:"name?" doc:"name as ip netns lists it"`
	PID  int      `arg:"pid?" doc:"a process in the namespace"`
	Path string   `arg:"path?" doc:"path of an nsfs file, such as /proc/1/ns/net"`
}

func (a *netnsAtArgs) Query(v *runtime.View) (starlark.Value, error) {
	var n *kernel.Namespace
	var err error
	switch m := v.Machine(); {
	case a.Name != "" && a.PID == 0 && a.Path == "":
		ref, err := m.Named(a.Name)
		return &nsValue{v, ref}, err
	case a.Name == "" && a.PID > 0 && a.Path == "":
		n, err = m.OpenPID(a.PID)
	case a.Name == "" && a.PID == 0 && a.Path != "":
		n, err = m.OpenPath(a.Path)
	default:
		return nil, errors.New("netns_at: want exactly one of name=, pid= and path=")
	}
	if err != nil {
		return nil, err
	}
	return &nsValue{v, n.Ref()}, nil
}

var nsLinkDecl = runtime.Query("namespace.link", "link", "Finds a link of the namespace by its name.", &nsLinkArgs{})

type nsLinkArgs struct {
	NS   nsArg  `arg:"namespace" doc:"the namespace"`
	Name string `arg:"name" doc:"name of the link"`
}

func (a *nsLinkArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, err := (&nsValue{v, a.NS.NSRef}).open()
	if err != nil {
		return nil, err
	}
	l, err := n.Link(a.Name)
	if err != nil {
		return nil, err
	}
	return &linkValue{v, l.LinkRef}, nil
}
