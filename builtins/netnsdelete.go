package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var nsDeleteDecl = runtime.Change("namespace.delete", "None",
	"Deletes the namespace: its name, and its links that lead to other namespaces. What else is in it lives on "+
		"unseen as long as the deletion can be undone, which is until the lab goes down. "+
		"A namespace that has another name loses only this one.", &nsDeleteArgs{})

type nsDeleteArgs struct {
	NS nsArg    `arg:"namespace" doc:"the namespace"`
	_  struct{} `arg:"*"`
	runtime.Irreversible
}

func (a *nsDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	n, err := (&nsValue{tx.View, a.NS.NSRef}).open()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(a.NS.Path, "/run/netns/") {
		return nil, fmt.Errorf("namespace.delete: %s has no name in /run/netns to delete", a.NS)
	}
	other, err := tx.Machine().OtherName(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	if other == "" {
		if err := disconnect(tx, n); err != nil {
			return nil, err
		}
	}
	return nil, tx.Apply(&delNetns{NS: a.NS.NSRef, Other: other})
}

// disconnect deletes the links of a namespace that lead to other namespaces.
func disconnect(tx *runtime.Tx, n *kernel.Namespace) error {
	links, err := n.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		if peer, err := tx.Machine().Peer(l); err == nil && peer.NS.Cookie != n.Ref().Cookie {
			if err := tx.Apply(&delLink{Link: l.LinkRef}); err != nil {
				return err
			}
		}
	}
	return nil
}

// delNetns takes a namespace's name away and keeps the namespace pinned, to be able to give it back.
type delNetns struct {
	NS     kernel.NSRef `json:"ns"`
	Other  string       `json:"other,omitempty"`  // another name that it has, by which it lives on
	Pinned bool         `json:"pinned,omitempty"` // since an older change of the run took another name of it away
}

var (
	_ change.Checkable = (*delNetns)(nil)
	_ change.Unnamer   = (*delNetns)(nil)
)

func (o *delNetns) Kind() string             { return "netns del" }
func (o *delNetns) Command() string          { return "ip netns del " + o.NS.Name }
func (o *delNetns) Touches() []kernel.Object { return nil }
func (o *delNetns) Claims() []change.Claim   { return []change.Claim{change.ClaimAll(o.NS)} }
func (o *delNetns) Unnames() kernel.NSRef    { return o.NS }
func (o *delNetns) Last() bool               { return o.Other == "" }
func (o *delNetns) Valid() error             { return o.NS.Named() }

func (o *delNetns) Check(m *kernel.Machine, _ bool) error {
	if !m.Leads(o.NS) {
		return &kernel.Error{Op: "delete namespace", Object: o.NS.Name, Err: unix.ENOENT,
			Hint: "somebody else has taken " + o.NS.Path + " away from it"}
	}
	o.Pinned = m.Pinned(o.NS)
	return nil
}

func (o *delNetns) Do(m *kernel.Machine) error {
	if !o.Pinned {
		if err := m.Pin(o.NS); err != nil {
			return err
		}
	}
	if err := m.TakeName(o.NS); err != nil {
		return kernel.Partly(err)
	}
	return nil
}

func (o *delNetns) Undo(m *kernel.Machine) error { return m.RestoreName(o.NS, o.Pinned) }
