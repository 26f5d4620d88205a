package builtins

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var nftDecl = runtime.Change("nft", "ruleset",
	"Changes the ruleset of a namespace by a text in nft(8)'s own language, all of it or nothing, as `nft -f` does; "+
		"reads the ruleset when no text is given. Undoing puts back what was there: tables that the text left alone "+
		"stay untouched, the others are made anew, with what their counters had. The program nft must be "+
		"installed.", &nftArgs{}).Needing("nft")

type nftArgs struct {
	NS   nsArg    `arg:"ns" doc:"namespace whose ruleset it is"`
	Text string   `arg:"text?" doc:"what to change, in the language of nft(8); commands that read or reset are refused"`
	_    struct{} `arg:"*"`
	runtime.Irreversible
}

func (a *nftArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.Text != "" {
		if word := readingWord(a.Text); word != "" {
			return nil, fmt.Errorf("nft: the text has the command %q: nft(ns) without a text reads the ruleset", word)
		}
		if err := tx.Apply(&changeRules{NS: a.NS.NSRef, Text: a.Text}); err != nil {
			return nil, a.place(tx, err)
		}
	}
	return &rulesetValue{tx.View, a.NS.NSRef}, nil
}

// nftSays is how nft(8) says where in its text something is wrong.
var nftSays = regexp.MustCompile(`(?m)^/dev/stdin:(\d+):(\d+)(?:-\d+)?: (?:Error: )?(.*)`)

// place finds what nft(8) says of the text in the script.
func (a *nftArgs) place(tx *runtime.Tx, err error) error {
	var said *kernel.NftError
	var k *kernel.Error
	if !errors.As(err, &said) || !errors.As(err, &k) {
		return err
	}
	m := nftSays.FindStringSubmatch(said.Said)
	if m == nil {
		return err
	}
	line, _ := strconv.Atoi(m[1])
	col, _ := strconv.Atoi(m[2])
	k.Err = fmt.Errorf("line %d of the text: %s", line, m[3])
	if lines := strings.Split(a.Text, "\n"); line > 0 && line <= len(lines) && k.Hint == "" {
		k.Hint = "it is about: " + strings.TrimSpace(lines[line-1])
	}
	if pos, ok := tx.InText("text", 1, line, col); ok {
		k.Hint = ""
		return &runtime.At{Pos: pos, Err: k}
	}
	return k
}

// readingWord is the first command of a text that changes nothing, or what undoing could not know of.
func readingWord(text string) string {
	for _, m := range statements(text) {
		if slices.Contains([]string{"list", "reset", "monitor", "describe", "export", "import"}, m) {
			return m
		}
	}
	return ""
}

// statements are the first words of a text's commands. In braces and quotes there are none.
func statements(text string) (words []string) {
	depth, first := 0, true
	for len(text) > 0 {
		c, rest := text[0], text[1:]
		switch {
		case c == '#':
			_, rest, _ = strings.Cut(text, "\n")
			first = first || depth == 0
		case c == '"':
			_, rest, _ = strings.Cut(rest, `"`)
		case c == '{':
			depth++
		case c == '}':
			depth--
			first = depth <= 0
		case c == '\n' || c == ';':
			first = depth <= 0
		case c == '\\' && strings.HasPrefix(rest, "\n"):
			rest = rest[1:]
		case first && c >= 'a' && c <= 'z':
			end := strings.IndexFunc(text, func(r rune) bool { return r < 'a' || r > 'z' })
			if end < 0 {
				end = len(text)
			}
			words, rest, first = append(words, text[:end]), text[end:], false
		case c != ' ' && c != '\t' && c != '\r':
			first = false
		}
		text = rest
	}
	return words
}

// changeRules changes the ruleset of a namespace by a text of nft(8)'s.
type changeRules struct {
	NS     kernel.NSRef    `json:"ns"`
	Text   string          `json:"text"`
	Before *kernel.Ruleset `json:"before,omitempty"` // nil in a namespace that is undone with it
	Loss   *kernel.Loss    `json:"loss,omitempty"`   // what of that the kernel would not take back
	// What makes the change without nft(8), when the text only says it; it is not needed to undo it.
	Msgs  []kernel.Nfmsg `json:"-"`
	After string         `json:"after,omitempty"` // the sum of what it came to, noted when it was made

	under []*kernel.Ruleset // what older changes of the run found
}

var (
	_ change.Checkable  = (*changeRules)(nil)
	_ change.Noter      = (*changeRules)(nil)
	_ change.Supersedes = (*changeRules)(nil)
)

func (o *changeRules) Kind() string             { return "nft" }
func (o *changeRules) Touches() []kernel.Object { return []kernel.Object{o.NS.Object()} }

func (o *changeRules) Claims() []change.Claim {
	return []change.Claim{change.ClaimKey(o.NS, "nftables ruleset")}
}

func (o *changeRules) Command() string {
	end := "EOF"
	for strings.Contains("\n"+o.Text+"\n", "\n"+end+"\n") {
		end += "F"
	}
	return execIn(o.NS, "nft -f - <<'"+end+"'\n"+strings.TrimSuffix(o.Text, "\n")+"\n"+end)
}

// Valid takes rulesets that a kernel could have shown.
func (o *changeRules) Valid() error {
	if o.Before == nil {
		return nil
	}
	return o.Before.Valid()
}

func (o *changeRules) Check(m *kernel.Machine, fresh bool) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	if !fresh {
		if o.Before, err = n.Ruleset(); err != nil {
			return err
		}
		if err = n.Restorable(o.Before, o.mayChange); err != nil && !errors.As(err, &o.Loss) {
			return err
		}
		if o.Loss != nil {
			o.Before = &kernel.Ruleset{Gen: o.Before.Gen}
		}
	}
	if o.Msgs != nil {
		err = n.ChangeRules(o.Msgs, false)
	} else {
		err = n.CheckRules(o.Text)
	}
	if err != nil {
		return err
	}
	if o.Loss != nil {
		return o.Loss
	}
	return nil
}

// mayChange reports whether the text can change a table of somebody's: it has its name, or none and changes all.
func (o *changeRules) mayChange(table string) bool {
	return slices.ContainsFunc([]string{table, "ruleset", "include", "$"}, func(word string) bool {
		return strings.Contains(o.Text, word)
	})
}

func (o *changeRules) Do(m *kernel.Machine) error {
	n, err := m.Namespace(o.NS)
	if err != nil {
		return err
	}
	if o.Msgs != nil {
		return n.ChangeRules(o.Msgs, true)
	}
	return n.ApplyRules(o.Text)
}

// Note sees what the change came to, by which undoing knows the ruleset again.
func (o *changeRules) Note(m *kernel.Machine) (any, error) {
	n, err := m.Namespace(o.NS)
	if err != nil || o.Before == nil {
		return nil, err
	}
	now, err := n.Ruleset()
	if err == nil {
		o.After = now.Sum()
	}
	return map[string]string{"after": o.After}, err
}

// Over has seen what an older change of the run found: undoing all of them once more finds it again.
func (o *changeRules) Over(older change.Op) {
	if c, ok := older.(*changeRules); ok && c.Before != nil && c.NS.Cookie == o.NS.Cookie {
		o.under = append(o.under, c.Before)
	}
}

// Undo knows the ruleset for the run's own by what it says, or by its generation: that is the next one after which the
// change found.
func (o *changeRules) Undo(m *kernel.Machine) error {
	n, err := m.Namespace(o.NS)
	if err != nil || o.Before == nil {
		return unlessGone(err)
	}
	now, err := n.Ruleset()
	if err != nil {
		return err
	}
	switch {
	case o.Loss != nil && now.Gen != o.Before.Gen:
		return o.Loss
	case o.Loss != nil || now.Same(o.Before) || slices.ContainsFunc(o.under, now.Same):
		return nil
	case now.Gen != o.Before.Gen+1 && now.Sum() != o.After:
		return &kernel.Error{Op: "restore ruleset", NS: n.Name(), Err: kernel.ErrDiverged}
	}
	return n.RestoreRuleset(o.Before, now)
}
