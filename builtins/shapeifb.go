package builtins

import (
	"errors"
	"fmt"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// What comes in by a link can be shaped without its other end: a filter sends it to an ifb link, which it leaves by a
// qdisc (tc-mirred(8)).

// otherWay finds what shapes the packets that come back: the other end of a pair, or an ifb link where there is none
// that can be reached.
func otherWay(v *runtime.View, link kernel.LinkRef) (peer kernel.LinkRef, major tcMajor, err error) {
	l, err := v.Machine().Read(link)
	switch {
	case err != nil:
	case l.Index == 1:
		err = fmt.Errorf("shape: what leaves %s comes back by it: leave out both=", l.Name)
	case !l.Paired():
		return link, shapeByIFB, nil
	default:
		if peer, err = v.Machine().Peer(l); errors.Is(err, kernel.ErrGone) {
			return link, shapeByIFB, nil
		}
	}
	return peer, shapeBoth, err
}

// redirected is the ifb link that gets what comes in by a link, made when there is none.
func redirected(tx *runtime.Tx, link kernel.LinkRef) (kernel.LinkRef, error) {
	root, err := rootQdisc(tx.View, link)
	if err != nil {
		return link, err
	}
	if root != nil && majorOf(*root) == shapeByIFB {
		return redirectedTo(tx.View, link)
	}
	if root != nil && !isShape(*root) {
		return link, taken(link, root)
	}
	l, err := tx.Machine().Read(link)
	if err != nil {
		return link, err
	}
	if ingress, err := qdiscIn(tx.View, link, tcIngress); err != nil || ingress != nil {
		return link, errors.Join(err, fmt.Errorf("shape: link %s has %s already, and both= needs its place", link.Name,
			ingress))
	}
	args := &ifbArgs{NS: nsArg{link.NS}, newLinkArgs: newLinkArgs{macLessArgs: macLessArgs{Up: true,
		MTU: mtuArg(l.MTU)}}}
	ifb, err := addOfKind(tx, link.NS, args, &args.newLinkArgs)
	if err != nil {
		return ifb, err
	}
	if err := tx.Apply(&addEntry{Entry: clsactQdisc.example(link)}); err != nil {
		return ifb, clsactQdisc.lacking(err)
	}
	send, err := (&mirredArgs{Link: mirredLink{devIndex{ifb}}, Mode: "redirect"}).action()
	if err != nil {
		return ifb, err
	}
	f, err := u32Filter.incoming(link, map[string]kindAttr{"match": &u32Match{{}}, "action": &tcActions{send}})
	if err != nil {
		return ifb, err
	}
	return ifb, u32Filter.lacking(tx.Apply(&addEntry{Entry: f}), send)
}

// redirectedTo is the ifb link that redirected made.
func redirectedTo(v *runtime.View, link kernel.LinkRef) (kernel.LinkRef, error) {
	n, err := v.Machine().Namespace(link.NS)
	if err != nil {
		return link, err
	}
	filters, err := n.Entries("tc_filter", &link)
	if err != nil {
		return link, err
	}
	links, err := n.Links()
	for _, f := range filters {
		acts, ok := u32Filter.all(f.Options())["action"].(*tcActions)
		if tcKindOf(f) != u32Filter || !ok {
			continue
		}
		to, _ := mirredAction.all((*acts)[0].options)["link"].(*mirredLink)
		for _, l := range links {
			if to != nil && l.Index == to.Index && l.Kind == "ifb" {
				return l.LinkRef, err
			}
		}
	}
	return link, errors.Join(err, &kernel.Error{Op: "find ifb of link", Object: link.Name, NS: link.NS.String(),
		Err: kernel.ErrGone})
}

// unredirect takes away what redirected has made.
func unredirect(tx *runtime.Tx, link kernel.LinkRef) error {
	ifb, err := redirectedTo(tx.View, link)
	if err != nil {
		return err
	}
	ingress, err := qdiscIn(tx.View, link, tcIngress)
	if err != nil || ingress == nil {
		return err
	}
	if err := tx.Apply(&delEntry{Entry: *ingress}); err != nil {
		return err
	}
	return tx.Apply(&delLink{Link: ifb})
}
