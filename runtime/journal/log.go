package journal

import (
	"encoding/json"
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
	size int64 // of what has been written
	room int64 // that the file system has promised
	seq  int
	owed []byte // what could not be written and still should be
}

// Path is the run's folder.
func (l *Log) Path() string { return filepath.Join(l.dir.path, l.name) }

// Intent writes that a change is about to be made, and gives it its number. When it fails, the change must not be
// made. Together with an intent goes the promise that there will be room for the record of its end.
func (l *Log) Intent(kind string, data any, pos string) (seq int, err error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return 0, fmt.Errorf("write journal: %w", err)
	}
	if err := l.begin(Record{State: Intent, Seq: l.seq + 1, Kind: kind, Data: raw, Pos: pos}); err != nil {
		return 0, err
	}
	l.seq++
	return l.seq, nil
}

// Failed writes that a change was refused and did not happen. A record of an end that cannot be written goes ahead of the
// next record; until then the change is one that may or may not have been made.
func (l *Log) Failed(seq int) error { return l.end(Record{State: Failed, Seq: seq}) }

// Undone writes that a change is undone. What is said of Failed is true of it.
func (l *Log) Undone(seq int) error { return l.end(Record{State: Undone, Seq: seq}) }

// Keep decides that the run succeeded and stays.
func (l *Log) Keep() error { return l.write(Record{State: Kept}, nil) }

// Drop takes the decision to keep the run back; from here on whoever finds it undoes it.
func (l *Log) Drop() error { return l.write(Record{State: Dropped}, nil) }

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
	return l.write(v, func(size int64) error {
		need := l.size + size + endSize*int64(l.seq+ends)
		if need <= l.room {
			return nil
		}
		const step = 64 << 10
		need = (need + step - 1) / step * step
		for {
			switch err := syscall.Fallocate(int(l.file.Fd()), 1 /* FALLOC_FL_KEEP_SIZE */, l.room, need-l.room); err {
			case nil, syscall.EOPNOTSUPP: // a file system that promises nothing: then writing tells
				l.room = need
				return nil
			case syscall.EINTR:
			default:
				return &os.PathError{Op: "write", Path: l.file.Name(), Err: err}
			}
		}
	})
}

// end writes the record of a change's end, or owes it.
func (l *Log) end(r Record) error {
	err := l.write(r, nil)
	if err != nil {
		if owed, e := encode(l.owed, r); e == nil {
			l.owed = owed
		}
	}
	return err
}

// write adds one line to those that are owed, and writes them. A line that does not get through whole is no line: the
// next one goes over it, and who reads it before that drops it.
func (l *Log) write(v any, before func(size int64) error) error {
	buf, err := encode(l.owed, v)
	if err == nil && before != nil {
		err = before(int64(len(buf)))
	}
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	failpoint.Hit("journal: before a record")
	err = failpoint.Write(func() error {
		_, err := l.file.WriteAt(buf, l.size)
		return err
	})
	failpoint.Hit("journal: after a record")
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	l.size += int64(len(buf))
	l.owed = buf[:0]
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
