package journal

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
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
	for range 4 {
		if _, err := l.Intent("kind", map[string]string{"k": "v"}, "x.star:1:1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Failed(2), l.Keep(), l.Drop(), l.Undone(4, 3)); err != nil {
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
	text := sample(t)
	h, records, end, err := Decode(text)
	if err != nil || h.Name != "lab" || len(records) != 9 || end.Size != len(text) {
		t.Fatalf("%+v, %d records, %d bytes, %v", h, len(records), end.Size, err)
	}
	open := Open(records)
	if len(open) != 1 || open[0].Seq != 1 || open[0].Pos != "x.star:1:1" {
		t.Errorf("open: %+v", open)
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
	if _, err := l.file.WriteAt([]byte("deadbeef {\"sta"), int64(l.at.Size)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, e, err := d.Claim("lab")
	if err != nil || len(e.Records) != 1 || e.Kept || !e.Dropped {
		t.Fatalf("%+v, %v", e, err)
	}
	if found, ok, err := d.Find("lab"); err != nil || !ok || !found.Live || !found.Dropped {
		t.Errorf("claimed, it looks like %+v, %v", found, err)
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
	for _, files := range []map[string]string{{}, {fileNew: ""}, {fileNew: "deadbeef {\"vers"}} {
		d := folder(t, files)
		if all, err := d.List(); err != nil || len(all) != 0 {
			t.Errorf("%q: %+v, %v", files, all, err)
		}
		if _, err := os.Lstat(d.path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: %v", files, err)
		}
	}
}

// folder makes a folder of runs as it may be found, with the files of one run, "lab".
func folder(t *testing.T, files map[string]string) *Dir {
	t.Helper()
	d := OpenDir(filepath.Join(t.TempDir(), "runs"))
	if err := errors.Join(os.Mkdir(d.path, 0o700), os.Mkdir(filepath.Join(d.path, "lab"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(d.file("lab", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestValidName(t *testing.T) {
	for name, ok := range map[string]bool{"two_ns": true, "a.b-c": true, "": false, "..": false, "-x": false,
		"a/b": false, "a\x1b": false, "a b": false} {
		if err := ValidName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// FuzzDecode looks for a text whose records would be acted on wrongly. A checksum is hard to guess: lines get the right
// one for what is in them when checked says so.
func FuzzDecode(f *testing.F) {
	text := sample(f)
	f.Add(text, false)
	f.Add(text[:len(text)-3], false)
	f.Add(text, true)
	f.Add([]byte("00000000 null\n00000000 {}\n"), true)
	f.Fuzz(func(t *testing.T, text []byte, checked bool) {
		if checked {
			text = rechecked(string(text))
		}
		_, records, end, err := Decode(text)
		good := end.Size
		if good > len(text) || err != nil && records != nil {
			t.Fatalf("%d records, %d good bytes of %d, %v", len(records), good, len(text), err)
		}
		if err != nil {
			return
		}
		last := 0
		for _, r := range Open(records) {
			if r.Seq <= last || r.State != Intent {
				t.Fatalf("open after change %d: %+v", last, r)
			}
			last = r.Seq
		}
		if _, again, _, err := Decode(text[:good]); err != nil || len(again) != len(records) {
			t.Fatalf("%d records, %d without what is torn, %v", len(records), len(again), err)
		}
	})
}

// TestRename gives runs other names: the old one is free, the new one taken, and what was written is there under it,
// also when the process dies before the folder has its new name.
func TestRename(t *testing.T) {
	d := OpenDir(filepath.Join(t.TempDir(), "runs"))
	l, err := d.Create(Header{Name: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.Create(Header{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Intent("kind", nil, ""); err != nil {
		t.Fatal(err)
	}
	var taken *TakenError
	if err := l.Rename("other"); !errors.As(err, &taken) {
		t.Errorf("renamed to a name that is taken: %v", err)
	}
	if err := l.Rename("../x"); err == nil {
		t.Error("renamed to a path")
	}
	if err := errors.Join(l.Rename("new"), l.Keep(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if e, ok, err := d.Find("new"); err != nil || !ok || !e.Kept || e.Err != nil || len(Open(e.Records)) != 1 {
		t.Errorf("under its new name: %+v, %v, %v", e, ok, err)
	}
	if _, ok, err := d.Find("lab"); ok || err != nil {
		t.Errorf("under its old name: %v, %v", ok, err)
	}
	if err := other.write(nil, Record{State: Named, Kind: "third"}); err != nil {
		t.Fatal(err)
	}
	if e, ok, err := d.Find("other"); err != nil || !ok || e.Err != nil {
		t.Errorf("between its names: %+v, %v, %v", e, ok, err)
	}
	if err := os.Rename(filepath.Join(d.path, "other"), filepath.Join(d.path, "fourth")); err != nil {
		t.Fatal(err)
	}
	if e, ok, err := d.Find("fourth"); err != nil || !ok || e.Err == nil {
		t.Errorf("under a name that it was not given: %+v, %v, %v", e, ok, err)
	}
	other.name = "fourth"
	l, _, err = d.Claim("new")
	if err := errors.Join(err, l.Remove(), other.Remove()); err != nil {
		t.Fatal(err)
	}
}

// TestPending finds what was changed in a run since it was kept.
func TestPending(t *testing.T) {
	record := func(state State, seq int) Record { return Record{State: state, Seq: seq} }
	for _, c := range []struct {
		records []Record
		want    int
	}{
		{nil, 0},
		{[]Record{record(Intent, 1)}, 1},
		{[]Record{record(Intent, 1), record(Kept, 0)}, 0},
		{[]Record{record(Intent, 1), record(Kept, 0), record(Intent, 2), record(Intent, 3), record(Undone, 3)}, 1},
		{[]Record{record(Intent, 1), record(Kept, 0), record(Intent, 2), record(Undone, 2), record(Undone, 1)}, 0},
		{[]Record{record(Intent, 1), record(Kept, 0), record(Intent, 2), record(Kept, 0)}, 0},
	} {
		if got := Pending(c.records); len(got) != c.want {
			t.Errorf("%v: %v are pending, want %d", c.records, got, c.want)
		}
	}
}

// TestSweep removes what a run left that died while it removed its journal, and says when that cannot be.
func TestSweep(t *testing.T) {
	d := OpenDir(filepath.Join(t.TempDir(), "runs"))
	if err := os.MkdirAll(filepath.Join(d.path, "dead"), 0o700); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(d.path, "full", "foreign")
	if err := errors.Join(os.MkdirAll(filepath.Dir(foreign), 0o700), os.WriteFile(foreign, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := d.Sweep("dead"); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(d.path, "dead")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is there: %v", err)
	}
	if err := d.Sweep("full"); err == nil {
		t.Error("a folder that cannot be removed was not said")
	}
	if _, err := os.Lstat(foreign); err != nil {
		t.Errorf("what is not the run's was removed: %v", err)
	}
}
