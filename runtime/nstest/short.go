package nstest

import "testing"

// Long leaves a test out of the short run: the race detector, for which that is, would find nothing in it and takes
// several times as long. CI runs it by itself.
func Long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("long")
	}
}

// Unraced leaves a test out of what the race detector runs: it does one thing after the other, and what it runs has
// other tests that are raced. CI runs it with the long ones.
func Unraced(t *testing.T) {
	t.Helper()
	if Raced {
		t.Skip("nothing in it runs at once")
	}
}
