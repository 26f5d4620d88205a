package builtins

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the reference page anew")

// TestReference holds docs/reference.md against the declarations.
func TestReference(t *testing.T) {
	const page = "../docs/reference.md"
	want := All().Reference()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != want {
		t.Errorf("%s is not what the declarations say (%v): go test ./builtins -run Reference -update", page, err)
	}
}
