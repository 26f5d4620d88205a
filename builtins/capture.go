package builtins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/packet"
	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

// captureDecls are the builtins about frames.
func captureDecls() []*runtime.Decl {
	return append([]*runtime.Decl{captureDecl, captureCountDecl, captureSaveDecl, captureStopDecl, captureExpectDecl,
		captureNoneDecl, sendDecl, packetDecl}, layerDecls()...)
}

var captureDecl = runtime.Query("capture", "capture",
	"Captures from now on the frames that come to a link and leave it (packet(7)), as tcpdump does. It keeps at most "+
		"256 MiB of them. It ends when what made it is undone, such as an attempt that fails or an input at the "+
		"prompt, when its link goes, and when nsscript ends: its frames are in no lab that is kept.",
	&captureArgs{Snap: 262144}).Needing("capture")

type captureArgs struct {
	Link   linkArg          `arg:"link" doc:"the link"`
	Filter filterArg        `arg:"filter?" doc:"what to capture, in tcpdump's language (pcap-filter(7)), without names that must be looked up; also vxlan ID; all when left out. It is about the frame on the wire, its VLAN tags included"`
	_      struct{}         `arg:"*"`
	Snap   snapLength       `arg:"snap?" doc:"bytes that are kept of each frame, 14 to 262144"`
	Buffer *sizeIn[width32] `arg:"buffer?" doc:"the kernel's memory for frames that have come and are not read yet: more of it helps where capture.dropped is not 0; 16mb when left out"`
}

// mostFrames is how many bytes of frames a capture keeps.
const mostFrames = 256 << 20

// filterArg is an expression of pcap-filter(7). What is wrong with it is told wherever it stands.
type filterArg string

func (filterArg) ArgType() string  { return "filter" }
func (a filterArg) String() string { return string(a) }

func (a *filterArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want(`string such as "tcp port 80"`, val)
	}
	*a = filterArg(s)
	_, err := a.compile(netip.IPv4Unspecified())
	return err
}

// compile makes a program of it, for a link with a netmask.
func (a filterArg) compile(mask netip.Addr) (*pcapfilter.Program, error) {
	p, err := pcapfilter.Compile(string(a), pcapfilter.Options{Mask: mask})
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", string(a), err)
	}
	return p, nil
}

type snapLength int

func (snapLength) ArgType() string { return "int" }

func (a *snapLength) Unpack(val starlark.Value) (err error) {
	*a, err = number[snapLength](val, 14, 262144)
	return err
}

func (a *captureArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, err := v.Machine().Namespace(a.Link.NS)
	if err != nil {
		return nil, err
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	c := &captureValue{v: v, link: a.Link.LinkRef, snap: int(a.Snap)}
	if c.mask, err = netmask(v, a.Link.LinkRef); err != nil {
		return nil, err
	}
	filter, err := a.Filter.compile(c.mask)
	if err != nil {
		return nil, err
	}
	o := packet.Options{Filter: filter, Snap: c.snap, Buffer: 16 << 20, Keep: mostFrames}
	if a.Buffer != nil {
		o.Buffer = int(*a.Buffer)
	}
	c.c, err = packet.Begin(n.Do, a.Link.Index, o)
	if err != nil {
		return nil, packetError("capture on link", a.Link.LinkRef, err)
	}
	c.over = v.Own(func() { c.ended = c.c.Close() })
	return c, nil
}

// packetError words an error of a packet socket.
func packetError(op string, l kernel.LinkRef, err error) error {
	e := &kernel.Error{Op: op, Object: l.Name, NS: l.NS.String(), Err: err}
	switch {
	case errors.Is(err, unix.EAFNOSUPPORT):
		e.Machine, e.Hint = true, packetRemedy
	case errors.Is(err, unix.EPERM):
		e.Machine, e.Hint = true, "run as root or let it use a sandbox"
	case errors.Is(err, unix.ENOMEM):
		e.Hint = "buffer= asks for less memory"
	}
	return e
}

const packetRemedy = "modprobe af_packet, or a kernel with it (CONFIG_PACKET)"

// netmask is that of the link's first IPv4 address, which "ip broadcast" is about.
func netmask(v *runtime.View, l kernel.LinkRef) (netip.Addr, error) {
	all, err := v.Machine().Addrs(l)
	for _, a := range all {
		if a.Prefix.Addr().Is4() {
			mask, _ := netip.AddrFromSlice(net.CIDRMask(a.Prefix.Bits(), 32))
			return mask, nil
		}
	}
	return netip.AddrFrom4([4]byte{255, 255, 255, 255}), err
}

// captureValue is a capture in a script.
type captureValue struct {
	v     *runtime.View
	link  kernel.LinkRef
	mask  netip.Addr
	snap  int
	c     *packet.Capture
	over  func()
	ended error
}

var _ starlark.HasAttrs = (*captureValue)(nil)

func (c *captureValue) Freeze()                                  {}
func (c *captureValue) Truth() starlark.Bool                     { return true }
func (c *captureValue) Type() string                             { return "capture" }
func (c *captureValue) Hash() (uint32, error)                    { return 0, fmt.Errorf("unhashable type: capture") }
func (c *captureValue) String() string                           { return "capture on " + c.link.Name }
func (c *captureValue) Attr(name string) (starlark.Value, error) { return c.v.Attr("capture", c, name) }
func (c *captureValue) AttrNames() []string                      { return c.v.AttrNames("capture") }

// frames are those that have come, but for so many, and a channel that tells of more.
func (c *captureValue) frames(v *runtime.View, but int) (all []packet.Frame, more <-chan struct{}, err error) {
	ctx := v.Context()
	err = v.Aside(func() (err error) {
		all, more, err = c.c.Frames(ctx, but)
		return err
	})
	return all, more, c.failed(err)
}

func (c *captureValue) stats(v *runtime.View) (st packet.Stats, err error) {
	ctx := v.Context()
	err = v.Aside(func() (err error) {
		st, err = c.c.Stats(ctx)
		return err
	})
	return st, c.failed(err)
}

func (c *captureValue) failed(err error) error {
	if err == nil || c.v.Context().Err() != nil {
		return err
	}
	return packetError("capture on link", c.link, err)
}

func (c *captureValue) value(f packet.Frame) *packetValue {
	return &packetValue{v: c.v, frame: f, began: c.c.Began}
}

// matching are the frames that a filter is true of.
func (c *captureValue) matching(all []packet.Frame, p *pcapfilter.Program) (some []packet.Frame) {
	for _, f := range all {
		if p.Match(f.Frame) {
			some = append(some, f)
		}
	}
	return some
}

func (c *captureValue) list(all []packet.Frame) starlark.Value {
	values := make([]starlark.Value, len(all))
	for i, f := range all {
		values[i] = c.value(f)
	}
	return starlark.NewList(values)
}

var captureType = &runtime.Type{Name: "capture", Doc: "The frames that a link has sent and received since a moment.",
	Attrs: []runtime.Attr{
		{Name: "packets", Type: "list of packet", Doc: "what has come so far, oldest first",
			Get: func(v *runtime.View, val starlark.Value) (starlark.Value, error) {
				c := val.(*captureValue)
				all, _, err := c.frames(v, 0)
				return c.list(all), err
			}},
		{Name: "dropped", Type: "int", Doc: "frames that are not there though the filter is true of them: the kernel " +
			"had no room for them in buffer=, or what is kept was full",
			Get: func(v *runtime.View, val starlark.Value) (starlark.Value, error) {
				st, err := val.(*captureValue).stats(v)
				return starlark.MakeInt(st.Dropped + st.Full), err
			}},
		{Name: "link", Type: "link", Doc: "the link",
			Get: func(v *runtime.View, val starlark.Value) (starlark.Value, error) {
				return &linkValue{v, val.(*captureValue).link}, nil
			}},
	}}

var captureCountDecl = runtime.Query("capture.count", "int",
	"Counts the frames that were captured so far.", &captureCountArgs{})

type captureCountArgs struct {
	Capture *captureValue `arg:"capture" doc:"the capture"`
	Filter  filterArg     `arg:"filter?" doc:"which of them to count (pcap-filter(7)); all when left out"`
}

func (a *captureCountArgs) Query(v *runtime.View) (starlark.Value, error) {
	all, _, err := a.Capture.frames(v, 0)
	if err != nil {
		return nil, err
	}
	p, err := a.Filter.compile(a.Capture.mask)
	if err != nil {
		return nil, err
	}
	return starlark.MakeInt(len(a.Capture.matching(all, p))), nil
}

var captureSaveDecl = runtime.Query("capture.save", "None",
	"Writes the frames that were captured so far to a file, which Wireshark and tcpdump read (pcapng). One that is "+
		"there is overwritten; undoing does not take it away.", &captureSaveArgs{})

type captureSaveArgs struct {
	Capture *captureValue `arg:"capture" doc:"the capture"`
	Path    string        `arg:"path" doc:"the file, relative to the folder that nsscript was started in"`
}

func (a *captureSaveArgs) Query(v *runtime.View) (starlark.Value, error) {
	c := a.Capture
	st, err := c.stats(v)
	if err != nil {
		return nil, err
	}
	all, _, err := c.frames(v, 0)
	if err != nil {
		return nil, err
	}
	st.Frames = len(all)
	if err := save(a.Path, c, all, st); err != nil {
		e := &kernel.Error{Op: "save capture to", Object: a.Path, Err: err}
		if errors.Is(err, unix.EROFS) {
			e.Hint = "to a sandbox of root's all files of the machine are read-only"
		}
		return nil, e
	}
	return nil, nil
}

// save writes the file beside its place first: what was there stays if it cannot be written.
func save(path string, c *captureValue, all []packet.Frame, st packet.Stats) error {
	if at, err := os.Stat(path); err == nil && !at.Mode().IsRegular() {
		return fmt.Errorf("it is no file: %w", unix.EEXIST)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".nsscript-*.pcapng")
	if e := new(os.PathError); errors.As(err, &e) {
		return e.Err // the path in it is not the one that was given
	} else if err != nil {
		return err
	}
	err = errors.Join(packet.Write(f, c.link.Name, c.snap, all, st), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

var captureStopDecl = runtime.Query("capture.stop", "None",
	"Ends the capture. What has come is still there.", &captureStopArgs{})

type captureStopArgs struct {
	Capture *captureValue `arg:"capture" doc:"the capture"`
}

func (a *captureStopArgs) Query(v *runtime.View) (starlark.Value, error) {
	c := a.Capture
	if _, err := c.stats(v); err != nil { // so that what has come is read
		return nil, err
	}
	c.over()
	return nil, c.failed(c.c.Close())
}

// captureFeature is what a kernel must have for packet sockets.
func captureFeature() *runtime.Feature {
	return &runtime.Feature{Name: "capture", Doc: "capturing and sending frames (packet(7))", Remedy: packetRemedy,
		Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
			n, err := m.Namespace(ns)
			if err != nil {
				return err
			}
			p, err := pcapfilter.Compile("", pcapfilter.Options{})
			if err != nil {
				return err
			}
			c, err := packet.Begin(n.Do, loOf(ns).Index, packet.Options{Filter: p, Snap: 64, Buffer: 1, Keep: 1 << 20})
			if err != nil {
				return err
			}
			_, err = c.Stats(context.Background())
			return errors.Join(err, c.Close())
		})}
}
