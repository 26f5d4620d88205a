package change_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/nsscript/nsscript/builtins"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// A seed is an op as a real journal has it; its longer lists are cut.
type seed struct {
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

func seeds(t testing.TB) (all []seed) {
	t.Helper()
	f, err := os.Open("testdata/ops.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var s seed
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// TestDecodeSeeds checks that there is a seed of every kind, and that each is read.
func TestDecodeSeeds(t *testing.T) {
	voc := builtins.All()
	kinds := map[string]bool{}
	for _, s := range seeds(t) {
		kinds[s.Kind] = true
		if _, err := change.DecodeOp(voc.Ops, s.Kind, s.Data); err != nil {
			t.Error(err)
		}
	}
	for _, op := range voc.Ops {
		if !kinds[op.Kind()] {
			t.Errorf("testdata/ops.jsonl has no %q", op.Kind())
		}
	}
}

// FuzzDecodeOps looks for an op that is read and then panics, names nothing that can be told from others, or is not
// what it was when it was written again.
func FuzzDecodeOps(f *testing.F) {
	voc := builtins.All()
	for _, s := range seeds(f) {
		f.Add(s.Kind, []byte(s.Data))
	}
	f.Add("netns add", []byte("null"))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		op, err := change.DecodeOp(voc.Ops, kind, data)
		if err != nil {
			return
		}
		objects := op.Touches()
		if op.Command() == "" || op.Kind() != kind {
			t.Errorf("%q is %q: %q", kind, op.Kind(), op.Command())
		}
		if m, ok := op.(change.Maker); ok {
			objects = append(objects, m.Makes()...)
		}
		if m, ok := op.(change.Mover); ok {
			from, to := m.Moves()
			objects = append(objects, from.Object(), to.Object())
		}
		for _, o := range objects {
			if o.Cookie == 0 || o.Index < 0 {
				t.Errorf("%s %s is about %+v", kind, data, o)
			}
		}
		named := func(ref kernel.NSRef) {
			if filepath.Dir(ref.Path) != "/run/netns" || filepath.Clean(ref.Path) != ref.Path {
				t.Errorf("%s %s names %s", kind, data, ref.Path)
			}
		}
		if p, ok := op.(change.Namer); ok {
			named(p.Names())
		}
		if u, ok := op.(change.Unnamer); ok {
			named(u.Unnames())
		}
		again, err := json.Marshal(op)
		if err != nil {
			t.Fatal(err)
		}
		same, err := change.DecodeOp(voc.Ops, kind, again)
		if err != nil {
			t.Fatalf("%s %s was written as %s: %v", kind, data, again, err)
		}
		if once, err := json.Marshal(same); err != nil || !reflect.DeepEqual(once, again) {
			t.Errorf("%s %s was written as %s and then as %s, %v", kind, data, again, once, err)
		}
	})
}
