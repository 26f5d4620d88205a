package builtins

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

const notTracked = "The next packet of one is that of a new connection. Undoing does not bring it back, which is a " +
	"loss where others may use it: in a namespace that the run has not made."

var (
	connDeleteDecl = runtime.Change("connection.delete", "None",
		"Forgets the connection. "+notTracked, &connDeleteArgs{})
	connFlushDecl = runtime.Change("connections.flush", "None",
		"Forgets these connections and no others. "+notTracked, &connFlushArgs{})
)

type connDeleteArgs struct {
	Conn *connection `arg:"connection" doc:"the connection"`
	_    struct{}    `arg:"*"`
	runtime.Irreversible
}

func (a *connDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return nil, untrack(tx, a.Conn)
}

type connFlushArgs struct {
	Conns *connections `arg:"connections" doc:"the connections"`
	_     struct{}     `arg:"*"`
	runtime.Irreversible
}

// Change is content with those that have ended meanwhile.
func (a *connFlushArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	for _, c := range a.Conns.Tuple {
		if err := untrack(tx, c.(*connection)); err != nil && !errors.Is(err, kernel.ErrGone) {
			return nil, err
		}
	}
	return nil, nil
}

func untrack(tx *runtime.Tx, c *connection) error {
	op := &delConnection{NS: c.ns, Conn: c.Key}
	for _, ns := range tx.Namespaces() {
		op.own = op.own || ns.Cookie == c.ns.Cookie
	}
	return tx.Apply(op)
}

// delConnection has a namespace forget a connection.
type delConnection struct {
	NS   kernel.NSRef   `json:"ns"`
	Conn kernel.ConnKey `json:"conn"`
	Loss *kernel.Loss   `json:"loss,omitempty"` // nil in a namespace of the run's own, whose connections are

	own bool
}

var _ change.Checkable = (*delConnection)(nil)

func (o *delConnection) Kind() string             { return "conntrack del" }
func (o *delConnection) Touches() []kernel.Object { return []kernel.Object{o.NS.Object()} }
func (o *delConnection) Claims() []change.Claim   { return nil } // there is nothing to put back
func (o *delConnection) Valid() error             { return o.Conn.Valid() }
func (o *delConnection) Command() string          { return execIn(o.NS, "conntrack -D "+o.Conn.Words(true)) }

func (o *delConnection) Check(m *kernel.Machine, fresh bool) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	there, err := n.HasConnection(o.Conn)
	switch {
	case err != nil:
		return err
	case !there:
		return &kernel.Error{Op: "delete connection", Object: o.Conn.Words(false), NS: n.Name(), Err: kernel.ErrGone}
	case fresh || o.own:
		return nil
	}
	o.Loss = &kernel.Loss{What: "connection " + o.Conn.Words(false) + " in " + n.Name(),
		Why: "nothing but its own packets can begin it again"}
	return o.Loss
}

func (o *delConnection) Do(m *kernel.Machine) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	return n.DelConnection(o.Conn)
}

func (o *delConnection) Undo(m *kernel.Machine) error {
	if o.Loss == nil {
		return nil
	}
	n, err := m.Namespace(o.NS)
	if err != nil {
		return unlessGone(err)
	}
	if there, err := n.HasConnection(o.Conn); err != nil || there {
		return err
	}
	return o.Loss
}
