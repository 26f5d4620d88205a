package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// machine opens the machine, with the folder in which namespaces have their files.
func (l *Labs) machine() (*kernel.Machine, error) {
	m, err := kernel.Open()
	if err == nil {
		m.Folder = l.dir.Path()
	}
	return m, err
}

// Show writes what a lab is: its namespaces as they are now.
func (l *Labs) Show(w io.Writer, lab Lab) error { return l.show(w, lab, lab.refs) }

// ShowAll writes also what is in the host's namespace, which in a sandbox is the lab's.
func (l *Labs) ShowAll(w io.Writer, lab Lab) error {
	m, err := l.machine()
	if err != nil {
		return err
	}
	defer m.Close()
	return l.show(w, lab, append([]kernel.NSRef{m.Host().Ref()}, lab.refs...))
}

func (l *Labs) show(out io.Writer, lab Lab, refs []kernel.NSRef) error {
	w := new(strings.Builder)
	fmt.Fprintf(w, "lab %s: %s, %s, %s, since %s, by %s\n", lab.Name, lab.State,
		script.Count(len(lab.Namespaces), "namespace"), script.Count(len(lab.Changes), "change"), lab.Since, lab.Script)
	for _, c := range lab.Changes {
		for _, lost := range c.Lost {
			fmt.Fprintf(w, "  lost for good by %s: %s\n", c.Command, lost)
		}
	}
	m, err := l.machine()
	if err != nil {
		return err
	}
	defer m.Close()
	for _, ref := range refs {
		if err := ShowNS(w, m, ref); err != nil {
			fmt.Fprintf(w, "\n%s: %s\n", ref, kernel.Cause(err))
		}
	}
	processes, err := lab.Processes()
	if len(processes) > 0 {
		fmt.Fprintln(w)
	}
	for _, p := range processes {
		fmt.Fprintf(w, "process %s in %s: %s: %s\n", p.Name, p.NS, p.State, p.Command)
	}
	_, e := io.WriteString(out, script.Printable(w.String()))
	return errors.Join(err, e)
}

func ShowNS(w io.Writer, m *kernel.Machine, ref kernel.NSRef) error {
	n, err := m.Namespace(ref)
	if err != nil {
		return err
	}
	links, err := n.Links()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", ref)
	for _, link := range links {
		addrs, err := m.Addrs(link.LinkRef)
		if err != nil {
			return err
		}
		state := "down"
		if link.Up {
			state = "up"
		}
		fmt.Fprintf(w, "  %-15s %-8s %-4s mtu %d", link.Name, link.Kind, state, link.MTU)
		for _, a := range addrs {
			fmt.Fprintf(w, " %s", a.Prefix)
		}
		fmt.Fprintln(w)
	}
	routes, err := n.Routes()
	for _, r := range routes {
		if !strings.HasPrefix(r.Prefix(), "fe80::") {
			fmt.Fprintf(w, "  route %s\n", r)
		}
	}
	if err != nil {
		return err
	}
	files, err := m.Files(ref)
	for _, f := range files {
		fmt.Fprintf(w, "  %s\n", f.String())
	}
	return err
}

// Exec replaces this process by a command in a namespace of a lab.
func (l *Labs) Exec(lab Lab, ns string, argv []string) error {
	i := slices.Index(lab.Namespaces, ns)
	if i < 0 {
		err := fmt.Errorf("lab %s has no namespace %s: it has %s", lab.Name, ns, strings.Join(lab.Namespaces, ", "))
		return err
	}
	m, err := l.machine()
	if err != nil {
		return err
	}
	n, err := m.Namespace(lab.refs[i])
	if err != nil {
		return err
	}
	return n.Exec(argv, os.Environ())
}
