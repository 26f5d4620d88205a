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
	end  End
	seq  int
	buf  []byte
}

// Path is the run's folder.
func (l *Log) Path() string { return filepath.Join(l.dir.path, l.name) }

// Intent writes that a change is about to be made, and gives it its number. When it fails, the change must not be
// made.
func (l *Log) Intent(kind string, data any, pos string) (seq int, err error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return 0, fmt.Errorf("write journal: %w", err)
	}
	if err := l.write(Record{State: Intent, Seq: l.seq + 1, Kind: kind, Data: raw, Pos: pos}); err != nil {
		return 0, err
	}
	l.seq++
	return l.seq, nil
}

// Failed writes that a change was refused and did not happen.
func (l *Log) Failed(seq int) error { return l.write(Record{State: Failed, Seq: seq}) }

// Undone writes that changes are undone, in this order and with one write(2): a death in the middle of it leaves the
// first of them written.
func (l *Log) Undone(seqs ...int) error {
	all := make([]any, len(seqs))
	for i, seq := range seqs {
		all[i] = Record{State: Undone, Seq: seq}
	}
	return l.write(all...)
}

// Keep decides that the run succeeded and stays.
func (l *Log) Keep() error { return l.write(Record{State: Kept}) }

// Drop takes the decision to keep the run back; from here on whoever finds it undoes it.
func (l *Log) Drop() error { return l.write(Record{State: Dropped}) }

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

// write appends a line for each value. What did not get through whole is cut off again, so that what follows is readable.
func (l *Log) write(values ...any) (err error) {
	end := l.end
	l.buf = l.buf[:0]
	for _, v := range values {
		if l.buf, err = encode(l.buf, v, &end); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	failpoint.Hit("journal: before a record")
	n, err := l.file.Write(l.buf)
	failpoint.Hit("journal: after a record")
	if err != nil {
		if n > 0 {
			err = errors.Join(err, l.file.Truncate(int64(l.end.Size)))
		}
		return fmt.Errorf("write journal: %w", err)
	}
	l.end = end
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
