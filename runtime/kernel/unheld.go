package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Taking is a way in which a change takes things from a link. Several can be joined.
type Taking int

const (
	Closing   Taking = 1 << iota // the link goes down
	Leaving                      // it leaves its master
	Moving                       // it goes to another namespace
	Deleting                     // it is deleted
	orphaning                    // the bridge that it is a port of is deleted
	stranding                    // its last port that is up leaves it, and with that its carrier goes
)

// A part is a kind of thing that a link has and that its image does not hold.
type part struct {
	goes Taking // what takes it away
	find func(at *subject) ([]string, error)
	show string // the command that shows it, with the link's name left out
}

// A subject is a link as the parts are looked for on it.
type subject struct {
	m   *Machine
	n   *Namespace
	l   *Link
	raw []byte // its RTM_NEWLINK message
}

// parts are all things but those of an image that a link can have: what is found is a Loss. Those that are found by
// being other than a new link's need not be known here.
var parts = []part{
	{Moving | Deleting, lostTC, "tc qdisc show dev %s"},
	{Moving | Deleting, keptQueue, "ip link show dev %s"},
	{Moving | Deleting, actionsTo, "tc actions list action mirred"},
	{Moving | Deleting, givenChains, "nft list ruleset"},
	{Moving | Deleting, givenMACs, "bridge fdb show dev %s"},
	{Closing | stranding, givenMode, "ip link show dev %s"},
	{Closing | Leaving | orphaning, givenStates, "bridge -d link show"},
	{Leaving | orphaning, givenStatesDown, "bridge -d link show"},
	{Leaving, otherMaster, "ip -d link show dev %s"},
	{Leaving, backedPorts, "bridge -d link show"},
	{Leaving | Deleting | orphaning, givenGroups, "bridge mdb show"},
	{Leaving | Deleting | orphaning, givenVLANs, "bridge vlan show dev %s"},
	{Deleting, opened, "ip -d link show dev %s"},
	{Deleting, earlyCarrier, "ip link show dev %s"},
	{Deleting, givenAttrs, "ip -d link show dev %s"},
	{Deleting, givenPrograms, "bpftool net show dev %s"},
	{Deleting, givenOffloads, "ethtool -k %s"},
	{Deleting, givenQueues, "grep -r . /sys/class/net/%s/queues"},
}

// Unheld is what a link has, beside what is in its image, and will not have again once a change has taken it away.
type Unheld struct {
	Link   LinkRef `json:"link"`
	By     Taking  `json:"by"`
	Losses []Loss  `json:"losses"`
}

// Unheld is the Losses of what an image does not hold and a change would take from its link, and notes them in the
// image.
func (m *Machine) Unheld(img *Image, by Taking) error {
	if by&(Moving|Deleting) != 0 {
		by |= Closing
		if master := img.Attrs["master"]; master != "" && master != "0" {
			by |= Leaving
		}
	}
	all := []Unheld{{Link: img.Link, By: by}}
	l, err := m.Read(img.Link)
	if err != nil {
		return err
	}
	if l.Master != 0 && by&Leaving != 0 && m.lastPort(l) {
		master, err := m.Beside(l, l.Master)
		if err != nil {
			return err
		}
		all = append(all, Unheld{Link: master.LinkRef, By: stranding})
	}
	if by&Deleting != 0 {
		by := orphaning
		if img.Reopened() != nil {
			by |= Closing
		}
		for _, p := range img.Ports {
			all = append(all, Unheld{Link: p.LinkRef, By: by})
		}
	}
	var errs []error
	for _, u := range all {
		var err error
		if u.Losses, err = m.unheld(u.Link, u.By); err != nil {
			return err
		}
		for i := range u.Losses {
			errs = append(errs, &u.Losses[i])
		}
		if u.Losses != nil {
			img.Unheld = append(img.Unheld, u)
		}
	}
	return errors.Join(errs...)
}

// lastPort reports whether no other port of a link's master is up.
func (m *Machine) lastPort(l *Link) bool {
	n, err := m.Namespace(l.NS)
	if err != nil {
		return true
	}
	links, err := n.Links()
	return err != nil || !slices.ContainsFunc(links, func(o *Link) bool {
		return o.Master == l.Master && o.Index != l.Index && o.Up
	})
}

// earlyCarrier is the one that a bridge has which no port was ever added to, and whose address nobody has set: one that
// is made again with its address has none before it has a port.
func earlyCarrier(at *subject) ([]string, error) {
	if !kindOf(at.l.Kind).bridges() || !at.l.Carrier {
		return nil, nil
	}
	links, err := at.n.Links()
	if err != nil || slices.ContainsFunc(links, func(l *Link) bool { return l.Master == at.l.Index && l.Up }) {
		return nil, err
	}
	return []string{"carrier without a port"}, nil
}

// maxNamed bounds how many things of a kind a Loss names.
const maxNamed = 8

func (m *Machine) unheld(ref LinkRef, by Taking) (losses []Loss, err error) {
	n, index, err := m.find(ref)
	if err != nil {
		return nil, fail(err, "save link", ref.Name, n)
	}
	at := &subject{m: m, n: n}
	if at.raw, err = n.linkMessage(index); err == nil {
		at.l, err = n.parse(at.raw)
	}
	for _, p := range parts {
		if err != nil {
			break
		}
		if p.goes&by == 0 {
			continue
		}
		var found []string
		if found, err = p.find(at); len(found) > 0 {
			slices.Sort(found)
			found = slices.Compact(found)
			if more := len(found) - maxNamed; more > 0 {
				found = append(found[:maxNamed], fmt.Sprintf("%d more", more))
			}
			show := strings.ReplaceAll(p.show, "%s", ref.Name)
			losses = append(losses,
				Loss{What: strings.Join(found, ", ") + " of link " + ref.Name + " in " + ref.NS.String(),
					Why: "the kernel drops it, and it is not made again", Hint: "`" + show + "` shows it"})
		}
	}
	return losses, fail(err, "save link", ref.Name, n)
}

// missingUnheld is the Losses of what a link does not have again. A link that is gone has been named as a whole, or is
// not missed.
func (m *Machine) missingUnheld(all []Unheld) error {
	var errs []error
	for _, u := range all {
		have, err := m.unheld(u.Link, u.By)
		if errors.Is(err, ErrGone) {
			continue
		}
		errs = append(errs, err)
		for _, was := range u.Losses {
			if err == nil && !slices.ContainsFunc(have, func(l Loss) bool { return l.What == was.What }) {
				errs = append(errs, &was)
			}
		}
	}
	return errors.Join(errs...)
}
