package runtime

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/script"
)

// Enter goes on with a lab that is up: what the session changes becomes part of it when it is kept, and is undone
// otherwise; the lab stays up in any case. The error is journal.ErrLive when another process has it.
func Enter(o Options) (*Session, error) {
	var entry journal.Entry
	s, err := newSession(o, true, func(host kernel.NSRef, boot string) (*journal.Log, error) {
		found, ok, err := journal.OpenDir(o.Dir).Find(o.Lab)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, fmt.Errorf("there is no lab %s", o.Lab)
		case found.State() != "up":
			return nil, fmt.Errorf("lab %s is %s: only one that is up can be entered", o.Lab, found.State())
		}
		log, e, err := journal.OpenDir(o.Dir).Claim(o.Lab)
		if err != nil {
			return nil, err
		}
		entry = e
		switch {
		case !e.Kept:
			err = errors.New("it is not up any more")
		case e.Header.Boot != boot:
			err = errors.New("it was made before this boot")
		case e.Header.HostNS != host.Cookie:
			err = errors.New("it was made in another network namespace")
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("enter lab %s: %w", o.Lab, err), log.Close())
		}
		return log, nil
	})
	if err != nil {
		return nil, err
	}
	changes, err := change.Read(o.Vocabulary.Ops, journal.Open(entry.Records))
	if err != nil {
		return nil, errors.Join(err, s.abandon(), s.Close())
	}
	for _, c := range changes {
		if mover, ok := c.Op.(change.Mover); ok {
			from, to := mover.Moves()
			s.m.At(to) // opens the namespace that it went to
			s.m.Moved(from.Object(), to.Object())
		}
		s.remember(c)
	}
	s.base = len(s.changes)
	return s, nil
}

// abandon gives up the journal of a session that has changed nothing.
func (s *Session) abandon() error {
	s.ended = true
	if s.entered {
		return errors.Join(s.unwatched(), s.log.Close())
	}
	return errors.Join(s.unwatched(), s.log.Remove())
}

// depart undoes what was changed in a lab that was entered, and leaves it up.
func (s *Session) depart() (change.Undoing, error) {
	u := s.undoFrom(s.base)
	s.ended = true
	return u, errors.Join(s.unwatched(), s.log.Close())
}

// bindings is a script that binds the lab's namespaces and links to their names, as far as those can be names in a script
// and mean nothing else. A link whose name is that of several has its namespace's before it.
func (s *Session) bindings() (string, error) {
	places, err := s.places()
	if err != nil {
		return "", err
	}
	count := map[string]int{}
	taken := maps.Clone(s.globals)
	name := func(parts ...string) string {
		n := strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return '_'
		}, strings.Join(parts, "_"))
		if unicode.IsDigit([]rune(n)[0]) || script.Keyword(n) || slices.Contains([]string{"as", "from", "import", "is", "while", "with"}, n) {
			n = "_" + n
		}
		for taken.Has(n) || starlark.Universe.Has(n) {
			n += "_"
		}
		taken[n] = starlark.None
		return n
	}
	for _, p := range places {
		for _, l := range p.links {
			count[l.Name]++
		}
	}
	var b strings.Builder
	names := map[uint64]string{s.m.Host().Ref().Cookie: "host"}
	for _, p := range places[1:] {
		names[p.ref.Cookie] = name(p.ref.Name)
		fmt.Fprintf(&b, "%s = netns_at(name = %q)\n", names[p.ref.Cookie], p.ref.Name)
	}
	for _, p := range places {
		for _, l := range p.links {
			if l.Index == 1 { // every namespace has its own
				continue
			}
			n := name(l.Name)
			if count[l.Name] > 1 {
				n = name(p.ref.String(), l.Name)
			}
			fmt.Fprintf(&b, "%s = %s.link(%q)\n", n, names[p.ref.Cookie], l.Name)
		}
	}
	return b.String(), nil
}
