package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/nsscript/nsscript/runtime/lock"
)

// ErrLive says that a run's process is alive.
var ErrLive = errors.New("its process is running")

// ErrKept says that a run is a lab that is up.
var ErrKept = errors.New("it is up")

// A TakenError says that there is a run of this name already.
type TakenError struct{ Entry }

func (e *TakenError) Error() string {
	if e.Live {
		return fmt.Sprintf("lab %s is running: process %d, %s", e.Name, e.Header.PID, e.Header.Script)
	}
	if !e.Kept {
		return fmt.Sprintf("lab %s, made by %s, could not be undone whole", e.Name, e.Header.Script)
	}
	return fmt.Sprintf("lab %s is up: made by %s at %s", e.Name, e.Header.Script,
		e.Header.Start.Local().Format("15:04:05"))
}

// An Entry is a run as found in the folder.
type Entry struct {
	Name    string
	Header  Header
	Records []Record
	Live    bool  // its process is running
	Kept    bool  // it succeeded, and was not dropped since
	Dropped bool  // it is to be undone, whatever it was before; when it is live too, that is being done
	Err     error // the journal is damaged, of another version, or could not be read
}

// State is what is known of a run, for people.
func (e Entry) State() string {
	switch {
	case errors.As(e.Err, new(*VersionError)):
		return "other version"
	case e.Err != nil:
		return "damaged"
	case e.Live:
		return "running"
	case e.Kept:
		return "up"
	}
	return "dead"
}

// List reads every run, in the order of their names.
func (d *Dir) List() ([]Entry, error) {
	unlock, err := d.lock(false)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer unlock()
	all, err := d.entries("")
	d.leave()
	return all, err
}

// entries looks at all runs but one while the folder is locked.
func (d *Dir) entries(but string) ([]Entry, error) {
	found, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, f := range found {
		if f.Name() == but || ValidName(f.Name()) != nil {
			continue
		}
		if e, ok := d.entry(f.Name()); ok {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Find reads one run; ok is false when there is none.
func (d *Dir) Find(name string) (e Entry, ok bool, err error) {
	err = d.look(name, func() { e, ok = d.entry(name) })
	return e, ok, err
}

// Has reports whether there is a run, without reading it.
func (d *Dir) Has(name string) (ok bool, err error) {
	err = d.look(name, func() {
		var f *os.File
		if f, ok, _ = d.begun(name); f != nil {
			f.Close()
		}
	})
	return ok, err
}

// look calls fn while the folder is locked, unless there is no folder.
func (d *Dir) look(name string, fn func()) error {
	if err := ValidName(name); err != nil {
		return err
	}
	unlock, err := d.lock(false)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer unlock()
	fn()
	return nil
}

// Sweep removes the folder of a run whose process died when its journal was gone already.
func (d *Dir) Sweep(name string) error {
	unlock, err := d.lock(false)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer unlock()
	defer d.leave()
	e, _ := d.entry(name) // looking at it is what sweeps
	return e.Err
}

// begun opens a run's journal while the folder is locked, and sweeps the run away when it never began: then there is
// none.
func (d *Dir) begun(name string) (f *os.File, ok bool, err error) {
	f, err = d.open(name, file, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		err = d.discard(name)
		return nil, err != nil, err
	} else if err != nil {
		return nil, true, err
	}
	return f, true, nil
}

// entry looks at a run while the folder is locked.
func (d *Dir) entry(name string) (Entry, bool) {
	e := Entry{Name: name}
	f, ok, err := d.begun(name)
	if f == nil {
		e.Err = err
		return e, ok
	}
	defer f.Close()
	e.Live = lock.Try(f, syscall.LOCK_SH) != nil
	_, e.Err = load(f, &e)
	return e, true
}

// load reads a run's journal, and says where what is whole of it ends.
func load(f *os.File, e *Entry) (end End, err error) {
	text, err := read(f)
	if err != nil {
		return end, err
	}
	h, records, end, err := Decode(text)
	if err == nil && h.Name != e.Name && !called(records, e.Name) {
		err = &DamageError{Reason: fmt.Sprintf("it is of lab %q", h.Name)}
	}
	e.Header, e.Records = h, records
	e.Kept, e.Dropped = decided(records)
	return end, named(err, f.Name())
}

func named(err error, file string) error {
	var d *DamageError
	var v *VersionError
	if errors.As(err, &d) {
		d.File = file
	} else if errors.As(err, &v) {
		v.File = file
	}
	return err
}

func read(f *os.File) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("journal %s is no regular file of at most %d bytes", f.Name(), maxFile)
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(f, maxFile))
	return b.Bytes(), err
}
