package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nsscript/nsscript/runtime/failpoint"
)

// A Log is a run's journal in the hands of the process that holds its lock.
type Log struct {
	dir  *Dir
	name string
	file *os.File
	size int64
	seq  int
	buf  []byte
}

// Path is the run's folder.
func (l *Log) Path() string { return filepath.Join(l.dir.path, l.name) }

// Intent writes that a change is about to be made, and gives it its number. When it fails, the change must not be
// made. lost is what its undoing would not bring back.
func (l *Log) Intent(kind string, data any, pos string, lost ...string) (seq int, err error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return 0, fmt.Errorf("write journal: %w", err)
	}
	if err := l.write(Record{State: Intent, Seq: l.seq + 1, Kind: kind, Data: raw, Pos: pos, Lost: lost}); err != nil {
		return 0, err
	}
	l.seq++
	return l.seq, nil
}

// Failed writes that a change was refused and did not happen.
func (l *Log) Failed(seq int) error { return l.write(Record{State: Failed, Seq: seq}) }

// Undone writes that a change is undone.
func (l *Log) Undone(seq int) error { return l.write(Record{State: Undone, Seq: seq}) }

// Keep decides that the run succeeded and stays.
func (l *Log) Keep() error { return l.write(Record{State: Kept}) }

// Drop takes the decision to keep the run back; from here on whoever finds it undoes it.
func (l *Log) Drop() error { return l.write(Record{State: Dropped}) }

// write appends one line. A line that did not get through whole is cut off again, so that what follows is readable.
func (l *Log) write(v any) (err error) {
	if l.buf, err = encode(l.buf[:0], v); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	failpoint.Hit("journal: before a record")
	n, err := l.file.Write(l.buf)
	failpoint.Hit("journal: after a record")
	if err != nil {
		if n > 0 {
			err = errors.Join(err, l.file.Truncate(l.size))
		}
		return fmt.Errorf("write journal: %w", err)
	}
	l.size += int64(n)
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
