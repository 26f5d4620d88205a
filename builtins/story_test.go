package builtins

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

var stories = flag.Int("stories", 60, "scripts that TestStories draws, one a seed")

// A story is a made world and a script about it, a line a statement, drawn from a seed. The script goes on past what is
// refused.
type story struct {
	world *madeWorld
	lines []string
	dies  bool // the process, before it has undone anything
}

func newStory(seed uint64) *story {
	s := &story{world: newWorld(seed)}
	w := s.world
	s.dies = w.chance(2)
	var old []string
	for i, l := range w.links {
		if !slices.Contains(w.links[:i], l) {
			old = append(old, fmt.Sprintf(`attempt(lambda: netns_at(name = "IN").link(%q))`, l))
		}
	}
	s.lines = append(s.lines, "old = [a.value for a in ["+strings.Join(old, ", ")+"] if a.ok]")
	for _, space := range []string{`"ONE"`, `"TWO"`} {
		if w.chance(2) {
			s.lines = append(s.lines, "netns("+space+")")
		}
	}
	for range 2 + w.rand.IntN(10) {
		one := w.statement()
		switch {
		case w.chance(8):
			one = fmt.Sprintf(`[%s, %s, fail("back")]`, one, w.statement())
		case w.chance(8):
			one = fmt.Sprintf(`[%s, attempt(lambda: [%s, fail("back")]), %s]`, one, w.statement(), w.statement())
		}
		s.lines = append(s.lines, "attempt(lambda: "+one+")")
	}
	return s
}

// statement draws an expression that changes something. The namespaces IN and AWAY were there, ONE and TWO were not.
func (w *madeWorld) statement() string {
	at := func(names ...string) string { return fmt.Sprintf("netns_at(name = %q)", w.pick(names...)) }
	space := at("IN", "IN", "IN", "AWAY", "ONE", "TWO")
	name := w.pick("x0", "x1", "b0", "m1")
	if strings.Contains(space, "IN") {
		name = w.pick(append([]string{"x0"}, w.links...)...)
	}
	link := fmt.Sprintf("%s.link(%q)", space, name)
	if w.chance(3) {
		link = fmt.Sprintf("old[%d %% len(old)]", w.rand.IntN(4)) // wherever it is now
	}
	prefix := w.pick("10.1.0.7/24", "10.1.0.8/24", "10.8.0.1/24", "10.1.0.9/32", "fd01::7/64", "fd08::8/64")
	if len(w.addrs) > 0 && w.chance(3) {
		prefix = w.addrs[w.rand.IntN(len(w.addrs))].Prefix.String()
	}
	dst, via := w.pick("10.50.0.0/24", "10.51.0.0/16", "default", "10.90.0.0/16"), "10.1.0.200"
	if w.chance(2) {
		dst, via = w.pick("fd50::/64", "fd51::/48", "::/0", "fd90::/64"), "fd01::200"
	}
	route := fmt.Sprintf("route(%s, %q%s%s)", space, dst,
		w.pick(fmt.Sprintf(", via = %q", via), ", dev = "+link, `, type = "blackhole"`), w.maybe(3, ", metric = 5"))
	switch w.rand.IntN(18) {
	case 0, 1:
		return fmt.Sprintf("netns(%s)", w.pick(`"ONE"`, `"TWO"`, `"ONE"`, `"TWO"`, `"AWAY"`, `"IN"`))
	case 2:
		return at("ONE", "TWO", "AWAY", "IN") + ".delete()"
	case 3, 4:
		return fmt.Sprintf("veth(%s, %s, name = %q, peer = %q%s)", space, at("IN", "AWAY", "ONE", "TWO"),
			w.pick("x0", "x0", name), w.pick("x1", "x1", "eth0"),
			w.maybe(2, `, addrs = ("10.1.0.11/24", "10.1.0.12/24")`))
	case 5:
		return fmt.Sprintf("bridge(%s, name = %q%s)", space, w.pick("b0", "x0"), w.maybe(2, ", ports = ["+link+"]"))
	case 6:
		return link + ".delete()"
	case 7:
		return fmt.Sprintf("%s.set(ns = %s)", link, at("IN", "AWAY", "ONE", "TWO"))
	case 8:
		return fmt.Sprintf("%s.set(master = %s)", link, w.pick("False", space+`.link("b0")`))
	case 9, 10:
		return fmt.Sprintf("%s.set(%s)", link,
			w.pick("mtu = 1000", "mtu = 1400", `mac = "02:00:00:00:00:42"`, `name = "renamed"`, `name = "x1"`,
				`alias = "an alias"`, "txqlen = 17", "group = 5", "up = False", "up = True",
				`mtu = 1280, name = "x0", alias = ""`))
	case 11:
		return fmt.Sprintf("addr(%s, %q)", link, prefix)
	case 12:
		return fmt.Sprintf("addr(%s, %q).delete()", link, prefix)
	case 13:
		return route
	case 14:
		return route + ".delete()"
	case 15, 16:
		return fmt.Sprintf("%s.set(ns = %s, %s)", link, at("IN", "IN", "ONE", "TWO"),
			w.pick("up = True", `name = "x0"`, "mtu = 1400"))
	}
	s := w.setting(w.pick(name, "all", "default"))
	return fmt.Sprintf("sysctl(%s, %q, %q)", space, s[0], s[1])
}

func (s *story) script(name string) string {
	names := strings.NewReplacer(`"IN"`, `"`+name+`"`, `"AWAY"`, `"`+name+`a"`, `"ONE"`, `"`+name+`x"`,
		`"TWO"`, `"`+name+`y"`)
	return names.Replace(strings.Join(s.lines, "\n") + "\n")
}

// run makes the world, runs the script and undoes it, and then undoes it once more, as who comes after a process that
// could write nothing of what it had undone. After both, all is as it was. It returns what is not, and how many changes
// there were.
func (s *story) run(t *testing.T, name string, patience time.Duration) (differs string, changes int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	god, err := kernel.Open()
	must(err)
	defer god.Close()
	spaces := []string{name, name + "a"}
	var made []*kernel.Namespace
	for _, space := range spaces {
		n, err := god.Make(space, false)
		must(err)
		must(god.GiveName(n))
		made = append(made, n)
	}
	defer func() {
		for _, n := range made {
			_, _ = god.Unpin(n.Ref())
			_ = god.TakeName(n.Ref())
		}
		for _, space := range append(spaces, name+"x", name+"y") { // what a failure left
			if n, err := god.OpenName(space); err == nil {
				_ = god.TakeName(n.Ref())
			}
			_ = os.Remove("/run/netns/" + space)
		}
	}()
	s.world.build(t, made[0], made[1])
	nstest.QuietNew(t, spaces...)
	before := nstest.Snapshot(t, spaces...)
	same := func(how string) bool {
		for i, n := range made {
			if !god.Leads(n.Ref()) {
				differs = how + ": " + spaces[i] + " is not the namespace that it was\n"
				return false
			}
		}
		for _, space := range []string{name + "x", name + "y"} {
			if _, err := os.Lstat("/run/netns/" + space); !errors.Is(err, os.ErrNotExist) {
				differs = how + ": " + space + " is there still\n"
				return false
			}
		}
		if diff := differing(t, before, patience, spaces); diff != "" {
			differs = how + ":\n" + diff
			return false
		}
		return true
	}
	undone := func(how string, u change.Undoing, err error) bool {
		if err != nil || len(u.Left) > 0 {
			differs = fmt.Sprintf("%s: %v, left: %v\n", how, err, u.Left)
		}
		return differs == "" && same(how)
	}

	dir := filepath.Join(t.TempDir(), "labs") // which is nsscript's own to make
	defer os.RemoveAll(dir)
	voc := All()
	p, err := voc.Parse("story.star", []byte(s.script(name)))
	must(err)
	run, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Dir: dir, Lab: "story", Stdout: io.Discard})
	must(err)
	defer run.Close()
	if err := run.Run(context.Background(), p); err != nil {
		return fmt.Sprintf("the script: %v\n", err), 0
	}
	if changes = run.Changes(); changes == 0 {
		return "", 0
	}
	file := filepath.Join(dir, "story", "journal")
	journal, err := os.ReadFile(file)
	must(err)
	recovered := func(how string) bool {
		labs := lab.Open(voc.Ops, dir)
		found, err := labs.Recover()
		// What another goroutine starts just then has the journal open until it is another program.
		for deadline := time.Now().Add(patience); err == nil && len(found) == 0 &&
			time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			found, err = labs.Recover()
		}
		if err != nil || len(found) != 1 {
			differs = fmt.Sprintf("%s: %d labs: %v\n", how, len(found), err)
			return false
		}
		return undone(how, found[0].Undoing, found[0].Err)
	}
	if s.dies {
		must(run.Close())
		if !recovered("undone by another process") {
			return differs, changes
		}
	} else if u, err := run.Rollback(); !undone("undone", u, err) {
		return differs, changes
	}
	must(os.MkdirAll(filepath.Dir(file), 0o700))
	must(os.WriteFile(file, journal, 0o600))
	recovered("undone twice")
	return differs, changes
}

// shrink drops lines of the script, and commands of the world, while what is left still fails.
func (s *story) shrink(t *testing.T, name, differs string) string {
	for again := true; again; {
		again = false
		for i := len(s.lines) - 1; i > 0; i-- { // the first one is the others' variable
			less := *s
			less.lines = slices.Delete(slices.Clone(s.lines), i, i+1)
			if d, _ := less.run(t, name, time.Second); d != "" {
				*s, differs, again = less, d, true
			}
		}
	}
	for i := len(s.world.parts) - 1; i >= 0; i-- {
		if line := s.world.parts[i].line; strings.Contains(line, "master b0") || strings.HasPrefix(line, "link add") {
			continue // a bridge that never had a port has a carrier that it does not get back
		}
		less, w := *s, *s.world
		w.parts = slices.Delete(slices.Clone(w.parts), i, i+1)
		less.world = &w
		if d, _ := less.run(t, name, time.Second); d != "" {
			*s, differs = less, d
		}
	}
	return differs
}

// TestStories runs scripts that nobody would write, by the whole of the runtime, and holds the state after each undoing
// against the state before.
func TestStories(t *testing.T) {
	eachSeed(t, *stories, func(t *testing.T, name string, seed uint64) (done int, differs func() string) {
		s := newStory(seed)
		text, done := s.run(t, name, 5*time.Second)
		if text == "" {
			return done, nil
		}
		return done, func() string {
			text = s.shrink(t, name, text)
			return fmt.Sprintf("the world:\n%sthe script (it dies: %v):\n%sthe difference: %s", s.world, s.dies,
				s.script(name), text)
		}
	})
}
