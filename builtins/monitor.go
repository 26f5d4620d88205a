package builtins

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

var monitorDecl = runtime.Query("monitor", "monitor",
	"Listens from now on to what the kernel tells of changes in a namespace, as `ip monitor` does (ip-monitor(8)), "+
		"whoever makes them.", &monitorArgs{})

type monitorArgs struct {
	NS    nsArg          `arg:"ns" doc:"namespace to listen to"`
	Kinds []eventKindArg `arg:"kinds?" doc:"a list of what to listen to, of \"link\", \"addr\", \"route\", \"rule\", \"neigh\", \"fdb\" and \"nexthop\"; all when left out"`
}

// eventKindArg is what an event can be of.
type eventKindArg string

func (eventKindArg) ArgType() string                      { return "string" }
func (eventKindArg) Choices(*runtime.Vocabulary) []string { return kernel.EventKinds() }

func (a *eventKindArg) Unpack(val starlark.Value) error {
	s, err := choice(val, kernel.EventKinds())
	*a = eventKindArg(s)
	return err
}

func (a *monitorArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, err := v.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	m := &monitorValue{v: v, ns: a.NS.NSRef, kinds: a.Kinds, since: time.Now()}
	if m.heard, err = v.Machine().Listen([]kernel.NSRef{m.ns}, true); err != nil {
		return nil, err
	}
	m.names, err = n.LinkNames()
	return m, err
}

// monitorValue is what is heard of a namespace, in a script.
type monitorValue struct {
	v     *runtime.View
	ns    kernel.NSRef
	kinds []eventKindArg
	since time.Time
	heard *kernel.Events
	names map[int]string
	all   []event
	next  int // the first of them that expect() has not looked at
	lost  error
	over  bool // it was stopped
}

// event is something that was heard.
type event struct {
	kernel.Heard
	line string
}

var _ starlark.HasAttrs = (*monitorValue)(nil)

func (m *monitorValue) Freeze()                                  {}
func (m *monitorValue) Truth() starlark.Bool                     { return true }
func (m *monitorValue) Type() string                             { return "monitor" }
func (m *monitorValue) Hash() (uint32, error)                    { return 0, fmt.Errorf("unhashable type: monitor") }
func (m *monitorValue) String() string                           { return "monitor of " + m.ns.String() }
func (m *monitorValue) Attr(name string) (starlark.Value, error) { return m.v.Attr("monitor", m, name) }
func (m *monitorValue) AttrNames() []string                      { return m.v.AttrNames("monitor") }

// take adds what was heard since the last time.
func (m *monitorValue) take() error {
	heard, lost := m.heard.Take()
	if lost != nil && m.lost == nil {
		m.lost = &kernel.Error{Op: "listen to namespace", Object: m.ns.String(), Err: lost,
			Hint: "more came at once than there was room for: listen to fewer kinds, and for a shorter time"}
	}
	n, err := m.v.Machine().Namespace(m.ns)
	if err != nil {
		return err
	}
	lines := n.Lines(heard, m.names)
	for i, h := range heard {
		if m.kinds == nil || slices.Contains(m.kinds, eventKindArg(h.Kind)) {
			m.all = append(m.all, event{h, lines[i]})
		}
	}
	return m.lost
}

func (m *monitorValue) value(e event) starlark.Value {
	return newStruct("event", map[string]starlark.Value{"time": seconds(e.Time.Sub(m.since)),
		"kind": starlark.String(e.Kind), "deleted": starlark.Bool(e.Gone), "text": starlark.String(e.line)})
}

const eventDoc = "time (seconds since the monitor began), kind (\"link\", \"addr\" ...), deleted (bool) and text, " +
	"such as \"link eth0 up state up mtu 1500\", \"addr 10.0.0.1/24 dev eth0\" or " +
	"\"deleted route 10.0.0.0/24 dev eth0\""

var monitorType = &runtime.Type{Name: "monitor", Doc: "What the kernel tells of a namespace.",
	Attrs: []runtime.Attr{
		{Name: "events", Type: "list of struct", Doc: "what was heard so far, oldest first: " + eventDoc,
			Get: func(_ *runtime.View, val starlark.Value) (starlark.Value, error) {
				m := val.(*monitorValue)
				if err := m.take(); err != nil {
					return nil, err
				}
				var all []starlark.Value
				for _, e := range m.all {
					all = append(all, m.value(e))
				}
				return starlark.NewList(all), nil
			}},
	}}

var expectDecl = runtime.Query("monitor.expect", "struct",
	"Waits for an event whose text a regular expression matches, and returns it: "+eventDoc+". It looks at those that "+
		"came after the one that it found the last time, and fails when the time is over, with what did come.",
	&expectArgs{Timeout: waitArg(5 * time.Second)})

type expectArgs struct {
	Monitor *monitorValue `arg:"monitor" doc:"the monitor"`
	Regexp  regexpArg     `arg:"regexp" doc:"regular expression (RE2); it may match a part of the text"`
	_       struct{}      `arg:"*"`
	Timeout waitArg       `arg:"timeout?" doc:"how long to wait"`
}

func (a *expectArgs) Query(v *runtime.View) (starlark.Value, error) {
	m := a.Monitor
	for deadline, from := time.Now().Add(time.Duration(a.Timeout)), m.next; ; {
		if err := m.take(); err != nil {
			return nil, err
		}
		for ; m.next < len(m.all); m.next++ {
			if e := m.all[m.next]; a.Regexp.MatchString(e.line) {
				m.next++
				return m.value(e), nil
			}
		}
		left := time.Until(deadline)
		if m.over {
			left = 0 // nothing comes any more
		}
		if left <= 0 {
			var came []string
			for _, e := range m.all[from:] {
				came = append(came, e.line)
			}
			m.next = from
			e := &kernel.Error{Op: "expect event", Object: script.Show(starlark.String(a.Regexp.text)),
				NS: m.ns.String(), Err: fmt.Errorf("none came within %s", a.Timeout), Hint: "nothing else came either"}
			if m.over {
				e.Err = errors.New("none came before the monitor was stopped")
			}
			if came != nil {
				e.Hint = "these came:\n        " + strings.Join(came[max(0, len(came)-10):], "\n        ")
			}
			return nil, e
		}
		if err := pause(v, m.heard, left); err != nil {
			return nil, err
		}
	}
}

var monitorStopDecl = runtime.Query("monitor.stop", "None", "Ends the listening.", &monitorStopArgs{})

type monitorStopArgs struct {
	Monitor *monitorValue `arg:"monitor" doc:"the monitor"`
}

func (a *monitorStopArgs) Query(*runtime.View) (starlark.Value, error) {
	a.Monitor.heard.Close()
	a.Monitor.over = true
	return nil, nil
}
