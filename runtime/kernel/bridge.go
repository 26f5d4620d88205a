package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Port is what a link is as a bridge's port. The kernel forgets it when the port leaves the bridge.
type Port struct {
	LinkRef
	Of    string              `json:"of,omitempty"`    // the kind of its master
	Info  []byte              `json:"info,omitempty"`  // IFLA_INFO_SLAVE_DATA
	Parts map[string][][]byte `json:"parts,omitempty"` // see Image
}

// Valid says what is wrong with a bridge's port.
func (p Port) Valid() error {
	if err := p.LinkRef.Valid(); err != nil {
		return err
	}
	if err := validParts(p.Parts, onPort, p.Index); err != nil {
		return fmt.Errorf("port %s has %w", p.Name, err)
	}
	return rtnl.ValidAttrs(p.Info)
}

func (n *Namespace) bridgeImage(img *Image, index int) error {
	links, err := n.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Master == index {
			p, err := n.portImage(l)
			if err != nil {
				return err
			}
			img.Ports = append(img.Ports, *p)
		}
	}
	return nil
}

func (n *Namespace) portImage(l *Link) (*Port, error) {
	p := &Port{LinkRef: l.LinkRef, Of: l.MasterKind}
	var err error
	if p.Info, err = n.linkInfo(l.Index, nl.IFLA_INFO_SLAVE_DATA); err != nil {
		return nil, err
	}
	if !kindOf(l.MasterKind).bridges() {
		return p, nil
	}
	var img Image
	err = n.parts(l, onPort, &img)
	p.Parts = img.Parts
	return p, err
}

// noMAC is what a bridge has for its mac that lost its last port. It cannot be set.
const noMAC = ""

// restoreBridge gives a bridge its ports, and then the mtu and mac that it has of itself.
func (m *Machine) restoreBridge(img *Image, index int) error {
	var errs []error
	master := strconv.Itoa(index)
	for _, p := range img.Ports {
		_, err := m.join(p, master) // all of them first: one may be another's backup_port
		errs = append(errs, err)
	}
	for _, p := range img.Ports {
		errs = append(errs, m.restorePort(p, master))
	}
	cur, err := m.Read(img.Link)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	errs = append(errs, m.restoreChoice(img))
	for _, a := range kindOf(img.Kind).gives() {
		switch want, ok := img.Attrs[a]; {
		case !ok || cur.Attr(a) == want:
		case want == noMAC:
			errs = append(errs, img.macLoss())
		default:
			errs = append(errs, m.SetLink(img.Link, a, want))
		}
	}
	return errors.Join(errs...)
}

// restorePort makes a link the port of a bridge that it was. A link that is gone is not missed.
func (m *Machine) restorePort(p Port, master string) error {
	if there, err := m.join(p, master); !there || err != nil {
		return err
	}
	n, index, err := m.find(p.LinkRef)
	if err != nil {
		return err
	}
	return n.restorePortInfo(index, p.Info)
}

// restoreBehindPorts adds what a bridge was told of behind its ports, or behind the link as a port. Of groups it wants
// to be told while it is up.
func (m *Machine) restoreBehindPorts(img *Image, index int) error {
	var errs []error
	for _, p := range img.Ports {
		errs = append(errs, m.restoreBehind(p, strconv.Itoa(index)))
	}
	if master, ok := img.Attrs["master"]; ok && img.Port != nil {
		errs = append(errs, m.restoreBehind(*img.Port, master))
	}
	return errors.Join(errs...)
}

func (m *Machine) restoreBehind(p Port, master string) error {
	l, err := m.Read(p.LinkRef)
	if err != nil || l.Attr("master") != master {
		return unlessGone(err)
	}
	n, err := m.Namespace(l.NS)
	if err != nil {
		return err
	}
	return n.restoreParts(l, onPort, &Image{Parts: p.Parts})
}

// join makes a link the port of a bridge, and says whether it is there.
func (m *Machine) join(p Port, master string) (there bool, err error) {
	l, err := m.Read(p.LinkRef)
	if err == nil && l.Attr("master") != master {
		err = m.setMaster(l, master)
	}
	return err == nil, unlessGone(err)
}

// setMaster makes a link a port of the link with an index, 0 for none, down where that wants it to be.
func (m *Machine) setMaster(l *Link, master string) error {
	if opens, err := m.opener(l, master); err != nil {
		return err
	} else if opens && l.Up {
		if err := m.SetLink(l.LinkRef, "up", "off"); err != nil {
			return err
		}
	}
	return m.SetLink(l.LinkRef, "master", master)
}

// opener reports whether the link with an index beside another one sets up its ports.
func (m *Machine) opener(l *Link, index string) (bool, error) {
	if index == "" || index == "0" {
		return false, nil
	}
	i, err := strconv.Atoi(index)
	if err != nil {
		return false, err
	}
	master, err := m.Beside(l, i)
	if err != nil {
		return false, unlessGone(err)
	}
	return Opens(master.Kind), nil
}

// restoreChoice names the ports again that a master was told of. One that is not up, or no port, it is told of when
// that is restored.
func (m *Machine) restoreChoice(img *Image) error {
	k := kindOf(img.Kind)
	if len(k.AfterPorts) == 0 {
		return nil
	}
	n, index, err := m.find(img.Link)
	if err != nil {
		return unlessGone(err)
	}
	have, err := n.linkInfo(index, nl.IFLA_INFO_DATA)
	var errs []error
	for _, typ := range k.AfterPorts {
		want := rtnl.Attr(img.Info, 0, typ)
		if err != nil || bytes.Equal(want, rtnl.Attr(have, 0, typ)) {
			continue
		}
		if want == nil {
			continue // it has chosen by itself
		}
		port, e := n.linkByIndex(rtnl.Uint32(img.Info, 0, typ))
		if e != nil || port.Master != index || !port.Up {
			errs = append(errs, unlessGone(e))
			continue
		}
		errs = append(errs, n.setInfo(index, nl.IFLA_INFO_KIND, img.Kind, AppendAttr(nil, typ, want)))
	}
	return errors.Join(append(errs, unlessGone(err))...)
}

// linkInfo is a part of a link's IFLA_LINKINFO: what its kind can be set to, as the kernel shows it.
func (n *Namespace) linkInfo(index, part int) ([]byte, error) {
	raw, err := n.linkMessage(index)
	if err != nil {
		return nil, err
	}
	return rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0, part), nil
}

// restorePortInfo sets what is other than wanted of what a port is to its master: only that, since a kernel shows
// settings that it was built without and refuses to be given them.
func (n *Namespace) restorePortInfo(index int, want []byte) error {
	raw, err := n.linkMessage(index)
	if err != nil {
		return err
	}
	have, ports := portInfoOf(raw), kindOf(slaveKind(raw)).Ports
	if ports == nil {
		return nil
	}
	var data []byte
	for _, typ := range rtnl.Attrs(want, 0) {
		if value := rtnl.Attr(want, 0, typ); !slices.Contains(ports.Shown, typ) &&
			!bytes.Equal(value, rtnl.Attr(have, 0, typ)) {
			data = AppendAttr(data, typ, value)
		}
	}
	if data == nil {
		return nil
	}
	return n.setInfo(index, nl.IFLA_INFO_SLAVE_KIND, slaveKind(raw), data)
}

// portInfoOf is the IFLA_INFO_SLAVE_DATA of an RTM_NEWLINK message.
func portInfoOf(raw []byte) []byte {
	return rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0, nl.IFLA_INFO_SLAVE_DATA)
}

// slaveKind is the kind of a link's master, as its own message says it.
func slaveKind(raw []byte) string {
	return unix.ByteSliceToString(rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_LINKINFO), 0,
		nl.IFLA_INFO_SLAVE_KIND))
}

// Forward has the ports of a bridge forward that were listening when the spanning tree protocol was switched off: the
// kernel leaves them to their timers.
func (m *Machine) Forward(bridge LinkRef) error {
	n, index, err := m.find(bridge)
	if err != nil {
		return fail(err, "read link", bridge.Name, n)
	}
	master, err := n.linkByIndex(index)
	if err != nil {
		return fail(unlessGone(err), "read link", bridge.Name, n)
	}
	links, err := n.Links()
	for _, l := range links {
		if err != nil || l.Master != index {
			continue
		}
		var state string
		if state, err = m.givenState(l.LinkRef, true); err == nil && state != "" {
			err = n.setInfo(l.Index, nl.IFLA_INFO_SLAVE_KIND, master.Kind,
				AppendAttr(nil, nl.IFLA_BRPORT_STATE, []byte{portForwarding}))
		}
	}
	return fail(unlessGone(err), "set port of bridge", bridge.Name, n)
}
