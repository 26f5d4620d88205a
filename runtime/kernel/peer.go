package kernel

import "errors"

// Peer finds the other end of a pair in any namespace that this process can find. ErrGone: it is in none of them.
func (m *Machine) Peer(l *Link) (LinkRef, error) {
	here, err := m.Namespace(l.NS)
	if err != nil {
		return LinkRef{}, err
	}
	if !l.Paired() || l.peer == 0 {
		return LinkRef{}, &Error{Op: "find peer of link", Object: l.Name, NS: here.Name(),
			Err: goneError("only one end of a pair has one, and this is a " + l.Kind + " link")}
	}
	other := here
	if l.peerNS >= 0 {
		if other, err = m.byID(here, l.peerNS); err != nil {
			return LinkRef{}, fail(err, "find peer of link", l.Name, here)
		}
	}
	if other != nil {
		// The end itself must agree: a stale id or index could be another pair's.
		if peer, err := other.linkByIndex(l.peer); err == nil && peer.peer == l.Index {
			return peer.LinkRef, nil
		}
	}
	return LinkRef{}, &Error{Op: "find peer of link", Object: l.Name, NS: here.Name(),
		Err: goneError("it is in a namespace that has neither a name nor a process")}
}

// byID is the namespace that another one knows by an id. nil: this process cannot find it.
func (m *Machine) byID(here *Namespace, id int) (found *Namespace, err error) {
	for _, n := range m.open {
		if known, err := here.idOf(n.fd); err == nil && known == id {
			return n, nil
		}
	}
	err = m.every(func(n *Namespace) (bool, error) {
		if known, err := here.idOf(n.fd); err != nil || known != id {
			return false, err
		}
		cookie, err := m.cookie(n.fd)
		if err != nil {
			return false, err
		}
		n.ref.Cookie, found = cookie, n
		m.open[cookie] = n
		return true, errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return found, err
}
