package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// A Log is a run's journal in the hands of the process that holds its lock.
type Log struct {
	dir  *Dir
	name string
	file *os.File
	at   End // of what has been written
	room int // bytes that the file system has promised
	seq  int
	owed []any // records that could not be written and still should be
	// Why nothing can be written: the file system is read-only. What is undone then is undone without being noted.
	unwritable error
	buf        []byte
}

// Path is the run's folder.
func (l *Log) Path() string { return filepath.Join(l.dir.path, l.name) }

// Intent writes that a change is about to be made, and gives it its number. When it fails, the change must not be
// made. lost is what its undoing would not bring back.
func (l *Log) Intent(kind string, data any, pos string, lost ...string) (seq int, err error) {
	if err := l.begin(intent{State: Intent, Seq: l.seq + 1, Kind: kind, Data: data, Pos: pos, Lost: lost}); err != nil {
		return 0, err
	}
	l.seq++
	return l.seq, nil
}

// Failed writes that a change was refused and did not happen. A record of an end that cannot be written goes ahead of
// the next record; until then the change is one that may or may not have been made.
func (l *Log) Failed(seq int) error { return l.end(Record{State: Failed, Seq: seq}) }

// Undone writes that changes are undone, in this order and with one write(2): a death in the middle of it leaves the
// first of them written. What is said of Failed is true of it.
func (l *Log) Undone(seqs ...int) error {
	all := make([]any, len(seqs))
	for i, seq := range seqs {
		all[i] = Record{State: Undone, Seq: seq}
	}
	return l.end(all...)
}

// Note adds to what is written of a change, once it was made.
func (l *Log) Note(seq int, data any) error {
	return l.begin(intent{State: Noted, Seq: seq, Data: data})
}

// Keep decides that the run succeeded and stays.
func (l *Log) Keep() error { return l.write(nil, Record{State: Kept}) }

// Drop takes the decision to keep the run back; from here on whoever finds it undoes it.
func (l *Log) Drop() error { return l.write(nil, Record{State: Dropped}) }

// Alone calls fn with all other runs, while nobody else can be in Alone, claim a name or take over a run.
func (l *Log) Alone(fn func(others []Entry) error) error {
	unlock, err := l.dir.lock(false)
	if err != nil {
		return fmt.Errorf("lock journals: %w", err)
	}
	defer unlock()
	others, err := l.dir.entries(l.name)
	if err != nil {
		return fmt.Errorf("read journals: %w", err)
	}
	return fn(others)
}

// endSize is more than the record of a change's end takes, and ends is how many more of such a size a run writes.
const (
	endSize = 64
	ends    = 4
)

// begin writes a record that others are to follow, once there is room for all of them.
func (l *Log) begin(v any) error {
	return l.write(func(size int) error {
		need := l.at.Size + size + endSize*(l.seq+ends)
		if need <= l.room {
			return nil
		}
		const step = 64 << 10
		need = (need + step - 1) / step * step
		for {
			switch err := syscall.Fallocate(int(l.file.Fd()), 1 /* FALLOC_FL_KEEP_SIZE */, int64(l.room),
				int64(need-l.room)); err {
			case nil, syscall.EOPNOTSUPP: // a file system that promises nothing: then writing tells
				l.room = need
				return nil
			case syscall.EINTR:
			default:
				return &os.PathError{Op: "write", Path: l.file.Name(), Err: err}
			}
		}
	}, v)
}

// end writes the records of changes' ends, or owes them.
func (l *Log) end(records ...any) error {
	err := l.write(nil, records...)
	if err != nil {
		l.owed = append(l.owed, records...)
	}
	return err
}

// write appends a line for each value to those that are owed, and writes them. A line that does not get through whole
// is no line: the next one goes over it, and who reads it before that drops it. before, if not nil, is called with the
// size of all.
func (l *Log) write(before func(size int) error, values ...any) (err error) {
	if l.unwritable != nil {
		return fmt.Errorf("write journal: %w", l.unwritable)
	}
	end := l.at
	l.buf = l.buf[:0]
	for _, v := range append(l.owed[:len(l.owed):len(l.owed)], values...) {
		if l.buf, err = encode(l.buf, v, &end); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	if before != nil {
		if err := before(len(l.buf)); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	failpoint.Hit("journal: before a record")
	err = failpoint.Write(func() error {
		_, err := l.file.WriteAt(l.buf, int64(l.at.Size))
		return err
	})
	failpoint.Hit("journal: after a record")
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	l.at, l.owed = end, nil
	return nil
}

// Close releases the lock and leaves the folder: a kept run.
func (l *Log) Close() error { return l.file.Close() }

// Remove takes the run's folder away and releases the lock. Nothing unknown in the folder is removed.
func (l *Log) Remove() error {
	unlock, err := l.dir.lock(false)
	if err != nil {
		return err
	}
	defer unlock()
	err = l.dir.discard(l.name)
	l.dir.leave()
	return errors.Join(err, l.file.Close())
}
