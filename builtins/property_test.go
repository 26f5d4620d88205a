package builtins

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

var (
	rounds   = flag.Int("rounds", 300, "worlds that TestProperty makes, one a seed")
	first    = flag.Uint64("first", 1, "the seed that TestProperty and TestStories begin with")
	oneSeed  = flag.Uint64("seed", 0, "the one seed that TestProperty or TestStories takes")
	failures = flag.Int64("failures", 5, "failing seeds after which these stop")
)

// workers is how many worlds are tried at once: most of a round is waiting for the kernel to delete links.
const workers = 4

// A trial is a world, and what is done in it.
type trial struct {
	world *madeWorld
	kinds []string
	acts  []act
	twice bool // undo everything twice
	// forget makes a mutant of an op: it takes out of what Check saved. What would be refused for a Loss is done then.
	forget func(change.Op)
}

func newTrial(seed uint64, kind string) *trial {
	tr := &trial{world: newWorld(seed)}
	w := tr.world
	n := 1
	if kind == "" && w.chance(3) {
		n = 2 + w.rand.IntN(4)
	}
	tr.twice = n == 1 && w.chance(4)
	for range n {
		k := kind
		if k == "" {
			ops := All().Ops
			k = ops[w.rand.IntN(len(ops))].Kind()
			if w.chance(3) {
				k = "link set"
			}
		}
		tr.kinds, tr.acts = append(tr.kinds, k), append(tr.acts, acts[k](w))
	}
	return tr
}

// A finding is how a trial broke the promise that undoing leaves nothing.
type finding struct {
	commands []string
	text     string
}

// run makes the world, does the acts as a run would, undoes them newest first as another process would that has only
// their records, and compares. Something may differ when the undoing says what it could not bring back. name makes the
// names of namespaces this run's own.
func (tr *trial) run(t *testing.T, name string, undo func(change.Op, *kernel.Machine) error,
	patience time.Duration) (f *finding, done int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	god, err := kernel.Open()
	must(err)
	defer god.Close()
	god.Folder = "/run"
	spaces := []string{name, name + "a"}
	var refs []kernel.NSRef
	var made []*kernel.Namespace
	for _, s := range spaces {
		n, err := god.Make(s, false)
		must(err)
		must(god.GiveName(n))
		refs, made = append(refs, n.Ref()), append(made, n)
	}
	defer func() {
		for _, ref := range refs {
			_, _ = god.Unpin(ref) // left by an Undo that did nothing
			must(god.TakeName(ref))
		}
	}()
	tr.world.build(t, made[0], made[1])
	nstest.QuietNew(t, spaces...)
	before := nstest.Snapshot(t, spaces...)

	f = &finding{}
	records, ops, err := tr.do(f, spaces)
	must(err)
	err = undoAll(records, ops, tr.twice, undo)
	lost, more := kernel.Losses(err)
	named := len(lost) > 0 && !more && tr.forget == nil
	if err != nil && !named {
		f.text = "undo: " + err.Error() + "\n"
	}
	for _, op := range ops {
		if c, ok := op.(*addCgroup); ok && os.Remove(c.Path) == nil {
			f.text += "cgroup " + c.Path + " is there still\n"
		}
		if p, ok := op.(*startProcess); ok {
			if _, err := os.Lstat(string(p.Service)); err == nil {
				f.text += "process " + p.Name + " is there still\n"
				must(p.Undo(god))
			}
		}
		if file, ok := op.(*addFile); ok && god.HasFile(file.File) == nil {
			f.text += file.File.String() + " is there still\n"
			must(file.Undo(god))
		}
	}
	if left, err := god.OpenName("n" + name); err == nil {
		f.text += "namespace n" + name + " is there still\n"
		must(god.TakeName(left.Ref()))
		must(os.RemoveAll("/run/netns/n" + name))
	}
	if _, err := os.Lstat("/run/netns/" + spaces[1]); err != nil {
		f.text += err.Error() + "\n"
		return f, len(records)
	}
	if named {
		patience = 0
	}
	switch differs := differing(t, before, patience, spaces); {
	case named && differs == "":
		f.text += "nothing differs, and the undoing says: " + err.Error() + "\n"
	case !named: // else it is known what is lost
		f.text += differs
	}
	if f.text == "" {
		return nil, len(records)
	}
	return f, len(records)
}

// differing is how namespaces differ from a state before. What the kernel does later, on a busy machine much later, and
// without an event for all of it, is waited for.
func differing(t *testing.T, before string, patience time.Duration, spaces []string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		nstest.Quiet(t, spaces...)
		after := nstest.Snapshot(t, spaces...)
		if after == before {
			return ""
		} else if time.Now().After(deadline) {
			return nstest.Diff(before, after)
		}
	}
}

// do applies the acts as a run does, and returns the records of those that were not refused.
func (tr *trial) do(f *finding, spaces []string) (records [][]byte, ops []change.Op, err error) {
	m, err := kernel.Open()
	if err != nil {
		return nil, nil, err
	}
	defer m.Close()
	e := &env{m: m}
	if e.in, err = m.OpenName(spaces[0]); err != nil {
		return nil, nil, err
	}
	if e.away, err = m.OpenName(spaces[1]); err != nil {
		return nil, nil, err
	}
	for _, a := range tr.acts {
		op := a(e)
		if op == nil {
			continue
		}
		err := op.Check(m, false)
		if _, more := kernel.Losses(err); tr.forget != nil && !more {
			tr.forget(op)
			err = nil
		}
		if err != nil {
			f.commands = append(f.commands, op.Command()+"   # refused: "+err.Error())
			continue
		}
		record, err := json.Marshal(op)
		if err != nil {
			return nil, nil, err
		}
		if err := op.Do(m); err != nil {
			f.commands = append(f.commands, op.Command()+"   # failed: "+err.Error())
			continue
		}
		if n, ok := op.(change.Noter); ok {
			fields, err := n.Note(m)
			if err == nil && fields != nil {
				record, err = noted(record, fields)
			}
			if err != nil {
				return nil, nil, err
			}
		}
		if err := change.ValidOp(op); err != nil {
			return nil, nil, fmt.Errorf("%s: its record would be refused: %w", op.Command(), err)
		}
		f.commands = append(f.commands, op.Command())
		records, ops = append(records, record), append(ops, op)
	}
	return records, ops, nil
}

// noted is a record with the fields that an op saw when it was made, as a journal has it.
func noted(record []byte, fields any) ([]byte, error) {
	all := map[string]json.RawMessage{}
	more, err := json.Marshal(fields)
	if err = errors.Join(err, json.Unmarshal(record, &all), json.Unmarshal(more, &all)); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// undoAll undoes records newest first on a machine that knows nothing but them, as package runtime does.
func undoAll(records [][]byte, ops []change.Op, twice bool, undo func(change.Op, *kernel.Machine) error) error {
	m, err := kernel.Open()
	if err != nil {
		return err
	}
	defer m.Close()
	m.Folder = "/run"
	var read []change.Op
	for i, r := range records {
		op := reflect.New(reflect.TypeOf(ops[i]).Elem()).Interface().(change.Op)
		if err := json.Unmarshal(r, op); err != nil {
			return err
		}
		read = append(read, op)
		if mover, ok := op.(change.Mover); ok {
			if from, to := mover.Moves(); m.At(to) || i < len(records)-1 {
				m.Moved(from.Object(), to.Object())
			}
		}
	}
	slices.Reverse(read)
	pass := func(todo []change.Op) (failed []change.Op, errs []error) {
		for i, op := range todo {
			if l, ok := op.(change.Supersedes); ok {
				for _, older := range todo[i+1:] {
					l.Over(older)
				}
			}
			err := undo(op, m)
			if _, ok := op.(*addNetns); err == nil && twice && !ok {
				err = undo(op, m)
			}
			if err != nil {
				failed, errs = append(failed, op), append(errs, err)
			}
		}
		return failed, errs
	}
	failed, errs := pass(read)
	if len(failed) > 0 {
		_, errs = pass(read[slices.Index(read, failed[0]):])
	}
	return errors.Join(errs...)
}

func honest(op change.Op, m *kernel.Machine) error { return op.Undo(m) }

// shrink drops commands of the world, and acts, one by one, while what is left still fails.
func (tr *trial) shrink(t *testing.T, name string, f *finding) *finding {
	deadline := time.Now().Add(5 * time.Second)
	for again := true; again; {
		again = false
		for i := len(tr.acts) - 1; i >= 0 && len(tr.acts) > 1; i-- {
			less := *tr
			less.acts = slices.Delete(slices.Clone(tr.acts), i, i+1)
			if g, _ := less.run(t, name, honest, time.Second); g != nil {
				*tr, f, again = less, g, true
			}
		}
		for i := len(tr.world.parts) - 1; i >= 0 && time.Now().Before(deadline); i-- {
			if line := tr.world.parts[i].line; strings.Contains(line, "master b0") ||
				strings.HasPrefix(line, "link add") {
				continue // a bridge that never had a port has a carrier that it does not get back
			}
			less := *tr
			w := *tr.world
			w.parts = slices.Delete(slices.Clone(w.parts), i, i+1)
			less.world = &w
			if g, _ := less.run(t, name, honest, time.Second); g != nil {
				*tr, f, again = less, g, true
			}
		}
	}
	return f
}

// eachSeed tries one thing a seed, several at once, each under names of its own. try says how many changes were done
// and undone, and what differs, if something does: that is asked once the seed has been told.
func eachSeed(t *testing.T, many int,
	try func(t *testing.T, name string, seed uint64) (done int, differs func() string)) {
	from, to := *first, *first+uint64(many)-1
	if *oneSeed != 0 {
		from, to = *oneSeed, *oneSeed
	}
	var next, changes, failed atomic.Int64
	next.Store(int64(from) - 1)
	start := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for i := range workers {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for seed := next.Add(1); uint64(seed) <= to && failed.Load() < *failures; seed = next.Add(1) {
					done, differs := try(t, fmt.Sprintf("w%d", i), uint64(seed))
					changes.Add(int64(done))
					if differs != nil {
						failed.Add(1)
						fmt.Fprintf(os.Stderr, "seed %d differs\n", seed) // at once: the run can be a long one
						t.Errorf("-seed %d\n%s", seed, differs())
					}
				}
			})
		}
	})
	t.Logf("%d seeds, %d changes done and undone, %d differ, in %v", to-from+1, changes.Load(), failed.Load(),
		time.Since(start).Round(time.Millisecond))
	if changes.Load() == 0 {
		t.Error("nothing was done")
	}
}

// TestProperty makes links that were there before a run, with all that a link can have, does to them what ops do, and
// holds the state after the undoing against the state before.
func TestProperty(t *testing.T) {
	for _, op := range All().Ops {
		if acts[op.Kind()] == nil {
			t.Errorf("op %q is not in the table of acts", op.Kind())
		}
	}
	eachSeed(t, *rounds, func(t *testing.T, name string, seed uint64) (done int, differs func() string) {
		tr := newTrial(seed, "")
		f, done := tr.run(t, name, honest, 5*time.Second)
		if f == nil {
			return done, nil
		}
		return done, func() string {
			f = tr.shrink(t, name, f)
			return fmt.Sprintf("the world:\n%sthe ops:\n  %s\nthe difference:\n%s", tr.world,
				strings.Join(f.commands, "\n  "), f.text)
		}
	})
	if _, err := os.Lstat("/run/nsscript"); err == nil {
		t.Error("/run/nsscript is there still")
	}
}
