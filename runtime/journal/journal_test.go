package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
)

// sample makes a run with a record of every state and returns its journal's text.
func sample(t testing.TB) []byte {
	t.Helper()
	d := OpenDir(filepath.Join(t.TempDir(), "runs"))
	l, err := d.Create(Header{Name: "lab", Boot: "b", PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := l.Intent("kind", map[string]string{"k": "v"}, "x.star:1:1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Failed(2), l.Keep(), l.Drop(), l.Undone(3)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(l.Path(), "journal"))
	if err := errors.Join(err, l.Remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(d.path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the folder is still there after its last run: %v", err)
	}
	return text
}

func TestRoundTrip(t *testing.T) {
	h, records, good, err := Decode(sample(t))
	if err != nil || h.Name != "lab" || len(records) != 7 || good == 0 {
		t.Fatalf("%+v, %d records, %d bytes, %v", h, len(records), good, err)
	}
	open := Open(records)
	if len(open) != 1 || open[0].Seq != 1 || open[0].Pos != "x.star:1:1" {
		t.Errorf("open: %+v", open)
	}
}

// TestTorn cuts a journal at every byte: what is left is a beginning of it, and no error.
func TestTorn(t *testing.T) {
	text := sample(t)
	_, all, _, _ := Decode(text)
	for n := range text {
		_, records, good, err := Decode(text[:n])
		if err != nil || good > n || len(records) > len(all) || !reflect.DeepEqual(records, all[:len(records)][:len(records):len(records)]) && len(records) > 0 {
			t.Fatalf("cut at byte %d: %d records, %v", n, len(records), err)
		}
	}
}

// TestFlipped changes each byte in several ways: no other records than those written are ever read.
func TestFlipped(t *testing.T) {
	text := sample(t)
	_, all, _, _ := Decode(text)
	for n := range text {
		for _, flip := range []byte{1, 2, 0x20, 0x80, 0xff} {
			bad := bytes.Clone(text)
			bad[n] ^= flip
			_, records, _, err := Decode(bad)
			var damage *DamageError
			switch {
			case errors.As(err, &damage):
			case err != nil:
				t.Fatalf("byte %d: %v is no damage", n, err)
			case n < len(text)-1 || len(records) != len(all)-1: // without its newline the last line is torn
				t.Fatalf("byte %d ^ %#x was not seen: %d records", n, flip, len(records))
			}
		}
	}
}

func TestClaim(t *testing.T) {
	d := OpenDir(filepath.Join(t.TempDir(), "runs"))
	l, err := d.Create(Header{Name: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Claim("lab"); !errors.Is(err, ErrLive) {
		t.Errorf("claimed a live run: %v", err)
	}
	var taken *TakenError
	if _, err := d.Create(Header{Name: "lab"}); !errors.As(err, &taken) || !taken.Live {
		t.Errorf("created it twice: %v", err)
	}
	if _, err := l.Intent("k", json.RawMessage("1"), ""); err != nil {
		t.Fatal(err)
	}
	// A torn line, as a death in mid-write leaves it.
	if _, err := l.file.WriteAt([]byte("deadbeef {\"sta"), l.size); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, e, err := d.Claim("lab")
	if err != nil || len(e.Records) != 1 || e.Kept {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := errors.Join(l.Undone(1), l.Keep(), l.Close()); err != nil {
		t.Fatal(err)
	}
	all, err := d.List()
	if err != nil || len(all) != 1 || !all[0].Kept || all[0].Live || len(Open(all[0].Records)) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestOwed has records refused by a full file system: an intent is as if it had never been, an end comes later.
func TestOwed(t *testing.T) {
	d := OpenDir(filepath.Join(t.TempDir(), "runs"))
	l, err := d.Create(Header{Name: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	intent := func() error {
		_, err := l.Intent("k", json.RawMessage("1"), "")
		return err
	}
	if err := errors.Join(intent(), intent()); err != nil {
		t.Fatal(err)
	}
	good := l.file
	l.file = full
	for _, err := range []error{l.Undone(2), intent(), l.Failed(1), l.Keep()} {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v, want ENOSPC", err)
		}
	}
	l.file = good
	if err := errors.Join(intent(), l.Close()); err != nil {
		t.Fatal(err)
	}
	e, _, err := d.Find("lab")
	if err = errors.Join(err, e.Err); err != nil || len(e.Records) != 5 || e.Kept {
		t.Fatalf("%+v, %v", e, err)
	}
	if open := Open(e.Records); len(open) != 1 || open[0].Seq != 3 {
		t.Errorf("open: %+v", open)
	}
}

// TestHalfMade leaves folders as a death in the middle of Create does: they are swept away.
func TestHalfMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs")
	for _, text := range []string{"", "deadbeef {\"vers"} {
		if err := os.MkdirAll(filepath.Join(path, "lab"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(filepath.Join(path, "lab", "journal"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if all, err := OpenDir(path).List(); err != nil || len(all) != 0 {
			t.Errorf("%q: %+v, %v", text, all, err)
		}
	}
}

func TestValidName(t *testing.T) {
	for name, ok := range map[string]bool{"two_ns": true, "a.b-c": true, "": false, "..": false, "-x": false, "a/b": false, "a\x1b": false, "a b": false} {
		if err := ValidName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, records, good, _ := Decode(text)
		if good > len(text) {
			t.Fatal("more is good than there is")
		}
		Open(records)
	})
}
