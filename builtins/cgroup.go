package builtins

import (
	"errors"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// labCgroup is the cgroup of the commands that the transaction runs, made with its first; empty where there are none.
// Each transaction has its own, which ends with it when it fails.
func labCgroup(tx *runtime.Tx) (string, error) {
	if op, ok := runtime.Made[*addCgroup](tx); ok {
		return op.Path, nil
	}
	path, err := tx.Machine().FreeCgroup()
	if errors.Is(err, kernel.ErrNoCgroups) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return path, tx.Apply(&addCgroup{Path: path})
}

// addCgroup makes a cgroup for processes.
type addCgroup struct {
	Path string `json:"path"`
}

func (o *addCgroup) Kind() string                                  { return "cgroup add" }
func (o *addCgroup) Command() string                               { return "mkdir " + o.Path }
func (o *addCgroup) Touches() []kernel.Object                      { return nil }
func (o *addCgroup) Valid() error                                  { return kernel.ValidCgroup(o.Path) }
func (o *addCgroup) Check(*kernel.Machine, bool) error             { return nil }
func (o *addCgroup) Do(m *kernel.Machine) error                    { return m.AddCgroup(o.Path) }
func (o *addCgroup) Undo(m *kernel.Machine) error                  { return m.DeleteCgroup(o.Path) }
func (o *addCgroup) Idle(m *kernel.Machine) (idle bool, err error) { return m.CgroupIdle(o.Path) }
