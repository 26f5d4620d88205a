package builtins

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// supportPage says of each kind of link and of each table what its laws have shown, on whichever kernel.
const supportPage = "../docs/support.md"

const supportHead = `# What is tried of each kind

Each cell is a test that has passed on the kernel that it names. The state of the whole sandbox before and after is
the same, as the kernel itself dumps it. 6.1-cloud and 6.12-cloud are Debian's kernels, in a virtual machine.

- **made**: and undone, once and again;
- **read back**: with all values that it was given;
- **changed**: each of the words that link.set takes; and undone. An entry of a table that nothing sets is deleted and
  added instead. What links are as ports, as ` + "`bridge_slave`" + `, and what is always there, as
  ` + "`mptcp_limits`" + `, is changed alone;
- **deleted**: and made again, as it was, when that is undone;
- **SIGKILL**: all of this by a process that is killed then, and undone by who finds its journal.

` + "`go test ./builtins -run TestOpLaws -update`" + ` writes what this machine's kernel shows, and
` + "`.ci/support`" + ` what Debian's does of the rest.

| | made | read back | changed | deleted | made again | undone | SIGKILL |
|---|---|---|---|---|---|---|---|
`

const holesHead = `
## What is missing, and why

| | Linux | |
|---|---|---|
`

const noBuiltin = `
## What has no builtin, and why

| | |
|---|---|
| ` + "`team`" + ` | what it does with its ports is set by a program of its own, teamd; a bond does the same by itself |
| ` + "`gtp`" + ` | its tunnels are in generic netlink, and the kernel does not show whose sockets it has; only linux-image-6.12-amd64 has it |
| ` + "`bareudp`" + `, ` + "`amt`" + ` | none of Debian's kernels has them, so nothing of them could be tried |
| keys of ` + "`macsec`" + ` | they are given by ` + "`run(ns, [\"ip\", \"macsec\", ...])`" + `, and go with the link |
`

// of is the kind or table that a law is about; "" for other laws.
func of(law string) string {
	words := strings.Fields(law)
	switch {
	case strings.HasPrefix(law, "link set type "):
		return words[3]
	case len(words) == 3 && words[0] == "link" && linkKinds[words[2]] != nil:
		return words[2]
	case entryKinds[words[0]] != nil || words[0] == "addr" || words[0] == "route":
		return words[0]
	}
	return ""
}

// readBack says what the kernel has otherwise than it was told.
func readBack(m *kernel.Machine, op change.Op) error {
	o, ok := op.(*addLink)
	if !ok {
		if kind := op.Kind(); of(kind) != "" && strings.HasSuffix(kind, " add") &&
			!errors.Is(op.Check(m, false), unix.EEXIST) {
			return errors.New("it is not found")
		}
		return nil
	}
	l, err := m.Read(o.LinkRef)
	if err != nil {
		return err
	}
	k := linkKinds[o.LinkSpec.Kind]
	for _, w := range k.words {
		if w.lower {
			continue
		}
		if given, have := w.read(o.Data), w.read(l.Info); given != nil &&
			(have == nil || have.value().String() != given.value().String()) {
			return fmt.Errorf("%s is %v, was given as %v", w.name, have, given)
		}
	}
	return nil
}

// writePages writes what is made of the outcomes, where that is at hand.
func (o outcomes) writePages(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{supportPage: o.page(), everyKind: o.everyKind()} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// about are the laws of each kind and table.
func about() map[string][]string {
	all := map[string][]string{}
	for _, l := range laws() {
		if of(l.name) != "" {
			all[of(l.name)] = append(all[of(l.name)], l.name)
		}
	}
	return all
}

// page is the whole text.
func (o outcomes) page() string {
	rows, holes := supportHead, holesHead
	laws := about()
	for _, name := range slices.Sorted(maps.Keys(laws)) {
		row, missing := o.row(name, laws[name])
		rows, holes = rows+row, holes+missing
	}
	return rows + holes + noBuiltin
}

// row is what has held of a kind or table, and what has not.
func (o outcomes) row(name string, laws []string) (row, holes string) {
	on := func(part func(law string) bool) string {
		var all []string
		for _, l := range laws {
			if part(l) && !slices.Contains(all, o.on(l)) {
				all = append(all, o.on(l))
			}
		}
		if slices.Contains(all, "") {
			return ""
		}
		return strings.Join(newestFirst(slices.Values(all)), ", ")
	}
	words := map[string][]string{}
	for _, l := range laws {
		word, sets := strings.CutPrefix(l, "link set type "+name+" ")
		if sets {
			words[o.on(l)] = append(words[o.on(l)], "`"+word+"`")
		}
		if o.on(l) != "" {
			continue
		}
		what := "`" + name + "`"
		if sets {
			what += " `" + word + "`"
		} else if !strings.HasPrefix(l, "link ") {
			what = "`" + l + "`"
		}
		for _, release := range newestFirst(maps.Keys(o[l])) {
			if sets && o[l][release] == o["link add "+name][release] {
				continue // there is nothing that could have it
			}
			hole := fmt.Sprintf("| %s | %s | %s |\n", what, release, o[l][release])
			if !strings.Contains(holes, hole) { // its deletion lacks what its making does
				holes += hole
			}
		}
	}
	delete(words, "")
	sets := func(law string) bool { return strings.HasPrefix(law, "link set type ") }
	entrySets := func(law string) bool { return law == name+" set" }
	adds := on(func(law string) bool { return !sets(law) && !entrySets(law) && !strings.Contains(law, " del") })
	dels := on(func(law string) bool { return !sets(law) && strings.Contains(law, " del") })
	var changed []string
	for _, release := range newestFirst(maps.Keys(words)) {
		part := release
		if len(changed) > 0 {
			part += ": " + strings.Join(words[release], ", ")
		}
		changed = append(changed, part)
	}
	k := kindNamed(name)
	all := on(func(law string) bool { return !sets(law) })
	switch {
	case k == nil && slices.ContainsFunc(laws, entrySets):
		changed = []string{on(entrySets)}
	case k == nil:
		changed = []string{all}
	case k.master != "":
		adds, dels, all = "", "", strings.Join(newestFirst(maps.Keys(words)), ", ")
	case !kernel.Remade(name):
		const why = "one that was there before is not made again: its deletion is refused as a loss"
		holes += fmt.Sprintf("| `%s` | | %s |\n", name, why)
		fallthrough
	default:
		if !slices.ContainsFunc(laws, sets) {
			changed = []string{"nothing can be"}
		}
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", name, adds, adds, strings.Join(changed, "; "),
		dels, dels, all, all), holes
}

// TestSupport holds the page against what is written down of laws.
func TestSupport(t *testing.T) {
	o := readOutcomes(t)
	laws := about()
	for law := range o {
		if !slices.Contains(laws[of(law)], law) {
			if delete(o, law); !*update {
				t.Errorf("%s has %s, which is no law", outcomeFile, law)
			}
		}
	}
	if *update {
		o.write(t)
		o.writePages(t)
	}
	for name, want := range map[string]string{supportPage: o.page(), everyKind: o.everyKind()} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is not what %s says (%v): go test ./builtins -run Support -update", name, outcomeFile,
				err)
		}
	}
}
