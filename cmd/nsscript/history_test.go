package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestHistoryFile wants the history in a file of the user's own: what a symbolic link leads to is neither read nor
// written, nor is what is in another user's home.
func TestHistoryFile(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	h := openHistory()
	h.add("first")
	file := filepath.Join(state, "nsscript", "history")
	if got := openHistory().entries; len(got) != 1 || got[0] != "first" {
		t.Errorf("got %q", got)
	}
	other := filepath.Join(state, "other")
	if err := os.Rename(file, other); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, file); err != nil {
		t.Fatal(err)
	}
	h = openHistory()
	h.add("second")
	if text, err := os.ReadFile(other); err != nil || len(h.entries) != 1 ||
		string(text) != "\"first\"\n" || !h.silent {
		t.Errorf("%q, %v; %q", h.entries, err, text)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(state, 65534, 65534); err != nil {
		return // there are no other users in this user namespace
	}
	openHistory().add("third")
	if _, err := os.Lstat(file); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}
