package runtime

import (
	"errors"
	"fmt"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
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
	u := s.undo(s.changes[s.base:])
	s.ended = true
	return u, errors.Join(s.unwatched(), s.log.Close())
}
