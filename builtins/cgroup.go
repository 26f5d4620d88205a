package builtins

import (
	"errors"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

// txProcs is where the transaction's commands have their processes, made with its first. Each transaction has its own,
// which ends with it when it fails.
func txProcs(tx *runtime.Tx) (in proc.Procs, err error) {
	if op, ok := runtime.Made[*addCgroup](tx); ok {
		return proc.Procs{Cgroup: op.Path}, nil
	}
	if op, ok := runtime.Made[*addPIDs](tx); ok {
		return proc.Procs{PIDs: op.Name}, nil
	}
	in.Cgroup, err = tx.Machine().FreeCgroup()
	switch {
	case err == nil:
		return in, tx.Apply(&addCgroup{Path: in.Cgroup})
	case !errors.Is(err, proc.ErrNoCgroups):
		return in, err
	}
	if in.PIDs = tx.Machine().FreePIDs(); in.PIDs != "" {
		return in, tx.Apply(&addPIDs{Name: in.PIDs})
	}
	return in, nil
}

// addCgroup makes a cgroup for processes.
type addCgroup struct {
	Path string `json:"path"`
}

var (
	_ change.Checkable = (*addCgroup)(nil)
	_ change.Temporary = (*addCgroup)(nil)
)

func (o *addCgroup) Kind() string                                  { return "cgroup add" }
func (o *addCgroup) Command() string                               { return "mkdir " + o.Path }
func (o *addCgroup) Touches() []kernel.Object                      { return nil }
func (o *addCgroup) Claims() []change.Claim                        { return nil }
func (o *addCgroup) Valid() error                                  { return proc.ValidCgroup(o.Path) }
func (o *addCgroup) Check(*kernel.Machine, bool) error             { return nil }
func (o *addCgroup) Do(m *kernel.Machine) error                    { return m.AddCgroup(o.Path) }
func (o *addCgroup) Undo(m *kernel.Machine) error                  { return m.DeleteCgroup(o.Path) }
func (o *addCgroup) Idle(m *kernel.Machine) (idle bool, err error) { return m.CgroupIdle(o.Path) }

// addPIDs has commands run in PID namespaces of their own, which end with this process at the latest: so nothing is
// made before there is a command, and nothing is there to be undone when the process has died.
type addPIDs struct {
	Name string `json:"name"`
}

var _ change.Temporary = (*addPIDs)(nil)

func (o *addPIDs) Kind() string { return "pid namespace" }
func (o *addPIDs) Command() string {
	return "true # what run() starts is in PID namespaces of its own"
}
func (o *addPIDs) Touches() []kernel.Object             { return nil }
func (o *addPIDs) Claims() []change.Claim               { return nil }
func (o *addPIDs) Check(*kernel.Machine, bool) error    { return nil }
func (o *addPIDs) Do(*kernel.Machine) error             { return nil }
func (o *addPIDs) Undo(m *kernel.Machine) error         { return m.KillPIDs(o.Name) }
func (o *addPIDs) Idle(m *kernel.Machine) (bool, error) { return m.PIDsIdle(o.Name), nil }
