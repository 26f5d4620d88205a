package builtins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
	"github.com/nsscript/nsscript/runtime/repl"
)

// A typist answers prompts with lines, and writes down all that is seen. What it writes down ends the input that is
// running when it says so.
type typist struct {
	lines   []string
	history []string
	seen    bytes.Buffer
	cancel  context.CancelCauseFunc
}

func (ty *typist) Prompt(prompt string) (string, error) {
	if len(ty.lines) == 0 {
		return "", io.EOF
	}
	line := ty.lines[0]
	ty.lines = ty.lines[1:]
	ty.seen.WriteString(strings.TrimRight(prompt+line, " ") + "\n")
	switch line {
	case "^C":
		return "", repl.ErrAborted
	case "^D":
		return "", io.EOF
	}
	return strings.ReplaceAll(line, "\\n", "\n"), nil
}

func (ty *typist) AppendHistory(input string) { ty.history = append(ty.history, input) }

func (ty *typist) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "interrupt me") {
		ty.cancel(errors.New("Ctrl-C"))
	}
	return ty.seen.Write(p)
}

func (ty *typist) input() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ty.cancel = cancel
	return ctx, func() { cancel(nil) }
}

// newREPL makes a REPL with a lab of its own, and a function that ends both.
func newREPL(t *testing.T, lines ...string) (*repl.REPL, *typist, func(keep bool)) {
	t.Helper()
	ty := &typist{lines: lines}
	r := &repl.REPL{In: ty, Out: ty, Err: ty, Input: ty.input}
	s, err := runtime.NewSession(runtime.Options{Vocabulary: All(), Lab: "repl", Helper: helper, Stdout: ty,
		Observe: r.Observe})
	if err == nil {
		err = r.Start(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, ty, func(keep bool) {
		t.Helper()
		defer s.Close()
		if keep {
			if err := s.Keep(); err != nil {
				t.Error(err)
			}
			ty.seen.WriteString("== kept as " + s.Lab() + "\n")
			return
		}
		if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
			t.Errorf("rollback: %v, left: %v", err, u.Left)
		}
	}
}

// TestREPL types what stands behind the prompts of transcripts; all else in them is what is seen then.
func TestREPL(t *testing.T) {
	files, err := filepath.Glob("testdata/repl/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	files = append(files, "../docs/repl.md")
	typed := regexp.MustCompile(`(?m)^(?:>>>|\.\.\.|keep lab [^\]]*\]) ?(.*)$`)
	// A cgroup is a change that takes undoing, and where there is none nothing is.
	varies := []struct{ pattern, name string }{{`undid 1[67] changes`, "undid MANY changes"},
		{`([0-9a-f]{2}:){5}[0-9a-f]{2}`, "xx:xx:xx:xx:xx:xx"}, {`took \S+`, "took TIME"},
		{`fe80::[0-9a-f:]+/64`, "LINKLOCAL"}, {`(?m)^\d\d:\d\d:\d\d$`, "CLOCK"}}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			page, rest := "", ""
			if filepath.Ext(f) == ".md" {
				page, rest, _ = strings.Cut(string(want), "```\n")
				text, after, _ := strings.Cut(rest, "```\n")
				page, want, rest = page+"```\n", []byte(text), "```\n"+after
			}
			var lines []string
			for _, m := range typed.FindAllStringSubmatch(string(want), -1) {
				lines = append(lines, m[1])
			}
			dir := t.TempDir()
			for i := range lines {
				lines[i] = strings.ReplaceAll(lines[i], "$DIR", dir)
			}
			before := nstest.Dump(t)
			r, ty, end := newREPL(t, lines...)
			keep, err := r.Run()
			if err != nil {
				t.Error(err)
			}
			end(keep)
			if keep {
				if _, err := lab.Open(All().Ops, "").Down("kept"); err != nil {
					t.Error(err)
				}
			}
			got := strings.ReplaceAll(ty.seen.String(), dir, "$DIR")
			for _, v := range varies {
				got = regexp.MustCompile(v.pattern).ReplaceAllString(got, v.name)
			}
			if *update {
				if err := os.WriteFile(f, []byte(page+got+rest), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("the transcript differs:\n%s", nstest.Diff(string(want), got))
			}
			nstest.Same(t, before)
		})
	}
}

// TestREPLFailure checks that an input which fails after changes leaves the machine as it was before that input, not as
// it was before the session, and that undoing goes back input by input.
func TestREPLFailure(t *testing.T) {
	nstest.IP(t, "link", "add", "e0", "type", "veth", "peer", "name", "e1")
	defer nstest.IP(t, "link", "del", "e0")
	for _, l := range []string{"e0", "e1"} {
		nstest.IP(t, "link", "set", l, "addrgenmode", "none")
		nstest.IP(t, "link", "set", l, "up")
	}
	dump := func() string {
		t.Helper()
		nstest.Settled(t, []string{"e0", "e1"}, nil)
		return nstest.Dump(t)
	}
	same := func(want string) {
		t.Helper()
		if got := dump(); got != want {
			t.Errorf("the state differs:\n%s", nstest.Diff(want, got))
		}
	}
	start := dump()
	r, ty, end := newREPL(t)
	do := func(line string) {
		t.Helper()
		ty.seen.Reset()
		if err := r.Type(line); err != nil {
			t.Fatal(err)
		}
	}
	do(`a, b = host.link("e0"), host.link("e1")`)
	var dumps []string
	for _, line := range []string{`addr(a, "10.0.0.1/24")`, `a.set(mtu = 1400)`,
		`[addr(b, "10.1.0.2/24"), b.set(alias = "far")]`} {
		dumps = append(dumps, dump())
		do(line)
	}
	built := dump()
	do(`addr(a, "10.7.0.1/24"); b.set(mtu = 1300); netns("n3"); fail("here")`)
	if !strings.Contains(ty.seen.String(), "undid 3 changes") {
		t.Errorf("it said %s", &ty.seen)
	}
	same(built)
	do(`addr(a, "10.7.0.1/24"); down(a); print("interrupt me"); eventually(lambda: fail("no"), timeout = "60s")`)
	if !strings.Contains(ty.seen.String(), "undid 2 changes") {
		t.Errorf("it said %s", &ty.seen)
	}
	same(built)
	for _, d := range []string{dumps[2], dumps[1], dumps[0]} {
		do(":undo")
		same(d)
	}
	do(":redo")
	same(dumps[1])
	do(":redo")
	same(dumps[2])
	do(":undo 7")
	same(dumps[0])
	end(false)
	same(start)
}
