package runtime

import (
	"errors"
	"fmt"
	"slices"

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

// Keep makes the lab one that stays when the process ends. A run that changed nothing leaves nothing to keep. When it
// fails, Rollback is still to be called.
func (s *Session) Keep() error {
	s.release(nil)
	if err := errors.Join(s.beside.failed(), s.tidy()); err != nil {
		return err
	}
	if len(s.changes) == 0 {
		s.ended = true
		return errors.Join(s.unwatched(), s.log.Remove())
	}
	if err := s.m.Settle(); err != nil {
		return err
	}
	if err := s.log.Keep(); err != nil {
		return change.Blamed(err)
	}
	s.ended = true
	return errors.Join(s.unwatched(), s.log.Close())
}

// Rename gives the lab another name.
func (s *Session) Rename(name string) error {
	if err := s.log.Rename(name); err != nil {
		return change.Blamed(err)
	}
	s.o.Lab = name
	return nil
}

// tidy undoes the changes that have come to nothing.
func (s *Session) tidy() error {
	for i := len(s.changes) - 1; i >= 0; i-- {
		c := s.changes[i]
		p, ok := c.Op.(change.Temporary)
		if !ok {
			continue
		}
		idle, err := p.Idle(s.m)
		if err == nil && idle {
			err = errors.Join(c.Op.Undo(s.m), s.log.Undone(c.Seq))
			s.changes = slices.Delete(s.changes, i, i+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unwatched ends the watcher: what happens to the run is decided. It would find nothing to do, but it would hold the
// journal for a moment, and nobody could take the lab down in that moment.
func (s *Session) unwatched() error {
	if s.watcher == nil {
		return nil
	}
	err := s.watcher.Kill()
	s.watcher = nil
	return err
}

// Rollback undoes all that the run changed. Its journal ends with it, but for what is left that could still be undone.
func (s *Session) Rollback() (change.Undoing, error) {
	s.release(nil)
	if s.entered {
		return s.depart()
	}
	u, _ := change.Undo(s.m, s.log, s.changes)
	s.changes, s.ended = nil, true
	if !u.Over() {
		return u, errors.Join(s.unwatched(), s.log.Close())
	}
	// When nothing is left, it matters no more whether the journal could be told, on a /run that is full.
	return u, errors.Join(s.log.Remove(), s.unwatched())
}

// Close releases the machine. A run that was neither kept nor rolled back is left to `nsscript recover`.
func (s *Session) Close() error {
	s.release(nil)
	s.beside.close()
	s.m.Close()
	if !s.ended {
		return errors.Join(s.unwatched(), s.log.Close())
	}
	return nil
}
