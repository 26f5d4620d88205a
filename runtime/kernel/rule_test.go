package kernel

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRestoreRule puts a rule back before two others of its priority, out of each state that an undoing which was
// killed can have left.
func TestRestoreRule(t *testing.T) {
	m := open(t)
	n, err := m.Make("rules", false)
	if err != nil {
		t.Fatal(err)
	}
	rules := map[byte]Entry{}
	for _, table := range []byte{'a', 'b', 'c'} {
		attrs := AppendAttr(nil, unix.FRA_PRIORITY, binary.NativeEndian.AppendUint32(nil, 50))
		attrs = AppendAttr(attrs, unix.FRA_TABLE, binary.NativeEndian.AppendUint32(nil, uint32(table)))
		head := ruleHead(unix.AF_INET)
		head[4], head[7] = table, unix.FR_ACT_TO_TBL
		rules[table] = Entry{NS: n.Ref(), Table: "rule", Msg: slices.Concat(head, attrs)}
	}
	order := func() (tables string) {
		all, err := n.Entries("rule", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if e.Number(unix.FRA_PRIORITY) == 50 {
				tables += string(rune(e.Number(unix.FRA_TABLE)))
			}
		}
		return tables
	}
	for _, state := range []string{"bc", "bca", "bcab", "cab", "cabc", "abc", "acb", "", "c"} {
		for order() != "" {
			if err := m.DelEntry(rules[order()[0]]); err != nil {
				t.Fatal(err)
			}
		}
		for _, table := range []byte(state) {
			if err := n.addEntry(ruleTable, rules[table].Msg); err != nil {
				t.Fatal(err)
			}
		}
		want := ""
		for _, table := range "abc" {
			if table == 'a' || slices.Contains([]rune(state), table) {
				want += string(table)
			}
		}
		if state == "acb" {
			want = state // somebody else has put them so
		}
		behind := [][]byte{rules['b'].Msg, rules['c'].Msg}
		if err := m.RestoreEntry(rules['a'], behind, nil); err != nil || order() != want {
			t.Errorf("%q became %q, want %q: %v", state, order(), want, err)
		}
	}
}
