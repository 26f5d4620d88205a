package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// deadJournal is the journal of the run that dead leaves.
const deadJournal = journal.DefaultDir + "/dead/journal"

// damaged are the scenarios whose journals are damaged: links made and moved, an uplink, a link and namespaces deleted
// that were there before, and changes that were refused or undone at once.
var damaged = []string{"01_tutorial", "03_uplink", "06_delete_link", "11_namespaces", "14_refused"}

// dead runs a scenario, kills it and its watcher after its last change, and returns its journal.
func dead(t *testing.T, scenario string) []byte {
	t.Helper()
	src, err := os.ReadFile("testdata/crash/" + scenario + ".star")
	if err != nil {
		t.Fatal(err)
	}
	return deadOf(t, strings.ReplaceAll(string(src), `fail("at the end")`, ""))
}

func deadOf(t *testing.T, src string) []byte {
	t.Helper()
	code := src + `
print("ready")
eventually(lambda: fail("no"), timeout = "60s", interval = "1ms")
`
	cmd := nsscript("-q", "--lab", "dead", "-c", code)
	said := new(bytes.Buffer)
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q, %v: %s", line, err, said)
	}
	nstest.KillOthers(t)
	_ = cmd.Wait() // it was killed
	orphans(t)
	text, err := os.ReadFile(deadJournal)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// putBack makes a journal the dead run's again.
func putBack(t *testing.T, text []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(deadJournal), 0o700),
		os.WriteFile(deadJournal, text, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// refuses has recovery refuse the dead run's journal for damage in the line at a byte, and let it be.
func refuses(t *testing.T, labs *lab.Labs, line int, how string) {
	t.Helper()
	found, err := labs.Recover()
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %+v, %v", how, found, err)
	}
	var damage *journal.DamageError
	want := fmt.Sprintf("journal %s is damaged at byte %d: ", deadJournal, line)
	if err := found[0].Err; !errors.As(err, &damage) || !strings.HasPrefix(err.Error(), want) || found[0].Undone > 0 {
		t.Fatalf("%s: %+v, want %q", how, found[0], want)
	}
}

// TestDamagedJournal changes every byte of journals of killed runs, and cuts them at every byte. Of a byte that was
// changed recovery says in which line it is, and does nothing at all; of a journal that was cut it sees the whole
// records.
func TestDamagedJournal(t *testing.T) {
	nstest.Long(t)
	before := makeWorld(t)
	labs := lab.Open(vocabulary().Ops, "")
	flips, cuts := 0, 0
	for _, name := range damaged {
		text := dead(t, name)
		nstest.Quiet(t, spaces(t)...)
		during := nstest.Dump(t)
		flips += flip(t, labs, name, text)
		// A user is told the same, and nothing else is done either.
		bad := bytes.Clone(text)
		bad[len(bad)/2] ^= 0x80
		putBack(t, bad)
		out, err := nsscript("recover").CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitLeftover ||
			!strings.Contains(string(out),
				"lab dead cannot be recovered: journal "+deadJournal+" is damaged at byte ") ||
			!strings.Contains(string(out), "`rm "+deadJournal+"` gives it up") {
			t.Errorf("%s: %v, want exit code %d: %s", name, err, exitLeftover, out)
		}
		putBack(t, text)
		cuts += cut(t, labs, name, text)
		putBack(t, text)
		nstest.Same(t, during)
		recovering(t)
		settledWorld(t)
		nstest.Same(t, before)
	}
	t.Logf("%d flips, %d cuts", flips, cuts)
}

func flip(t *testing.T, labs *lab.Labs, name string, text []byte) (flips int) {
	t.Helper()
	f, err := os.OpenFile(deadJournal, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put := func(n int, b byte) {
		t.Helper()
		if _, err := f.WriteAt([]byte{b}, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	line := 0
	for n, b := range text {
		mask := byte(1) << (n % 8)
		if b == '\n' {
			mask = byte(n) | 1
		}
		put(n, b^mask)
		refuses(t, labs, line, fmt.Sprintf("%s: byte %d ^ %#x", name, n, mask))
		put(n, b)
		flips++
		if b == '\n' {
			line = n + 1
		}
	}
	if now, err := os.ReadFile(deadJournal); err != nil || !bytes.Equal(now, text) {
		t.Fatalf("%s: the journal was changed, %v", name, err)
	}
	return flips
}

func cut(t *testing.T, labs *lab.Labs, name string, text []byte) (cuts int) {
	t.Helper()
	dir := journal.OpenDir(journal.DefaultDir)
	all, _, err := dir.Find("dead")
	if err != nil || all.Err != nil {
		t.Fatal(err, all.Err)
	}
	for n := len(text) - 1; n >= 0; n-- {
		cuts++
		if err := os.Truncate(deadJournal, int64(n)); err != nil {
			t.Fatal(err)
		}
		records := bytes.Count(text[:n], []byte("\n")) - 1
		if records < 0 {
			refuses(t, labs, 0, fmt.Sprintf("%s: cut at byte %d", name, n))
			continue
		}
		e, ok, err := dir.Find("dead")
		if err != nil || !ok || e.Err != nil ||
			!reflect.DeepEqual(e.Records, all.Records[:records:records]) && records > 0 {
			t.Fatalf("%s: cut at byte %d: %d records, want %d: %v, %v", name, n, len(e.Records), records, e.Err, err)
		}
	}
	return cuts
}

// TestCutJournal recovers journals that were cut in every line: at its beginning, in its middle, or before its
// newline. What the run had not changed stays as it was; and with the whole journal back, everything is as it was.
func TestCutJournal(t *testing.T) {
	nstest.Long(t)
	before := makeWorld(t)
	world := nstest.State(t)
	labs := lab.Open(vocabulary().Ops, "")
	dir := journal.OpenDir(journal.DefaultDir)
	recoveries := 0
	for _, name := range damaged {
		for records := 0; ; records++ {
			text := dead(t, name)
			during := nstest.State(t)
			lines := bytes.SplitAfter(text, []byte("\n"))
			if records+2 >= len(lines) { // the header, and what is behind the last newline
				recovering(t)
				break
			}
			cut := len(bytes.Join(lines[:records+1], nil)) + records%3*(len(lines[records+1])-1)/2
			if err := os.Truncate(deadJournal, int64(cut)); err != nil {
				t.Fatal(err)
			}
			e, _, err := dir.Find("dead")
			if err != nil || len(e.Records) != records {
				t.Fatalf("%s: cut at byte %d: %d records, %v", name, cut, len(e.Records), err)
			}
			found, err := labs.Recover()
			if err != nil || len(found) != 1 || found[0].Err != nil ||
				found[0].Undone+changesLeft(found[0]) != len(journal.Open(e.Records)) {
				t.Errorf("%s: cut at byte %d: %+v, %v", name, cut, found, err)
			}
			if lost := missing(world, during, nstest.State(t)); lost != "" {
				t.Errorf("%s: cut at byte %d, recovery changed what the run had not:\n%s", name, cut, lost)
			}
			putBack(t, text)
			if found, err = labs.Recover(); err != nil || len(found) != 1 || found[0].Err != nil {
				t.Errorf("%s: cut at byte %d, and whole again: %+v, %v", name, cut, found, err)
			}
			if changesLeft(found[0]) > 0 {
				if err := errors.Join(os.RemoveAll(filepath.Dir(deadJournal)),
					os.Remove(journal.DefaultDir)); err != nil {
					t.Fatal(err)
				}
			}
			settledWorld(t)
			if after := nstest.State(t); after != world {
				t.Fatalf("%s: cut at byte %d, and whole again:\n%s", name, cut, nstest.Diff(world, after))
			}
			recoveries++
		}
	}
	nstest.Same(t, before)
	t.Logf("%d recoveries", recoveries)
}

// changesLeft counts the changes that a recovery left, and said so, because their names are others' by now: of the
// run's own later changes, which the journal has lost, or of what has got its name back already.
func changesLeft(r lab.Recovery) (n int) {
	for _, l := range r.Left {
		for _, why := range []string{"changed by somebody else meanwhile", "is another namespace's still",
			"its deletion is not undone", "(EEXIST)"} {
			if l.Seq > 0 && strings.Contains(l.Reason, why) {
				n++
				break
			}
		}
	}
	return n
}

// spaces are the namespaces that have a name, and the sandbox's own.
func spaces(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	all := []string{""}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// missing are the lines of both before and during that are not there after.
func missing(before, during, after string) string {
	set := func(s string) map[string]bool {
		all := map[string]bool{}
		for line := range strings.Lines(s) {
			all[line] = true
		}
		return all
	}
	was, is := set(during), set(after)
	var lost []string
	for line := range set(before) {
		if was[line] && !is[line] {
			lost = append(lost, line)
		}
	}
	return strings.Join(lost, "")
}
