package kernel

import "os"

// Peer finds the other end of a veth pair in a namespace that this machine has open, or in one that has a name. ErrGone: it is
// in none of them.
func (m *Machine) Peer(l *Link) (LinkRef, error) {
	here, err := m.Namespace(l.NS)
	if err != nil {
		return LinkRef{}, err
	}
	if l.Kind != "veth" || l.peer == 0 {
		return LinkRef{}, &Error{Op: "find peer of link", Object: l.Name, NS: here.Name(), Err: goneError("only a veth link has one, and this is a " + l.Kind + " link")}
	}
	other := here
	if l.peerNS >= 0 {
		other = m.byID(here, l.peerNS)
	}
	if other != nil {
		// The end itself must agree: a stale id or index could be another pair's.
		if peer, err := other.linkByIndex(l.peer); err == nil && peer.peer == l.Index {
			return peer.LinkRef, nil
		}
	}
	return LinkRef{}, &Error{Op: "find peer of link", Object: l.Name, NS: here.Name(), Err: goneError("it is in a namespace that has no name and that this lab does not know"),
		Hint: "netns_at() makes it known"}
}

// byID is the namespace that another one knows by an id, when it is open or has a name. nil: it is not.
func (m *Machine) byID(here *Namespace, id int) *Namespace {
	for _, n := range m.open {
		if found, err := here.idOf(n.fd); err == nil && found == id {
			return n
		}
	}
	all, err := os.ReadDir(netnsDir)
	if err != nil {
		return nil
	}
	for _, file := range all {
		fd, err := openNS(netnsDir + "/" + file.Name())
		if err != nil {
			continue
		}
		known, err := here.idOf(fd)
		fd.Close()
		if err == nil && known == id {
			n, _ := m.OpenName(file.Name()) // nil when the name has gone since
			return n
		}
	}
	return nil
}
