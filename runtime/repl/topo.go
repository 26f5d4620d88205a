package repl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/script"
)

// A place is a namespace of the lab as it is now.
type place struct {
	ref   kernel.NSRef
	links []*kernel.Link
}

// places looks at the host's namespace and the lab's. Of the host's links only those are in it that are the lab's.
func places(s *runtime.Session) (all []place, err error) {
	refs := append([]kernel.NSRef{s.Machine().Host().Ref()}, s.Namespaces()...)
	for i, ref := range refs {
		n, err := s.Machine().Namespace(ref)
		if err != nil {
			continue // it was deleted
		}
		links, err := n.Links()
		if err != nil {
			return nil, err
		}
		if i == 0 && !s.Sandboxed() {
			links = slices.DeleteFunc(links, func(l *kernel.Link) bool { return !s.Owns(l.Object()) })
		}
		slices.SortFunc(links, func(a, b *kernel.Link) int { // what was made has any index
			return cmp.Or(cmp.Compare(min(a.Index, 2), min(b.Index, 2)), cmp.Compare(a.Name, b.Name))
		})
		all = append(all, place{n.Ref(), links})
	}
	return all, nil
}

func (r *REPL) topo(string) error {
	places, err := places(r.s)
	if err != nil {
		return err
	}
	for i, p := range places {
		if i == 0 && !slices.ContainsFunc(p.links, func(l *kernel.Link) bool { return l.Index > 1 }) {
			continue // the host's own, with nothing of the lab in it
		}
		fmt.Fprintln(r.Out, p.ref)
		if err := aligned(r.Out, func(w io.Writer) {
			for _, l := range p.links {
				if l.Master == 0 {
					r.branch(w, p, l, "  ")
				}
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// aligned writes lines whose cells end with tabs, without spaces at their ends.
func aligned(to io.Writer, write func(w io.Writer)) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	write(w)
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(to, script.Printable(strings.TrimRight(line, " \n"))) // the kernel lets links have any name
	}
	return nil
}

// branch draws a link, and those below it that are its ports.
func (r *REPL) branch(w io.Writer, p place, l *kernel.Link, indent string) {
	fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\t%s\n", indent, l.Name, l.Kind, state(l), r.addresses(l), r.far(l))
	for _, port := range p.links {
		if port.Master == l.Index {
			r.branch(w, p, port, indent+"  ")
		}
	}
}

func state(l *kernel.Link) string {
	if l.Up {
		return "up"
	}
	return "down"
}

// addresses are those of a link that somebody gave it.
func (r *REPL) addresses(l *kernel.Link) string {
	addrs, err := r.s.Machine().Addrs(l.LinkRef)
	if err != nil {
		return kernel.Cause(err)
	}
	var all []string
	for _, a := range addrs {
		if ip := a.Prefix.Addr(); !ip.IsLinkLocalUnicast() && !ip.IsLoopback() {
			all = append(all, a.Prefix.String())
		}
	}
	return strings.Join(all, " ")
}

// far is where the other end of a pair is.
func (r *REPL) far(l *kernel.Link) string {
	if !l.Paired() {
		return ""
	}
	peer, err := r.s.Machine().Peer(l)
	if err != nil {
		return "<--> elsewhere"
	}
	return "<--> " + peer.NS.String() + " " + peer.Name
}

func (r *REPL) ls(arg string) error {
	if v, ok := r.in.Globals()[arg]; ok && v.Type() == "namespace" {
		arg = v.String()
	}
	places, err := places(r.s)
	if err != nil {
		return err
	}
	var names []string
	for _, p := range places {
		if names = append(names, p.ref.String()); p.ref.String() == arg {
			return lab.ShowNS(r.Out, r.s.Machine(), p.ref)
		}
	}
	if arg != "" {
		return errors.New("this lab has no namespace " + arg + ": it has " + strings.Join(names, ", "))
	}
	return aligned(r.Out, func(w io.Writer) {
		for _, p := range places {
			for _, l := range p.links {
				if l.Index > 1 {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\tmtu %d\t%s\n", p.ref, l.Name, l.Kind, state(l),
						l.MTU, r.addresses(l))
				}
			}
		}
	})
}
