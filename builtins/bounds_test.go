package builtins

import (
	"bytes"
	"context"
	"errors"
	gort "runtime"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// runaway runs a script that is to be ended from outside, and rolls it back.
func runaway(t *testing.T, ctx context.Context, o runtime.Options, src string) string {
	t.Helper()
	if o.Vocabulary == nil {
		o.Vocabulary = All()
	}
	o.Lab, o.Stdout = "runaway", &bytes.Buffer{}
	p, err := o.Vocabulary.Parse("runaway.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	before := nstest.Dump(t)
	s, err := runtime.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Run(ctx, p)
	if stop := new(runtime.Interrupted); !errors.As(err, &stop) {
		t.Errorf("%v, want an interruption", err)
	}
	var text strings.Builder
	s.Report(&text, err)
	if u, err := s.Rollback(); err != nil || len(u.Left) > 0 || u.Undone == 0 {
		t.Errorf("rollback: %d undone, %v, left: %v", u.Undone, err, u.Left)
	}
	nstest.Same(t, before)
	return text.String()
}

// TestMemory ends scripts that take more memory than they may.
func TestMemory(t *testing.T) {
	said := runaway(t, context.Background(), runtime.Options{MaxMemory: 256 << 20}, `
netns("n1")
x = []
for i in range(1 << 40):
    x.append([0] * 100000)
`)
	if !strings.HasPrefix(said, "runaway.star:5:") || !strings.Contains(said, "uses more than 256 MiB of memory") {
		t.Error(said)
	}
}

// stuck is a builtin that heeds nothing until it is let go.
type stuck struct {
	Size int `arg:"size" doc:"bytes that it takes meanwhile"`
	free chan struct{}
	now  func() // it is there
}

func (b *stuck) Query(*runtime.View) (starlark.Value, error) {
	b.now()
	held := make([]byte, b.Size)
	<-b.free
	gort.KeepAlive(held)
	return starlark.None, nil
}

// TestAbandon has a step that nothing interrupts take too long, and too much memory. The test's process is neither
// replaced nor ended by that, and so the step comes to an end, and the run with it.
func TestAbandon(t *testing.T) {
	for _, c := range []struct {
		src, want string
		long      bool // it is interrupted
	}{
		{"stuck(0)", "ran long", true},
		{"stuck(800 << 20)", "the script uses more than 512 MiB of memory", false},
	} {
		free := make(chan struct{})
		var stop *runtime.Interrupted
		o := runtime.Options{Vocabulary: All(), MaxMemory: 512 << 20,
			Abandon: func(_ *runtime.Session, err *runtime.Interrupted) {
				stop = err
				close(free)
			}}
		ctx, cancel := context.WithCancelCause(context.Background())
		now := func() {
			if c.long {
				cancel(errors.New("ran long"))
			}
		}
		o.Vocabulary.Decls = append(o.Vocabulary.Decls,
			runtime.Query("stuck", "None", "Does not stop.", &stuck{free: free, now: now}))
		said := runaway(t, ctx, o, "netns('n1')\n"+c.src+"\n[0 for _ in range(1 << 62)]")
		cancel(nil)
		if stop == nil || !stop.Stuck || stop.Cause.Error() != c.want {
			t.Errorf("%s was abandoned: %v, want %q", c.src, stop, c.want)
		} else if stop.At != nil && stop.At.CallStack.At(1).Pos.Line != 2 { // nil under the race detector
			t.Errorf("%s was abandoned at %v", c.src, stop.At.CallStack)
		}
		if !strings.HasPrefix(said, "runaway.star:") || !strings.Contains(said, c.want) {
			t.Error(said)
		}
	}
}

// TestInterruptLoad interrupts a script inside a module that it loads, and in a function that it gave to on_exit.
func TestInterruptLoad(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 300*time.Millisecond, errors.New("ran long"))
	defer cancel()
	said := runaway(t, ctx, runtime.Options{Root: "testdata/loads"}, `
n = netns("n1")
on_exit(lambda: [0 for _ in range(1 << 62)])
load("testdata/loads/endless.star", "x")
`)
	for _, want := range []string{"testdata/loads/endless.star:", "interrupted: ran long\n",
		"runaway.star:3:20: interrupted: on_exit had 5s after the interruption\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q:\n%s", want, said)
		}
	}
}
