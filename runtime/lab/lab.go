package lab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/script"
)

// Labs is the labs of one machine: those kept, those running, those whose run died.
type Labs struct {
	kinds []change.Op
	dir   *journal.Dir
}

// Open opens the folder of journals; dir is journal.DefaultDir when empty.
func Open(kinds []change.Op, dir string) *Labs { return &Labs{kinds, journal.OpenDir(dir)} }

// A Lab is a lab as its journal tells it.
type Lab struct {
	Name       string         `json:"name"`
	State      string         `json:"state"`   // "up", "running", "dead", "damaged", "other version", "no answer"
	Sandbox    bool           `json:"sandbox"` // it is in a sandbox, and not on the machine itself
	Script     string         `json:"script,omitempty"`
	PID        int            `json:"pid,omitempty"`
	Since      string         `json:"since,omitempty"`
	Namespaces []string       `json:"namespaces"`
	Changes    []change.Event `json:"changes"`
	Err        error          `json:"-"`

	refs      []kernel.NSRef
	ops       []change.Made
	processes []kernel.Process
}

// noAnswer is the state of a lab whose sandbox is there, when nothing else is known of it.
const noAnswer = "no answer"

// List lists all labs in the order of their names.
func (l *Labs) List() ([]Lab, error) {
	entries, err := l.dir.List()
	var labs []Lab
	for _, e := range entries {
		labs = append(labs, l.lab(e))
	}
	return labs, err
}

func (l *Labs) lab(e journal.Entry) Lab {
	lab := Lab{Name: e.Name, Script: e.Header.Script, State: e.State(), PID: e.Header.PID, Err: e.Err,
		Namespaces: []string{}}
	if !e.Header.Start.IsZero() {
		lab.Since = e.Header.Start.Local().Format("2006-01-02 15:04:05")
	}
	ops, err := change.Read(l.kinds, journal.Open(e.Records))
	lab.Err = errors.Join(lab.Err, err)
	lab.ops = ops
	for _, c := range ops {
		lab.Changes = append(lab.Changes, c.Event())
		if s, ok := c.Op.(change.Starter); ok {
			lab.processes = append(lab.processes, s.Starts())
		}
	}
	for _, ref := range change.Named(ops) {
		lab.refs = append(lab.refs, ref)
		lab.Namespaces = append(lab.Namespaces, ref.Name)
	}
	return lab
}

// Find finds a lab by its name.
func (l *Labs) Find(name string) (Lab, error) {
	e, ok, err := l.dir.Find(name)
	return l.lab(e), l.found(name, ok, err)
}

// Exists is an error when there is no lab of a name.
func (l *Labs) Exists(name string) error {
	ok, err := l.dir.Has(name)
	return l.found(name, ok, err)
}

// found is the error of a lab that was looked for.
func (l *Labs) found(name string, ok bool, err error) error {
	err = change.Blamed(err)
	if err == nil && !ok {
		labs, _ := l.List()
		var names []string
		for _, lab := range labs {
			names = append(names, lab.Name)
		}
		err = fmt.Errorf("there is no lab %s", name)
		if near := script.Nearest(name, names); near != "" {
			err = fmt.Errorf("%w, did you mean %s?", err, near)
		}
	}
	return err
}

// A Recovery is what was found and done about one lab.
type Recovery struct {
	Name   string `json:"name"`
	Killed string `json:"killed,omitempty"` // why its watcher had ended it; when empty, it had died of something else
	change.Undoing
	Err error `json:"-"`
}

// Recover undoes what dead runs left. Labs that are up or running are not touched. It can be interrupted at any point
// and called again.
func (l *Labs) Recover() ([]Recovery, error) {
	entries, err := l.dir.List()
	if err != nil {
		return nil, change.Blamed(err)
	}
	var all []Recovery
	for _, e := range entries {
		if e.Live && !e.Dropped || e.Kept && e.Err == nil && len(journal.Pending(e.Records)) == 0 {
			continue
		}
		r := Recovery{Name: e.Name}
		if r.Err = e.Err; r.Err == nil {
			r.Undoing, r.Err = l.afterOthers(e.Name)
		}
		if !errors.Is(r.Err, os.ErrNotExist) && !errors.Is(r.Err, journal.ErrKept) { // another nsscript did it
			all = append(all, r)
		}
	}
	return all, nil
}

// afterOthers undoes a dead run, once whoever is at it already has ended.
func (l *Labs) afterOthers(name string) (change.Undoing, error) {
	for {
		u, err := l.undo(name, false)
		if !errors.Is(err, journal.ErrLive) {
			return u, err
		}
		if err := l.dir.AwaitAtWork(name); err != nil {
			return u, change.Blamed(err)
		}
	}
}

// Help does what a helper process is for: see Options.Helper. It reports what it has undone, which is nothing (nil)
// when the run ended well.
func (l *Labs) Help(args []string) (*Recovery, error) {
	switch {
	case len(args) >= 2 && args[0] == "watch":
		return l.watch(args[1], args[2:])
	case len(args) >= 3 && args[0] == "init":
		return nil, proc.Init(args[1], args[2:])
	case len(args) == 1 && args[0] == "supervise":
		return nil, proc.Supervise()
	case len(args) >= 2 && args[0] == "multicast":
		return nil, kernel.HelpMulticast(args[1], args[2:])
	}
	return nil, fmt.Errorf("unknown help: %q", args)
}

// watch waits until a run's process has ended, and undoes what it left if it was killed: nil when there is nothing to
// say. It is for a process of its own, which the run ends when it has ended well. bounds are what watchArgs says.
func (l *Labs) watch(name string, bounds []string) (*Recovery, error) {
	killed, err := boundParent(bounds)
	if err != nil {
		return nil, err
	}
	err = l.dir.Await(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, l.dir.Sweep(name)
	} else if err != nil {
		return nil, err
	}
	r := &Recovery{Name: name}
	select {
	case r.Killed = <-killed:
	default:
	}
	r.Undoing, r.Err = l.undo(name, false)
	switch {
	case errors.Is(r.Err, os.ErrNotExist):
		return nil, l.dir.Sweep(name)
	case errors.Is(r.Err, journal.ErrKept), errors.Is(r.Err, journal.ErrLive):
		// it ended well, or another nsscript was faster
		return nil, nil
	}
	return r, nil
}

// Forget gives up what is left of a dead run that could not be undone, and of a run whose journal is damaged.
// Namespaces that it had deleted, and that were kept to be given back, end with that.
func (l *Labs) Forget(name string) (Lab, error) {
	lab, err := l.Find(name)
	if err != nil {
		return lab, err
	}
	if err := l.dir.Forget(name); err != nil {
		return lab, fmt.Errorf("lab %s cannot be forgotten: %w", name, err)
	}
	m, err := kernel.Open()
	if err != nil {
		return lab, err
	}
	defer m.Close()
	for _, c := range lab.ops {
		if u, ok := c.Op.(change.Unnamer); ok {
			if _, e := m.Unpin(u.Unnames()); !errors.Is(e, kernel.ErrGone) {
				err = errors.Join(err, e)
			}
		}
	}
	return lab, err
}

// Down takes a lab down: all that it changed is undone.
func (l *Labs) Down(name string) (change.Undoing, error) {
	if err := l.Exists(name); err != nil {
		return change.Undoing{}, err
	}
	for deadline := time.Now().Add(keepPatience); ; {
		u, err := l.undo(name, true)
		if !errors.Is(err, journal.ErrLive) || time.Now().After(deadline) {
			return u, err
		}
		if e, ok, _ := l.dir.Find(name); ok && !e.Kept {
			return u, err
		}
		// a lock that somebody else lets go is no event that one can wait for with a deadline
		time.Sleep(time.Millisecond)
	}
}

// keepPatience is how long the process of a run that has been kept may take to end, and its watcher to see that.
const keepPatience = time.Second

// undo claims a lab's journal and undoes its open changes.
func (l *Labs) undo(name string, drop bool) (u change.Undoing, err error) {
	log, e, err := l.dir.Claim(name)
	if err != nil {
		return u, change.Blamed(err)
	}
	fail := func(err error) (change.Undoing, error) { return u, errors.Join(err, log.Close()) }
	open := journal.Open(e.Records)
	if e.Kept && !drop {
		// What a run that had entered the lab did not keep.
		if open = journal.Pending(e.Records); len(open) == 0 {
			return fail(journal.ErrKept)
		}
	}
	boot, err := kernel.BootID()
	if err != nil {
		return fail(err)
	}
	if boot != e.Header.Boot {
		// Nothing of what it made outlived that boot.
		return u, log.Remove()
	}
	m, err := kernel.Open()
	if err != nil {
		return fail(err)
	}
	defer m.Close()
	m.Folder = l.dir.Path()
	if here := m.Host().Ref().Cookie; here != e.Header.HostNS {
		return fail(
			fmt.Errorf("lab %s was made in another network namespace (cookie %d, here it is %d): run this there", name,
				e.Header.HostNS, here))
	}
	changes, err := change.Read(l.kinds, open)
	if err != nil {
		return fail(err)
	}
	if e.Kept && !drop {
		u, _ = change.Undo(m, log, changes)
		return u, log.Close()
	}
	// From here on others who find a kept run wait for this process, and undo it when this one dies.
	if !e.Dropped {
		if err := log.Drop(); err != nil && !errors.Is(err, syscall.EROFS) { // which undoing says itself
			return fail(change.Blamed(err))
		}
	}
	held, err := l.lingering(m, e.Records)
	if err != nil {
		return fail(err)
	}
	changes = append(changes, held...)
	slices.SortFunc(changes, func(a, b change.Made) int { return a.Seq - b.Seq })
	if u, _ = change.Undo(m, log, changes); !u.Over() {
		return u, log.Close()
	}
	return u, log.Remove()
}

// lingering lists the changes that were undone and that made namespaces which are there still: somebody held them then.
func (l *Labs) lingering(m *kernel.Machine, records []journal.Record) (held []change.Made, err error) {
	for _, r := range journal.Ended(records) {
		publishes := slices.ContainsFunc(l.kinds, func(op change.Op) bool {
			_, ok := op.(change.Namer)
			return ok && op.Kind() == r.Kind
		})
		if !publishes {
			continue
		}
		one, err := change.Read(l.kinds, []journal.Record{r})
		if err != nil {
			return nil, err
		}
		there, err := m.Exists(one[0].Op.(change.Namer).Names())
		if err != nil {
			return nil, err
		}
		if one[0].Held = there; there {
			held = append(held, one[0])
		}
	}
	return held, nil
}
