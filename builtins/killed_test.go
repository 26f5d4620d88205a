package builtins

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"syscall"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
)

// dying makes the test binary be a run that makes one change and is killed.
const dying = "dying"

// killed has a process make a change in a run of its own, and be killed by SIGKILL when it is made.
func killed(t *testing.T, kind string, op []byte) {
	t.Helper()
	out, err := exec.Command("/proc/self/exe", dying, kind, string(op)).CombinedOutput()
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("a run that was to be killed: %v: %s", err, out)
	}
}

// dieAfter makes a change of a kind, as its record has it. It returns only when it could not.
func dieAfter(kind, op string) error {
	voc := All()
	voc.Decls = append(voc.Decls, runtime.Change(dying, "None", "Makes one change.", &dyingArgs{}))
	p, err := voc.Parse("dying.star", []byte(dying+"(args[0], args[1])\n"))
	if err != nil {
		return err
	}
	s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: "killed", Args: []string{kind, op}})
	if err != nil {
		return err
	}
	return errors.Join(s.Run(context.Background(), p), s.Close())
}

type dyingArgs struct {
	Kind string `arg:"kind" doc:"the op's kind"`
	Op   string `arg:"op" doc:"its record"`
}

func (a *dyingArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	for _, kind := range All().Ops {
		if kind.Kind() != a.Kind {
			continue
		}
		op := reflect.New(reflect.TypeOf(kind).Elem()).Interface().(change.Op)
		if err := json.Unmarshal([]byte(a.Op), op); err != nil {
			return nil, err
		}
		if err := tx.Apply(op); err != nil {
			return nil, err
		}
		return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return nil, errors.New("there is no such op")
}
