package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/lock"
)

// A Dir is the folder in which runs have their folders. A short lock on it makes claiming a name, listing and
// removing one act each; the kernel frees it with the process, so a SIGKILL at any point leaves at worst a folder
// without a journal, which had no changes and is swept away by the next who looks.
type Dir struct{ path string }

// DefaultDir is where runs have their journals: it ends with the boot, as the kernel's state does.
const DefaultDir = "/run/nsscript"

// OpenDir names the folder, DefaultDir when path is empty. It is made when the first run is created, for its owner
// alone, and goes with the last one.
func OpenDir(path string) *Dir { return &Dir{cmp.Or(path, DefaultDir)} }

// Path is where the folder is.
func (d *Dir) Path() string { return d.path }

// lock makes the caller the only one who works on the folder. Without make, a folder that is not there is
// os.ErrNotExist.
func (d *Dir) lock(make bool) (unlock func(), err error) { return lock.Folder(d.path, make) }

// ValidName says which rule a run's name breaks: 1 to 64 bytes of letters, digits, '.', '_' and '-', the first a letter
// or digit.
func ValidName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	switch {
	case name == "":
		return errors.New("lab name is empty")
	case len(name) > 64:
		return fmt.Errorf("lab name %q is %d bytes long, at most 64 are allowed", name, len(name))
	case !strings.Contains(letters, name[:1]):
		return fmt.Errorf("lab name %q must begin with a letter or a digit", name)
	case strings.Trim(name, letters+"._-") != "":
		return fmt.Errorf("lab name %q may have only letters, digits, '.', '_' and '-' in it", name)
	}
	return nil
}

// Create claims a name for a new run. The error is a *TakenError when there is one.
func (d *Dir) Create(h Header) (l *Log, err error) {
	if err := ValidName(h.Name); err != nil {
		return nil, err
	}
	unlock, err := d.lock(true)
	if err != nil {
		return nil, err
	}
	defer unlock()
	defer func() {
		if err != nil {
			d.leave()
		}
	}()
	if e, ok := d.entry(h.Name); ok {
		if e.Err != nil {
			return nil, e.Err
		}
		return nil, &TakenError{e}
	}
	if err := os.Mkdir(filepath.Join(d.path, h.Name), 0o700); err != nil {
		return nil, err
	}
	failpoint.Hit("journal: folder of a run made")
	f, err := d.open(h.Name, fileNew, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	failpoint.Hit("journal: file made")
	if err != nil {
		return nil, errors.Join(err, d.discard(h.Name))
	}
	l = &Log{dir: d, name: h.Name, file: f}
	h.Version = version
	if err = lock.Try(f, syscall.LOCK_EX); err == nil {
		err = l.begin(h)
	}
	if err == nil {
		err = os.Rename(d.file(h.Name, fileNew), d.file(h.Name, file))
	}
	failpoint.Hit("journal: file has its name")
	if err != nil {
		return nil, errors.Join(err, d.discard(h.Name), f.Close())
	}
	return l, nil
}

// A run's journal, and what it is called before its header is in it.
const (
	file    = "journal"
	fileNew = "journal.new"
)

func (d *Dir) file(run, name string) string { return filepath.Join(d.path, run, name) }

// open never waits for what is no journal, such as a FIFO.
func (d *Dir) open(run, name string, flags int) (*os.File, error) {
	return os.OpenFile(d.file(run, name), flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
}

// Claim takes over a run whose process is gone, to undo it. One that was not kept is dropped in the same act, so that
// whoever else finds it sees at once that it is being undone. The error is ErrLive when its process is not gone, and
// os.ErrNotExist when there is no such run.
func (d *Dir) Claim(name string) (*Log, Entry, error) {
	e := Entry{Name: name}
	if err := ValidName(name); err != nil {
		return nil, e, err
	}
	unlock, err := d.lock(false)
	if err != nil {
		return nil, e, err
	}
	defer unlock()
	var unwritable error
	f, err := d.open(name, file, os.O_RDWR)
	if errors.Is(err, syscall.EROFS) { // what it changed can be undone all the same
		unwritable = err
		f, err = d.open(name, file, os.O_RDONLY)
	}
	if err != nil {
		return nil, e, err
	}
	// Whoever works on a run holds it for itself alone. A shared hold is one that waits in Await, and short.
	if err := lock.Try(f, syscall.LOCK_SH); err != nil {
		f.Close()
		return nil, e, ErrLive
	}
	if err := lock.File(f, syscall.LOCK_EX, lock.Patience); err != nil {
		f.Close()
		return nil, e, err
	}
	end, err := load(f, &e)
	if err != nil {
		f.Close()
		return nil, e, err
	}
	l := &Log{dir: d, name: name, file: f, at: end, unwritable: unwritable}
	for _, r := range e.Records {
		l.seq = max(l.seq, r.Seq)
	}
	if end.Size > 0 && !e.Kept && !e.Dropped {
		if err := l.Drop(); err != nil && unwritable == nil {
			f.Close()
			return nil, e, err
		}
		e.Dropped = true
	}
	return l, e, nil
}

// Forget removes the journal of a dead run, whatever is in it and open still. ErrLive: its process is not dead, or it
// is being undone; ErrKept: it is up.
func (d *Dir) Forget(name string) error {
	if err := ValidName(name); err != nil {
		return err
	}
	unlock, err := d.lock(false)
	if err != nil {
		return err
	}
	defer unlock()
	switch e, ok := d.entry(name); {
	case !ok:
		return os.ErrNotExist
	case e.Live:
		return ErrLive
	case e.Kept:
		return ErrKept
	}
	err = d.discard(name)
	d.leave()
	return err
}

// Await returns when no process works on a run: its own has ended, or who undid it has.
func (d *Dir) Await(name string) error { return d.await(name, lock.Wait) }

// AwaitAtWork is Await that gives up, with a *lock.HeldError, when who works on the run is stopped or does not come to
// an end.
func (d *Dir) AwaitAtWork(name string) error {
	return d.await(name, func(f *os.File, how int) error { return lock.File(f, how, lock.Patience) })
}

func (d *Dir) await(name string, wait func(f *os.File, how int) error) error {
	if err := ValidName(name); err != nil {
		return err
	}
	f, err := d.open(name, file, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return wait(f, syscall.LOCK_SH)
}

// discard removes a run's journal and folder, and nothing else that may be in it.
func (d *Dir) discard(name string) error {
	if _, err := os.Lstat(filepath.Join(d.path, name)); errors.Is(err, os.ErrNotExist) {
		return nil // on a read-only file system that is not what removing it says
	}
	for _, f := range []string{fileNew, file} {
		if err := os.Remove(d.file(name, f)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	failpoint.Hit("journal: file removed")
	if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// leave removes the folder itself when no run is in it; the caller holds its lock.
func (d *Dir) leave() {
	failpoint.Hit("journal: folder of a run removed")
	_ = os.Remove(d.path)
}

// Rename gives the run another name: the old one is free. The error is a *TakenError when there is a run of that name.
// A death in the middle leaves it under one of the two.
func (l *Log) Rename(name string) error {
	if err := ValidName(name); err != nil {
		return err
	}
	unlock, err := l.dir.lock(false)
	if err != nil {
		return fmt.Errorf("lock journals: %w", err)
	}
	defer unlock()
	if e, ok := l.dir.entry(name); ok {
		return errors.Join(e.Err, &TakenError{e})
	}
	if err := l.write(nil, Record{State: Named, Kind: name}); err != nil {
		return err
	}
	failpoint.Hit("journal: another name written")
	if err := os.Rename(filepath.Join(l.dir.path, l.name), filepath.Join(l.dir.path, name)); err != nil {
		return err
	}
	failpoint.Hit("journal: folder renamed")
	l.name = name
	return nil
}
